"""A study on hosts that share neither address nor disk, one of which is cut off, is the study on one machine."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.hosts.__main__ import OWN

ROOT = Path(__file__).parents[2]


@pytest.mark.cluster
def test_a_host_cut_off_and_one_that_joins_change_nothing(tmp_path: Path) -> None:
    for program in ("ip", "unshare", "nsenter"):
        if shutil.which(program) is None:
            pytest.skip(f"{program} is not installed: Debian's iproute2 and util-linux have it")
    trial = subprocess.run([*OWN, "ip", "link", "add", "hosts", "type", "bridge"], capture_output=True, text=True)
    if trial.returncode != 0:
        pytest.skip(f"this machine lets nobody make hosts: {trial.stderr.strip()}")
    done = subprocess.run(
        [sys.executable, "-m", "tests.hosts", str(tmp_path)], cwd=ROOT, capture_output=True, text=True, timeout=1200
    )
    assert done.returncode == 0, done.stderr[-3000:]
    assert done.stdout.splitlines() == [
        "worker-1 is cut off while it trains",
        "the second driver is told who holds the study",
        "10 trials, the same to the byte",
    ]
