"""loss_landscape against losses that are computed by hand beside the fit."""

import copy

import numpy as np
import pytest
import torch
from helpers.analysed import QUICK, LinearClassifier, blobs
from scipy.special import log_softmax

from sklimb import (
    ImageResNetClassifier,
    TabularMLPClassifier,
    TabularResNetClassifier,
)
from sklimb.analysis import _landscape, hessian_eigenvalues, loss_landscape
from sklimb.analysis._fitted import labelled


@pytest.fixture(scope="module")
def fitted():
    X, y = blobs()
    clf = LinearClassifier(
        max_epochs=5, n_members=2, class_weight={0: 1, 1: 2, 2: 3}, **QUICK
    )
    return clf.fit(X, y), X, y


def surface_of(clf, X, y):
    rows = labelled(clf, X, y, function="this")
    weight = np.ones(len(y)) / len(y)
    return _landscape._Surface(clf, rows, weight, False)


def losses_by_hand(X, y, weight, bias):
    z = X @ weight.T + bias
    return -log_softmax(z, 1)[np.arange(len(y)), y]


def test_a_random_direction_by_hand(fitted):
    clf, X, y = fitted
    found = loss_landscape(clf, X, y, n_points=5, span=0.8, random_state=3)
    np.testing.assert_allclose(found.positions, [-0.8, -0.4, 0, 0.4, 0.8])
    random = np.random.RandomState(3)
    head = clf.net_.module_.members.head
    drawn = random.standard_normal(tuple(head.weight.shape))
    share = np.array([1, 2, 3.0])[y]
    share /= share.sum()
    for k in range(2):
        weight = head.weight[k].detach().numpy()
        bias = head.bias[k].detach().numpy()
        way = drawn[k] / np.linalg.norm(drawn[k], axis=1, keepdims=True)
        way *= np.linalg.norm(weight, axis=1, keepdims=True)
        for i, a in enumerate(found.positions):
            rows = losses_by_hand(X, y, weight + a * way, bias)
            assert found.loss_members[k, i] == pytest.approx(share @ rows)
            for c in range(3):
                own = found.class_loss_members[k, i, c]
                assert own == pytest.approx(rows[y == c].mean())
    np.testing.assert_allclose(found.loss, found.loss_members.mean(0))
    np.testing.assert_allclose(found.class_loss, found.class_loss_members.mean(0))


def test_the_middle_is_the_fit(fitted):
    clf, X, y = fitted
    found = loss_landscape(clf, X, y, 2, n_points=3)
    assert found.loss_members.shape == (2, 3, 3)
    assert found.class_recall.shape == (3, 3, 3)
    here = hessian_eigenvalues(clf, X, y, k=1, n_probes=2).loss
    np.testing.assert_allclose(found.loss_members[:, 1, 1], here, rtol=1e-9)
    codes = clf.predict_proba_members(X).argmax(-1)
    recall = [np.mean(codes[:, y == c] == c) for c in range(3)]
    np.testing.assert_allclose(found.class_recall[1, 1], recall)
    one = loss_landscape(clf, X, y, 1, n_points=3)
    np.testing.assert_allclose(found.loss[:, 1], one.loss)


def test_the_line_to_another_fit(fitted):
    clf, X, y = fitted
    other = LinearClassifier(**clf.get_params()).set_params(random_state=1).fit(X, y)
    found = loss_landscape(clf, X, y, other=other, n_points=3)
    assert found.to_other and found.positions.tolist() == [0, 0.5, 1]
    for i, ends in ((0, clf), (2, other)):
        loss = hessian_eigenvalues(ends, X, y, k=1, n_probes=2).loss
        np.testing.assert_allclose(found.loss_members[:, i], loss, rtol=1e-9)
    # The loss of logistic regression is convex.
    assert (found.loss_members[:, 1] <= found.loss_members[:, [0, 2]].mean(1)).all()


@pytest.mark.parametrize("kind", ["plr", "plr-lite", "ple", "linear", None])
def test_every_filter_keeps_its_length(kind):
    """A direction's part of each unit is as long as the unit's weights."""
    X, y = blobs(2)
    X = np.column_stack([X, np.arange(len(X)) % 3])
    clf = TabularMLPClassifier(
        max_epochs=1,
        d_block=4,
        num_embeddings=kind,
        n_bins=4,
        categorical_features=[3],
        random_state=0,
    ).fit(X, y)
    surface = surface_of(clf, X, y)
    way, _ = surface.random_direction(np.random.RandomState(0))
    sums = {"weight": 1}
    for (module, name, p), d in zip(surface.places, way, strict=True):
        if name.startswith("bias"):
            assert (d == 0).all()
            continue
        own = type(module).__name__
        if own in ("PackedPeriodicEmbeddings", "PackedPiecewiseLinearEmbeddings"):
            sums = {"weight": 2, "frequency": 3, "weight0": 3}
        elif own == "PackedLinearEmbeddings":
            sums = {"weight": 3}
        elif own == "PackedCategoryEmbeddings":
            sums = {"weight": 2}
        else:
            sums = {"weight": 1}
        a, b = (t.square().sum(sums[name]) for t in (d, p))
        # Bins of "ple" and the shared code may be zeros as they were drawn.
        torch.testing.assert_close(a, b, rtol=1e-4, atol=1e-9)


def test_images_have_filters_of_all_their_pixels():
    rng = np.random.default_rng(0)
    X, y = rng.integers(0, 256, (30, 8, 8), dtype=np.uint8), np.arange(30) % 2
    clf = ImageResNetClassifier(backbone="resnet8", max_epochs=1, random_state=0)
    surface = surface_of(clf.fit(X, y), X, y)
    way, _ = surface.random_direction(np.random.RandomState(0))
    n_filters = 0
    for (_, _, p), d in zip(surface.places, way, strict=True):
        if p.ndim == 5:  # (members, filters, channels, height, width)
            a, b = (t.square().flatten(2).sum(2) for t in (d, p))
            torch.testing.assert_close(a, b, rtol=1e-4, atol=1e-9)
            n_filters += a.numel()
        if p.ndim == 2:  # of BatchNorm
            assert (d == 0).all()
    assert n_filters > 100
    found = loss_landscape(clf, X, y, n_points=3)
    assert found.loss[1] < found.loss[[0, 2]].mean()


def test_batch_norm_statistics():
    X, y = blobs(2, n=256)
    clf = TabularResNetClassifier(**{**QUICK, "lr": 0.01}, max_epochs=2, d_block=8).fit(
        X, y
    )
    stored = loss_landscape(clf, X, y, n_points=3)
    anew = loss_landscape(clf, X, y, n_points=3, batch_norm="re-estimated")
    loss = hessian_eigenvalues(clf, X, y, k=1, n_probes=2).loss
    np.testing.assert_allclose(stored.loss[1], loss[0], rtol=1e-9)
    # By hand: all rows are one block, whose statistics are taken as they are.
    module = copy.deepcopy(clf.net_.module_).train()
    norms = [m for m in module.modules() if isinstance(m, torch.nn.BatchNorm1d)]
    assert norms
    for norm in norms:
        norm.momentum = 1.0
    rows = torch.tensor(clf.encoder_.transform(X)).unsqueeze(0)
    with torch.no_grad():
        module(rows)
        z = module.eval()(rows)[0].numpy()
    expected = -log_softmax(z, 1)[np.arange(len(y)), y].mean()
    assert anew.loss[1] == pytest.approx(expected, rel=1e-9)
    assert abs(anew.loss[1] - stored.loss[1]) > 1e-3


def test_two_directions_by_hand(fitted):
    """Rows of the result go along the first direction, columns along the second."""
    clf, X, y = fitted
    found = loss_landscape(clf, X, y, 2, n_points=3, span=0.6, random_state=3)
    surface = surface_of(clf, X, y)
    random = np.random.RandomState(3)
    ways = [surface.random_direction(random)[0] for _ in range(2)]
    head = clf.net_.module_.members.head
    (at,) = (
        i for i, (*_, p) in enumerate(surface.places) if p.shape == head.weight.shape
    )
    bias = head.bias[0].detach().numpy()
    for i, a in enumerate(found.positions):
        for j, b in enumerate(found.positions):
            moved = head.weight[0] + a * ways[0][at][0] + b * ways[1][at][0]
            rows = losses_by_hand(X, y, moved.detach().numpy(), bias)
            own = [rows[y == c].mean() for c in range(3)]
            np.testing.assert_allclose(found.class_loss_members[0, i, j], own)


def test_weights_of_rows_are_repetitions(fitted):
    clf, X, y = fitted
    weight = 1 + np.arange(len(y)) % 3
    rows = np.repeat(np.arange(len(y)), weight)
    got = loss_landscape(clf, X, y, n_points=3, sample_weight=weight)
    want = loss_landscape(clf, X[rows], y[rows], n_points=3)
    for name in ("loss", "class_loss", "class_recall"):
        np.testing.assert_allclose(getattr(got, name), getattr(want, name), rtol=1e-9)
    plain = loss_landscape(clf, X, y, n_points=3)
    assert np.abs(plain.class_loss - got.class_loss).max() > 1e-4


def test_recall_is_of_the_probabilities(fitted):
    """Outputs alone would be moved by what the sampler draws."""
    _, X, y = fitted
    few = np.flatnonzero((y == 0) | (np.arange(len(y)) % 8 == 0))
    clf = LinearClassifier(max_epochs=5, sampler="balanced", **QUICK)
    clf.fit(X[few], y[few])
    called = clf.predict_proba(X).argmax(1)
    found = loss_landscape(clf, X, y, n_points=3).class_recall[1]
    np.testing.assert_allclose(found, [np.mean(called[y == c] == c) for c in range(3)])
    logits = clf.net_.blocks_logits(clf._encode(X))[0].argmax(1).numpy()
    assert (logits != called).any()


def test_statistics_go_along_the_line_and_are_means_of_blocks(monkeypatch):
    X, y = blobs(2, n=256)
    params = {**QUICK, "lr": 0.01, "max_epochs": 2, "d_block": 8}
    clf, other = (
        TabularResNetClassifier(**{**params, "random_state": s}).fit(X, y)
        for s in (0, 1)
    )
    found = loss_landscape(clf, X, y, other=other, n_points=2)
    loss = hessian_eigenvalues(other, X, y, k=1, n_probes=2).loss
    np.testing.assert_allclose(found.loss[1], loss[0], rtol=1e-9)
    whole = loss_landscape(clf, X, y, n_points=1, batch_norm="re-estimated").loss[0]
    monkeypatch.setattr(_landscape, "_BLOCK_ROWS", 64)
    parts = loss_landscape(clf, X, y, n_points=1, batch_norm="re-estimated").loss[0]
    # Means of four blocks have the mean of all, and nearly its variance.
    assert parts == pytest.approx(whole, rel=0.02)
    order = np.argsort(X[:, 0])  # blocks unlike each other: no one of them is all
    sorted_ = loss_landscape(
        clf, X[order], y[order], n_points=1, batch_norm="re-estimated"
    )
    assert np.isfinite(sorted_.loss).all()
    surface = surface_of(clf, X[order], y[order])
    surface._estimate()
    (norm, *_) = surface.norms
    got = norm.running_mean.clone()
    monkeypatch.setattr(_landscape, "_BLOCK_ROWS", 256)
    surface = surface_of(clf, X[order], y[order])
    surface._estimate()
    # The mean of the means of equal blocks is that of all rows.
    torch.testing.assert_close(got, surface.norms[0].running_mean)


def test_blocks_do_not_matter(fitted, monkeypatch):
    clf, X, y = fitted
    whole = loss_landscape(clf, X, y, n_points=3)
    monkeypatch.setattr(_landscape, "_BLOCK_ROWS", 7)
    parts = loss_landscape(clf, X, y, n_points=3)
    np.testing.assert_allclose(parts.class_loss, whole.class_loss, rtol=1e-12)


def test_arguments_that_are_refused(fitted):
    clf, X, y = fitted
    other = LinearClassifier(max_epochs=1, **QUICK)
    refused = [
        ({"directions": 3}, "directions must be 1 or 2"),
        ({"directions": True}, "directions must be 1 or 2"),
        ({"n_points": 0}, "n_points must be an int of at least 1"),
        ({"span": -1}, "span must be a number above 0"),
        ({"batch_norm": "new"}, "batch_norm must be one of"),
        ({"other": other}, "other of loss_landscape needs a fitted"),
        ({"other": clf, "directions": 2}, "set directions=1"),
    ]
    for given, message in refused:
        with pytest.raises(Exception, match=message):
            loss_landscape(clf, X, y, **given)
    with pytest.raises(ValueError, match="must have the network of clf"):
        loss_landscape(clf, X, y, other=other.fit(X, y))
    params = clf.get_params() | {"numeric_transform": "standard"}
    shifted = LinearClassifier(**params).fit(X + 1, y)
    with pytest.raises(ValueError, match="encodes the rows of X in another way"):
        loss_landscape(clf, X, y, other=shifted)
    names = np.array(["a", "b", "c"])
    named = LinearClassifier(**clf.get_params() | {"class_weight": None})
    with pytest.raises(ValueError, match="must have the classes of clf"):
        loss_landscape(clf, X, y, other=named.fit(X, names[y]))
