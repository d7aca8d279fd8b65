"""The commands: one verb per stage, and others that look after the pipeline.

Modules are imported by the verb that needs them: `--help` answers at once, a mistake in params.yaml is found
before any library is loaded, and no stage pays for another's libraries.
"""

from __future__ import annotations

import atexit
import errno
import gc
import io
import os
import sys
import traceback
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from pipeline import __version__, paths
from pipeline.errors import LONGEST, PLACE, PROGRAMS, PipelineError, runnable, without_credentials

if TYPE_CHECKING:
    from pipeline.params.document import Params

CURES = {
    errno.ENOSPC: ": free some space, and run the same command again; earlier results are as they were",
    errno.EDQUOT: ": the quota is used up; free some space, and run the same command again",
    errno.EROFS: ": work in a copy of the project that can be written",
    errno.EACCES: ": give yourself the right to it (ls -l shows whose it is), and run the same command again",
    errno.EPERM: ": give yourself the right to it (ls -l shows whose it is), and run the same command again",
    errno.ENOTDIR: ": something else than a folder is in the way; move it",
    errno.EISDIR: ": a folder is in the way of a file; move it",
    errno.EBADF: ": standard output is closed, nobody would get the answer; run the same command with it open",
}
DATABASES = ("sqlalchemy", "sqlite3", "optuna", "mlflow", "psycopg", "alembic")

Json = Annotated[
    bool,
    typer.Option("--json", help="One JSON document on standard output, notes on standard error; see docs/using.md."),
]

STAGES = "Stages, in the order in which dvc.yaml runs them"
CARE = "Looking after it"

app = typer.Typer(
    help="How big should my recurrent network be? `dvc repro` runs the stages that are out of date; "
    "each verb below runs one of them, whether it is or not. All of them obey params.yaml.",
    epilog="`make quick` tries everything in minutes; `make ui` shows every run.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)


def main() -> None:
    """Run the command line."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")  # a terminal that has no × shows something else for it
    sys.excepthook = _tell_traceback
    prepare_process()
    try:
        with plain_errors():  # of what happens outside of a verb, such as help that cannot be written
            try:
                app()
            finally:
                sys.stdout.flush()  # while an error can still be told: Python's own end has no sentence for it
    except typer.Exit as end:
        sys.exit(end.exit_code)


def _tell_traceback(kind: type[BaseException], error: BaseException, place: TracebackType | None) -> None:
    """A mistake of the program, as Python tells it, but for passwords in it."""
    print(without_credentials("".join(traceback.format_exception(kind, error, place))), end="", file=sys.stderr)


def prepare_process() -> None:
    """Switch off the libraries' telemetry and TensorFlow's chatter, unless the user has decided otherwise; and let
    processes that this one starts find the environment's programs, activated or not."""
    for name, value in {"MLFLOW_DISABLE_TELEMETRY": "true", "DO_NOT_TRACK": "1", "TF_CPP_MIN_LOG_LEVEL": "3"}.items():
        os.environ.setdefault(name, value)
    programs, searched = Path(sys.executable).parent, os.environ.get("PATH", "")
    if programs.resolve() not in (Path(folder).resolve() for folder in searched.split(os.pathsep)):
        os.environ |= {PROGRAMS: str(programs), "PATH": f"{programs}{os.pathsep}{searched}"}
    # Before it exits, Python searches every object of every library for garbage, several times: a second of a study.
    atexit.register(gc.freeze)


def _write_nowhere() -> None:
    """For what Python still has to write to standard output when it ends."""
    with suppress(OSError, ValueError, AttributeError):  # where there is none, or one of a test
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


@contextmanager
def plain_errors() -> Iterator[None]:
    """Turn the user's mistakes into lines on stderr and exit status 1, and Ctrl-C into a sentence and 130."""
    try:
        yield
    except PipelineError as error:
        for line in str(error).splitlines():
            print(f"error: {runnable(line)}", file=sys.stderr)
        raise typer.Exit(1) from error
    except BrokenPipeError as error:  # whoever reads has read enough, as `head` does
        _write_nowhere()
        raise typer.Exit(0) from error
    except OSError as error:
        if isinstance(error, FileNotFoundError) and Path(str(error.filename)).parts[:1] == ("data",):
            # Data are not in git: somebody who has just cloned the project has none.
            told = f"{error.filename} not found: `dvc repro` makes it"
        else:
            where = f"{error.filename}: " if error.filename else ""
            told = f"{where}{error.strerror or error}{CURES.get(error.errno or 0, '')}"
        if error.filename is None:  # perhaps standard output, on a disk that is full
            _write_nowhere()
        print(f"error: {runnable(without_credentials(told)[:LONGEST])}", file=sys.stderr)
        raise typer.Exit(1) from error
    except MemoryError as error:
        print("error: memory is full: fewer workers (params.yaml: execution.workers), smaller networks or fewer "
              "sequences need less; finished work is kept", file=sys.stderr)  # fmt: skip
        raise typer.Exit(1) from error
    except Exception as error:
        if type(error).__module__.partition(".")[0] not in DATABASES:
            raise
        reason = without_credentials(str(error).splitlines()[0] if str(error) else type(error).__name__)
        sentence = (f"error: a database failed ({reason}): see `python -m pipeline doctor` for where they are; "
                    "finished trainings are kept, and the same command goes on")  # fmt: skip
        print(runnable(sentence), file=sys.stderr)
        raise typer.Exit(1) from error
    except KeyboardInterrupt as interrupt:
        print("stopped; finished work is kept, and the same command goes on from there", file=sys.stderr)
        raise typer.Exit(130) from interrupt


@contextmanager
def params_yaml(*, anywhere: bool = False) -> Iterator[Params]:
    """The validated params.yaml, for a block whose errors are told plainly.

    `anywhere` is for a block that only reads: outside a project it reads that whose program this is.
    """
    with plain_errors():
        project = paths.checkout()
        here = paths.PARAMS.exists()
        if here and project is not None and Path(sys.argv[0]).name == "howbig" and not project.samefile(Path.cwd()):
            print(f"in {Path.cwd()}, by its params.yaml, with the program of {project}", file=sys.stderr)
        if anywhere and project is not None and not here:
            print(f"in {project}", file=sys.stderr)
            os.environ[PLACE] = str(project)
            os.chdir(project)
        from pipeline.params.document import load_params
        from pipeline.paths import DATA, journal_folder, sweep

        params = load_params()
        sweep(DATA, journal_folder())
        yield params


def _print_version(asked: bool) -> None:
    if asked:
        print(f"howbig {__version__}")
        raise typer.Exit


def _expect_workers(params: Params) -> None:
    """Let TensorFlow be imported for this machine's workers while the verb imports what it needs itself."""
    if params.execution.scheduler is None:
        from pipeline.training import forkserver
        from pipeline.training.process import ENVIRONMENTS

        forkserver.start(ENVIRONMENTS[params.training.instructions])


@app.callback()
def options(
    version: Annotated[
        bool, typer.Option("--version", is_eager=True, callback=_print_version, help="Its version.")
    ] = False,
) -> None:
    """What every verb has in common."""


@app.command(rich_help_panel=STAGES)
def download() -> None:
    """The data set, verified against its checksums → data/raw."""
    with params_yaml() as params:
        from pipeline.commands import download as stage

        stage.run(params)


@app.command(rich_help_panel=STAGES)
def prepare() -> None:
    """data/raw → data/sequences: train, validation and test sequences."""
    with params_yaml() as params:
        from pipeline.commands import prepare as stage

        stage.run(params)


@app.command(rich_help_panel=STAGES)
def study(name: Annotated[str, typer.Argument(help="A key of `studies` in params.yaml, for example: search")]) -> None:
    """data/sequences → data/studies/NAME: train and measure many networks."""
    with params_yaml() as params:
        _expect_workers(params)
        from pipeline.commands import study as stage

        stage.run(params, name)


@app.command(rich_help_panel=STAGES)
def champion() -> None:
    """data/studies → data/models/champion: choose by validation data, train again with several seeds."""
    with params_yaml() as params:
        _expect_workers(params)
        from pipeline.commands import champion as stage

        stage.run(params)


@app.command(rich_help_panel=STAGES)
def evaluate() -> None:
    """data/models/champion and the test sequences → metrics, predictions and their times in data/reports."""
    with params_yaml() as params:
        from pipeline.commands import evaluate as stage

        stage.run(params)


@app.command(rich_help_panel=STAGES)
def report() -> None:
    """data/studies and data/reports → data/reports/report.html, the answer on one page, and its tables."""
    with params_yaml() as params:
        from pipeline.commands import report as stage

        stage.run(params)


@app.command(rich_help_panel=CARE)
def quick(
    dataset: Annotated[
        str, typer.Option(help="As `data.dataset` in params.yaml, for example your own file.")
    ] = "mnist5k",
    folder: Annotated[Path, typer.Option(help="The workspace: made if missing, continued if not.")] = Path(".quick"),
    minutes: Annotated[float, typer.Option(min=0.1, help="About how long a study of your own file may take.")] = 5.0,
) -> None:
    """The whole pipeline, shrunk to minutes, in a workspace of its own: `make quick` runs this."""
    with plain_errors():
        from pipeline.commands.quick import run

        run(dataset, folder, minutes)


@app.command(rich_help_panel=CARE)
def recommend(
    max_parameters: Annotated[int | None, typer.Option(min=1, help="At most so many parameters.")] = None,
    max_predict_ms: Annotated[
        float | None,
        typer.Option(min=0, help="At most so many milliseconds for one prediction (batch size 1, one thread)."),
    ] = None,
    min_accuracy: Annotated[
        float | None, typer.Option(min=0, max=1, help="At least this validation accuracy, for example 0.98.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Which network to use within a budget, from the finished studies; exit status 1 if there is none."""
    with params_yaml(anywhere=True) as params:
        from pipeline.commands.recommend import recommend as answer

        found = answer(params, max_parameters, max_predict_ms, min_accuracy, as_json=as_json)
        raise typer.Exit(0 if found else 1)


@app.command(rich_help_panel=CARE)
def predict(
    files: Annotated[
        list[str],
        typer.Argument(
            metavar="FILE...",
            help="Photographs of a digit each (.png, .jpg, .bmp, .gif, .webp, .tif), folders of them, - for standard "
            "input; or one .npz with x, images or sequences in the champion's view; or .ts, .csv, .parquet for a "
            "champion of your own data. Labels are not needed.",
        ),
    ],
    as_json: Json = False,
    show: Annotated[
        Path | None,
        typer.Option(metavar="FOLDER", help="Write here what the network sees of each photograph, as .png."),
    ] = None,
) -> None:
    """Classify your own samples by the champion: index, label and probability as CSV on standard output.

    A champion of digits (mnist, mnist5k) reads photographs of one digit, dark on light or light on dark, of any size.

    The digit is found, cut out, and made 28×28 as MNIST's are. Where the champion is not sure enough, it answers "not a
    digit, I think". The exit status is 1 if a file cannot be read; the others are answered.

    Examples: predict scan.jpg · predict photographs/ --show seen · predict - < photo.png · predict samples.npz
    """
    here = Path.cwd()  # the current folder may become another
    with params_yaml(anywhere=True) as params:
        from pipeline.commands.photographs import predict_all

        raise typer.Exit(0 if predict_all(files, here, params, as_json, show and here / show) else 1)


@app.command(rich_help_panel=CARE)
def export(
    output: Annotated[Path, typer.Option(help="The file to write.")] = Path("champion.onnx"),
    form: Annotated[Literal["onnx"], typer.Option("--format", help="Of the file.")] = "onnx",
) -> None:
    """The champion as a file for programs without TensorFlow, which answers as Keras does: docs/export.md."""
    output = output.absolute()  # the current folder may become another
    with params_yaml(anywhere=True) as params:
        from pipeline.commands.export import export_champion

        export_champion(output, params)


@app.command(rich_help_panel=CARE)
def demo(
    port: Annotated[int, typer.Option(min=0, max=65535, help="The page's port on this machine; 0: any.")] = 8028,
) -> None:
    """A page to draw a digit on: the champion and a small network read it, step by step. `make demo` runs this."""
    with params_yaml(anywhere=True) as params:
        from pipeline.commands import demo as page

        page.run(params, port)


@app.command(rich_help_panel=CARE)
def serve(
    port: Annotated[int, typer.Option(min=1, max=65535, help="Of 127.0.0.1.")] = 5001,
) -> None:
    """The champion behind MLflow's own server: images or sequences in, probabilities out, until Ctrl-C."""
    with params_yaml(anywhere=True) as params:
        from pipeline.commands.serve import serve as until_stopped

        until_stopped(params, port)


@app.command(rich_help_panel=CARE)
def show(
    run: Annotated[
        str,
        typer.Argument(metavar="RUN", help="A run's id, or STUDY#TRIAL, for example search#3, or champion, evaluate."),
    ],
    as_json: Json = False,
) -> None:
    """Everything that MLflow keeps about one run: parameters, figures, where it comes from, how to make it again."""
    with params_yaml(anywhere=True) as params:
        from pipeline.commands.show import show_run

        show_run(params, run, as_json)


@app.command(rich_help_panel=CARE)
def rebuild_tracking() -> None:
    """The record → MLflow and Optuna: finished studies that they lack, replayed; kept trainings are not repeated."""
    with params_yaml() as params:
        from pipeline.commands.rebuild_tracking import rebuild_tracking as rebuild

        raise typer.Exit(0 if rebuild(params) else 1)


@app.command(rich_help_panel=CARE)
def verify(
    study: Annotated[str, typer.Argument(help="A finished study of params.yaml, for example: search")],
    trials: Annotated[str, typer.Option(help="Numbers of trials, for example: 3,7. Default: those of --sample.")] = "",
    sample: Annotated[int, typer.Option(min=1, help="How many trials, evenly spread over the study.")] = 5,
) -> None:
    """Train some of a study's trials again and compare them with trials.csv, to the last bit."""
    with params_yaml() as params:
        from pipeline.commands.verify import verify_study

        raise typer.Exit(0 if verify_study(params, study, trials, sample) else 1)


@app.command(rich_help_panel=CARE)
def doctor(as_json: Json = False) -> None:
    """This machine, the data mirrors and the databases, and what is stuck, with its cure; exit status 1 for a fault."""
    with plain_errors():
        from pipeline.commands.doctor import diagnose

        raise typer.Exit(0 if diagnose(as_json) else 1)
