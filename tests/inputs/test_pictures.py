"""Other people's pictures: depths, alpha, pages, broken files."""

import io
import struct
import zlib

import numpy as np
import pytest
from helpers.images import SMALL, X, Y, fit, picture, saved, values, write
from PIL import Image
from sklearn.metrics import roc_auc_score

from sklimb import ImageResNetClassifier
from sklimb.exceptions import InputWarning
from sklimb.inputs.images import read_pictures

# The same grey levels for the depths of cameras.
TWELVE = X.astype(np.uint16) * 17


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
