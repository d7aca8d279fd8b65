"""Command lines of all kinds of sense, and the folders in which they are given."""

import os
import random
import shutil
from functools import cache
from pathlib import Path

from tests.helpers.hostile.texts import SMALL_TEXT
from tests.helpers.mutations import SCALARS
from tests.helpers.trying import Case

ROOT = Path(__file__).parents[2]
VERBS = (
    "download", "prepare", "study", "champion", "evaluate", "report", "recommend", "predict", "show",
    "rebuild-tracking",
    "verify", "quick", "doctor",
)  # fmt: skip
OPTIONS: dict[str, tuple[str, ...]] = {
    "predict": ("--show",),
    "recommend": ("--max-parameters", "--max-predict-ms", "--min-accuracy"),
    "verify": ("--trials", "--sample"),
    "quick": ("--folder", "--minutes"),
}
STRAY = ("--help", "--nothing", "-h", "--", "--version", "--install-completion", "--sample", "--dataset")
NUMBERS = (
    "0",
    "1",
    "-1",
    "0.5",
    "0.98",
    "1e-05",
    "1e400",
    "nan",
    "inf",
    "99999999999999999999",
    "3,7",
    "3,,x",
    "x",
    "",
)
WORDS = (
    "one", "two", "race", "search#3", "one#99999999999999999999", "#", "mine.npz", "absent.csv", "~nobody/x.csv", "0",
    "-1", "0.5", "1e-05", "3,7",
    "3,,x", "a" * 32, "." , "/", "/dev/null", "data", "params.yaml", "\udcff.csv", "a\nb",
    *(text for text in SCALARS if "\x00" not in text and len(text) < 100),
)  # fmt: skip


def command_line(folder: Path, rng: random.Random) -> Case:
    """A verb or none, options and words that fit it or not, in an empty folder or one with some of a project in it."""
    verb = rng.choice((*VERBS, "", "trian", "STUDY"))
    words = [rng.choice((*STRAY, *WORDS)) for _ in range(rng.choice((0, 0, 0, 0, 1, 2)))]
    for option in OPTIONS.get(verb, ()):
        words += [option, rng.choice((*NUMBERS, *WORDS[-3:]))] * (rng.random() < 0.6)
    if verb in ("study", "verify", "show", "predict") and rng.random() < 0.9:
        words.insert(0, rng.choice(WORDS))
    if verb in ("quick", "doctor"):  # minutes of work, and of waiting for servers, are for tests of their own
        words += ["--dataset", rng.choice(("absent.npz", "x", "", "~nobody/x.ts", "params.yaml", "/dev/null"))] * (
            verb == "quick"
        )
        words += ["--help"] * (verb == "doctor")
    arguments = [word for word in [verb, *words] if word or rng.random() < 0.5]
    where = rng.choice(("empty", "params", "damaged", "prepared", "prepared"))

    def run() -> None:
        from pipeline.cli import app

        home = Path.cwd()
        os.chdir(_folders()[where])
        try:
            app(arguments)
        except SystemExit as end:
            if end.code:
                import typer

                raise typer.Exit(int(end.code)) from end
        finally:
            os.chdir(home)

    return Case(f"{where}: {arguments}", run, "")


@cache
def _folders() -> dict[str, Path]:
    """An empty folder, and those with a params.yaml, with a damaged one, and with prepared sequences."""
    from pipeline.commands import download, prepare
    from pipeline.params.document import load_params
    from tests.helpers.sensors import write_sensor_stream

    folders = {name: Path(name).resolve() for name in ("empty", "params", "damaged", "prepared")}
    for folder in folders.values():
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir()
    shutil.copy(ROOT / "params.yaml", folders["params"])
    (folders["damaged"] / "params.yaml").write_text("data: [", encoding="utf-8")
    text = SMALL_TEXT.replace("mine.csv", "mine.npz").replace("validation: 0.2", "validation: 6")
    (folders["prepared"] / "params.yaml").write_text(text, encoding="utf-8")
    home = Path.cwd()
    os.chdir(folders["prepared"])
    write_sensor_stream(Path("mine.npz"), samples=60, timesteps=4)
    params = load_params()
    download.run(params)
    prepare.run(params)
    os.chdir(home)
    return folders
