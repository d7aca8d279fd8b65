"""The one exception that a user is meant to read, how damage becomes one, and what no user may read in it."""

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from shlex import quote
from urllib.parse import parse_qsl, unquote, urlsplit

SQLITE_CURES = {  # by a word of its own
    "locked": "another program holds it: let that finish, or end it, and run the same command again",
    "full": "free some space, and run the same command again; finished trainings are kept",
    "readonly": "give yourself the right to write it (ls -l shows whose it is)",
}
LONGEST = 1000  # characters; a file may have names of columns or labels of any length

_USER = re.compile(r"\b((?!sqlite)[A-Za-z][A-Za-z0-9+.-]*://)[^\s'\"]*@")  # SQLite's addresses are files, without users
_SECRET_KEYS = r"[\w.-]*(?:password|passwd|pwd|token|secret|key|signature|sig|credential)"  # in an address's query
_QUERY = re.compile(rf"([?&](?:user|{_SECRET_KEYS})=)[^&\s'\"]*", re.IGNORECASE)
# Names of variables that hold nothing but a secret, such as MLFLOW_TRACKING_PASSWORD, PGPASSWORD or HF_TOKEN.
_NO_SECRETS = ("true", "false", "yes", "no", "on", "off", "none", "null", "0", "1")  # as in REQUIRE_TOKEN=true
_SECRET_NAME = re.compile(r"(PASSWORD|PASSWD|SECRET|TOKEN|(SECRET|ACCESS|API)_?KEY)$", re.IGNORECASE)


def without_credentials(text: str) -> str:
    """`text` with `***` for users and passwords in its addresses, and wherever else the environment's own appear."""
    text = _QUERY.sub(r"\1***", _USER.sub(r"\1***@", text))
    for secret in _secrets():
        text = re.sub(_as_secret(secret), "***", text)
    return text


def _as_secret(secret: str) -> str:
    """A pattern that finds a secret, but not the letters of a short or plain one in ordinary words."""
    letters = re.escape(secret)
    if len(secret) < 4:  # only between the signs that stand around passwords
        return rf"""(?<=[:='"]){letters}(?=[@'"&;,)\s]|$)"""
    if secret.isalpha():
        return rf"(?<![A-Za-z]){letters}(?![A-Za-z])"
    return letters


def _secrets() -> Iterator[str]:
    """The environment's secrets: of variables that are named so, and the passwords in addresses, as they are written
    and as they are meant."""
    for name, value in os.environ.items():
        if value and _SECRET_NAME.search(name) and value.lower() not in _NO_SECRETS:
            yield value
        if "@" not in value and "?" not in value:
            continue
        is_proxy = name.lower().endswith("_proxy") and "://" not in value
        try:
            parts = urlsplit(f"http://{value}" if is_proxy else value)
            written = [parts.password] if parts.scheme else []
            written += [text for key, text in parse_qsl(parts.query) if re.fullmatch(_SECRET_KEYS, key, re.IGNORECASE)]
        except ValueError:  # no address at all
            continue
        for secret in filter(None, written):
            yield secret
            yield unquote(secret)


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
    reason = why_closed(error)
    cure = next((cure for word, cure in SQLITE_CURES.items() if word in reason), "check OPTUNA_STORAGE")
    return PipelineError(f"cannot open the Optuna storage {url}: {reason}; {cure}")


def unfit(path: Path, how: str) -> PipelineError:
    """The error that says what is wrong with the file at `path`; a long text loses its middle."""
    if len(how) > LONGEST:
        how = f"{how[: LONGEST // 2]} … {how[-LONGEST // 2 :]}"
    return PipelineError(f"{path}: {how}")


def made_again(path: Path) -> str:
    """The end of a sentence about a file that DVC's stages make."""
    return f"; `rm {quote(str(path))} && dvc repro` makes it again"


@contextmanager
def damage(path: Path, how: str, cure: str = "") -> Iterator[None]:
    """Around a library that decodes a file: whatever it raises, the file is unfit; `cure` is the sentence's end.

    A file that is not there, or that may not be read, stays what it is, and so does memory that is full.
    """
    try:
        yield
    except (PipelineError, MemoryError, FileNotFoundError, PermissionError, IsADirectoryError):
        raise
    except Exception as error:  # of any type: nobody has foreseen everything that damaged bytes can do
        reason = " ".join(str(error).split())[:200] or type(error).__name__
        raise unfit(path, f"{how} ({reason}){cure}") from error
