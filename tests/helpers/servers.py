"""Web servers at a project's root, as README.md starts them but on a free port, and a browser to look at them."""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import requests

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

CHROMIUM = Path("/usr/bin/chromium")  # Debian's; Playwright's own would be another download
CHROMIUM_OPTIONS = [
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync",
]  # fmt: skip
needs_chromium = pytest.mark.skipif(
    not CHROMIUM.exists() and os.environ.get("CI") != "true",
    reason=f"{CHROMIUM} is not there: install it with `apt-get install chromium`",
)
PATIENCE = 240  # seconds for a server to start; it takes 10 on a machine that does nothing else


def free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port: int = free.getsockname()[1]
        return port


@dataclass
class Server:
    """A server with `home` as its folder. `command` goes on with its port; `page` answers when it is ready."""

    home: Path
    command: list[str]
    page: str
    port: int = field(default_factory=free_port)
    process: subprocess.Popen[bytes] | None = None

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def start(self) -> None:
        log_file = self.home.parent / f"server-{self.port}.log"
        programs = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])  # MLflow starts some by name
        lean = os.environ | {"MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false", "PATH": programs}
        lean.pop("MLFLOW_TRACKING_URI", None)
        with log_file.open("w") as log:
            self.process = subprocess.Popen(
                [*self.command, str(self.port)], cwd=self.home, env=lean, stdout=log, stderr=log, start_new_session=True
            )
        deadline = time.monotonic() + PATIENCE
        while not answers(self.address + self.page):
            assert self.process.poll() is None, log_file.read_text()
            assert time.monotonic() < deadline, log_file.read_text()
            time.sleep(0.2)

    def kill(self) -> None:
        if self.process is not None:
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait(timeout=30)
            self.process = None


def answers(url: str) -> bool:
    try:
        return requests.get(url, timeout=2).ok
    except requests.RequestException:
        return False


def mlflow_server(home: Path, verb: str = "server", *options: str) -> Server:
    """`mlflow server` or `mlflow ui`, over mlflow.db in `home`; one process answers as well as MLflow's four."""
    command = [sys.executable, "-m", "mlflow", verb, *options, "--host", "127.0.0.1", "--workers", "1", "--port"]
    return Server(home, command, "/health")


def optuna_dashboard(home: Path) -> Server:
    """`optuna-dashboard`, over optuna.db in `home`."""
    program = Path(sys.executable).with_name("optuna-dashboard")
    return Server(home, [str(program), "--host", "127.0.0.1", "sqlite:///optuna.db", "--port"], "/dashboard/")


@contextmanager
def serving(server: Server) -> Iterator[str]:
    """The address of a server that runs meanwhile."""
    try:
        server.start()
        yield server.address
    finally:
        server.kill()


@contextmanager
def chromium() -> Iterator["Browser"]:
    """Debian's Chromium, without a window."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=CHROMIUM_OPTIONS)
        try:
            yield browser
        finally:
            browser.close()


@contextmanager
def browser_page(width: int = 1400, height: int = 900) -> Iterator["Page"]:
    """An empty page, `width` × `height` pixels, in Debian's Chromium."""
    with chromium() as browser:
        page = browser.new_page(viewport={"width": width, "height": height})
        page.set_default_timeout(60_000)  # milliseconds; a loaded machine is no reason to fail
        yield page
