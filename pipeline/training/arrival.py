"""What a worker does first that may have nothing of this project: this function travels as its code, see `travel`."""

from typing import Any


def arrive(code: str, sequences: str, call: bytes, dask_worker: Any = None) -> Any:
    """Unpack the two archives of these names, unless that is done; take this package from the first, whatever other one
    the worker has; and call a pickled (function, arguments) as `function(folder of the sequences, *arguments)`."""
    import os
    import pickle
    import shutil
    import sys
    import tempfile
    import zipfile
    from pathlib import Path

    import distributed

    worker = dask_worker or distributed.get_worker()
    own = Path(worker.local_directory)

    def unpacked(name: str) -> Path:
        folder = (own / name).with_suffix("")
        if not folder.exists():
            half = tempfile.mkdtemp(dir=own)
            with zipfile.ZipFile(own / name) as archive:
                archive.extractall(half)
            try:
                os.rename(half, folder)
            except OSError:  # another thread was faster
                shutil.rmtree(half)
        return folder

    package, data = str(unpacked(code)), unpacked(sequences)
    pipeline = sys.modules.get("pipeline")
    if pipeline is None or not str(pipeline.__file__).startswith(f"{package}{os.sep}"):
        for module in [name for name in sys.modules if name.partition(".")[0] == "pipeline"]:
            del sys.modules[module]
        sys.path.insert(0, package)
    function, arguments = pickle.loads(call)
    return function(data, *arguments)
