"""region_volumes against lengths and areas that are known."""

import numpy as np
import pandas as pd
import pytest
import torch
from helpers.analysed import QUICK, LinearClassifier, blobs, linear_of

from sklimb import ImageResNetClassifier, TabularMLPClassifier
from sklimb.analysis import _regions, region_volumes


def test_a_line_that_is_cut_in_two():
    """One number: the share of a class is the length on its side of the threshold."""
    X = np.repeat([[0.0], [1.0]], [90, 30], axis=0)
    y = np.repeat([0, 1], [90, 30])
    clf = LinearClassifier(max_epochs=60, lr=0.05, merge_duplicates=False, **QUICK)
    weight, bias = linear_of(clf.fit(X, y))
    cut = (bias[0] - bias[1]) / (weight[1, 0] - weight[0, 0])
    assert 0 < cut < 1
    found = region_volumes(clf, X, y, n_planes=4, resolution=2001, margin=0.25)
    # The rows are 0 and 1, with a quarter beyond each.
    np.testing.assert_allclose(found.share[0], (cut + 0.25) / 1.5, atol=1e-3)
    assert found.share.sum() == pytest.approx(1)
    assert found.n_rows.tolist() == [90, 30]
    wide = region_volumes(clf, X, y, n_planes=4, resolution=2001, margin=1)
    np.testing.assert_allclose(wide.share[0], (cut + 1) / 3, atol=1e-3)


def test_planes_are_predicted_point_by_point():
    X, y = blobs(3, n_columns=5)
    clf = LinearClassifier(max_epochs=20, n_members=2, **QUICK).fit(X, y)
    found = region_volumes(clf, X, y, n_planes=6, resolution=9, random_state=1)
    random, encoded = np.random.RandomState(1), torch.tensor(X)
    of_members = []
    for plane, corners in zip(found.share_planes, found.corners, strict=True):
        triple, axes = _regions._draw(y, encoded, "classes", random)
        assert corners.tolist() == y[triple].tolist()
        points = _regions._points(encoded[triple], 5, axes, 9, 0.25).numpy()
        called = np.bincount(clf.predict(points), minlength=3)
        np.testing.assert_allclose(plane, called / 81)
        each = clf.predict_proba_members(points).argmax(-1)
        of_members.append([np.bincount(own, minlength=3) / 81 for own in each])
    np.testing.assert_allclose(found.share, found.share_planes.mean(0))
    error = found.share_planes.std(0, ddof=1) / np.sqrt(6)
    np.testing.assert_allclose(found.share_error, error)
    np.testing.assert_allclose(found.share_members, np.mean(of_members, 0))


def test_weights_of_members_and_rows_count():
    X, y = blobs(3, n_columns=5)
    clf = LinearClassifier(max_epochs=3, n_members=2, **QUICK).fit(X, y)
    clf.member_weights_ = np.array([0.9, 0.1])  # as of a portfolio
    weight = 1.0 + np.arange(len(y)) % 2
    found = region_volumes(clf, X, y, n_planes=8, resolution=15, sample_weight=weight)
    np.testing.assert_allclose(found.n_rows, np.bincount(y, weight))
    random, encoded = np.random.RandomState(0), torch.tensor(X)
    for plane in found.share_planes:
        triple, axes = _regions._draw(y, encoded, "classes", random)
        points = _regions._points(encoded[triple], 5, axes, 15, 0.25).numpy()
        called = np.bincount(clf.predict(points), minlength=3)
        np.testing.assert_allclose(plane, called / 225)
    clf.member_weights_ = np.array([0.1, 0.9])
    other = region_volumes(clf, X, y, n_planes=8, resolution=15)
    assert (other.share_planes != found.share_planes).any()
    kept = region_volumes(clf, X, y, n_planes=5, sample_weight=(y < 2).astype(float))
    assert set(kept.corners.ravel().tolist()) == {0, 1}


def test_points_are_a_square_in_the_plane_of_the_rows():
    random = np.random.RandomState(0)
    corners = torch.tensor(random.standard_normal((3, 6)))
    axes = torch.linalg.qr((corners[1:, :5] - corners[0, :5]).T)[0].T
    points = _regions._points(corners, 5, axes, 11, 0.0)
    # In the plane: three differences have rank 2.
    assert np.linalg.matrix_rank((points[:, :5] - corners[0, :5]).numpy(), 1e-9) == 2
    grid = points[:, :5].view(11, 11, 5)
    steps = (
        (grid[1:] - grid[:-1]).norm(dim=-1),
        (grid[:, 1:] - grid[:, :-1]).norm(dim=-1),
    )
    side = torch.ones(110, dtype=torch.float64) * steps[0][0, 0]
    torch.testing.assert_close(steps[0].flatten(), side)
    torch.testing.assert_close(steps[1].flatten(), side)
    for i in range(3):  # the square holds its rows, and what is held is theirs
        apart = (points[:, :5] - corners[i, :5]).norm(dim=1)
        assert apart.min() < steps[0].max()
        assert points[apart.argmin(), 5] == corners[i, 5]


def test_corners_are_of_all_classes_or_of_rows_as_they_come():
    X, y = blobs(3, n=300)
    y[:] = np.where(np.arange(300) < 280, 0, np.arange(300) % 2 + 1)
    clf = LinearClassifier(max_epochs=1, **QUICK).fit(X, y)
    found = region_volumes(clf, X, y, n_planes=20, resolution=2)
    assert (np.sort(found.corners, 1) == [0, 1, 2]).all()
    rows = region_volumes(clf, X, y, n_planes=20, resolution=2, triples="rows")
    assert (rows.corners == 0).mean() > 0.7
    pairs = region_volumes(clf, X[y < 2], y[y < 2], n_planes=20, resolution=2)
    assert {len(set(three)) for three in pairs.corners.tolist()} == {2}


def test_categories_and_images():
    rng = np.random.default_rng(0)
    X = pd.DataFrame(rng.normal(size=(80, 3)))
    X["kind"] = rng.choice(["x", "y"], 80)
    X.columns = list("abcd")
    clf = TabularMLPClassifier(max_epochs=2, d_block=8, random_state=0)
    y = (X["d"] == "x").astype(int)
    found = region_volumes(clf.fit(X, y), X, y, n_planes=3, resolution=5)
    assert found.share.sum() == pytest.approx(1)
    images, labels = rng.integers(0, 256, (30, 8, 8), dtype=np.uint8), np.arange(30) % 3
    clf = ImageResNetClassifier(backbone="resnet8", max_epochs=1, random_state=0)
    found = region_volumes(clf.fit(images, labels), images, labels, 2, resolution=3)
    assert found.share_planes.shape == (2, 3)


def test_arguments_that_are_refused():
    X, y = blobs(2)
    clf = LinearClassifier(max_epochs=1, **QUICK).fit(X, y)
    refused = [
        ({"triples": "all"}, "triples must be one of"),
        ({"n_planes": 0}, "n_planes must be an int of at least 1"),
        ({"resolution": 1}, "resolution must be at least 2"),
    ]
    for given, message in refused:
        with pytest.raises(ValueError, match=message):
            region_volumes(clf, X, y, **given)
    with pytest.raises(ValueError, match="three rows that span a plane"):
        region_volumes(clf, np.outer(np.arange(150.0), [1, 2, 3]), y)
