"""Image collections: the real local files, and downloads from a web server here."""

import gzip
import hashlib
import io
import sys
import tarfile
import threading
import zipfile
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from PIL import Image
from scipy.io import savemat

from sklimb import datasets
from sklimb.datasets import _collections, _download, _images


@pytest.fixture(autouse=True)
def cache(tmp_path_factory, monkeypatch):
    """A cache of its own for every test that decodes or downloads."""
    folder = tmp_path_factory.mktemp("cache")
    monkeypatch.setenv("SCIKIT_LEARN_DATA", str(folder))
    return folder


@pytest.fixture(scope="module")
def cifar10(tmp_path_factory):
    return datasets.load_cifar10(data_home=tmp_path_factory.mktemp("decoded"))


def split_counts(bunch):
    return dict(zip(*np.unique(bunch.split, return_counts=True), strict=True))


def test_cifar10_of_the_local_file(cifar10):
    assert cifar10.X.shape == (60_000, 32, 32, 3) and cifar10.X.dtype == np.uint8
    assert cifar10.y.dtype == np.int64
    assert split_counts(cifar10) == {"test": 10_000, "train": 50_000}
    train = cifar10.split == "train"
    assert train[:50_000].all()
    assert np.bincount(cifar10.y[train]).tolist() == [5000] * 10
    assert np.bincount(cifar10.y[~train]).tolist() == [1000] * 10
    # Published means of the training images; JPEG at quality 75 moves them this far.
    mean = cifar10.X[train].mean((0, 1, 2)) / 255
    np.testing.assert_allclose(mean, [0.4914, 0.4822, 0.4465], atol=3e-4)
    assert "JPEG" in cifar10.DESCR and cifar10.label_names[3] == "cat"


def test_cifar10_keeps_the_order_of_the_file(cifar10):
    frame = pd.read_parquet(_images.find_file("cifar10_jpeg.parquet"))
    names = np.array(cifar10.label_names)[cifar10.y]
    assert (names == frame["label_name"].astype(str)).all()
    for row in (0, 12_345, 59_999):
        image = np.asarray(Image.open(io.BytesIO(frame["image"][row])))
        np.testing.assert_array_equal(cifar10.X[row], image)


def test_cifar10_with_a_long_tail(cifar10):
    train = cifar10.split == "train"
    X, y = datasets.make_long_tailed(cifar10.X[train], cifar10.y[train], random_state=0)
    expected = [5000, 2997, 1796, 1077, 645, 387, 232, 139, 83, 50]
    assert np.bincount(y).tolist() == expected and len(X) == 12_406


def test_pneumonia_of_the_local_file():
    bunch = datasets.load_medmnist("pneumoniamnist")
    assert bunch.X.shape == (5_856, 28, 28) and bunch.X.dtype == np.uint8
    assert bunch.y.shape == (5_856,) and bunch.y.dtype == np.int64
    assert split_counts(bunch) == {"test": 624, "train": 4_708, "val": 524}
    for part, expected in [
        ("train", [1214, 3494]),
        ("val", [135, 389]),
        ("test", [234, 390]),
    ]:
        assert np.bincount(bunch.y[bunch.split == part]).tolist() == expected
    assert bunch.X[bunch.split == "train"].mean() / 255 == pytest.approx(
        0.572, abs=5e-4
    )
    assert "order" in bunch.DESCR


def test_decoded_images_are_kept(tmp_path):
    file, calls = tmp_path / "a.parquet", []
    file.write_bytes(b"one")

    def make():
        calls.append(1)
        return np.arange(3)

    for _ in range(2):
        kept = _download.cached_array(file, tmp_path, make)
        np.testing.assert_array_equal(kept, np.arange(3))
    assert len(calls) == 1
    file.write_bytes(b"two")
    _download.cached_array(file, tmp_path, make)
    assert len(calls) == 2
    assert len(list((tmp_path / "sklimb").iterdir())) == 2  # no half-written files


@pytest.mark.parametrize("how", ["cut", "changed", "empty"])
def test_a_decoded_file_that_was_damaged_is_made_again(tmp_path, how):
    file, wanted = tmp_path / "a.parquet", np.arange(300)
    file.write_bytes(b"one")
    _download.cached_array(file, tmp_path, wanted.copy)
    [kept] = (tmp_path / "sklimb").iterdir()
    content = kept.read_bytes()
    damaged = {"cut": content[:-1], "changed": content[:-1] + b"\x01", "empty": b""}
    kept.write_bytes(damaged[how])
    with pytest.warns(UserWarning, match="changed or cut since it was written"):
        again = _download.cached_array(file, tmp_path, wanted.copy)
    np.testing.assert_array_equal(again, wanted)
    assert [f.read_bytes() for f in (tmp_path / "sklimb").iterdir()] == [content]


def test_without_pillow(monkeypatch):
    monkeypatch.setitem(sys.modules, "PIL", None)
    with pytest.raises(ImportError, match=r'pip install "sklimb\[vision\]"'):
        datasets.load_cifar10()


def test_unknown_collection():
    with pytest.raises(ValueError, match=r"name must be one of \['path.*got 'chestmn"):
        datasets.load_medmnist("chestmnist")


# Downloads: a web server on this machine stands for the publishers.


@pytest.fixture
def publish(tmp_path, monkeypatch):
    """Publish bytes under the name of a known file; SKLIMB_DATA is an empty folder."""
    pages, hits = {}, []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            hits.append(self.path)
            self.send_response(200 if self.path in pages else 404)
            self.end_headers()
            self.wfile.write(pages.get(self.path, b""))

        def log_message(self, *args):
            pass

    monkeypatch.setenv("SKLIMB_DATA", str(tmp_path))
    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        host = f"http://127.0.0.1:{server.server_port}"

        def put(file, content, sent=None):
            pages[f"/{file}"] = content if sent is None else sent
            md5 = hashlib.md5(content).hexdigest()
            remote = _download.Remote(file, f"{host}/{file}", md5)
            monkeypatch.setitem(_collections.REMOTES, file, remote)
            return remote

        def sizes(name, **parts):
            monkeypatch.setitem(_collections.SIZES, name, parts)

        yield SimpleNamespace(
            put=put, sizes=sizes, hits=hits, pages=pages, folder=tmp_path
        )
        server.shutdown()


def images(n, *shape, seed=0):
    return np.random.default_rng(seed).integers(256, size=(n, *shape), dtype=np.uint8)


def tar(files):
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w:gz") as archive:
        for name, content in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
    return out.getvalue()


def records(X, *labels):
    """CIFAR's binary version: labels, then the planes of red, green and blue."""
    planes = X.transpose(0, 3, 1, 2).reshape(len(X), -1)
    return np.column_stack([*labels, planes]).astype(np.uint8).tobytes()


def test_cifar10_from_its_authors(publish):
    X, y = images(9, 32, 32, 3), np.arange(9)
    batches = {"batches.meta.txt": b"airplane\n", "readme.html": b"-"}
    batches["test_batch.bin"] = records(X[7:], y[7:])
    for i in range(5):  # out of order: data_batch_5 first
        rows = slice(4 - i, 5 - i) if i else slice(4, 7)
        batches[f"data_batch_{5 - i}.bin"] = records(X[rows], y[rows])
    content = tar({f"cifar-10-batches-bin/{k}": v for k, v in batches.items()})
    publish.put("cifar-10-binary.tar.gz", content)
    publish.sizes("cifar10", train=7, test=2)
    for _ in range(2):
        bunch = datasets.load_cifar10()
        np.testing.assert_array_equal(bunch.X, X)
        assert bunch.y.tolist() == y.tolist()
        assert bunch.split.tolist() == ["train"] * 7 + ["test"] * 2
        assert bunch.DESCR == "cifar10: 9 images."
    assert len(publish.hits) == 1  # then the cache
    publish.sizes("cifar10", train=8, test=2)
    with pytest.raises(ValueError, match=r"of 'cifar10' must be .* got \{'train"):
        datasets.load_cifar10()


def test_cifar10_without_loss_goes_before_jpeg(publish):
    X = images(2, 32, 32, 3)
    files = {
        "data_batch_1.bin": records(X[:1], [3]),
        "test_batch.bin": records(X, [1, 2]),
    }
    content = tar(files)
    publish.put("cifar-10-binary.tar.gz", content)
    (publish.folder / "cifar-10-binary.tar.gz").write_bytes(content)
    (publish.folder / "cifar10_jpeg.parquet").touch()
    publish.sizes("cifar10", train=1, test=2)
    assert datasets.load_cifar10().y.tolist() == [3, 1, 2] and not publish.hits


def test_cifar100_from_its_authors(publish):
    X = images(3, 32, 32, 3)
    publish.put(
        "cifar-100-binary.tar.gz",
        tar(
            {
                "cifar-100-binary/train.bin": records(X[:2], [1, 2], [30, 40]),
                "cifar-100-binary/test.bin": records(X[2:], [3], [50]),
                "cifar-100-binary/fine_label_names.txt": b"apple\naquarium_fish\n\n",
                "cifar-100-binary/coarse_label_names.txt": b"fish\n",
            }
        ),
    )
    publish.sizes("cifar100", train=2, test=1)
    bunch = datasets.load_cifar100()
    assert bunch.y.tolist() == [30, 40, 50] and bunch.coarse.tolist() == [1, 2, 3]
    assert bunch.label_names == ("apple", "aquarium_fish")
    np.testing.assert_array_equal(bunch.X, X)


def test_svhn_from_its_authors(publish):
    X, y = images(3, 32, 32, 3), np.array([10, 1, 9])
    for part, rows in [("train", slice(0, 2)), ("test", slice(2, 3))]:
        out = io.BytesIO()
        savemat(out, {"X": X[rows].transpose(1, 2, 3, 0), "y": y[rows, None]})
        publish.put(f"{part}_32x32.mat", out.getvalue())
    publish.sizes("svhn", train=2, test=1)
    bunch = datasets.load_svhn()
    np.testing.assert_array_equal(bunch.X, X)
    assert bunch.y.tolist() == [0, 1, 9] and bunch.X.flags.c_contiguous


def test_fashion_mnist_from_its_authors(publish):
    X, y = images(5, 28, 28), np.arange(5, dtype=np.uint8)

    def idx(array):
        header = np.array([2048 + array.ndim, *array.shape], ">i4")
        return gzip.compress(header.tobytes() + array.tobytes())

    for stem, rows in [("train", slice(0, 4)), ("t10k", slice(4, 5))]:
        publish.put(f"{stem}-images-idx3-ubyte.gz", idx(X[rows]))
        publish.put(f"{stem}-labels-idx1-ubyte.gz", idx(y[rows]))
    publish.sizes("fashion_mnist", train=4, test=1)
    bunch = datasets.load_fashion_mnist()
    np.testing.assert_array_equal(bunch.X, X)
    assert bunch.y.tolist() == y.tolist() and bunch.label_names[4] == "Coat"


def test_eurosat_from_its_authors(publish, monkeypatch):
    out, colours = io.BytesIO(), {"River_10": 200, "River_9": 100, "Forest_1": 50}
    with zipfile.ZipFile(out, "w") as archive:
        for stem, value in colours.items():
            jpeg = io.BytesIO()
            Image.new("RGB", (64, 64), (value,) * 3).save(jpeg, "JPEG")
            file = f"EuroSAT_RGB/{stem.split('_')[0]}/{stem}.jpg"
            archive.writestr(file, jpeg.getvalue())
    publish.put("EuroSAT_RGB.zip", out.getvalue())
    monkeypatch.setitem(_collections.SIZES, "eurosat", {None: 3})
    bunch = datasets.load_eurosat()
    assert bunch.X.shape == (3, 64, 64, 3) and bunch.split is None
    # Grey squares survive JPEG; 9 comes before 10.
    assert bunch.X[:, 0, 0, 0].tolist() == [50, 100, 200]
    assert bunch.y.tolist() == [0, 1, 1] and bunch.label_names == ("Forest", "River")


def test_medmnist_from_its_authors(publish):
    out, X = io.BytesIO(), images(4, 28, 28, 3)
    rows = {"train": slice(0, 2), "val": slice(2, 3), "test": slice(3, 4)}
    arrays = {f"{part}_images": X[r] for part, r in rows.items()}
    arrays |= {
        f"{p}_labels": np.array([[1], [0]])[: r.stop - r.start] for p, r in rows.items()
    }
    np.savez(out, **arrays)
    publish.put("bloodmnist.npz", out.getvalue())
    publish.sizes("bloodmnist", train=2, val=1, test=1)
    bunch = datasets.load_medmnist("bloodmnist")
    np.testing.assert_array_equal(bunch.X, X)
    assert bunch.y.tolist() == [1, 0, 1, 1]
    assert bunch.split.tolist() == ["train", "train", "val", "test"]


def test_damaged_files_are_not_kept(publish, cache):
    remote = publish.put("bloodmnist.npz", b"published", sent=b"cut")
    with pytest.raises(ValueError, match=f"must have the MD5 {remote.md5}, got"):
        datasets.load_medmnist("bloodmnist")
    assert not list((cache / "sklimb").iterdir())
    (publish.folder / "bloodmnist.npz").write_bytes(b"changed")
    with pytest.raises(ValueError, match=r"mnist\.npz must have the MD5 .*changed"):
        datasets.load_medmnist("bloodmnist")


def test_unreachable_publisher_says_what_to_do(publish, cache):
    publish.put("bloodmnist.npz", b"published")
    publish.pages.clear()
    with (
        pytest.warns(UserWarning, match="Retry downloading"),  # scikit-learn's, once
        pytest.raises(OSError, match=r"could not be .*404.*SKLIMB_DATA names"),
    ):
        datasets.load_medmnist("bloodmnist")
    assert len(publish.hits) == 2
    assert not list((cache / "sklimb").iterdir())


def test_published_homes():
    for remote in _collections.REMOTES.values():
        assert remote.url.endswith(remote.file) and len(remote.md5) == 32
    assert len(_collections.MEDMNIST) == 11
