"""Images in the place of tables: every way to give them, every strategy, one room."""

import io

import numpy as np
import pandas as pd
import pytest
import torch
from helpers.images import SMALL, X, Y, fit, same
from PIL import Image
from sklearn.base import clone
from sklearn.model_selection import GridSearchCV, train_test_split
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import FunctionTransformer
from sklearn.utils.estimator_checks import parametrize_with_checks

import sklimb
from sklimb import ImageResNetClassifier
from sklimb.exceptions import InputWarning
from sklimb.inputs.images import ImageEncoder, read_pictures
from sklimb.model_selection import PackedSearchCV
from sklimb.selfsup import SelfSupervisedPretrainer
from sklimb.training.mixing import Mixer


@pytest.mark.filterwarnings("ignore:Each row of X has .* no grey square")
@parametrize_with_checks(
    [
        ImageResNetClassifier(backbone="resnet8", max_epochs=20, lr=0.05),
        ImageResNetClassifier(
            backbone="resnet8",
            max_epochs=12,
            lr=0.05,
            clip_norm=1.0,  # without it a network may be sure of wrong answers
            n_members=2,
            sam_asymmetric_rho=0.05,
            sampler="balanced",
        ),
    ]
)
def test_estimator_checks(estimator, check):
    check(estimator)


# What images may be.


@pytest.fixture(scope="module")
def colour():
    """Forty colour images (n, H, W, C) of 7 x 9 pixels, and labels."""
    rng = np.random.default_rng(0)
    y = np.arange(40) % 2
    images = rng.integers(0, 255, (40, 7, 9, 3), dtype=np.uint8)
    images[y == 1, :3] //= 2
    return images, y


def test_all_layouts_are_the_same_images(colour):
    images, y = colour
    plain = fit(images, y)
    assert plain.n_features_in_ == 7 * 9 * 3
    first = images.transpose(0, 3, 1, 2)
    assert same(plain, fit(first, y), images)
    np.testing.assert_array_equal(
        plain.predict_proba(first), plain.predict_proba(images)
    )
    flat = images.reshape(40, -1)
    by_rows = fit(flat, y, image_shape=(7, 9, 3))
    np.testing.assert_array_equal(
        by_rows.predict_proba(flat), plain.predict_proba(images)
    )
    grey = images[..., 0]
    assert same(fit(grey, y), fit(grey[..., None], y), grey)


def test_a_new_fit_forgets_the_shape_of_the_last_one(colour):
    images, y = colour
    clf = fit(images, y)
    flat = images.reshape(len(images), -1)
    np.testing.assert_array_equal(clf.predict_proba(flat), clf.predict_proba(images))
    with pytest.warns(InputWarning, match="189 numbers, .* 1 x 189 .* image_shape"):
        clf.fit(flat, y)
    assert clf.encoder_.image_shape_ == (1, 1, 7 * 9 * 3)


def test_flat_rows_are_squares_or_lines():
    squares = read_pictures(np.zeros((2, 64)))
    assert squares.image_shape == (1, 8, 8)
    assert read_pictures(np.zeros((2, 63))).image_shape == (1, 1, 63)


@pytest.mark.parametrize("way", ["pil", "path", "str"])
def test_pictures_and_files(colour, tmp_path, way):
    images, y = colour
    given = [Image.fromarray(image) for image in images]
    if way != "pil":
        paths = [tmp_path / f"{i}.png" for i in range(len(given))]
        for image, path in zip(given, paths, strict=True):
            image.save(path)
        given = paths if way == "path" else [str(path) for path in paths]
    clf = fit(given, y)
    np.testing.assert_array_equal(
        clf.predict_proba(given), fit(images, y).predict_proba(images)
    )
    # More ways to hold files: an array of strings, a column of a frame.
    if way == "str":
        for column in (np.array(given), pd.Series(given)):
            np.testing.assert_array_equal(
                clf.predict_proba(column), clf.predict_proba(given)
            )


def test_exif_modes_and_sizes():
    pixels = np.arange(48, dtype=np.uint8).reshape(6, 8)
    turned = io.BytesIO()
    exif = Image.Exif()
    exif[0x0112] = 6  # turn by 90 degrees clockwise to see it upright
    Image.fromarray(pixels).save(turned, "PNG", exif=exif)
    turned.seek(0)
    read = read_pictures([Image.open(turned)])
    assert read.image_shape == (1, 8, 6)
    np.testing.assert_array_equal(read.values().reshape(8, 6), np.rot90(pixels, -1))
    modes = [Image.new(m, (8, 6)) for m in ("L", "RGB", "RGBA", "P", "CMYK")]
    assert read_pictures(modes).image_shape == (3, 6, 8)
    assert read_pictures([Image.new("1", (8, 6))]).image_shape == (1, 6, 8)
    sixteen = Image.fromarray(np.full((6, 8), 0xAB12, dtype=np.uint16))
    assert (read_pictures([sixteen]).values() == 0xAB12).all()
    resized = read_pictures(modes, image_shape=(4, 5))
    assert resized.image_shape == (3, 4, 5)


def test_floats_of_any_range_are_bytes_of_another_name():
    # All images in each step: their order, by a hash of the pixels, does not matter.
    params = {"dtype": "float64", "early_stopping": False, "batch_size": "auto"}
    bytes_ = fit(**params)
    floats = X.astype(np.float64) * 3 - 100
    clf = fit(floats, **params)
    low, high = X.min(), X.max()
    assert (clf.encoder_.low_, clf.encoder_.high_) == (
        low * 3.0 - 100,
        high * 3.0 - 100,
    )
    # The range of the training rows (0 to 240) instead of that of bytes, which
    # normalising takes back: mean and deviation are rounded to float32.
    np.testing.assert_allclose(
        clf.predict_proba(floats), bytes_.predict_proba(X), atol=1e-5
    )


def test_floats_where_bytes_were_are_refused():
    clf = fit()
    with pytest.raises(ValueError, match="multiply X by 255"):
        clf.predict(X / 255)
    np.testing.assert_array_equal(
        clf.predict_proba(X.astype(float)), clf.predict_proba(X)
    )


def test_bytes_where_floats_were_are_refused():
    clf = fit(X / 255)
    with pytest.raises(ValueError, match="divide X by 255"):
        clf.predict(X)
    # Black and white are the same in both.
    mask = (X > 100).astype(np.uint8)
    clf = fit(mask / 1.0)
    np.testing.assert_array_equal(
        clf.predict_proba(mask), clf.predict_proba(mask / 1.0)
    )


def test_bytes_are_bytes_in_any_container():
    expected = fit().predict_proba(X)
    flat = pd.DataFrame(X.reshape(len(X), -1))
    for given in (list(X), torch.from_numpy(X), flat):
        clf = fit(given, image_shape=(8, 8) if given is flat else None)
        np.testing.assert_array_equal(clf.predict_proba(given), expected)


def test_encoder_knows_mean_and_standard_deviation():
    weight = np.random.default_rng(0).uniform(size=len(X))
    encoder = ImageEncoder()._fit_table(read_pictures(X), weight)
    pixels = X / 255
    mean = np.average(pixels.mean((1, 2)), weights=weight)
    square = np.average((pixels**2).mean((1, 2)), weights=weight)
    np.testing.assert_allclose(encoder.mean_, [mean], rtol=1e-12)
    np.testing.assert_allclose(encoder.std_, [np.sqrt(square - mean**2)], rtol=1e-10)


@pytest.mark.parametrize(
    ("images", "params", "message"),
    [
        (np.zeros((30, 8, 8, 5)), {}, "axis of 1, 3 or 4 channels"),
        (np.zeros((30, 2, 2, 2, 2)), {}, "got 5 dimensions"),
        (np.full((30, 8, 8), np.nan), {}, "contains NaN"),
        (np.zeros((30, 60)), {"image_shape": (8, 8)}, "has 64 numbers an image"),
        (np.zeros((30, 8, 8)), {"image_shape": (4, 4)}, "does not agree"),
        (np.zeros((30, 8, 8)), {"image_shape": (8,)}, "image_shape must be"),
        (np.zeros((30, 8, 0)), {}, "with pixels|minimum of 1"),
        (["nowhere.png"] * 30, {}, "nowhere.png"),
        ([Image.new("L", (4, 4))] * 29 + [None], {}, r"X\[29\] must be a PIL image"),
        (X[:30], {"portfolio": "default"}, "list of dicts"),
        ([Image.new("L", (4 + i % 2, 4)) for i in range(30)], {}, "one size"),
        (X[:30], {"backbone": "resnet33"}, "backbone must be one of"),
        (X[:30], {"pretrained": True}, "needs a backbone of timm"),
        (X[:30], {"augment": "spin"}, "augment"),
        (X[:30], {"freeze": "head"}, "freeze"),
    ],
)
def test_refusals(images, params, message):
    with pytest.raises((ValueError, TypeError), match=message):
        fit(images, np.arange(30) % 2, **params)


def test_other_images_than_those_of_training_are_refused(colour):
    clf = fit()
    with pytest.raises(ValueError, match="expecting 64 features"):
        clf.predict(X[:, :7])
    with pytest.raises(ValueError, match="8 x 8 pixels, got"):
        clf.predict(X.reshape(-1, 4, 16))
    assert not hasattr(clf, "input_report")


# What is done to them.


@pytest.mark.parametrize(
    "params",
    [
        {"loss": "ldam", "drw_start": 0.5},
        {"loss": "logit_adjusted"},
        {"sampler": "balanced"},
        {"sampler": "smote"},
        {"smoothing_eps": 0.1},
        {"sam_asymmetric_rho": 0.05},
        {"mix": "mixup"},
        {"mix": "cutmix"},
        {"metabalance_sampler": "over", "metabalance_steps": 2},
        {"augment": ["crop", "flip", "cutout"]},
        {"n_members": 2, "ema_decay": 0.9},
        {"validation_folds": 2},
        {"portfolio": [{"smoothing_eps": 0.1}, {"smoothing_eps": 0.0}]},
        {"optimizer": "adamw", "lr": 1e-3, "clip_norm": 1.0},
        {"channels_last": True, "dtype": "bfloat16"},
        {"test_time_flips": True},
        {"freeze": "backbone"},
    ],
    ids=str,
)
def test_every_strategy_trains_and_keeps_the_base_rate(params):
    clf = fit(**params)
    p = clf.predict_proba(X)
    assert not same(clf, fit())
    rows = clf.class_prior_ if "validation_folds" in params else Y
    share = rows if rows is not Y else np.bincount(Y) / len(Y)
    # Folds have biases of their own, solved on the same rows.
    np.testing.assert_allclose(p.mean(0), share, atol=1e-6)


def test_training_learns():
    train, test, y, y_test = train_test_split(X, Y, stratify=Y, random_state=0)
    clf = fit(train, y, max_epochs=20, augment="crop")
    assert clf.score(test, y_test) > 0.9


@pytest.mark.parametrize(
    "params",
    [
        {},
        {"augment": ["crop", "flip"]},
        {"sam_asymmetric_rho": 0.05, "sampler": "balanced"},
        {"mix": "cutmix", "ema_decay": 0.9},
    ],
    ids=str,
)
def test_members_equal_single_fits(params):
    params = {**params, "dtype": "float64", "early_stopping": False}
    many = fit(**params, n_members=2)
    for k, seed in enumerate(many.member_seeds_):
        one = fit(**params, random_state=int(seed))
        np.testing.assert_allclose(
            many.predict_proba_members(X)[k], one.predict_proba(X), atol=1e-10
        )


def test_weights_are_repetitions():
    weight = np.random.default_rng(0).integers(0, 3, len(X))
    weighted = ImageResNetClassifier(**SMALL).fit(X, Y, weight)
    repeated = fit(np.repeat(X, weight, 0), np.repeat(Y, weight))
    assert same(weighted, repeated)


def test_a_frozen_backbone_does_not_move():
    frozen = fit(freeze="backbone", max_epochs=4)
    early = fit(freeze="backbone", max_epochs=1)
    for name, tensor in frozen.net_.module_.state_dict().items():
        moved = not torch.equal(tensor, early.net_.module_.state_dict()[name])
        assert moved == (".head." in name), name


def test_flips_average_the_features_of_the_mirrored_image():
    plain = fit(early_stopping=False)
    both = fit(early_stopping=False, test_time_flips=True)
    expected = (plain.embed(X) + plain.embed(X[..., ::-1])) / 2
    # float32: products of one image and its mirror.
    np.testing.assert_allclose(both.embed(X), expected, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(
        both.predict_proba(X), both.predict_proba(X[..., ::-1]), atol=1e-6
    )


def test_cutmix_cuts_a_rectangle_and_shares_follow_its_pixels():
    mixer = Mixer("cutmix", 1.0, 3 * 6 * 8, (6, 8))
    rngs = [np.random.default_rng(s) for s in range(40)]
    _, share, keep = mixer.draw(rngs, np.full(40, 4), 4, 4, 3 * 6 * 8)
    images = keep.reshape(40, 4, 3, 6, 8)
    assert (images == images[:, :1, :1]).all()  # one rectangle a batch, all channels
    np.testing.assert_allclose(share, keep.mean(-1))
    for image in ~images[:, 0, 0]:
        rows, columns = image.any(1), image.any(0)
        assert np.array_equal(image, np.outer(rows, columns))
        for side in (rows, columns):
            assert (np.diff(np.flatnonzero(side)) == 1).all()
    # Uniform lambda: half of the image on average, less what is cut at the edges.
    assert 0.5 < share[:, 0].mean() < 0.8


def test_bytes_are_not_interpolated_as_bytes():
    """SMOTE on uint8 would wrap around at 256."""
    clf = fit(sampler="smote", max_epochs=12)
    assert clf.score(X, Y) > 0.9


# Where they are used.


def test_save_and_load(tmp_path):
    clf = fit(n_members=2, loss="ldam")
    clf.save(tmp_path / "images.safetensors")
    again = sklimb.load(tmp_path / "images.safetensors")
    assert same(clf, again)
    floats = fit(X / 7.0)
    floats.save(tmp_path / "floats.safetensors")
    again = sklimb.load(tmp_path / "floats.safetensors")
    assert same(floats, again, X / 7.0)


def test_searches_agree():
    clf = ImageResNetClassifier(**{**SMALL, "dtype": "float64"})
    grid = {"lr": [0.01, 0.1], "smoothing_eps": [0.0, 0.1]}
    a = PackedSearchCV(clf, grid, cv=2, max_members=8).fit(X, Y).cv_results_
    b = GridSearchCV(clf, grid, cv=2).fit(X, Y).cv_results_
    # Sums in another order.
    np.testing.assert_allclose(a["mean_test_score"], b["mean_test_score"], atol=1e-8)


def test_pipelines_clones_and_partial_fit():
    invert = FunctionTransformer(lambda images: 255 - images)
    pipe = Pipeline([("invert", invert), ("net", ImageResNetClassifier(**SMALL))])
    assert pipe.fit(X, Y).predict(X).shape == Y.shape
    clf = fit()
    assert clone(clf).get_params() == clf.get_params()
    assert clf.embed(X).shape == (len(X), 64)
    first = ImageResNetClassifier(**SMALL).partial_fit(X, Y)
    before = first.predict_proba(X)
    assert not np.array_equal(first.partial_fit(X, Y).predict_proba(X), before)
    warm = ImageResNetClassifier(**SMALL, warm_start=True).fit(X, Y)
    assert warm.fit(X, Y).n_iter_ == 4


def test_a_warm_start_keeps_the_kind_of_last_layer():
    clf = fit(warm_start=True)
    with pytest.raises(ValueError, match="last layer of cosines"):
        clf.set_params(loss="cosface").fit(X, Y)
    assert clf.set_params(loss="focal").fit(X, Y).n_iter_ == 4


@pytest.mark.parametrize("augment", ["flip", "augmix"])
def test_no_images_are_augmented_to_none(augment):
    """The last images of an epoch, gathered at once, may all be of another fold."""
    clf = fit(augment=augment, max_epochs=1)
    none = torch.zeros(0, 64, dtype=torch.uint8)
    out = clf._make_augment()(none, torch.Generator())
    assert out.shape == (0, 64) and out.dtype == torch.float32


def test_a_wrong_augmentation_is_told_before_pretraining(monkeypatch):
    monkeypatch.setattr("sklimb.fitting.jobs.pretrain", pytest.fail)
    with pytest.raises(ValueError, match="augment must be None, one or several"):
        fit(augment="spin", pretrained=SelfSupervisedPretrainer(method="simclr"))


def test_an_empty_list_of_augmentations_is_none():
    assert same(fit(augment=[]), fit())
