"""Other people's pictures: depths, containers, alpha, pages, broken files."""

import io
import struct
import zlib
from pathlib import PurePosixPath

import numpy as np
import pandas as pd
import polars
import pyarrow
import pytest
import torch
from helpers.images import SMALL, X, Y, fit
from PIL import Image
from sklearn.metrics import roc_auc_score

from sklimb import ImageResNetClassifier
from sklimb.exceptions import InputWarning
from sklimb.inputs.images import read_pictures
from sklimb.semisup._stack import check_unlabeled, stacked

# The same grey levels for the depths of cameras.
TWELVE = X.astype(np.uint16) * 17


def saved(image, format="PNG", **how):
    """The bytes of a file."""
    out = io.BytesIO()
    image.save(out, format, **how)
    return out.getvalue()


def write(folder, images, suffix="png"):
    """Files of arrays or pictures; their paths."""
    paths = [folder / f"{i}.{suffix}" for i in range(len(images))]
    for image, path in zip(images, paths, strict=True):
        image = image if hasattr(image, "save") else Image.fromarray(image)
        image.save(path)
    return paths


def picture(path):
    """A picture that is read from memory, so that no file stays open."""
    return Image.open(io.BytesIO(path.read_bytes()))


def values(given, **how):
    return read_pictures(given, **how).values()


@pytest.fixture(scope="module")
def paths(tmp_path_factory):
    return write(tmp_path_factory.mktemp("bytes"), X)


@pytest.fixture(scope="module")
def clf(paths):
    return fit(paths, max_epochs=1)


# Depths.


@pytest.mark.parametrize(
    ("images", "suffix", "mode"),
    [
        (X.astype(np.uint16), "png", "I;16"),
        (TWELVE, "png", "I;16"),
        (X.astype(np.uint16) * 257, "tiff", "I;16"),
        (X.astype(np.int32) * 1000, "tiff", "I"),
        (X.astype(np.float32) / 255 - 0.5, "tiff", "F"),
    ],
)
def test_levels_of_files_are_those_of_arrays(tmp_path, images, suffix, mode):
    files = write(tmp_path, images, suffix)
    assert picture(files[0]).mode == mode
    pictures = [Image.fromarray(image) for image in images]
    p = fit(images, max_epochs=1).predict_proba(images)
    of_files = fit(files, max_epochs=1)
    for given in (files, pictures, images):
        np.testing.assert_array_equal(of_files.predict_proba(given), p)
    np.testing.assert_array_equal(values(pictures), values(images))


def test_dark_sixteen_bits_are_not_black(tmp_path):
    files = write(tmp_path, X.astype(np.uint16))
    zero = (Y == 0).astype(int)
    clf = fit(files, zero, max_epochs=12)
    assert roc_auc_score(zero, clf.predict_proba(files)[:, 1]) > 0.95


def test_sixteen_bits_are_resized_turned_and_repeated():
    ramp = np.arange(48, dtype=np.uint16).reshape(6, 8) * 1000
    small = values([Image.fromarray(ramp)], image_shape=(3, 4))
    expected = Image.fromarray(ramp.astype(np.float32)).resize(
        (4, 3), Image.Resampling.BILINEAR
    )
    np.testing.assert_array_equal(small, np.asarray(expected).reshape(1, -1))
    exif = Image.Exif()
    exif[0x0112] = 6
    turned = read_pictures([saved(Image.fromarray(ramp), exif=exif)])
    assert turned.image_shape == (1, 8, 6)
    np.testing.assert_array_equal(turned.values().reshape(8, 6), np.rot90(ramp, -1))
    colour = read_pictures([Image.fromarray(ramp)], channels=3)
    assert colour.image_shape == (3, 6, 8)
    np.testing.assert_array_equal(colour.values().reshape(3, -1)[2], ramp.ravel())


def test_bytes_stay_bytes(paths):
    for given in (paths, list(X), [p.read_bytes() for p in paths]):
        assert values(given).dtype == np.uint8
    unequal = [X[0], X[1][:6]]
    assert values(unequal, image_shape=(5, 5)).dtype == np.uint8


def test_files_of_many_bits_need_no_memory(tmp_path, monkeypatch):
    from sklearn import config_context

    from sklimb.inputs import on_disk

    files = write(tmp_path, TWELVE)
    expected = fit(files).predict_proba(files)
    monkeypatch.setattr(on_disk, "BLOCK_BYTES", 5 * 64 * 4)
    with config_context(working_memory=0):
        assert isinstance(values(files), np.memmap)
        np.testing.assert_array_equal(fit(files).predict_proba(files), expected)


def chunk(name, content):
    check = zlib.crc32(name + content)
    return struct.pack(">I", len(content)) + name + content + struct.pack(">I", check)


def png_of_sixteen_bits(kind, n_channels):
    """A PNG of 4 x 4 pixels; kinds: 2 is RGB, 4 grey with alpha, 6 RGBA."""
    head = struct.pack(">IIBBBBB", 4, 4, 16, kind, 0, 0, 0)
    rows = zlib.compress(bytes(4 * (1 + 8 * n_channels)))
    parts = [(b"IHDR", head), (b"IDAT", rows), (b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunk(*part) for part in parts)


def test_colours_of_sixteen_bits_are_not_cut():
    files = [png_of_sixteen_bits(*kind) for kind in ((2, 3), (4, 2), (6, 4))]
    files.append(b"P6 4 4 65535\n" + bytes(96))
    for file in files:
        for given in ([file], [Image.open(io.BytesIO(file))]):
            with pytest.raises(
                ValueError, match=r"X\[0\], .* of 16 bits.* Give arrays"
            ):
                read_pictures(given)
    assert values([b"P6 4 4 255\n" + bytes(48)]).dtype == np.uint8


def test_depths_are_not_mixed(paths):
    mixed = [*paths[:3], saved(Image.fromarray(TWELVE[3])), *paths[4:]]
    message = r"8 bits \('.*0.png'\) and more \(X\[3\]\)"
    with pytest.raises(ValueError, match=message):
        fit(mixed)
    with pytest.raises(ValueError, match=r"8 bits \(X\[1\]\) and more \(X\[0\]\)"):
        read_pictures([TWELVE[0], X[0][:6]], image_shape=(8, 8))


@pytest.mark.parametrize(
    ("here", "message"),
    [
        (X.astype(np.uint16) * 257, "0 to 65535, and the training images had 0 to 255"),
        (TWELVE, "0 to 4095, .* 0 to 255"),
        (-2.0 * X, "-480 to 0, .* 0 to 255"),
    ],
)
def test_another_range_is_named(clf, tmp_path, here, message):
    given = [here]
    if here.dtype == np.uint16:
        given.append(write(tmp_path, here))
    for images in given:
        with pytest.warns(InputWarning, match=f"X has levels within {message}") as seen:
            clf.predict_proba(images)
        assert len(seen) == 1


def test_other_ranges_of_wide_images_are_named():
    wide = fit(X.astype(np.uint16) * 257, max_epochs=1)
    for here, name in [(X, "0 to 255"), (X / 255, "0 to 1")]:
        with pytest.warns(InputWarning, match=f"{name}, .* 0 to 65535") as seen:
            wide.predict_proba(here)
        assert len(seen) == 1
    with pytest.warns(InputWarning, match="0 to 65535, .* 0 to 1"):
        fit(X / 255, max_epochs=1).predict_proba(TWELVE * 16)
    # Dark, bright and uniform images of one range are not.
    wide.predict_proba(np.stack([TWELVE[0] * 8, TWELVE[0] * 0, TWELVE[0] * 16]))
    wide.predict_proba(np.zeros((1, 8, 8)))


def test_another_range_of_validation_images_is_told_once():
    params = {**SMALL, "max_epochs": 1}
    with pytest.warns(InputWarning, match="0 to 4095") as seen:
        ImageResNetClassifier(**params).fit(X, Y, X_val=TWELVE, y_val=Y)
    assert len(seen) == 1


# Containers.


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


# Alpha, pages, broken files.


def test_hidden_colours_are_not_seen():
    alpha = np.full((8, 8), 255, np.uint8)
    alpha[:, :4] = 0
    seen = np.where(alpha == 255, X[0], 255)
    one = np.dstack([X[0]] * 3 + [alpha])
    other = np.where(alpha[..., None] == 0, [200, 10, 90, 0], one).astype(np.uint8)
    expected = np.stack([seen] * 3).reshape(1, -1)
    for image in (one, other):
        np.testing.assert_array_equal(values([Image.fromarray(image)]), expected)
        file = saved(Image.fromarray(image))
        np.testing.assert_array_equal(values([file], channels=1)[0], seen.ravel())
    # Grey, palettes and a transparent colour.
    grey = Image.merge("LA", [Image.fromarray(X[0]), Image.fromarray(alpha)])
    np.testing.assert_array_equal(values([grey])[0], seen.ravel())
    premultiplied = Image.fromarray(one).convert("RGBa")
    np.testing.assert_array_equal(values([premultiplied]), expected)
    palette = Image.fromarray(np.array([[0, 1], [2, 0]], np.uint8), "P")
    palette.putpalette([10, 20, 30, 200, 0, 0, 0, 0, 0])
    for transparent in (0, bytes([0, 255, 255])):
        file = saved(palette, transparency=transparent)
        np.testing.assert_array_equal(
            values([file])[0].reshape(3, 2, 2),
            [[[255, 200], [0, 255]], [[255, 0], [0, 255]], [[255, 0], [0, 255]]],
        )
    key = saved(Image.fromarray(X[0]), transparency=int(X[0, 0, 0]))
    np.testing.assert_array_equal(
        values([key])[0], np.where(X[0] == X[0, 0, 0], 255, X[0]).ravel()
    )
    half = Image.new("RGBA", (1, 1), (0, 0, 0, 51))
    assert values([half]).tolist() == [[204] * 3]


def test_opaque_pictures_and_arrays_of_four_channels_stay():
    rng = np.random.default_rng(0)
    colours = rng.integers(0, 256, (8, 8, 3), dtype=np.uint8)
    opaque = np.dstack([colours, np.full((8, 8), 255, np.uint8)])
    np.testing.assert_array_equal(
        values([Image.fromarray(opaque)]), colours.transpose(2, 0, 1).reshape(1, -1)
    )
    clear = rng.integers(0, 256, (1, 8, 8, 4), dtype=np.uint8)
    read = read_pictures(clear)
    assert read.image_shape == (4, 8, 8)
    np.testing.assert_array_equal(
        read.values()[0].reshape(4, 8, 8)[3], clear[0, ..., 3]
    )


@pytest.mark.parametrize("format", ["TIFF", "GIF", "WEBP", "PNG"])
def test_pages_are_not_passed_over(format, clf, tmp_path):
    pages = [Image.fromarray(image) for image in X[:3]]
    file = tmp_path / f"pages.{format.lower()}"
    pages[0].save(file, save_all=True, append_images=pages[1:])
    for given in ([file], [picture(file)]):
        with pytest.raises(
            ValueError, match=r"several pages or frames, .* image\.seek"
        ):
            clf.predict(given)
    with pytest.raises(ValueError, match=r"pages.*several pages"):
        fit([file] * len(Y))
    chosen = picture(file)
    chosen.seek(1)
    for image in (chosen, chosen.copy()):
        assert clf.predict([image]).shape == (1,)
    alone = tmp_path / f"one.{format.lower()}"
    pages[0].save(alone, save_all=True)
    assert clf.predict([alone]).shape == (1,)


def test_previews_of_cameras_are_no_pages(tmp_path):
    images = [Image.fromarray(image) for image in X[:2]]
    file = tmp_path / "photo.jpg"
    images[0].save(file, "MPO", save_all=True, append_images=images[1:])
    assert picture(file).n_frames == 2
    np.testing.assert_array_equal(values([file]), values([saved(images[0], "JPEG")]))


def test_broken_files_are_named_in_one_sentence(paths, clf, tmp_path, monkeypatch):
    def broken(message, content=None, path=tmp_path / "bad.png"):
        if content is not None:
            path.write_bytes(content)
        for call in (clf.predict, lambda given: fit(given, np.resize(Y, len(given)))):
            with pytest.raises(ValueError, match=message) as error:
                call([*paths, path])
            assert str(error.value).count(str(path)) == 1

    good = paths[0].read_bytes()
    broken("bad.png', which is no image: it is empty", b"")
    broken("bad.png', which is no image: Pillow knows no such format", b"text")
    broken("bad.png', which cannot be read", good[:-30])
    at = good.index(b"IDAT") + 8
    broken("bad.png', which cannot be read", good[:at] + b"\xff\xff" + good[at + 2 :])
    broken("bad.png', which is no image", good[:14])
    broken("which is no image: it is a folder, whose files", None, tmp_path / ".")
    broken("which is no image: there is no such file", None, tmp_path / "none.png")
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 1000)
    broken("bad.png', which is too large .* raise", saved(Image.new("L", (50, 50))))
    with pytest.raises(ValueError, match=r"X names X\[1\], which is no image"):
        clf.predict([good, b"text"])
