"""The addresses of MLflow's pages; that they open the right ones is in test_browser.py."""

from pathlib import Path

import pytest

from pipeline.tracking.links import experiment_pages, main
from pipeline.tracking.run_store import RunStore


def test_each_experiment_has_its_address(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert experiment_pages() == {}
    for name in ("mnist-rnn", "mine"):
        RunStore(name)
    pages = {
        "mine": "http://127.0.0.1:5000/#/experiments/2/runs?workflowType=machine_learning",
        "mnist-rnn": "http://127.0.0.1:5000/#/experiments/1/runs?workflowType=machine_learning",
    }
    assert experiment_pages() == pages
    main()
    assert capsys.readouterr().out == "".join(f"  {name}: {page}\n" for name, page in pages.items())
