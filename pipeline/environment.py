"""What the last bits of a training depend on besides its arguments, and the rest of what it ran on."""

import importlib.metadata
import platform
from pathlib import Path

from pipeline.training import SEMANTICS_VERSION


def environment() -> dict[str, str]:
    """What the last bits of a training depend on besides its arguments."""
    return {"processor": _processor()} | training_versions()


def surroundings() -> dict[str, str]:
    """The environment, and what changes no result but helps to understand one."""
    return environment() | {"python": platform.python_version(), "mlflow": importlib.metadata.version("mlflow")}


def training_versions(*more: str) -> dict[str, str]:
    """What decides how the same numbers train: the meaning of our own code, and the libraries' versions."""
    versions = {package: importlib.metadata.version(package) for package in ("tensorflow", "keras", *more)}
    return versions | {"semantics": str(SEMANTICS_VERSION)}


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except FileNotFoundError:  # not Linux
        return platform.processor() or platform.machine()
    return next((line.partition(": ")[2] for line in lines if line.startswith("model name")), platform.machine())
