"""The processes of an embedded cluster: the driver's child that workers are forked from, and its children."""

import psutil

from pipeline import forkserver


def worker_processes(driver: psutil.Process) -> list[psutil.Process]:
    """Those of the driver's workers that live."""
    children = driver.children(recursive=True)
    if forkserver.AVAILABLE:
        servers = {child.pid for child in driver.children() if "forkserver" in command(child)}
        return [child for child in children if alive(child) and child.ppid() in servers]
    return [child for child in children if alive(child) and "spawn_main" in command(child)]


def alive(process: psutil.Process) -> bool:
    try:
        return bool(process.status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False


def command(process: psutil.Process) -> str:
    try:
        return " ".join(process.cmdline())
    except psutil.NoSuchProcess:
        return ""
