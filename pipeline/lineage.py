"""Where a run comes from, as tags: commit, data, fingerprint, and the command that makes it again."""

import os
import subprocess
from dataclasses import dataclass
from pathlib import Path
from shlex import quote

from ruamel.yaml import YAML

from pipeline import paths
from pipeline.data.sequences import SequencesSummary
from pipeline.errors import damage
from pipeline.training.identity import stable_hash
from pipeline.training.machine import surroundings

DVC_LOCK = Path("dvc.lock")

# The files that decide a result. Outputs that git carries (dvc.lock, trials.csv, …) change in the middle of a `dvc
# repro` and say nothing about the code. With ":/" also from the root, for a workspace inside the project's folder.
SOURCES = ["pipeline", "params.yaml", "dvc.yaml", "requirements.lock"]


CODE = (".py", ".j2", ".css", ".js", ".yaml", ".lock")  # other new files, such as .env, may hold secrets

# Whatever somebody's configuration of git says.
PLAIN = ["-c", "color.ui=false", "-c", "core.quotePath=false", "-c", "diff.noprefix=false",
         "-c", "diff.mnemonicPrefix=false", "-c", "core.pager=cat"]  # fmt: skip


@dataclass(frozen=True)
class Lineage:
    """The tags that all runs of one stage have in common."""

    stage: str  # study, champion or evaluate
    experiment: str
    study: str
    optuna_study: str
    fingerprint: str
    dataset: str  # its name, or that of one's own file
    data_md5: str
    git_commit: str
    git_dirty: str
    dvc_experiment: str
    environment: dict[str, str]

    def tags(self, trial: str = "", seed: str = "") -> dict[str, str]:
        """The tags of one run; those that do not apply are empty. `kind` tells a study from its trials, and a champion
        from its trainings."""
        kind = {"study": "trial", "champion": "seed"}[self.stage] if trial else self.stage
        return {
            "stage": self.stage,
            "kind": kind,
            "study": self.study,
            "trial": trial,
            "seed": seed,
            "git_commit": self.git_commit,
            "git_dirty": self.git_dirty,
            "data_md5": self.data_md5,
            "fingerprint": self.fingerprint,
            "optuna_study": self.optuna_study,
            "dvc_experiment": self.dvc_experiment,
            "reproduce": self.reproduce,
            **self.environment,
        }

    @property
    def reproduce(self) -> str:
        """The shell command, at the project's root, that makes the run again."""
        if self.experiment.endswith("-quick"):
            # Its workspace lies in the project's folder, but is made by this command only.
            made_by_make = self.dataset == "mnist5k"
            steps = ["make quick" if made_by_make else f"python -m pipeline quick --dataset {quote(self.dataset)}"]
        else:
            apply = [f"dvc exp apply {self.dvc_experiment}"] if self.dvc_experiment else []
            stage = paths.study_stage(self.study) if self.stage == "study" else self.stage
            steps = [*apply, f"dvc repro {stage}"]
        checkout = [f"git checkout {self.git_commit}"] if self.git_commit else []
        return " && ".join([*checkout, *steps])


def lineage(
    stage: str, *, experiment: str, data: SequencesSummary, fingerprint: str, study: str = "", optuna_study: str = ""
) -> Lineage:
    """Collect a stage's lineage in the current folder; `data` describes the sequences."""
    commit = _git("rev-parse", "HEAD")
    changes = _git("status", "--porcelain", "--", *_sources())
    return Lineage(
        stage=stage,
        experiment=experiment,
        study=study,
        optuna_study=optuna_study,
        fingerprint=fingerprint,
        dataset=Path(data.dataset).name,
        data_md5=_data_md5() or stable_hash(data.model_dump(mode="json")),
        git_commit=commit or "",
        git_dirty="" if not commit else str(bool(changes)).lower(),
        dvc_experiment=os.environ.get("DVC_EXP_NAME", ""),
        environment=surroundings(),
    )


def uncommitted_changes() -> str:
    """How the sources differ from the last commit, as a patch: changed files, and new ones of code."""
    others = (_git("ls-files", "--others", "--exclude-standard", "--full-name", "--", *_sources()) or "").splitlines()
    new = [name for name in others if name.endswith(CODE)]
    root = _git("rev-parse", "--show-toplevel") or "."
    diff = ["diff", "--no-ext-diff", "--no-textconv"]
    patches = [_git(*diff, "HEAD", "--", *_sources())]
    # To compare with nothing is the only way to get a patch of a file that git does not know; it answers 1.
    nothing = [*diff, "--no-index", "--", os.devnull]
    patches += [_git("-C", root, *nothing, name, differs=1) for name in sorted(set(new))]
    return "".join(f"{patch}\n" for patch in patches if patch)


def _sources() -> list[str]:
    return [*SOURCES, *(f":/{source}" for source in SOURCES)]


def _git(*arguments: str, differs: int = 0) -> str | None:
    """The answer of git; None without git, outside a repository, in one without a commit, or for a mistake."""
    try:
        answer = subprocess.run(["git", *PLAIN, *arguments], capture_output=True, encoding="utf-8", errors="replace")
    except OSError:
        return None
    return answer.stdout.strip("\n") if answer.returncode in (0, differs) else None


def _data_md5() -> str | None:
    """The sequences' md5 as dvc.lock has it, None where DVC did not make them."""
    if not DVC_LOCK.exists():
        return None
    with damage(DVC_LOCK, "is damaged", "; `git checkout dvc.lock` restores it"):
        stages = (YAML(typ="safe").load(DVC_LOCK.read_text(encoding="utf-8")) or {}).get("stages", {})
        outputs = {output["path"]: output.get("md5") for output in stages.get("prepare", {}).get("outs", [])}
    if paths.SEQUENCES.as_posix() in outputs:
        return outputs[paths.SEQUENCES.as_posix()]
    # DVC may keep the files one by one.
    md5s = {Path(path).name: md5 for path, md5 in outputs.items() if Path(path).parent == paths.SEQUENCES}
    return " ".join(f"{name}:{md5}" for name, md5 in sorted(md5s.items())) or None
