"""Which public image collections are known, and how their files are read."""

import gzip
import io
import tarfile
import zipfile
from pathlib import PurePosixPath

import numpy as np
from scipy.io import loadmat
from sklearn.utils import Bunch

from sklimb.datasets._download import Remote, cached_array, get_file
from sklimb.datasets._tables import find_file, read_frame

_CIFAR = "https://www.cs.toronto.edu/~kriz/"
_SVHN = "http://ufldl.stanford.edu/housenumbers/"
_IDX = "http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/"
_MEDMNIST = "https://zenodo.org/records/10519652/files/"

# The publishers' MD5 sums.
_REMOTES = {
    remote.file: remote
    for remote in (
        Remote(file, base + file, md5)
        for base, file, md5 in [
            (_CIFAR, "cifar-10-binary.tar.gz", "c32a1d4ab5d03f1284b67883e8d87530"),
            (_CIFAR, "cifar-100-binary.tar.gz", "03b5dce01913d631647c71ecec9e9cb8"),
            (_SVHN, "train_32x32.mat", "e26dedcc434d2e4c54c9b2d4a06d8373"),
            (_SVHN, "test_32x32.mat", "eb5a983be6a315427106f1b164d9cef3"),
            (
                _IDX,
                "train-images-idx3-ubyte.gz",
                "8d4fb7e6c68d591d4c3dfef9ec88bf0d",
            ),
            (
                _IDX,
                "train-labels-idx1-ubyte.gz",
                "25c81989df183df01b3e8a0aad5dffbe",
            ),
            (_IDX, "t10k-images-idx3-ubyte.gz", "bef4ecab320f06d8554ea6380940ec79"),
            (_IDX, "t10k-labels-idx1-ubyte.gz", "bb300cfdad3c16e7a12a480ee83cd310"),
            (
                "https://zenodo.org/records/7711810/files/",
                "EuroSAT_RGB.zip",
                "f46e308c4d50d4bf32fedad2d3d62f3b",
            ),
            (_MEDMNIST, "pathmnist.npz", "a8b06965200029087d5bd730944a56c1"),
            (_MEDMNIST, "dermamnist.npz", "0744692d530f8e62ec473284d019b0c7"),
            (_MEDMNIST, "octmnist.npz", "c68d92d5b585d8d81f7112f81e2d0842"),
            (_MEDMNIST, "pneumoniamnist.npz", "28209eda62fecd6e6a2d98b1501bb15f"),
            (_MEDMNIST, "retinamnist.npz", "bd4c0672f1bba3e3a89f0e4e876791e4"),
            (_MEDMNIST, "breastmnist.npz", "750601b1f35ba3300ea97c75c52ff8f6"),
            (_MEDMNIST, "bloodmnist.npz", "7053d0359d879ad8a5505303e11de1dc"),
            (_MEDMNIST, "tissuemnist.npz", "ebe78ee8b05294063de985d821c1c34b"),
            (_MEDMNIST, "organamnist.npz", "68e3f8846a6bd62f0c9bf841c0d9eacc"),
            (_MEDMNIST, "organcmnist.npz", "b9ceb9546e10131b32923c5bbeaea2b1"),
            (_MEDMNIST, "organsmnist.npz", "9ab87b696fb54e2a387ebe992d6ed5f1"),
        ]
    )
}

# Images of each official part.
_SIZES = {
    "cifar10": {"train": 50_000, "test": 10_000},
    "cifar100": {"train": 50_000, "test": 10_000},
    "svhn": {"train": 73_257, "test": 26_032},
    "fashion_mnist": {"train": 60_000, "test": 10_000},
    "eurosat": {None: 27_000},
    "pathmnist": {"train": 89_996, "val": 10_004, "test": 7_180},
    "dermamnist": {"train": 7_007, "val": 1_003, "test": 2_005},
    "octmnist": {"train": 97_477, "val": 10_832, "test": 1_000},
    "pneumoniamnist": {"train": 4_708, "val": 524, "test": 624},
    "retinamnist": {"train": 1_080, "val": 120, "test": 400},
    "breastmnist": {"train": 546, "val": 78, "test": 156},
    "bloodmnist": {"train": 11_959, "val": 1_712, "test": 3_421},
    "tissuemnist": {"train": 165_466, "val": 23_640, "test": 47_280},
    "organamnist": {"train": 34_561, "val": 6_491, "test": 17_778},
    "organcmnist": {"train": 12_975, "val": 2_392, "test": 8_216},
    "organsmnist": {"train": 13_932, "val": 2_452, "test": 8_827},
}
MEDMNIST = tuple(name for name in _SIZES if f"{name}.npz" in _REMOTES)

_CIFAR10_NAMES = (
    "airplane",
    "automobile",
    "bird",
    "cat",
    "deer",
    "dog",
    "frog",
    "horse",
    "ship",
    "truck",
)
_FASHION_NAMES = (
    "T-shirt/top",
    "Trouser",
    "Pullover",
    "Dress",
    "Coat",
    "Sandal",
    "Shirt",
    "Sneaker",
    "Bag",
    "Ankle boot",
)


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
    remote = _REMOTES["cifar-10-binary.tar.gz"]
    path = find_file("cifar10_jpeg.parquet")
    if find_file(remote.file) is None and path is not None:
        frame = read_frame(path)
        X = cached_array(path, data_home, lambda: _decode(frame["image"], path.name))
        parts = {p: (frame["split"] == p).to_numpy() for p in ("train", "test")}
        y = frame["label"].to_numpy()
        parts = {p: (X[rows], y[rows]) for p, rows in parts.items()}
        note = "JPEG-recompressed, not bit-equal to the authors' images; shuffle them."
        return _bunch("cifar10", parts, _CIFAR10_NAMES, note)
    train, test, _ = _cifar_archive(remote, data_home, 1)
    parts = {
        "train": (train[1], train[0][:, 0]),
        "test": (test[1], test[0][:, 0]),
    }
    return _bunch("cifar10", parts, _CIFAR10_NAMES)


def load_cifar100(*, data_home=None):
    """Load CIFAR-100: 60,000 colour photographs of 32 x 32 pixels, 100 classes.

    Parameters
    ----------
    data_home : str or path-like, default=None
        Cache folder, as for :func:`load_cifar10`.

    Returns
    -------
    bunch : Bunch
        As that of :func:`load_cifar10`, and `coarse`: the 20 classes of classes, int64
        of shape (60000,).

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
    remote = _REMOTES["cifar-100-binary.tar.gz"]
    train, test, names = _cifar_archive(remote, data_home, 2)
    parts = {
        "train": (train[1], train[0][:, 1]),
        "test": (test[1], test[0][:, 1]),
    }
    bunch = _bunch("cifar100", parts, names)
    bunch.coarse = np.concatenate([train[0][:, 0], test[0][:, 0]]).astype(np.int64)
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
        mat = loadmat(get_file(_REMOTES[f"{part}_32x32.mat"], data_home))
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
                get_file(_REMOTES[f"{stem}-{kind}-ubyte.gz"], data_home).read_bytes()
            )
            for kind in ("images-idx3", "labels-idx1")
        )
        # Big-endian headers: magic number, then the size of each of 3 axes or 1.
        shape = np.frombuffer(X, ">i4", count=3, offset=4)
        X = np.frombuffer(X, np.uint8, offset=16).reshape(shape)
        parts[part] = X, np.frombuffer(y, np.uint8, offset=8)
    return _bunch("fashion_mnist", parts, _FASHION_NAMES)


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
    path = get_file(_REMOTES["EuroSAT_RGB.zip"], data_home)
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
        One of the collections with one class an image: "pathmnist", "dermamnist",
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
    remote, note = _REMOTES[f"{name}.npz"], ""
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


def _cifar_archive(remote, data_home, n_labels):
    """(labels, images) of the training and the test part, and names of the classes."""
    path = get_file(remote, data_home)
    train, test, names = [], [], ()
    with tarfile.open(path) as archive:
        for member in sorted(archive.getmembers(), key=lambda m: m.name):
            file = PurePosixPath(member.name).name
            if file.endswith("names.txt") or file.endswith(".bin"):
                content = archive.extractfile(member).read()
                if file == "fine_label_names.txt":
                    names = tuple(content.decode().split())
                elif file.endswith(".bin"):
                    (test if "test" in file else train).append(content)

    def rows(contents):
        # A record: labels, then 1024 red, 1024 green and 1024 blue bytes.
        table = np.frombuffer(b"".join(contents), np.uint8)
        table = table.reshape(-1, n_labels + 3072)
        X = table[:, n_labels:].reshape(-1, 3, 32, 32).transpose(0, 2, 3, 1)
        return table[:, :n_labels], np.ascontiguousarray(X)

    return rows(train), rows(test), names


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
    if sizes != _SIZES[name]:
        raise ValueError(
            f"The numbers of images of {name!r} must be {_SIZES[name]}, got {sizes}. "
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
