"""Odd terminals, pipes, disks and encodings, in processes of their own: lines or nothing, never a traceback."""

import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from tests.helpers.hostile.texts import SMALL_TEXT

ROOT = Path(__file__).parents[2]
NARROW, PLAIN = {"COLUMNS": "60"}, {"LANG": "C", "LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
LINES: tuple[tuple[str, dict[str, str]], ...] = (
    ("--help", NARROW),
    ("--help", PLAIN),
    ("--help | head -1", {}),
    ("--help >&-", {}),
    ("--help > /dev/full", {}),
    ("study --help", {"PYTHONIOENCODING": "ascii", "COLUMNS": "20"}),
    ("quick --help", {"PYTHONIOENCODING": "latin-1", "TERM": "dumb"}),
    ("doctor | head -1", NARROW),
    ("doctor | head -c 1", PLAIN),
    ("doctor > /dev/full", {}),
    ("doctor >&-", {}),
    ("prepare 2>&-", {}),
    ("prepare 2> /dev/full", {}),
    ("prepare", PLAIN | NARROW),
    ("study größe×", {"PYTHONIOENCODING": "ascii"}),
    ("study $'\\xff\\x1b[31m'", {}),
    ("predict $'\\xff.csv'", PLAIN),
    ("quick --dataset $'\\xff.csv'", PLAIN),
    ("quick --dataset $'\\xff.csv' --folder $'\\xfe'", {}),
    ("quick --dataset mnist5k --folder .", {}),
    ("quick --dataset mnist5k --folder ..", {}),
    ("quick --dataset mnist5k --folder params.yaml", {}),
    ("quick --dataset mnist5k --folder /proc/nothing/x", {}),
    ("show one", {"PIPELINE_HOME": "/proc"}),
    ("show one", {"MLFLOW_TRACKING_URI": "http://[::"}),
    ("show one", {"MLFLOW_TRACKING_URI": "nothing://x"}),
    ("show $(printf 'x%.0s' {1..5000})", {}),
    ("recommend --min-accuracy nan", NARROW),
)


def test_terminals_pipes_and_disks_of_all_kinds_get_lines_or_nothing(tmp_path: Path) -> None:
    folders = [tmp_path / f"line-{number}" / "project" for number in range(len(LINES))]

    def run(number: int) -> subprocess.CompletedProcess[bytes]:
        arguments, environment = LINES[number]
        folders[number].mkdir(parents=True)
        (folders[number] / "params.yaml").write_text(SMALL_TEXT, encoding="utf-8")
        plain = {name: value for name, value in os.environ.items() if name not in ("PIPELINE_HOME", "COLUMNS")}
        plain |= {"PYTHONPATH": str(ROOT), "MNIST_MIRROR": str(tmp_path / "absent")}
        return subprocess.run(
            ["bash", "-c", f'"$0" -m pipeline {arguments}', sys.executable],
            cwd=folders[number],
            env=plain | environment,
            capture_output=True,
            timeout=400,
        )

    with ThreadPoolExecutor(2) as pool:
        finished = list(pool.map(run, range(len(LINES))))
    for (arguments, _), process in zip(LINES, finished, strict=True):
        told = (process.stdout + process.stderr).decode(errors="replace")
        assert "Traceback" not in told, f"{arguments}: {told}"
        assert "Exception ignored" not in told, f"{arguments}: {told}"
        assert process.returncode in (0, 1, 2), f"{arguments}: {process.returncode}, {told}"
        assert len(process.stderr) < 5000, f"{arguments}: {told}"
    assert all((folder / "params.yaml").read_text(encoding="utf-8") == SMALL_TEXT for folder in folders)
