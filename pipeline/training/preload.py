"""The imports that all workers share, made once by the process that they are forked from (`forkserver`)."""

import gc
import signal
import sys
from types import TracebackType
from typing import Any

signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the driver to answer, also while this is imported

import distributed  # noqa: E402, F401

import pipeline.training.cluster  # noqa: E402, F401
from pipeline.training.process import tensorflow_silenced  # noqa: E402

# Keras imports both where it finds them, which takes longer than Keras itself, and no worker needs them.
absent: dict[str, Any] = {"sklearn": None, "matplotlib": None}
sys.modules.update(absent)
with tensorflow_silenced():
    import tensorflow as tf  # noqa: F401
for name in absent:
    del sys.modules[name]

# Keras collects garbage before it makes a network. Of TensorFlow's own objects, which are 440,000 and take a tenth of a
# second to go through, none ever is; and memory that the collector leaves alone stays shared.
gc.collect()
gc.freeze()


def _tell(kind: type[BaseException], error: BaseException, traceback: TracebackType | None) -> None:
    """As Python does, but not where a worker is to be made while the driver that asks for it ends."""
    if not issubclass(kind, OSError | EOFError):
        sys.__excepthook__(kind, error, traceback)


sys.excepthook = _tell
