"""TensorFlow's set-up: one thread, deterministic kernels, exact quotients, and not a word on the terminal."""

import os
import subprocess
import sys
from pathlib import Path
from typing import cast

import pytest

from pipeline.params.settings import Instructions
from pipeline.training.process import ENVIRONMENTS

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
    os.environ["ONEDNN_MAX_CPU_ISA"],
    os.environ["TF_ENABLE_ONEDNN_OPTS"],
    tf.config.threading.get_intra_op_parallelism_threads(),
    tf.config.threading.get_inter_op_parallelism_threads(),
    config.is_op_determinism_enabled(),
    tf.config.optimizer.get_experimental_options()["arithmetic_optimization"],
    os.environ["TF_CPP_MIN_LOG_LEVEL"],
)
tf.constant(1.0) + 1.0
"""


SET_BY_IT = {"TF_CPP_MIN_LOG_LEVEL", *ENVIRONMENTS["avx2"]}


def test_a_process_trains_in_one_thread_exactly_and_silently() -> None:
    environment = {name: value for name, value in os.environ.items() if name not in SET_BY_IT}
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT], cwd=ROOT, env=environment, check=True, capture_output=True, text=True
    )
    assert done.stdout.split() == ["AVX2", "0", "1", "1", "True", "False", "3"]
    assert done.stderr == "said by the process itself\n"


OTHERS = """
import os
import tensorflow
from pipeline.errors import PipelineError
from pipeline.training.process import configure_tensorflow
try:
    configure_tensorflow("avx2")
except PipelineError as error:
    print(error)
"""


def test_instructions_are_the_variables_that_tensorflow_reads() -> None:
    assert ENVIRONMENTS["avx2"] == {"ONEDNN_MAX_CPU_ISA": "AVX2", "TF_ENABLE_ONEDNN_OPTS": "0"}
    assert ENVIRONMENTS["native"] == {}


GPU = "/physical_device:GPU:0"
DEVICES = """
import sys
import tensorflow as tf
from pipeline.errors import PipelineError
from pipeline.training.process import configure_tensorflow, trained_by

calls = []
gpus = [tf.config.PhysicalDevice(f"/physical_device:GPU:{n}", "GPU") for n in range(int(sys.argv[2]))]
tf.config.list_physical_devices = lambda kind=None: gpus
tf.config.set_visible_devices = lambda devices, kind=None: calls.append(([device.name for device in devices], kind))
tf.config.experimental.set_memory_growth = lambda gpu, grows: calls.append((gpu.name, grows))
tf.config.experimental.get_device_details = lambda gpu: {"device_name": f"H100 of {gpu.name}"}
try:
    configure_tensorflow(sys.argv[1])
    bits = 10 if tf.config.experimental.tensor_float_32_execution_enabled() else 23
    print(calls, trained_by(sys.argv[1])[:30], "with", bits, "bits")
except PipelineError as error:
    print(error)
"""


@pytest.mark.parametrize(
    ("instructions", "gpus", "told"),
    [
        ("native", 2, "[([], 'GPU')] "),
        ("gpu", 2, f"[(['{GPU}'], 'GPU'), ('{GPU}', True)] H100 of {GPU} with 23 bits"),
        ("gpu", 0, "TensorFlow finds no GPU here, and training.instructions: gpu (params.yaml) wants one: "),
    ],
)
def test_a_gpu_is_used_where_it_is_asked_for_and_nowhere_else(instructions: str, gpus: int, told: str) -> None:
    """The list of devices is made up; without ours TensorFlow would take any GPU, whose last bits are others."""
    environment = {name: value for name, value in os.environ.items() if name not in SET_BY_IT}
    environment |= ENVIRONMENTS[cast(Instructions, instructions)]
    said = subprocess.run(
        [sys.executable, "-c", DEVICES, instructions, str(gpus)], cwd=ROOT, env=environment, check=True,
        capture_output=True, text=True,
    )  # fmt: skip
    assert said.stdout.startswith(told)


def test_native_is_what_no_variable_limits() -> None:
    """Variables that somebody has set are taken away before the import, and found out after it."""
    script = (
        "import os, sys\n"
        "from pipeline.errors import PipelineError\n"
        "from pipeline.training.process import configure_tensorflow\n"
        "if sys.argv[1] == 'imported': import tensorflow\n"
        "try: configure_tensorflow('native')\n"
        "except PipelineError as error: print('refused')\n"
        "print(sorted(name for name in os.environ if name.startswith('ONEDNN')))\n"
    )
    said = [
        subprocess.run(
            [sys.executable, "-c", script, when], cwd=ROOT, check=True, capture_output=True, text=True,
            env=os.environ | {"TF_CPP_MIN_LOG_LEVEL": "3"} | dict(ENVIRONMENTS["avx2"]),
        ).stdout.split("\n")[:-1]
        for when in ("before", "imported")
    ]  # fmt: skip
    assert said == [["[]"], ["refused", "['ONEDNN_MAX_CPU_ISA']"]]


def test_a_process_that_has_tensorflow_for_other_instructions_does_not_train() -> None:
    """They are read when it is imported, so it would multiply by others than asked for."""
    environment = {name: value for name, value in os.environ.items() if name not in ENVIRONMENTS["avx2"]}
    said = [
        subprocess.run(
            [sys.executable, "-c", OTHERS], cwd=ROOT, check=True, capture_output=True, text=True,
            env=environment | {"TF_CPP_MIN_LOG_LEVEL": "3"} | given,
        ).stdout
        for given in ({"ONEDNN_MAX_CPU_ISA": "AVX512_CORE", "TF_ENABLE_ONEDNN_OPTS": "0"}, dict(ENVIRONMENTS["avx2"]))
    ]  # fmt: skip
    assert said == [
        "this process has imported TensorFlow with {'ONEDNN_MAX_CPU_ISA': 'AVX512_CORE'}, training.instructions avx2 "
        "(params.yaml) wants {'ONEDNN_MAX_CPU_ISA': 'AVX2', 'TF_ENABLE_ONEDNN_OPTS': '0'}: start it again with that in "
        "its environment\n",
        "",
    ]
