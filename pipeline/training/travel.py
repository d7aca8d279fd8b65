"""How code and data get to the workers of a running scheduler: they share no disk with this process, nor its code.

Dask keeps both as plugins, which are sent to every worker once, to one that joins later, too. What a worker is asked to
do travels as bytes, so that the scheduler needs nothing of this project.
"""

from __future__ import annotations

import hashlib
import io
import pickle
import zipfile
from collections.abc import Callable, Collection
from operator import methodcaller
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple

import cloudpickle

from pipeline.paths import SEQUENCES_SUMMARY, TEST, TRAIN, VALIDATION
from pipeline.training import arrival

PACKAGE = Path(__file__).parents[1]
cloudpickle.register_pickle_by_value(arrival)  # who lacks this project could not load it by its name

COMPRESSION_LEVEL = 1  # of 9; MNIST's sequences shrink to a tenth, and little is won by trying harder


class Luggage(NamedTuple):
    """The names of two archives that every worker has in its folder: this package, and the sequences."""

    code: str
    sequences: str


def send(client: Any, sequences: Path) -> Luggage:
    """Give both to all workers of Dask's `client`, and to those that will join.

    An archive's name has its hash: what a scheduler has from an earlier study is not sent again. Raises
    FileNotFoundError where the sequences are not complete.
    """
    code = {path.relative_to(PACKAGE.parent).as_posix(): path for path in sorted(PACKAGE.rglob("*.py"))}
    data = {path.name: sequences / path.name for path in (TRAIN, VALIDATION, TEST, SEQUENCES_SUMMARY)}
    return Luggage(_upload(client, "code", code), _upload(client, "sequences", data))


def submit(
    client: Any, luggage: Luggage, workers: Collection[str] | None, function: Callable[..., Any], *arguments: Any
) -> Any:
    """The future of `function(folder, *arguments)` in one of these workers, or in any; `folder` has the sequences."""
    from toolz import pipe  # a part of every Dask, as `cloudpickle` is

    call = methodcaller("__call__", *luggage, pickle.dumps((function, arguments)))
    only = None if workers is None else sorted(workers)
    return client.submit(pipe, cloudpickle.dumps(arrival.arrive), pickle.loads, call, workers=only, pure=False)


def ask(client: Any, luggage: Luggage, function: Callable[[Path], Any]) -> dict[str, Any]:
    """What `function(folder)` returns in each worker, at once even where one trains; or what it raises.

    Those are left out that join just now, and have not got their archives yet, or that leave.
    """
    call = pickle.dumps((function, ()))
    found = client.run(arrival.arrive, *luggage, call, on_error="return")
    there = client.nthreads()
    return {
        address: answer
        for address, answer in found.items()
        if address in there and not isinstance(answer, FileNotFoundError | zipfile.BadZipFile)
    }


def _upload(client: Any, kind: str, files: dict[str, Path]) -> str:
    from distributed.diagnostics.plugin import UploadFile

    digest, packed = hashlib.sha256(), io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED, compresslevel=COMPRESSION_LEVEL) as archive:
        for name, path in files.items():
            content = path.read_bytes()
            archive.writestr(name, content)
            digest.update(f"{name} {len(content)} ".encode() + content)
    name = f"{kind}-{digest.hexdigest()[:16]}.zip"
    with TemporaryDirectory() as folder:
        file = Path(folder, name)
        file.write_bytes(packed.getvalue())
        plugin = UploadFile(str(file), load=False)
    plugin.idempotent = True
    client.register_plugin(plugin, name=name)
    return name
