"""Containers of images: paths, bytes, open files, pictures and arrays, of all kinds."""

import io
from pathlib import PurePosixPath

import numpy as np
import pandas as pd
import polars
import pyarrow
import pytest
import torch
from helpers.images import X, Y, fit, picture, saved, values, write
from PIL import Image

from sklimb.inputs.images import read_pictures
from sklimb.semisup._stack import check_unlabeled, stacked

# The same grey levels for the depths of cameras.
TWELVE = X.astype(np.uint16) * 17


@pytest.fixture(scope="module")
def paths(tmp_path_factory):
    return write(tmp_path_factory.mktemp("bytes"), X)


@pytest.fixture(scope="module")
def clf(paths):
    return fit(paths, max_epochs=1)


def containers(paths):
    """Ways to give the same files."""
    texts = [str(path) for path in paths]
    yield "paths", paths
    yield "PurePath", [PurePosixPath(text) for text in texts]
    yield "tuple", tuple(texts)
    yield "np.str_", [np.str_(text) for text in texts]
    yield "array of str", np.array(texts)
    yield "StringDType", np.array(texts, dtype=np.dtypes.StringDType())
    yield "array of objects", np.array(paths, dtype=object)
    yield "column of objects", np.array(paths, dtype=object)[:, None]
    yield "series", pd.Series(texts)
    yield "series of objects", pd.Series(paths, index=np.arange(len(paths))[::-1])
    yield "category", pd.Series(texts, dtype="category")
    yield "frame", pd.DataFrame({"file": texts})
    yield "polars", polars.Series(texts)
    yield "polars frame", polars.DataFrame({"file": texts})
    yield "pyarrow", pyarrow.array(texts)
    yield "chunked", pyarrow.chunked_array([texts])
    yield "pyarrow table", pyarrow.table({"file": texts})
    yield "bytes", [path.read_bytes() for path in paths]
    yield "series of bytes", pd.Series([path.read_bytes() for path in paths])
    yield "bytearray", [bytearray(path.read_bytes()) for path in paths]
    yield "BytesIO", [io.BytesIO(path.read_bytes()) for path in paths]
    yield "pictures", [picture(path) for path in paths]
    yield "arrays", list(X)
    yield "object array of arrays", as_objects(list(X))
    yield "series of arrays", pd.Series(list(X))
    yield "tensors", list(torch.from_numpy(X))
    yield "mixed", [paths[0], X[1], saved(Image.fromarray(X[2])), *map(str, paths[3:])]


def as_objects(items):
    out = np.empty(len(items), dtype=object)
    out[:] = items
    return out


def test_every_container_holds_the_same_images(paths, clf):
    expected = clf.predict_proba(X)
    for name, given in containers(paths):
        np.testing.assert_array_equal(values(given), X.reshape(len(X), -1), name)
        np.testing.assert_array_equal(clf.predict_proba(given), expected, name)


def test_containers_are_fitted(paths, clf):
    expected = clf.predict_proba(X)
    kept = {"frame", "BytesIO", "object array of arrays"}
    for name, given in containers(paths):
        if name in kept:
            again = fit(given, max_epochs=1)
            np.testing.assert_array_equal(again.predict_proba(given), expected, name)


def test_unlabelled_pictures_are_stacked_below(paths):
    for name, given in containers(paths):
        both = stacked(given, given)
        np.testing.assert_array_equal(
            values(both), np.tile(X.reshape(len(X), -1), (2, 1)), name
        )
        check_unlabeled(given, given)


def test_open_files_stay_where_they_are(paths, clf):
    with open(paths[0], "rb") as file:
        file.seek(3)
        rows = values([file, file])
        assert file.tell() == 3 and not file.closed
    np.testing.assert_array_equal(rows, X[[0, 0]].reshape(2, -1))
    with pytest.raises(ValueError, match=r"X names X\[0\], which is no .* closed file"):
        clf.predict([file])


def test_arrays_of_unequal_size_are_resized_as_files_are(tmp_path):
    rng = np.random.default_rng(0)
    sizes = [(8 + i % 3, 9 + i % 2, 3) for i in range(24)]
    arrays = [rng.integers(0, 256, size, dtype=np.uint8) for size in sizes]
    files, y = write(tmp_path, arrays), np.arange(24) % 2
    with pytest.raises(ValueError, match=r"9 x 10 pixels \(X\[1\]\).* image_shape="):
        fit(arrays, y)
    how = {"image_shape": (7, 7), "max_epochs": 1}
    np.testing.assert_array_equal(
        values(arrays, image_shape=(7, 7)), values(files, image_shape=(7, 7))
    )
    of_arrays = fit(arrays, y, **how)
    expected = fit(files, y, **how).predict_proba(files)
    np.testing.assert_array_equal(of_arrays.predict_proba(arrays), expected)
    # Those of one size, too, in a list; an array says its shape itself.
    one = arrays[0]
    np.testing.assert_array_equal(of_arrays.predict_proba([one]), expected[:1])
    with pytest.raises(ValueError, match=r"does not agree .* or give list\(X\)"):
        of_arrays.predict(one[None])
    first = [array.transpose(2, 0, 1) for array in arrays]
    np.testing.assert_array_equal(of_arrays.predict_proba(first), expected)
    floats = [array.astype(float) for array in arrays]
    rows = values(floats, image_shape=(7, 7))
    assert rows.dtype == np.float32
    # Bytes are rounded after each of two passes.
    assert np.abs(rows - values(arrays, image_shape=(7, 7))).max() < 1.5


def test_grey_and_colour_mix(clf):
    colour = np.stack([X[0]] * 3, -1)
    both = read_pictures([X[0], colour, Image.fromarray(X[1])])
    assert both.image_shape == (3, 8, 8)
    np.testing.assert_array_equal(both.values()[0], both.values()[1])
    # A grey classifier takes grey colours, in a list, as it does of files.
    np.testing.assert_array_equal(clf.predict_proba([colour]), clf.predict_proba(X[:1]))
    wide = [TWELVE[0], np.stack([TWELVE[0]] * 3, -1)]
    np.testing.assert_array_equal(*values(wide))
    with pytest.raises(ValueError, match=r"X\[0\], .* 3 channels where others have 1"):
        clf.predict([colour / 1.0])
    four = np.zeros((8, 8, 4), np.uint8)
    assert read_pictures([four, four[:6]], image_shape=(8, 8)).image_shape[0] == 4
    with pytest.raises(ValueError, match=r"X\[1\], .* 3 channels where others have 4"):
        read_pictures([four, colour])
    with pytest.raises(ValueError, match=r"X\[1\], .* those of training have 4"):
        read_pictures([four, Image.new("RGBA", (8, 8))])


def test_one_image_is_refused_with_the_cure(paths, clf):
    for one, kind in [
        (str(paths[0]), "path"),
        (paths[0], "path"),
        (paths[0].read_bytes(), "bytes"),
        (io.BytesIO(), "file"),
        (picture(paths[0]), "picture"),
    ]:
        for call in (clf.predict, lambda one: fit(one, Y)):
            with pytest.raises(ValueError, match=rf"got one {kind}: give \[X\]"):
                call(one)
    for one in (X[0], X[0][..., None], X[0][None, ..., None]):
        if one.shape[0] == 1:  # one image in an array
            assert clf.predict(one).shape == (1,)
            continue
        with pytest.raises(ValueError, match=r"one of shape \(8, 8.*give X\[None\]"):
            clf.predict(one)
    assert clf.predict(X[:1]).shape == clf.predict([X[0]]).shape == (1,)
    colour = np.stack([X] * 3, -1)
    of_colour = fit(colour, max_epochs=1)
    for one in (colour[0], colour[0].transpose(2, 0, 1)):
        with pytest.raises(ValueError, match=r"give X\[None\]"):
            of_colour.predict(one)


def test_what_is_no_image_is_named_by_its_row(paths, clf):
    for nothing in (None, np.nan, pd.NA, pd.NaT):
        for row in (0, 2):
            given = list(map(str, paths[:4]))
            given[row] = nothing
            for column in (given, pd.Series(given, dtype=object)):
                with pytest.raises(
                    ValueError, match=rf"X\[{row}\] must .* got nothing"
                ):
                    clf.predict(column)
        with pytest.raises(ValueError, match=r"X\[0\] must .* got nothing"):
            clf.predict([nothing, X[0]])
    with pytest.raises(ValueError, match=r"X\[0\] must .* got nothing"):
        fit([None] * len(Y))
    with pytest.raises(ValueError, match=r"X\[1\] must be a PIL image.* got int"):
        clf.predict([X[0], 3])
    with pytest.raises(ValueError, match=r"X\[1\], which cannot be read: it has NaN"):
        read_pictures([TWELVE[0], np.full((6, 8), np.nan)], image_shape=(8, 8))
    with pytest.raises(ValueError, match=r"X\[1\], .* got \(2, 8, 8\)"):
        read_pictures([X[0], X[:2]])
    with pytest.raises(ValueError, match=r"X\[1\] is not that of X\[0\]"):
        clf.predict([X[0].ravel(), X[0].ravel()[:60]])
    with pytest.raises(ValueError, match=r"X\[1\] is not that of X\[0\]"):
        clf.predict([X[0].tolist(), X[0, :6].tolist()])
    with pytest.raises(ValueError, match=r"got a generator, .* give list\(X\)"):
        clf.predict(path for path in paths)
    # Numbers are left to scikit-learn.
    with pytest.raises(ValueError, match="Expected 2D array"):
        clf.predict([np.nan] * 4)


def test_a_frame_with_more_than_the_files_names_their_column(paths, clf):
    table = {"age": np.arange(len(paths)), "file": list(map(str, paths))}
    for frame in (pd.DataFrame(table), polars.DataFrame(table), pyarrow.table(table)):
        with pytest.raises(ValueError, match=r"2 columns with text.* give X\['file'\]"):
            clf.predict(frame)
    with pytest.raises(ValueError, match=r"give X\[:, 1\]"):
        clf.predict(pd.DataFrame(table).to_numpy())
