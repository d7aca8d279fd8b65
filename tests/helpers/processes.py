"""The processes of an embedded cluster: the driver's child that workers are forked from, and its children."""

import psutil

from pipeline.training import forkserver


def worker_processes(driver: psutil.Process) -> list[psutil.Process]:
    """Those of the driver's workers that live."""
    children = driver.children()
    if not forkserver.AVAILABLE:
        return [child for child in children if "spawn_main" in _command(child)]
    grandchildren = [process for process in driver.children(recursive=True) if process not in children]
    return [process for process in grandchildren if "forkserver" in _command(process)]


def _command(process: psutil.Process) -> str:
    try:
        return " ".join(process.cmdline())
    except psutil.NoSuchProcess:  # or a zombie
        return ""
