"""TensorFlow's set-up in a process that trains or predicts."""

from __future__ import annotations

import contextlib
import logging
import os
import sys
from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING

from pipeline.errors import PipelineError
from pipeline.training.cache_sizes import set_cache_sizes
from pipeline.training.machine import processor

if TYPE_CHECKING:
    from pipeline.params.settings import Instructions

# Which instructions TensorFlow multiplies matrices by, in variables that it reads when it is imported. Matrices go
# through a library, oneDNN, that has a kernel for every generation of processors, each with other last bits; the first
# variable keeps it from those after AVX2. The second one keeps TensorFlow itself from asking the processor whether to
# use operations of that library's own, which only those with AVX-512 do.
_AVX2 = MappingProxyType({"ONEDNN_MAX_CPU_ISA": "AVX2", "TF_ENABLE_ONEDNN_OPTS": "0"})
ENVIRONMENTS: Mapping[Instructions, Mapping[str, str]] = MappingProxyType({
    "avx2": _AVX2,
    "native": MappingProxyType({}),
    "gpu": _AVX2,  # for what the processor does beside it
})  # fmt: skip


@contextlib.contextmanager
def tensorflow_silenced() -> Iterator[None]:
    """For the import of TensorFlow: unless the user asks for its log, it leaves the terminal to the progress bar.

    It logs every training's graph, which its own variable stops, and advice against many graphs, which are one for each
    model here. While it is loaded come half a dozen lines about the processor, which nothing stops: they are written by
    C++ before that variable is read. Hence the file descriptor.
    """
    level = os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    if "tensorflow" in sys.modules or level != "3":
        yield
        return
    logging.getLogger("tensorflow").setLevel(logging.ERROR)
    stderr = os.dup(2)
    with open(os.devnull, "w", encoding="utf-8") as nowhere:
        os.dup2(nowhere.fileno(), 2)
    try:
        yield
    finally:
        os.dup2(stderr, 2)
        os.close(stderr)


def configure_tensorflow(instructions: Instructions) -> None:
    """One thread, deterministic kernels and these instructions, before TensorFlow's first operation in this process.

    One thread a process and a process a core is both reproducible and, on small networks, the fastest. Raises
    PipelineError in a process that has imported TensorFlow for other instructions, on an unfit processor, and where a
    GPU is asked for and there is none.
    """
    wanted = {name: ENVIRONMENTS[instructions].get(name) for name in ENVIRONMENTS["avx2"]}
    if "tensorflow" not in sys.modules:
        for name, value in wanted.items():
            os.environ.pop(name, None)
            os.environ |= {name: value} if value is not None else {}
    elif other := {name: os.environ.get(name) for name in wanted if os.environ.get(name) != wanted[name]}:
        raise PipelineError(
            f"this process has imported TensorFlow with {other}, training.instructions {instructions} (params.yaml) "
            f"wants {dict(wanted)}: start it again with that in its environment"
        )
    with tensorflow_silenced():
        import tensorflow as tf

    import keras

    # ~/.keras/keras.json may say others. The backend has been set when the package was imported.
    keras.config.set_floatx("float32")
    keras.config.set_epsilon(1e-7)
    keras.config.set_image_data_format("channels_last")
    keras.mixed_precision.set_dtype_policy("float32")
    _choose_device(instructions)
    tf.config.threading.set_intra_op_parallelism_threads(1)
    tf.config.threading.set_inter_op_parallelism_threads(1)
    tf.config.experimental.enable_op_determinism()
    # It would make a product with `rsqrt` of the division by a root in RMSprop. Processors have an instruction for that
    # which is not exact, and AMD's and Intel's give other bits; roots and quotients are exact in TensorFlow's wheels,
    # and so the same on both.
    tf.config.optimizer.set_experimental_options({"arithmetic_optimization": False})
    if instructions == "avx2":
        set_cache_sizes()


def _choose_device(instructions: Instructions) -> None:
    """The first GPU that this process sees, which it shares with other workers; or none, whatever the machine has."""
    import tensorflow as tf

    gpus = tf.config.list_physical_devices("GPU")[:1] if instructions == "gpu" else []
    if instructions == "gpu" and not gpus:
        raise PipelineError(
            "TensorFlow finds no GPU here, and training.instructions: gpu (params.yaml) wants one: see docs/cluster.md "
            "for what it needs, or set avx2"
        )
    try:
        tf.config.set_visible_devices(gpus, "GPU")
        for gpu in gpus:
            tf.config.experimental.set_memory_growth(gpu, True)
    except RuntimeError as error:  # TensorFlow has begun on other devices
        raise PipelineError(
            f"this process has used other devices than training.instructions: {instructions} (params.yaml) wants: "
            "start it again"
        ) from error
    if gpus:  # whose products of matrices would have 10 bits instead of 23
        tf.config.experimental.enable_tensor_float_32_execution(False)


def trained_by(instructions: Instructions) -> str:
    """The processor or the GPU that trains in this process, for people, as it decides last bits."""
    if instructions != "gpu":
        return processor()
    import tensorflow as tf

    gpu, *_ = tf.config.list_physical_devices("GPU")
    details = tf.config.experimental.get_device_details(gpu)
    return str(details.get("device_name", gpu.name))
