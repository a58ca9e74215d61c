"""Loaders of public image collections."""

import gzip
import io
import tarfile
import zipfile
from pathlib import PurePosixPath

import numpy as np
from scipy.io import loadmat
from sklearn.utils import Bunch

from sklimb.datasets._collections import (
    CIFAR10_NAMES,
    FASHION_NAMES,
    MEDMNIST,
    REMOTES,
    SIZES,
)
from sklimb.datasets._download import cached_array, get_file
from sklimb.datasets._tables import find_file, read_frame


def load_cifar10(*, data_home=None):
    """Load CIFAR-10: 60,000 colour photographs of 32 x 32 pixels, 10 classes.

    Parameters
    ----------
    data_home : str or path-like, default=None
        Cache folder of downloads and decoded images. None means scikit-learn's, see
        :func:`sklearn.datasets.get_data_home`.

    Returns
    -------
    bunch : Bunch
        - X: uint8 ndarray of shape (60000, 32, 32, 3), the training part first
        - y: int64 ndarray of shape (60000,)
        - split: ndarray of "train" (50,000) and "test" (10,000)
        - label_names: tuple of str
        - DESCR: str, which says when the images were compressed

    Raises
    ------
    ImportError
        Pillow is needed to decode JPEG, and is not installed.
    ValueError
        A file is not the published one.
    OSError
        The data cannot be downloaded.

    Notes
    -----
    `cifar-10-binary.tar.gz` in the folder of the environment variable `SKLIMB_DATA` is
    read when it is there, then `cifar10_jpeg.parquet` (with the columns image, label
    and split); otherwise the former is downloaded from its authors (162 MB). The JPEG
    images are not those of the authors bit by bit: accuracies run slightly low. They
    are decoded once and kept in the cache.

    Examples
    --------
    >>> from sklimb.datasets import load_cifar10
    >>> load_cifar10().X.shape  # doctest: +SKIP
    (60000, 32, 32, 3)
    """
    remote = REMOTES["cifar-10-binary.tar.gz"]
    path = find_file("cifar10_jpeg.parquet")
    if find_file(remote.file) is None and path is not None:
        frame = read_frame(path)
        X = cached_array(path, data_home, lambda: _decode(frame["image"], path.name))
        parts = {p: (frame["split"] == p).to_numpy() for p in ("train", "test")}
        y = frame["label"].to_numpy()
        parts = {p: (X[rows], y[rows]) for p, rows in parts.items()}
        note = "JPEG-recompressed, not bit-equal to the authors' images; shuffle them."
        return _bunch("cifar10", parts, CIFAR10_NAMES, note)
    parts, _ = _read_cifar(remote, data_home, 1)
    parts = {part: (X, labels[:, 0]) for part, (X, labels) in parts.items()}
    return _bunch("cifar10", parts, CIFAR10_NAMES)


def load_cifar100(*, data_home=None):
    """Load CIFAR-100: 60,000 colour photographs of 32 x 32 pixels, 100 classes.

    Parameters
    ----------
    data_home : str or path-like, default=None
        Cache folder, as for :func:`load_cifar10`.

    Returns
    -------
    bunch : Bunch
        As that of :func:`load_cifar10`, and `coarse`: the superclass (of 20) of each
        image, int64 of shape (60000,).

    Raises
    ------
    ValueError
        The file is not the published one.
    OSError
        The data cannot be downloaded.

    Notes
    -----
    `cifar-100-binary.tar.gz` comes from the folder of `SKLIMB_DATA` or its authors
    (161 MB).

    Examples
    --------
    >>> from sklimb.datasets import load_cifar100
    >>> load_cifar100().X.shape  # doctest: +SKIP
    (60000, 32, 32, 3)
    """
    remote = REMOTES["cifar-100-binary.tar.gz"]
    parts, names = _read_cifar(remote, data_home, 2)
    coarse = [labels[:, 0] for _, labels in parts.values()]
    parts = {part: (X, labels[:, 1]) for part, (X, labels) in parts.items()}
    bunch = _bunch("cifar100", parts, names)
    bunch.coarse = np.concatenate(coarse).astype(np.int64)
    return bunch


def load_svhn(*, data_home=None):
    """Load SVHN: 99,289 house numbers of 32 x 32 colour pixels, 10 digits.

    Parameters
    ----------
    data_home : str or path-like, default=None
        Cache folder, as for :func:`load_cifar10`.

    Returns
    -------
    bunch : Bunch
        As that of :func:`load_cifar10`; 73,257 "train" and 26,032 "test" images. The
        digit 0, which the files call 10, is 0.

    Raises
    ------
    ValueError
        A file is not the published one.
    OSError
        The data cannot be downloaded.

    Notes
    -----
    `train_32x32.mat` and `test_32x32.mat` come from the folder of `SKLIMB_DATA` or from
    their authors (246 MB). The 531,131 easier "extra" images are left out.

    Examples
    --------
    >>> from sklimb.datasets import load_svhn
    >>> load_svhn().X.shape  # doctest: +SKIP
    (99289, 32, 32, 3)
    """
    parts = {}
    for part in ("train", "test"):
        mat = loadmat(get_file(REMOTES[f"{part}_32x32.mat"], data_home))
        X = np.ascontiguousarray(mat["X"].transpose(3, 0, 1, 2))
        parts[part] = X, mat["y"].ravel().astype(np.int64) % 10
    return _bunch("svhn", parts, tuple("0123456789"))


def load_fashion_mnist(*, data_home=None):
    """Load Fashion-MNIST: 70,000 grey pictures of clothes, 28 x 28 pixels, 10 classes.

    Parameters
    ----------
    data_home : str or path-like, default=None
        Cache folder, as for :func:`load_cifar10`.

    Returns
    -------
    bunch : Bunch
        As that of :func:`load_cifar10`; X has the shape (70000, 28, 28), with 60,000
        "train" and 10,000 "test" images.

    Raises
    ------
    ValueError
        A file is not the published one.
    OSError
        The data cannot be downloaded.

    Notes
    -----
    The four `*-ubyte.gz` files come from the folder of `SKLIMB_DATA` or from their
    authors (30 MB).

    Examples
    --------
    >>> from sklimb.datasets import load_fashion_mnist
    >>> load_fashion_mnist().X.shape  # doctest: +SKIP
    (70000, 28, 28)
    """
    parts = {}
    for part, stem in [("train", "train"), ("test", "t10k")]:
        X, y = (
            gzip.decompress(
                get_file(REMOTES[f"{stem}-{kind}-ubyte.gz"], data_home).read_bytes()
            )
            for kind in ("images-idx3", "labels-idx1")
        )
        # Big-endian headers: magic number, then the size of each of 3 axes or 1.
        shape = np.frombuffer(X, ">i4", count=3, offset=4)
        X = np.frombuffer(X, np.uint8, offset=16).reshape(shape)
        parts[part] = X, np.frombuffer(y, np.uint8, offset=8)
    return _bunch("fashion_mnist", parts, FASHION_NAMES)


def load_eurosat(*, data_home=None):
    """Load EuroSAT: 27,000 satellite images of 64 x 64 colour pixels, 10 land uses.

    Parameters
    ----------
    data_home : str or path-like, default=None
        Cache folder, as for :func:`load_cifar10`.

    Returns
    -------
    bunch : Bunch
        As that of :func:`load_cifar10`; `split` is None, because there is no official
        one. Images are in the order of classes and file numbers: shuffle them.

    Raises
    ------
    ImportError
        Pillow is needed to decode JPEG, and is not installed.
    ValueError
        The file is not the published one.
    OSError
        The data cannot be downloaded.

    Notes
    -----
    `EuroSAT_RGB.zip` comes from the folder of `SKLIMB_DATA` or from its authors' Zenodo
    record 7711810 (95 MB). Images are decoded once and kept in the cache.

    Examples
    --------
    >>> from sklimb.datasets import load_eurosat
    >>> load_eurosat().X.shape  # doctest: +SKIP
    (27000, 64, 64, 3)
    """
    path = get_file(REMOTES["EuroSAT_RGB.zip"], data_home)
    with zipfile.ZipFile(path) as archive:
        files = [PurePosixPath(f) for f in archive.namelist() if f.endswith(".jpg")]
        # .../Forest/Forest_12.jpg
        files.sort(key=lambda f: (f.parent.name, int(f.stem.rpartition("_")[2])))
        X = cached_array(
            path,
            data_home,
            lambda: _decode((archive.read(str(f)) for f in files), path.name),
        )
    names, y = np.unique([f.parent.name for f in files], return_inverse=True)
    return _bunch("eurosat", {None: (X, y)}, tuple(names.tolist()))


def load_medmnist(name, *, data_home=None):
    """Load a collection of MedMNIST: medical images of 28 x 28 pixels.

    Parameters
    ----------
    name : str
        One of the collections with one class per image: "pathmnist", "dermamnist",
        "octmnist", "pneumoniamnist", "retinamnist", "breastmnist", "bloodmnist",
        "tissuemnist", "organamnist", "organcmnist", "organsmnist".
    data_home : str or path-like, default=None
        Cache folder, as for :func:`load_cifar10`.

    Returns
    -------
    bunch : Bunch
        As that of :func:`load_cifar10`; `split` is "train", "val" or "test", X has no
        last axis where images are grey, and `label_names` is None.

    Raises
    ------
    ValueError
        There is no such collection, or a file is not the published one.
    OSError
        The data cannot be downloaded.

    Notes
    -----
    `<name>.npz` in the folder of `SKLIMB_DATA` is read when it is there, then
    `<name>_rebuilt.npz`, which has the same images in another order; otherwise it is
    downloaded from the authors' Zenodo record 10519652.

    Examples
    --------
    >>> from sklimb.datasets import load_medmnist
    >>> load_medmnist("pneumoniamnist").X.shape  # doctest: +SKIP
    (5856, 28, 28)
    """
    if name not in MEDMNIST:
        raise ValueError(f"name must be one of {list(MEDMNIST)}, got {name!r}.")
    remote, note = REMOTES[f"{name}.npz"], ""
    path = find_file(f"{name}_rebuilt.npz")
    if find_file(remote.file) is not None or path is None:
        path = get_file(remote, data_home)
    else:
        note = "Rebuilt: the order of the images is not the official one; shuffle them."
    with np.load(path) as arrays:
        parts = {
            part: (arrays[f"{part}_images"], arrays[f"{part}_labels"].ravel())
            for part in ("train", "val", "test")
        }
    return _bunch(name, parts, None, note)


def _read_cifar(remote, data_home, n_labels):
    """{part: (images, labels (n, n_labels))}, and the names of the classes."""
    contents, names = {"train": [], "test": []}, ()
    with tarfile.open(get_file(remote, data_home)) as archive:
        for member in sorted(archive.getmembers(), key=lambda m: m.name):
            file = PurePosixPath(member.name).name
            if file.endswith("names.txt") or file.endswith(".bin"):
                content = archive.extractfile(member).read()
                if file == "fine_label_names.txt":
                    names = tuple(content.decode().split())
                elif file.endswith(".bin"):
                    contents["test" if "test" in file else "train"].append(content)

    def rows(contents):
        # A record holds labels, then 1024 red, 1024 green and 1024 blue bytes.
        table = np.frombuffer(b"".join(contents), np.uint8)
        table = table.reshape(-1, n_labels + 3072)
        X = table[:, n_labels:].reshape(-1, 3, 32, 32).transpose(0, 2, 3, 1)
        return np.ascontiguousarray(X), table[:, :n_labels]

    return {part: rows(blocks) for part, blocks in contents.items()}, names


def _decode(images, file):
    """JPEG bytes as one uint8 array (n, height, width, 3)."""
    try:
        from PIL import Image
    except ImportError as error:
        raise ImportError(
            f"Decoding the images of {file} needs Pillow, which is not installed. Run "
            '`pip install "sklimb[vision]"`.'
        ) from error
    return np.stack(
        [np.asarray(Image.open(io.BytesIO(b)).convert("RGB")) for b in images]
    )


def _bunch(name, parts, label_names, note=""):
    """Parts {split: (X, y)} in one Bunch, if their sizes are the published ones."""
    sizes = {part: len(X) for part, (X, _) in parts.items()}
    if sizes != SIZES[name]:
        raise ValueError(
            f"The numbers of images of {name!r} must be {SIZES[name]}, got {sizes}. "
            "The file was changed or cut: get it again."
        )
    split = np.repeat(np.array([part or "" for part in parts]), list(sizes.values()))
    return Bunch(
        X=np.concatenate([X for X, _ in parts.values()]),
        y=np.concatenate([y for _, y in parts.values()]).astype(np.int64),
        split=None if None in parts else split.astype(object),
        label_names=label_names,
        DESCR=f"{name}: {sum(sizes.values()):,} images. {note}".strip(),
    )
