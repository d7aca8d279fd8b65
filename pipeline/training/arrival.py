"""What a worker does first that may have nothing of this project: this function travels as its code, see `travel`."""

from typing import Any


def arrive(code: str, sequences: str, call: bytes, dask_worker: Any = None) -> Any:
    """Unpack the two archives of these names, unless that is done; take this package from the first, whatever other one
    the worker has; and call a pickled (function, arguments) as `function(folder of the sequences, *arguments)`.

    Raises FileNotFoundError or BadZipFile while an archive is on its way, and RuntimeError where the worker trains for
    another version of this package.
    """
    import os
    import pickle
    import shutil
    import sys
    import tempfile
    import time
    import zipfile
    from pathlib import Path

    import distributed

    worker = dask_worker or distributed.get_worker()
    own = Path(worker.local_directory)
    in_a_task = dask_worker is None  # else Dask waits for this function with all that it does

    def unpacked(name: str) -> Path:
        folder = (own / name).with_suffix("")
        if not folder.exists():
            half = tempfile.mkdtemp(dir=own)
            try:
                with zipfile.ZipFile(own / name) as archive:
                    archive.extractall(half)
                os.rename(half, folder)
            except OSError:
                if not folder.exists():  # else another thread was faster
                    raise
            finally:
                shutil.rmtree(half, ignore_errors=True)
        return folder

    deadline = time.monotonic() + (60 if in_a_task else 0)
    while True:
        try:
            package, data = str(unpacked(code)), unpacked(sequences)
            break
        except (FileNotFoundError, zipfile.BadZipFile):
            if time.monotonic() > deadline:
                raise
            time.sleep(0.1)

    pipeline = sys.modules.get("pipeline")
    if pipeline is None or not str(pipeline.__file__).startswith(f"{package}{os.sep}"):
        if pipeline is not None and len(worker.state.executing) > in_a_task:
            raise RuntimeError("it trains for another version of this project at present")
        for module in [name for name in list(sys.modules) if name.partition(".")[0] == "pipeline"]:
            del sys.modules[module]
        sys.path.insert(0, package)
    function, arguments = pickle.loads(call)
    return function(data, *arguments)
