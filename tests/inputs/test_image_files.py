"""Many files: decoded in blocks, kept in a temporary file, the same as in memory."""

import gc
import pickle
import shutil
import tracemalloc
import weakref
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from PIL import Image
from sklearn import config_context
from sklearn.model_selection import GridSearchCV
from skorch.callbacks import Callback
from torch.utils._python_dispatch import TorchDispatchMode

import sklimb
from sklimb import ImageResNetClassifier
from sklimb.inputs import image_files as _decoding
from sklimb.inputs import on_disk as _row_files
from sklimb.inputs.images import read_pictures
from sklimb.inputs.on_disk import joined_rows, take_rows
from sklimb.model_selection import PackedSearchCV
from sklimb.selfsup import SelfSupervisedPretrainer
from sklimb.training import batches
from sklimb.two_stage import ClassifierRetrainer

SHAPE = (9, 8, 3)
SMALL = {
    "backbone": "resnet8",
    "max_epochs": 2,
    "batch_size": 16,
    "lr": 0.05,
    "random_state": 0,
}


def write(folder, n, shape=SHAPE):
    """n PNG files of noise, of which a third is dark above; their labels."""
    rng = np.random.default_rng(0)
    y = (np.arange(n) % 3 == 0).astype(int)
    images = rng.integers(0, 256, (n, *shape), dtype=np.uint8)
    images[y == 1, : shape[0] // 2] //= 2
    paths = [folder / f"{i}.png" for i in range(n)]
    for image, path in zip(images, paths, strict=True):
        Image.fromarray(image).save(path)
    return paths, y


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """Sixty files and labels."""
    return write(tmp_path_factory.mktemp("files"), 60)


@pytest.fixture
def small_memory(monkeypatch):
    """All pixels are too many for memory, and a block is five images."""
    monkeypatch.setattr(_row_files, "BLOCK_BYTES", 5 * np.prod(SHAPE))
    with config_context(working_memory=0):
        yield


@pytest.fixture
def mapped(monkeypatch):
    """Weak references to the maps of all temporary files that are made."""
    made, filled = [], _row_files.filled

    def spy(*args):
        out = filled(*args)
        if isinstance(out, np.memmap):
            made.append(weakref.ref(out._mmap))
        return out

    monkeypatch.setattr(_row_files, "filled", spy)
    monkeypatch.setattr(_decoding, "filled", spy)
    return made


def alive(mapped):
    gc.collect()
    return [ref for ref in mapped if ref() is not None]


def fit(files, **params):
    return ImageResNetClassifier(**{**SMALL, **params}).fit(*files)


# Where rows live.


def test_rows_of_a_file_are_rows_of_memory(small_memory, mapped):
    X = np.arange(60, dtype=np.uint8).reshape(20, 3)
    in_file = _row_files.filled([X[:7], X[7:]], X.shape, X.dtype, True)
    assert isinstance(in_file, np.memmap) and in_file.filename is None
    order = np.random.default_rng(0).permutation(20)
    for rows in (order, order[:3], order < 9, slice(2, 5), 4):
        np.testing.assert_array_equal(take_rows(in_file, rows), X[rows])
    assert isinstance(take_rows(in_file, order), np.memmap)
    both = joined_rows([in_file, X])
    assert isinstance(both, np.memmap)
    np.testing.assert_array_equal(both, np.concatenate([X, X]))
    assert joined_rows([in_file]) is in_file
    # What is in memory stays there, and so does what is little.
    assert not isinstance(joined_rows([X, X]), np.memmap)
    assert not isinstance(take_rows(X, order), np.memmap)
    with config_context(working_memory=1):
        assert not isinstance(joined_rows([in_file, X]), np.memmap)
        assert not isinstance(take_rows(in_file, order), np.memmap)
    del in_file, both
    assert len(mapped) == 6 and not alive(mapped)


def test_a_full_disk_is_told_before(files, small_memory, monkeypatch):
    usage = SimpleNamespace(free=60 * np.prod(SHAPE) - 1)
    monkeypatch.setattr(shutil, "disk_usage", lambda folder: usage)
    with pytest.raises(OSError, match=r"60 images of 216 numbers .* Point TMPDIR"):
        fit(files)


def test_few_files_need_no_file(files, mapped):
    assert not isinstance(read_pictures(files[0]).pixels, np.memmap)
    fit(files)
    assert not mapped


# The same fit.


@pytest.mark.parametrize(
    "params",
    [
        {"augment": ["crop", "flip"], "n_members": 2},
        {"validation_folds": 2},
        {"joint_ssl": "simclr", "loss": "ldam", "drw_start": 0.5},
        {"pretrained": SelfSupervisedPretrainer(method="vicreg", max_epochs=1)},
        {"sampler": "over", "merge_duplicates": False},
        {"row_weighting": "l2rw", "row_weighting_rows": 2, "early_stopping": False},
    ],
    ids=str,
)
def test_a_fit_to_a_file_is_the_fit_to_memory(files, params, mapped, monkeypatch):
    plain = fit(files, **params)
    expected = plain.predict_proba(files[0])
    assert not mapped
    monkeypatch.setattr(_row_files, "BLOCK_BYTES", 5 * np.prod(SHAPE))
    with config_context(working_memory=0):
        clf = fit(files, **params)
        assert len(mapped) > 1 and not alive(mapped)
        n_made = len(mapped)
        # The same computation of the same rows.
        np.testing.assert_array_equal(clf.predict_proba(files[0]), expected)
    np.testing.assert_array_equal(clf.encoder_.mean_, plain.encoder_.mean_)
    np.testing.assert_array_equal(clf.encoder_.std_, plain.encoder_.std_)
    assert n_made > 1


def test_other_rows_may_be_files_too(files, mapped, small_memory):
    (paths, y), params = files, {"joint_ssl": "vicreg"}
    given = {"X_val": paths[40:50], "y_val": y[40:50], "X_unlabeled": paths[50:]}
    clf = ImageResNetClassifier(**SMALL, **params).fit(paths[:40], y[:40], **given)
    assert mapped and not alive(mapped)
    images = np.stack([np.asarray(Image.open(path)) for path in paths])
    given |= {"X_val": images[40:50], "X_unlabeled": images[50:]}
    other = ImageResNetClassifier(**SMALL, **params).fit(images[:40], y[:40], **given)
    np.testing.assert_array_equal(clf.predict_proba(paths), other.predict_proba(images))


def test_second_stages_and_pretrainers_read_in_parts(files, small_memory, mapped):
    retrainer = ClassifierRetrainer(ImageResNetClassifier(**SMALL), "crt").fit(*files)
    inner = ImageResNetClassifier(**SMALL)
    pretrainer = SelfSupervisedPretrainer(inner, "simclr", max_epochs=1)
    pretrainer.fit(files[0])
    assert mapped and not alive(mapped)
    in_parts = retrainer.predict_proba(files[0]), pretrainer.transform(files[0])
    clf = retrainer.estimator_
    parts = clf._parts(files[0])
    assert [len(part) for part in parts] == [32, 28]
    embedded = clf.embed(files[0])
    with config_context(working_memory=100):
        _row_files.BLOCK_BYTES = 2**25
        at_once = retrainer.predict_proba(files[0]), pretrainer.transform(files[0])
        assert len(clf._parts(files[0])) == 1
        # Blocks of one shape: the same computation.
        np.testing.assert_array_equal(embedded, clf.embed(files[0]))
    for a, b in zip(in_parts, at_once, strict=True):
        np.testing.assert_array_equal(a, b)


def test_searches_of_files_agree(files, small_memory):
    clf = ImageResNetClassifier(**{**SMALL, "dtype": "float64", "max_epochs": 1})
    grid = {"lr": [0.01, 0.1]}
    packed = PackedSearchCV(clf, grid, cv=2, max_members=4).fit(*files)
    alone = GridSearchCV(clf, grid, cv=2, n_jobs=2).fit(*files)
    with config_context(working_memory=100):
        in_memory = GridSearchCV(clf, grid, cv=2).fit(*files)
    for search in (packed, alone):
        # Sums in another order.
        np.testing.assert_allclose(
            search.cv_results_["mean_test_score"],
            in_memory.cv_results_["mean_test_score"],
            atol=1e-8,
        )


# Nothing is left, nothing is large.


class Stop(Callback):
    """Raises in the second epoch."""

    def on_epoch_end(self, net, **kwargs):
        if len(net.history) == 2:
            raise RuntimeError("stop")


def test_files_vanish_when_a_fit_fails(files, small_memory, mapped):
    with pytest.raises(RuntimeError, match="stop"):
        fit(files, callbacks=[Stop()])
    with pytest.raises(ValueError, match="inconsistent"):
        fit((files[0], files[1][:-1]))
    assert len(mapped) > 2 and not alive(mapped)


def test_a_fitted_classifier_holds_no_pixels(files, small_memory, tmp_path):
    clf = fit(files)
    content = pickle.dumps(clf)
    assert b"memmap" not in content
    with config_context(working_memory=100):
        other = len(pickle.dumps(fit(files)))
    # Less than one image: times of epochs are numbers of unequal length.
    assert abs(len(content) - other) < np.prod(SHAPE)
    clf.save(tmp_path / "clf.safetensors")
    for again in (pickle.loads(content), sklimb.load(tmp_path / "clf.safetensors")):
        np.testing.assert_array_equal(
            again.predict_proba(files[0]), clf.predict_proba(files[0])
        )


class Largest(TorchDispatchMode):
    """Most bytes of a new tensor of bytes, as pixels are."""

    n_bytes = 0

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        out = function(*args, **(kwargs or {}))
        given = [a for a in args if isinstance(a, torch.Tensor)]
        old = {a.untyped_storage().data_ptr() for a in given}
        if isinstance(out, torch.Tensor) and out.dtype == torch.uint8:
            storage = out.untyped_storage()
            if storage.data_ptr() not in old:
                self.n_bytes = max(self.n_bytes, storage.nbytes())
        return out


@pytest.fixture
def many(tmp_path, monkeypatch):
    """800 files of 32 x 32 pixels, labels, and the bytes of an image."""
    paths, y = write(tmp_path, 40, (32, 32, 3))
    monkeypatch.setattr(_row_files, "BLOCK_BYTES", 2**16)
    monkeypatch.setattr(batches, "_CHUNK_ROWS", 32)
    return paths * 20, np.tile(y, 20), 32 * 32 * 3


OF_MANY = {
    "merge_duplicates": False,
    "max_epochs": 1,
    "batch_size": 32,
    "freeze": "backbone",
}


@pytest.mark.parametrize("in_file", [True, False])
def test_nothing_of_full_size_is_in_memory(many, in_file):
    paths, y, row = many
    full = len(paths) * row
    # What is no pixels: modules, tasks, losses.
    fit((paths[:64], y[:64]), **OF_MANY).predict_proba(paths[:64])
    with config_context(working_memory=0 if in_file else 100), Largest() as largest:
        tracemalloc.start()
        clf = fit((paths, y), **OF_MANY)
        fitting = tracemalloc.get_traced_memory()[1]
        tracemalloc.reset_peak()
        clf.predict_proba(paths)
        predicting = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
    assert predicting < full / 2  # in parts, in either case
    assert (fitting < full / 2) == in_file
    assert largest.n_bytes <= (32 * row if in_file else full)


def test_pretraining_holds_no_more(many):
    paths, _, row = many
    inner = ImageResNetClassifier(**{**SMALL, **OF_MANY})
    own = {"max_epochs": 1, "batch_size": 32, "random_state": 0}
    pretrainer = SelfSupervisedPretrainer(inner, "rotation", **own)
    pretrainer.fit(paths[:64]).transform(paths[:64])
    with config_context(working_memory=0), Largest() as largest:
        tracemalloc.start()
        pretrainer.fit(paths).transform(paths)
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
    assert peak < len(paths) * row / 2 and largest.n_bytes <= 32 * row


def test_large_images_are_changed_in_fewer_rows(files, monkeypatch):
    seen = []

    def change(x, generator):
        seen.append(len(x))
        return x

    fit(files, augment=[change], early_stopping=False, max_epochs=1)
    assert seen == [60]
    monkeypatch.setattr(batches, "_CHUNK_NUMBERS", 40 * np.prod(SHAPE))
    fit(files, augment=[change], early_stopping=False, max_epochs=1)
    assert seen == [60, 32, 28]


# Files that are none.


def test_all_that_cannot_be_read_is_named(files, tmp_path, small_memory, mapped):
    paths, y = files
    bad = [tmp_path / f"bad{i}.png" for i in range(12)]
    for path in bad[1:]:
        path.write_bytes(b"no image")
    given = [*paths[:30], *bad, *paths[30:]]
    labels = np.resize(y, len(given))
    with pytest.raises(ValueError, match=r"X has 12 images .*bad0.*bad4.*and 7 more"):
        fit((given, labels))
    with pytest.raises(ValueError, match=r"X names '.*bad0.*', which is no image"):
        fit(([*paths, bad[0]], np.resize(y, 61)))
    # What has a head and no body is found when it is decoded.
    for path, good in zip(bad, paths, strict=False):
        path.write_bytes(good.read_bytes()[:-60])
    message = r"X has 12 images .* it holds '.*bad0.png', which cannot be .*7 more"
    with pytest.raises(ValueError, match=message):
        fit((given, labels))
    with pytest.raises(ValueError, match=r"X holds '.*bad3.png', which cannot be read"):
        fit(([*paths, bad[3]], np.resize(y, 61)))
    with pytest.raises(ValueError, match="X has 12 images"):
        fit((bad, labels[:12]))
    clf = fit(files)
    with pytest.raises(ValueError, match=r"bad3.png', which cannot be read"):
        clf.predict([*paths, bad[3]])
    with pytest.raises(ValueError, match=r"X\[60\] must be a PIL image"):
        clf.predict([*paths, None])
    assert not alive(mapped)


def test_unequal_sizes_are_told_with_the_images(files, tmp_path, small_memory):
    wide = tmp_path / "wide.png"
    Image.new("RGB", (10, 9)).save(wide)
    message = r"got 9 x 8 pixels \('.*0.png'\) and 9 x 10 pixels \('.*wide.png'\)"
    with pytest.raises(ValueError, match=message):
        fit(([*files[0], wide], np.resize(files[1], 61)))
    clf = fit(([*files[0], wide], np.resize(files[1], 61)), image_shape=(8, 8))
    assert clf.encoder_.image_shape_ == (3, 8, 8)
