"""margins against distances to planes, and to boundaries found on a grid."""

import numpy as np
import pandas as pd
import pytest
from helpers.analysed import QUICK, LinearClassifier, blobs, linear_of
from scipy.spatial import cKDTree

from sklimb import ImageResNetClassifier, TabularMLPClassifier
from sklimb.analysis import _margins, margins


def plane_distances(weight, bias, X):
    """Distance to the nearest plane between the largest class and another one."""
    z = X @ weight.T + bias
    out = np.empty(len(X))
    for i, row in enumerate(z):
        a = row.argmax()
        out[i] = min(
            (row[a] - row[j]) / np.linalg.norm(weight[a] - weight[j])
            for j in range(len(row))
            if j != a
        )
    return out


@pytest.mark.parametrize("n_classes", [2, 4])
def test_exact_on_a_linear_network(n_classes):
    X, y = blobs(n_classes)
    clf = LinearClassifier(max_epochs=20, **QUICK).fit(X, y)
    found = margins(clf, X, y)
    expected = plane_distances(*linear_of(clf), X)
    right = clf.predict(X) == y
    assert 0 < right.mean() < 1
    # 1e-4 of the distance is where the search for a crossing ends.
    np.testing.assert_allclose(
        found.distance, np.where(right, expected, -expected), rtol=1e-4
    )
    assert (found.predicted == clf.predict(X)).all()
    own = found.distance[y == 1]
    assert found.class_mean[1] == pytest.approx(own.mean())
    assert found.class_median[1] == pytest.approx(np.median(own))
    assert found.class_lowest[1] == pytest.approx(np.quantile(own, 0.05))
    assert (found.class_not_found == 0).all()


def test_signs_without_labels():
    X, y = blobs(2)
    clf = LinearClassifier(max_epochs=5, **QUICK).fit(X, y)
    found = margins(clf, X)
    assert ((found.distance > 0) == (clf.predict(X) == 1)).all()
    X, y = blobs(3)
    clf = LinearClassifier(max_epochs=5, **QUICK).fit(X, y)
    assert (margins(clf, X).distance > 0).all()


def test_the_boundary_of_the_decision():
    """A threshold of 0.8 moves the plane by log(0.8 / 0.2)."""
    X, y = blobs(2)
    clf = LinearClassifier(max_epochs=20, decision=0.8, **QUICK).fit(X, y)
    weight, bias = linear_of(clf)
    z = (X @ weight.T + bias) @ [-1, 1]
    length = np.linalg.norm(weight[1] - weight[0])
    found = margins(clf, X, boundary="decision")
    np.testing.assert_allclose(found.distance, (z - np.log(4)) / length, rtol=1e-4)
    np.testing.assert_allclose(margins(clf, X).distance, z / length, rtol=1e-4)


def test_members_have_their_own():
    X, y = blobs(3)
    clf = LinearClassifier(max_epochs=5, n_members=2, **QUICK).fit(X, y)
    found = margins(clf, X, members=True)
    for k in range(2):
        expected = plane_distances(*linear_of(clf, k), X)
        np.testing.assert_allclose(found.distance_members[k], expected, rtol=1e-4)
    low, high = np.sort(found.distance_members, 0)
    between = (found.distance > 0.9 * low) & (found.distance < 1.1 * high)
    assert between.mean() > 0.95  # the boundary of a mixture lies between its members'
    alone = margins(clf, X)
    np.testing.assert_array_equal(alone.distance, found.distance)
    assert alone.distance_members.shape == (0, len(X))


@pytest.mark.parametrize("edges", [[2], [0.7, 2]])
def test_upper_bounds_that_are_close_on_a_curved_boundary(edges):
    rng = np.random.default_rng(0)
    X = rng.normal(size=(400, 2))
    y = np.digitize(np.square(X).sum(1), edges)
    clf = TabularMLPClassifier(
        **QUICK, max_epochs=60, lr=0.01, num_embeddings=None, d_block=32
    ).fit(X, y)
    axis = np.linspace(-5, 5, 601)
    grid = np.stack(np.meshgrid(axis, axis), -1)
    called = clf.predict(grid.reshape(-1, 2)).reshape(601, 601)
    across = called[:, 1:] != called[:, :-1]
    down = called[1:] != called[:-1]
    points = np.concatenate(
        [
            (grid[:, 1:] + grid[:, :-1])[across] / 2,
            (grid[1:] + grid[:-1])[down] / 2,
        ]
    )
    true = cKDTree(points).query(X)[0]
    found = np.abs(margins(clf, X, n_steps=4).distance)
    assert not np.isnan(found).any()
    assert (found > true - 10 / 600).all()  # the grid's points are so far apart
    assert np.mean(found < 1.05 * true + 10 / 600) > 0.95
    one = np.abs(margins(clf, X, n_steps=1).distance)
    assert (found <= one + 1e-9).all() and (found < one - 1e-3).any()


def test_categories_and_missing_values_are_held():
    rng = np.random.default_rng(0)
    X = pd.DataFrame({"a": rng.normal(size=200), "kind": rng.choice(["x", "y"], 200)})
    y = ((X["a"] > 1) == (X["kind"] == "x")).astype(int)
    X.loc[:9, "a"] = np.nan
    clf = TabularMLPClassifier(
        **{**QUICK, "numeric_transform": "standard"}, max_epochs=40, lr=0.01, d_block=16
    ).fit(X, y)
    found = margins(clf, X)
    assert found.distance.shape == (200,)
    # One column moves: the boundary is where the prediction changes along it.
    i = 50
    z = clf.encoder_.transform(X)[i, 0]
    axis = np.linspace(-6, 6, 4001)
    scale, centre = np.nanstd(X["a"]), np.nanmean(X["a"])
    line = pd.DataFrame({"a": axis * scale + centre, "kind": X["kind"][i]})
    p = clf.predict_proba(line)[:, 1] > 0.5
    at = axis[1:][p[1:] != p[:-1]]
    assert np.abs(np.abs(at - z) - np.abs(found.distance[i])).min() < 0.01
    with pytest.raises(ValueError, match="margins needs a numeric column"):
        clf = TabularMLPClassifier(max_epochs=1).fit(X[["kind"]], y)
        margins(clf, X[["kind"]])


def test_images():
    rng = np.random.default_rng(0)
    X, y = rng.integers(0, 256, (30, 8, 8), dtype=np.uint8), np.arange(30) % 2
    X[y == 1, :4] //= 4
    clf = ImageResNetClassifier(backbone="resnet8", max_epochs=4, random_state=0)
    found = margins(clf.fit(X, y), X, y)
    assert found.distance.shape == (30,) and not np.isnan(found.distance).all()
    assert ((found.distance > 0) == (clf.predict(X) == y))[
        ~np.isnan(found.distance)
    ].all()


def test_a_draw_of_rows_of_each_class():
    X, y = blobs(3, n=300)
    y[:] = np.where(np.arange(300) < 280, 0, np.arange(300) % 2 + 1)
    clf = LinearClassifier(max_epochs=20, **QUICK).fit(X, y)
    whole = margins(clf, X, y)
    assert whole.rows.tolist() == list(range(300))
    found = margins(clf, X, y, max_rows=40)
    assert np.bincount(y[found.rows]).tolist() == [40, 10, 10]
    assert (np.diff(found.rows) > 0).all()
    np.testing.assert_allclose(found.distance, whole.distance[found.rows], rtol=1e-4)
    assert (found.class_of == y[found.rows]).all()
    assert (found.predicted == clf.predict(X)[found.rows]).all()
    own = found.distance[found.class_of == 0]
    assert found.class_mean[0] == pytest.approx(own.mean())
    # Rare classes are there as a whole.
    np.testing.assert_allclose(found.class_mean[1:], whole.class_mean[1:], rtol=1e-4)
    other = margins(clf, X, y, max_rows=40, random_state=1)
    assert (other.rows != found.rows).any()
    called = clf.predict(X)
    unlabelled = margins(clf, X, max_rows=40)
    want = np.minimum(np.bincount(called, minlength=3), 40)
    assert np.bincount(called[unlabelled.rows], minlength=3).tolist() == want.tolist()


def test_the_draw_of_the_default(monkeypatch):
    """All of few rows; of many as many of each class, and all of a rare one."""
    X, y = blobs(3, n=300)
    y[:] = np.where(np.arange(300) < 270, np.arange(300) % 2, 2)
    clf = LinearClassifier(max_epochs=20, **QUICK).fit(X, y)
    assert margins(clf, X, y).rows.tolist() == list(range(300))
    monkeypatch.setattr(_margins, "_AUTO_ROWS", 130)
    found = margins(clf, X, y)
    assert np.bincount(y[found.rows]).tolist() == [50, 50, 30]
    whole = margins(clf, X, y, max_rows=None)
    assert whole.rows.tolist() == list(range(300))
    np.testing.assert_allclose(found.distance, whole.distance[found.rows], rtol=1e-4)
    called = clf.predict(X)
    found = margins(clf, X)
    assert len(found.rows) <= 130
    assert set(called[found.rows]) == set(called)
    # More classes than rows that are drawn: one of each.
    monkeypatch.setattr(_margins, "_AUTO_ROWS", 2)
    assert np.bincount(y[margins(clf, X, y).rows]).tolist() == [1, 1, 1]


def test_the_search_takes_few_points(monkeypatch):
    """Points and gradients a row: what makes margins cost passes."""
    seen = {True: 0, False: 0}

    class Counting(_margins.Scores):
        def __call__(self, x):
            seen[x.requires_grad] += x.shape[1]
            return super().__call__(x)

    monkeypatch.setattr(_margins, "Scores", Counting)
    rng = np.random.default_rng(0)
    X = rng.normal(size=(400, 2))
    y = (np.square(X).sum(1) > 2).astype(int)
    clf = TabularMLPClassifier(
        **QUICK, max_epochs=60, lr=0.01, num_embeddings=None, d_block=32
    ).fit(X, y)
    margins(clf, X)
    # Measured: 2.0 gradients and 6.3 points.
    assert 800 >= seen[True] > 400 and seen[False] < 8 * 400
    X, y = blobs(2)
    clf = LinearClassifier(max_epochs=20, **QUICK).fit(X, y)
    seen.update({True: 0, False: 0})
    margins(clf, X, n_steps=1)
    # The linear crossing, and whether another row's way is shorter.
    assert seen[True] == len(X) and seen[False] <= 2.1 * len(X)


def test_arguments_that_are_refused():
    X, y = blobs(2)
    clf = LinearClassifier(max_epochs=1, **QUICK).fit(X, y)
    with pytest.raises(ValueError, match="boundary must be one of"):
        margins(clf, X, boundary="svm")
    with pytest.raises(ValueError, match="n_steps must be an int of at least 1"):
        margins(clf, X, n_steps=0)
    with pytest.raises(ValueError, match="max_rows must be an int of at least 1"):
        margins(clf, X, max_rows=0)
    with pytest.raises(ValueError, match="one label a row, 150, got 10"):
        margins(clf, X, y[:10])
