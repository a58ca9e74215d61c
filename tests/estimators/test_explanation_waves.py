"""Numbers that are embedded by short waves are explained between their vectors."""

import warnings

import numpy as np
import pytest
import torch

from sklimb import TabularMLPClassifier, explanation


def table(n=1500, seed=0):
    """Amounts, mostly 0, of which some tell the label, and two numbers."""
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n, 3))
    X[:, 0] = np.where(rng.random(n) < 0.6, 0, rng.integers(1, 25, n))
    return X, ((X[:, 0] % 3 == 1) ^ (X[:, 1] > 1)).astype(int)


X, Y = table()


@pytest.fixture(scope="module")
def clf():
    fitted = TabularMLPClassifier(
        max_epochs=15, lr=5e-3, d_block=32, n_members=2, random_state=0
    ).fit(X, Y)
    largest = fitted.net_.module_.numbers.frequency.abs().amax((0, 2, 3))
    assert largest[0] > explanation._SHORT_WAVES > largest[1:].max()
    return fitted


def log_odds(clf, rows):
    p = clf.predict_proba(rows)
    return np.log(p[:, 1] / p[:, 0])


def test_parts_add_up_without_thousands_of_pieces(clf, monkeypatch):
    n_points = []
    whole = explanation._Line.log_odds

    def count(self, rows, *args, **kwargs):
        n_points.append(len(rows))
        return whole(self, rows, *args, **kwargs)

    monkeypatch.setattr(explanation._Line, "log_odds", count)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        parts = clf.explain(X[:100])
    left = log_odds(clf, X[:100]) - parts.sum(1)
    assert np.ptp(left) < 2 * explanation.TOLERANCE
    few = sum(n_points)
    monkeypatch.setattr(explanation, "_SHORT_WAVES", np.inf)
    n_points.clear()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        clf.explain(X[:100])
    assert few < 0.3 * sum(n_points)


def test_each_part_is_a_slow_sum_between_vectors(clf):
    """By hand: the network behind its embeddings, along a straight line of those."""
    row, start = X[:1].copy(), clf.baseline_
    row[0, 0] = 7.0
    module = clf.net_.module_.double()
    end = torch.as_tensor(clf.encoder_.transform(row)[0]).double()
    start = torch.as_tensor(start).double()
    n_steps, total = 4000, np.zeros(3)
    ends = [module.numbers(v.expand(2, 1, 3)).detach() for v in (start, end)]
    for t in (np.arange(n_steps) + 0.5) / n_steps:
        part = torch.full((3,), t, dtype=torch.float64, requires_grad=True)
        x = (start + part * (end - start)).expand(2, 1, 3)
        vectors = module.numbers(x).clone()
        vectors[..., 0, :] = (ends[0] + part[0] * (ends[1] - ends[0]))[..., 0, :]
        h = vectors.flatten(-2)
        for block in module.blocks:
            h = torch.relu(block(h))
        p = torch.softmax(module.head(h) + added(clf), -1).mean((0, 1))
        (p[1] / p[0]).log().backward()
        total += part.grad.numpy() / n_steps
    module.float()
    np.testing.assert_allclose(clf.explain(row)[0], total, atol=2e-3)


def added(clf):
    """What is added to the logits of each member after the network."""
    shift = np.log(clf.prior_shift_)
    return torch.as_tensor(clf.intercept_ - shift).double().view(-1, 1, 2)


def test_a_scale_that_is_set_is_no_other(clf):
    wide = TabularMLPClassifier(
        max_epochs=3, frequency_scale=5.0, d_block=16, n_members=1, random_state=0
    ).fit(X, Y)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        parts = wide.explain(X[:30])
    assert np.ptp(log_odds(wide, X[:30]) - parts.sum(1)) < 2 * explanation.TOLERANCE
