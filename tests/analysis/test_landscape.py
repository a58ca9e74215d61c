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
