"""A stream of sensors to classify, as anybody's .npz: four kinds of movement, seen by a few noisy sensors.

python -m tests.helpers.sensors FILE.npz
"""

import sys
from pathlib import Path

import numpy as np

FREQUENCIES = (1.0, 1.5, 2.0, 3.0)  # oscillations per sequence, one per class


def write_sensor_stream(path: Path, samples: int = 1200, timesteps: int = 24, features: int = 3, seed: int = 0) -> None:
    """Write `x` float32 (samples, timesteps, features) and `y` int64 (samples,) to `path`.

    Each sensor sees the movement with a gain and a delay of its own; every sequence starts at a random phase.
    """
    rng = np.random.default_rng(seed)
    y = rng.integers(0, len(FREQUENCIES), samples)
    gains, delays = rng.uniform(0.5, 1.5, features), rng.uniform(0, 1, features)
    time = np.arange(timesteps)[None, :, None] / timesteps
    phases = rng.uniform(0, 1, (samples, 1, 1))
    cycles = np.asarray(FREQUENCIES)[y][:, None, None] * time + phases + delays
    x = gains * np.sin(2 * np.pi * cycles) + rng.normal(0, 0.3, (samples, timesteps, features))
    np.savez(path, x=x.astype(np.float32), y=y)


if __name__ == "__main__":
    write_sensor_stream(Path(sys.argv[1]))
