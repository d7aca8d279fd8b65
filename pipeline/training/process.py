"""TensorFlow's set-up in a process that trains or predicts."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Iterator


@contextlib.contextmanager
def tensorflow_silenced() -> Iterator[None]:
    """For the import of TensorFlow: unless the user asks for its log, it leaves the terminal to the progress bar.

    It logs every training's graph, which its own variable stops, and while it is loaded half a dozen lines about the
    processor, which nothing stops: they come from C++ before that variable is read. Hence the file descriptor.
    """
    level = os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    if "tensorflow" in sys.modules or level != "3":
        yield
        return
    stderr = os.dup(2)
    with open(os.devnull, "w", encoding="utf-8") as nowhere:
        os.dup2(nowhere.fileno(), 2)
    try:
        yield
    finally:
        os.dup2(stderr, 2)
        os.close(stderr)


def configure_tensorflow() -> None:
    """One thread and deterministic kernels, before TensorFlow's first operation in this process.

    One thread a process and a process a core is both reproducible and, on small networks, the fastest.
    """
    with tensorflow_silenced():
        import tensorflow as tf

    tf.config.threading.set_intra_op_parallelism_threads(1)
    tf.config.threading.set_inter_op_parallelism_threads(1)
    tf.config.experimental.enable_op_determinism()
    # It would make a product with `rsqrt` of the division by a root in RMSprop. Processors have an instruction for that
    # which is not exact, and AMD's and Intel's give other bits; roots and quotients are exact in TensorFlow's wheels,
    # and so the same on both.
    tf.config.optimizer.set_experimental_options({"arithmetic_optimization": False})
