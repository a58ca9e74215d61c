"""hessian_eigenvalues against the whole Hessian of small networks."""

import numpy as np
import pytest
import torch
from helpers.analysed import QUICK, LinearClassifier, blobs

from sklimb import ImageResNetClassifier, TabularMLPClassifier
from sklimb.analysis import _hessian, hessian_eigenvalues
from sklimb.strategies import ClassBalancedLoss

SMALL = {
    **QUICK,
    "max_epochs": 8,
    "num_embeddings": None,
    "n_blocks": 1,
    "d_block": 16,
    "n_members": 2,
    "loss": "vs",
    "class_weight": "balanced",
    "smoothing_eps": 0.2,
    "weight_decay": 0.1,
}


@pytest.fixture(scope="module")
def fitted():
    X, y = blobs(n_columns=4)
    weight = np.random.default_rng(0).uniform(0.5, 2, len(y))
    return TabularMLPClassifier(**SMALL).fit(X, y, weight), X, y, weight


def whole(clf, X, y, weight, member):
    """The Hessian of one hidden layer and its head, written out, by autograd."""
    module, loss = clf.net_.module_, clf.net_.criterion_.loss_function
    shapes = [p.shape[1:] for p in module.parameters()]
    start = torch.cat([p[member].detach().flatten() for p in module.parameters()])
    # "balanced": by the weighted counts of the training rows.
    counts = clf.class_weight_sum_
    share = torch.tensor((weight / counts[y]) / (weight / counts[y]).sum())
    scale, shift = (s[0] for s in loss.statistics)

    def objective(flat):
        parts = flat.split([s.numel() for s in shapes])
        w1, b1, w2, b2 = (p.view(s) for p, s in zip(parts, shapes, strict=True))
        logits = torch.relu(torch.tensor(X) @ w1 + b1) @ w2 + b2
        logits = logits * scale + shift
        rows = torch.nn.functional.cross_entropy(
            logits, torch.tensor(y), reduction="none"
        )
        return (share * rows).sum()

    matrix = torch.autograd.functional.hessian(objective, start)
    slope = torch.autograd.functional.jacobian(objective, start)
    return matrix.numpy(), slope.norm().item(), objective(start).item()


def test_equals_the_whole_hessian(fitted):
    clf, X, y, weight = fitted
    found = hessian_eigenvalues(
        clf, X, y, k=5, which="both", sample_weight=weight, tol=1e-8
    )
    assert found.n_parameters == 131 > _hessian._DENSE
    for k in range(2):
        matrix, slope, loss = whole(clf, X, y, weight, k)
        values = np.linalg.eigvalsh(matrix)
        np.testing.assert_allclose(found.largest[k], values[::-1][:5], rtol=1e-6)
        np.testing.assert_allclose(found.smallest[k], values[:5], rtol=1e-5, atol=1e-9)
        assert found.gradient_norm[k] == pytest.approx(slope, rel=1e-9)
        assert found.loss[k] == pytest.approx(loss, rel=1e-9)


def test_the_trace_is_within_its_errors(fitted):
    clf, X, y, weight = fitted
    found = hessian_eigenvalues(clf, X, y, k=1, sample_weight=weight, n_probes=200)
    for k in range(2):
        trace = np.trace(whole(clf, X, y, weight, k)[0])
        assert abs(found.trace[k] - trace) < 4 * found.trace_error[k]
        assert 0 < found.trace_error[k] < 0.1 * trace


def test_products_in_blocks_equal_those_in_one(fitted, monkeypatch):
    clf, X, y, weight = fitted
    rows = _hessian.labelled(clf, X, y, weight, function="this")
    v = np.random.default_rng(1).standard_normal(131)
    one = _hessian.Hessian(clf, rows).product(v)
    monkeypatch.setattr(_hessian, "_BLOCK_ROWS", 7)
    np.testing.assert_allclose(_hessian.Hessian(clf, rows).product(v), one, rtol=1e-9)
    np.testing.assert_allclose(one, whole(clf, X, y, weight, 0)[0] @ v, rtol=1e-8)


def test_rows_of_one_class(fitted):
    clf, X, y, _ = fitted
    found = hessian_eigenvalues(clf, X, y, k=3, classes=2, tol=1e-8)
    own = y == 2
    assert found.n_rows == own.sum()
    alone = whole(clf, X[own], y[own], np.ones(own.sum()), 0)[0]
    expected = np.linalg.eigvalsh(alone)[::-1][:3]
    np.testing.assert_allclose(found.largest[0], expected, rtol=1e-6)
    both = hessian_eigenvalues(clf, X, y, k=1, classes=[0, 2])
    assert both.n_rows == (y != 1).sum()


def test_few_weights_are_a_whole_matrix():
    """Logistic regression of two columns: the Hessian is known in closed form."""
    X, y = blobs(n_classes=2, n_columns=2)
    clf = LinearClassifier(max_epochs=5, **QUICK).fit(X, y)
    found = hessian_eigenvalues(clf, X, y, k=6, which="both")
    head = clf.net_.module_.members.head
    z = X @ head.weight[0].detach().numpy().T + head.bias[0].detach().numpy()
    p = np.exp(z[:, 1]) / np.exp(z).sum(1)
    rows = np.column_stack([X, np.ones(len(X))])
    block = (rows * (p * (1 - p))[:, None]).T @ rows / len(X)
    # Two opposite outputs: twice the eigenvalues, and as many zeros.
    expected = np.sort(np.r_[2 * np.linalg.eigvalsh(block), np.zeros(3)])
    np.testing.assert_allclose(found.largest[0], expected[::-1], atol=1e-12)
    np.testing.assert_allclose(found.smallest[0], expected, atol=1e-12)


def test_the_weights_of_a_class_balanced_loss_count():
    X, y = blobs(n_classes=2, n_columns=2)
    loss = ClassBalancedLoss(beta=0.99)
    clf = LinearClassifier(max_epochs=5, loss=loss, **QUICK).fit(X, y)
    found = hessian_eigenvalues(clf, X, y, k=1)
    head = clf.net_.module_.members.head
    z = X @ head.weight[0].detach().numpy().T + head.bias[0].detach().numpy()
    losses = np.logaddexp(z[:, 0], z[:, 1]) - z[np.arange(len(y)), y]
    weight = (1 / (1 - 0.99 ** np.bincount(y)))[y]
    assert found.loss[0] == pytest.approx(np.average(losses, weights=weight), rel=1e-9)
    assert found.loss[0] != pytest.approx(losses.mean(), rel=1e-3)


def test_images_with_batch_norm():
    """A product is the change of the gradient over a small step along the vector."""
    rng = np.random.default_rng(0)
    X, y = rng.integers(0, 256, (24, 8, 8), dtype=np.uint8), np.arange(24) % 2
    clf = ImageResNetClassifier(
        backbone="resnet8", max_epochs=2, dtype="float64", random_state=0
    ).fit(X, y)
    rows = _hessian.labelled(clf, X, y, function="this")
    hessian = _hessian.Hessian(clf, rows)
    v = rng.standard_normal(hessian.n)
    v /= np.linalg.norm(v)
    parts = torch.tensor(v).split([p.numel() for p in hessian.parameters])

    def gradient(step):
        with torch.no_grad():
            for p, part in zip(hessian.parameters, parts, strict=True):
                p += step * part.view_as(p)
        (loss,) = hessian._block_losses()
        return _hessian._flat(torch.autograd.grad(loss, hessian.parameters))

    h = 1e-7  # so small that no ReLU changes sides, and 1e-9 of rounding is left
    product = hessian.product(v)
    change = (gradient(h) - gradient(-2 * h)) / (2 * h)
    np.testing.assert_allclose(change, product, atol=1e-5 * np.abs(product).max())
    found = hessian_eigenvalues(clf, X, y, k=1, n_probes=2)
    assert found.largest[0, 0] >= v @ product


def test_arguments_that_are_refused(fitted):
    clf, X, y, _ = fitted
    with pytest.raises(ValueError, match="which must be one of"):
        hessian_eigenvalues(clf, X, y, which="LM")
    with pytest.raises(ValueError, match="k must be at most 131"):
        hessian_eigenvalues(clf, X, y, k=132)
    with pytest.raises(ValueError, match="k must be an int of at least 1"):
        hessian_eigenvalues(clf, X, y, k=0)
    with pytest.raises(ValueError, match="n_probes must be at least 2"):
        hessian_eigenvalues(clf, X, y, n_probes=1)
    with pytest.raises(ValueError, match="must name classes of the classifier"):
        hessian_eigenvalues(clf, X, y, classes=7)
    with pytest.raises(ValueError, match="class 2, without rows"):
        hessian_eigenvalues(clf, X[y < 2], y[y < 2], classes=[0, 2])
