"""TensorFlow's set-up: one thread, deterministic kernels, exact quotients, and not a word on the terminal."""

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
SCRIPT = """
import os, sys
from pipeline.training.process import configure_tensorflow
configure_tensorflow("avx2")
print("said by the process itself", file=sys.stderr)
import tensorflow as tf
from tensorflow.python.framework import config
configure_tensorflow("avx2")  # as for the next training in the same process
print(
    tf.config.threading.get_intra_op_parallelism_threads(),
    tf.config.threading.get_inter_op_parallelism_threads(),
    config.is_op_determinism_enabled(),
    tf.config.optimizer.get_experimental_options()["arithmetic_optimization"],
    os.environ["TF_CPP_MIN_LOG_LEVEL"],
)
tf.constant(1.0) + 1.0
"""


def test_a_process_trains_in_one_thread_exactly_and_silently() -> None:
    environment = {name: value for name, value in os.environ.items() if name != "TF_CPP_MIN_LOG_LEVEL"}
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT], cwd=ROOT, env=environment, check=True, capture_output=True, text=True
    )
    assert done.stdout.split() == ["1", "1", "True", "False", "3"]
    assert done.stderr == "said by the process itself\n"
