"""The one exception that a user is meant to read, and what no user may read in it."""

import os
import re
from collections.abc import Iterator
from shlex import quote
from urllib.parse import unquote, urlsplit

# Where people put addresses with a password, and secrets alone.
ADDRESSES = ("OPTUNA_STORAGE", "MLFLOW_TRACKING_URI", "MLFLOW_REGISTRY_URI", "MNIST_MIRROR",
             *(f"{kind}_proxy" for kind in ("http", "https", "all")),
             *(f"{kind}_PROXY" for kind in ("HTTP", "HTTPS", "ALL")))  # fmt: skip
SECRETS = ("MLFLOW_TRACKING_PASSWORD", "MLFLOW_TRACKING_TOKEN", "PGPASSWORD")

_USER = re.compile(r"\b((?!sqlite)[A-Za-z][A-Za-z0-9+.-]*://)[^\s'\"]*@")  # SQLite's addresses are files, without users
_QUERY = re.compile(
    r"([?&](?:user|password|passwd|pwd|sslpassword|token|secret|key|api_key)=)[^&\s'\"]*", re.IGNORECASE
)


def without_credentials(text: str) -> str:
    """`text` with `***` for users and passwords in its addresses, and wherever else the environment's own appear."""
    text = _QUERY.sub(r"\1***", _USER.sub(r"\1***@", text))
    for secret in _secrets():
        text = text.replace(secret, "***")
    return text


def _secrets() -> Iterator[str]:
    for name in SECRETS:
        if secret := os.environ.get(name):
            yield secret
    for name in ADDRESSES:
        try:
            password = urlsplit(os.environ.get(name, "")).password
        except ValueError:  # no address at all
            continue
        if password:
            yield password
            yield unquote(password)


# The environment's programs where the user's PATH has them not, and the folder that commands are for where the user's
# shell is in another: see `runnable`.
PROGRAMS, PLACE = "PIPELINE_PROGRAMS", "PIPELINE_PLACE"
_COMMAND = re.compile(r"(^|`|&& )((?:MLFLOW_TRACKING_URI=(?:'[^']*'|\S+) )?)(dvc|python|mlflow|optuna|git|rm)(?= )")


def runnable(text: str) -> str:
    """`text` with its commands, each in backticks or all of the text, as the user's own shell can run them.

    There the environment may not be activated, and the current folder may be another.
    """
    programs, place, home = (os.environ.get(name, "") for name in (PROGRAMS, PLACE, "PIPELINE_HOME"))

    def spelled(command: re.Match[str]) -> str:
        before, variable, program = command.groups()
        there = f"cd {quote(place)} && " if place and before != "&& " else ""
        if program in ("git", "rm"):
            return f"{before}{there}{program}"
        databases = f"PIPELINE_HOME={quote(home)} " if place and home else ""
        return f"{before}{there}{databases}{variable}{quote(f'{programs}/{program}') if programs else program}"

    return _COMMAND.sub(spelled, text)


class PipelineError(Exception):
    """A mistake that the user can mend. Its message says what is wrong, where, and what to do, but no password."""

    def __init__(self, message: str) -> None:
        super().__init__(without_credentials(message))


def why_closed(error: Exception) -> str:
    """In one line, why a database did not open."""
    missing = error if isinstance(error, ModuleNotFoundError) else error.__cause__  # Optuna wraps it
    if isinstance(missing, ModuleNotFoundError):
        return (
            f"it wants the driver {missing.name!r}, which is not installed: those of addresses that begin with "
            "postgresql:// or sqlite:/// are"
        )
    return str(error).split("\n")[0] or type(error).__name__


def storage_closed(url: str, error: Exception) -> PipelineError:
    """The Optuna storage at `url` did not open."""
    return PipelineError(f"cannot open the Optuna storage {url}: {why_closed(error)}; check OPTUNA_STORAGE")
