"""Numbers of any size: order is kept, and probabilities are finite."""

import numpy as np
import pytest
from helpers.images import SMALL as IMAGES
from helpers.images import X as PIXELS
from helpers.images import Y as LABELS

from sklimb import (
    FTTransformerClassifier,
    ImageResNetClassifier,
    TabularMLPClassifier,
    TabularResNetClassifier,
)
from sklimb.inputs.images import ImageEncoder, read_pictures
from sklimb.preprocessing import TabularEncoder

RNG = np.random.default_rng(0)
RANKS = RNG.permutation(300).astype(float)
LARGEST = np.finfo(float).max
COLUMNS = {
    "k * 1e-200": RANKS * 1e-200,
    "subnormal": RANKS * 5e-324,
    "k * 1e300": RANKS * 1e300,
    "both ends": (RANKS - 150) / 150 * LARGEST,
    "offset": 1e15 + RANKS / 4,
    "large offset": 1e300 * (1 + RANKS * 2.0**-50),
    "all sizes": RNG.choice([-1, 1], 300) * 10.0 ** RNG.integers(-320, 308, 300),
    "one large": np.where(RANKS == 7, LARGEST, 0.0),
    "one subnormal": np.where(RANKS == 7, 5e-324, 0.0),
}
PROBES = [1e300, 1e308, -1e308, LARGEST, -LARGEST, 5e-324, -5e-324, 0.0, 1.0, np.nan]


@pytest.mark.parametrize("n_quantiles", [1000, 40])
@pytest.mark.parametrize("name", COLUMNS)
def test_quantiles_keep_the_order(name, n_quantiles):
    column = COLUMNS[name]
    encoder = TabularEncoder(n_quantiles=n_quantiles, dtype="float64")
    encoded = encoder.fit_transform(column[:, None])[:, 0]
    order = np.argsort(column, kind="stable")
    steps = np.diff(encoded[order])
    assert (steps >= 0).all() and not len(encoder.constant_columns_)
    if n_quantiles == 1000:
        np.testing.assert_array_equal(steps > 0, np.diff(column[order]) > 0)
    probes = np.sort(PROBES[:-1])
    there = encoder.transform(probes[:, None])[:, 0]
    assert np.isfinite(there).all() and (np.diff(there) >= 0).all()
    assert encoder.transform([[np.nan]])[0, 0] == 0


def test_a_scale_is_found_whatever_the_unit():
    plain = TabularEncoder(numeric_transform="standard", dtype="float64")
    want = plain.fit_transform(RANKS[:, None])
    for exponent in (-1060, -700, 700, 1010):
        column = np.ldexp(RANKS, exponent)
        encoded = plain.fit_transform(column[:, None])
        np.testing.assert_allclose(encoded, want, rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("transform", ["standard", "robust", None])
@pytest.mark.parametrize("name", COLUMNS)
def test_other_transforms_are_finite_and_monotone(name, transform):
    encoder = TabularEncoder(numeric_transform=transform).fit(COLUMNS[name][:, None])
    there = encoder.transform(np.sort(PROBES[:-1])[:, None])[:, 0]
    assert np.isfinite(there).all() and (np.diff(there) >= 0).all()
    assert np.isfinite(encoder.transform([[np.nan]])).all()


SMALL = {"d_block": 8, "n_blocks": 1, "max_epochs": 2, "random_state": 0}
CLASSIFIERS = {
    "mlp": TabularMLPClassifier(**SMALL),
    "mlp, ple": TabularMLPClassifier(**SMALL, num_embeddings="ple"),
    "mlp, linear": TabularMLPClassifier(**SMALL, num_embeddings="linear"),
    "mlp, none": TabularMLPClassifier(**SMALL, num_embeddings=None),
    "resnet": TabularResNetClassifier(**SMALL),
    "transformer": FTTransformerClassifier(**SMALL, attention_n_heads=2),
}
TABLE = np.column_stack([*COLUMNS.values(), RNG.normal(size=300)])
LABEL = (TABLE[:, -1] + RNG.normal(size=300) > 1).astype(int)


@pytest.mark.parametrize("transform", ["quantile", "standard", "robust", None])
@pytest.mark.parametrize("name", CLASSIFIERS)
def test_probabilities_are_finite(name, transform):
    clf = CLASSIFIERS[name].set_params(numeric_transform=transform)
    far = np.repeat(np.array(PROBES)[:, None], TABLE.shape[1], 1)
    # Plain rows and extreme rows, in training and afterwards.
    plain = RNG.normal(size=TABLE.shape)
    clf.fit(plain, LABEL)
    assert np.isfinite(clf.predict_proba(far)).all()
    assert np.isfinite(clf.predict_proba(TABLE)).all()
    if transform is not None:
        p = clf.fit(TABLE, LABEL).predict_proba(np.vstack([TABLE, plain, far]))
        assert np.isfinite(p).all()


@pytest.mark.filterwarnings("ignore:The output bias could not be solved")
def test_raw_extreme_numbers_train_or_say_why():
    for clf in CLASSIFIERS.values():
        clf.set_params(numeric_transform=None)
        try:
            p = clf.fit(TABLE, LABEL).predict_proba(TABLE)
        except ValueError as error:
            assert "NaN or infinite" in str(error)
        else:
            assert np.isfinite(p).all()


FLOATS = PIXELS / 255.0
STRANGE = {
    "one large": np.where(PIXELS == PIXELS.max(), 1e300, FLOATS),
    "both ends": (FLOATS * 2 - 1) * LARGEST,
    "k * 1e-200": FLOATS * 1e-200,
    "subnormal": PIXELS * 5e-324,
    "offset": 1e15 + np.round(FLOATS * 64),
    "constant": np.full(FLOATS.shape, 1e300),
}


@pytest.mark.filterwarnings("ignore:X has levels within")
@pytest.mark.parametrize("name", STRANGE)
def test_images_are_finite(name):
    clf = ImageResNetClassifier(**{**IMAGES, "batch_size": "auto"})
    clf.fit(STRANGE[name], LABELS)
    probes = [np.full((1, 8, 8), v) for v in PROBES[:-1]]
    assert np.isfinite(clf.predict_proba(STRANGE[name])).all()
    assert np.isfinite(clf.predict_proba(np.concatenate(probes))).all()


@pytest.mark.filterwarnings("ignore:X has levels within")
def test_one_pixel_out_of_all_range_changes_no_other_image():
    clf = ImageResNetClassifier(**IMAGES).fit(FLOATS, LABELS)
    broken = FLOATS.copy()
    broken[0, 3, 3] = 1e300
    p = clf.predict_proba(broken)
    assert np.isfinite(p).all()
    np.testing.assert_array_equal(p[1:], clf.predict_proba(FLOATS)[1:])


def test_images_are_read_in_any_unit():
    want = encoded(FLOATS)
    for unit, offset in ((2.0**900, 0.0), (2.0**-900, 0.0), (1.0, 4096.0)):
        got = encoded(FLOATS * unit + offset)
        np.testing.assert_allclose(got, want, rtol=0, atol=1e-5)


def encoded(images):
    encoder = ImageEncoder()
    rows = read_pictures(images)
    return encoder._fit_table(rows, np.ones(len(images)))._transform_table(rows)
