"""neural_collapse against variances and means that are computed row by row."""

import numpy as np
import pytest
from helpers.analysed import QUICK, LinearClassifier, blobs

from sklimb import ImageResNetClassifier, TabularMLPClassifier
from sklimb.analysis import neural_collapse

SMALL = {"d_block": 8, "max_epochs": 3, "n_members": 2, "random_state": 0}


@pytest.fixture(scope="module")
def fitted():
    X, y = blobs()
    return TabularMLPClassifier(**SMALL).fit(X, y), X, y


def cdnv(a, b):
    """By the formula of Galanti et al., on the rows of two classes."""
    mean_a, mean_b = a.mean(0), b.mean(0)
    var_a = np.mean([np.sum((row - mean_a) ** 2) for row in a])
    var_b = np.mean([np.sum((row - mean_b) ** 2) for row in b])
    return (var_a + var_b) / (2 * np.sum((mean_a - mean_b) ** 2))


def nearest_mean(means_of, y, rows):
    """The class of the nearest mean of each row, one by one."""
    means = [means_of[y == c].mean(0) for c in np.unique(y)]
    return np.array(
        [np.argmin([np.linalg.norm(row - mean) for mean in means]) for row in rows]
    )


def test_equals_the_formula_row_by_row(fitted):
    clf, X, y = fitted
    found = neural_collapse(clf, X, y)
    features = clf.embed(X).astype(np.float64)
    expected = np.full((2, 3, 3), np.nan)
    for k in range(2):
        for a in range(3):
            for b in set(range(3)) - {a}:
                expected[k, a, b] = cdnv(features[k, y == a], features[k, y == b])
    np.testing.assert_allclose(found.cdnv_members, expected, rtol=1e-9)
    np.testing.assert_allclose(found.cdnv, expected.mean(0), rtol=1e-9)
    assert found.cdnv_mean == pytest.approx(np.nanmean(expected.mean(0)))
    np.testing.assert_allclose(found.class_cdnv, np.nanmean(expected.mean(0), 1))
    assert found.n_rows.tolist() == np.bincount(y).tolist()


def test_nearest_means(fitted):
    clf, X, y = fitted
    found = neural_collapse(clf, X, y)
    features = clf.embed(X).astype(np.float64)
    p = clf.predict_proba_members(X)
    for k in range(2):
        nearest = nearest_mean(features[k], y, features[k])
        assert found.ncm_accuracy_members[k] == pytest.approx(np.mean(nearest == y))
        says = p[k].argmax(1)
        assert found.ncm_agreement_members[k] == pytest.approx(np.mean(nearest == says))
    assert found.ncm_accuracy == pytest.approx(found.ncm_accuracy_members.mean())
    share = np.bincount(y) / len(y)
    assert share @ found.class_ncm_accuracy == pytest.approx(found.ncm_accuracy)
    assert share @ found.class_ncm_agreement == pytest.approx(found.ncm_agreement)
    assert found.ncm_accuracy != found.ncm_agreement


def test_means_of_other_rows(fitted):
    clf, X, y = fitted
    other, labels = blobs(seed=1)
    found = neural_collapse(clf, other, labels, means_from=(X, y))
    features, rows = (clf.embed(a)[0].astype(np.float64) for a in (X, other))
    nearest = nearest_mean(features, y, rows)
    assert found.ncm_accuracy_members[0] == pytest.approx(np.mean(nearest == labels))
    own = neural_collapse(clf, other, labels)
    np.testing.assert_array_equal(found.cdnv, own.cdnv)
    with pytest.raises(ValueError, match="none of class 2"):
        neural_collapse(clf, X, y, means_from=(X[y < 2], y[y < 2]))


def test_a_class_without_rows_is_nearest_to_none(fitted):
    clf, X, y = fitted
    rows, labels = X[y > 0], y[y > 0]
    found = neural_collapse(clf, rows, labels)
    features = clf.embed(rows).astype(np.float64)
    for k in range(2):
        nearest = nearest_mean(features[k], labels, features[k]) + 1
        right = np.mean(nearest == labels)
        assert found.ncm_accuracy_members[k] == pytest.approx(right)
    assert np.isnan(found.class_cdnv[0]) and found.n_rows[0] == 0


def test_weights_are_repetitions(fitted):
    clf, X, y = fitted
    weight = np.random.default_rng(0).integers(0, 4, len(y))
    by_weight = neural_collapse(clf, X, y, weight)
    repeated = neural_collapse(clf, np.repeat(X, weight, 0), np.repeat(y, weight))
    for name in ("cdnv_members", "ncm_accuracy_members", "class_ncm_agreement"):
        np.testing.assert_allclose(
            getattr(by_weight, name), getattr(repeated, name), rtol=1e-9
        )


def test_full_collapse_and_coinciding_means():
    """Rows that are their class's mean, and classes with one mean."""
    X = np.repeat([[0.0, 0], [2, 0], [0, 2]], 30, axis=0)
    y = np.repeat([0, 1, 2], 30)
    clf = LinearClassifier(max_epochs=2, merge_duplicates=False, **QUICK).fit(X, y)
    found = neural_collapse(clf, X, y)
    assert found.cdnv_mean < 1e-30 and found.ncm_accuracy == 1
    mixed = neural_collapse(clf, X, np.tile([0, 1, 2], 30))
    assert np.isinf(mixed.cdnv[0, 1]) and np.isinf(mixed.class_cdnv[0])


def test_images():
    rng = np.random.default_rng(0)
    X, y = rng.integers(0, 256, (40, 8, 8), dtype=np.uint8), np.arange(40) % 3
    clf = ImageResNetClassifier(backbone="resnet8", max_epochs=1, random_state=0)
    found = neural_collapse(clf.fit(X, y), X, y)
    features = clf.embed(X).astype(np.float64)
    expected = cdnv(features[y == 0], features[y == 2])
    assert found.cdnv[0, 2] == pytest.approx(expected, rel=1e-9)
