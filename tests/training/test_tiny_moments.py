"""Moments of units at rest: they end at 0 and never become denormal numbers."""

import numpy as np
import pytest
import torch
from helpers.packs import PLAIN, fixed_table

from sklimb import TabularMLPClassifier
from sklimb.training.net import _Net
from sklimb.training.optimizers import DROP_EVERY, PackedAdamW, PackedSGD

X, Y = fixed_table()
TINY = torch.finfo(torch.float32).tiny
LONG = {**PLAIN, "max_epochs": 60, "batch_size": 8, "n_iter_no_change": 60}


def first_moments(optimizer):
    name = optimizer._names[0]
    return [optimizer.state[p][name] for p in optimizer.param_groups[0]["params"]]


def n_denormal(moments):
    return sum(int(((m != 0) & (m.abs() < TINY)).sum()) for m in moments)


@pytest.mark.parametrize("make", [PackedAdamW, PackedSGD])
def test_a_unit_at_rest_has_a_moment_of_zero(make):
    """One gradient, then none: denormal after 830 steps, unless dropped."""
    found = {}
    for drop in (True, False):
        p = torch.nn.Parameter(torch.ones(1, 4))
        optimizer = make([p], lr=1e-3)
        # A tenth less each step: below 1e-40 after 860, where float32 begins at 1e-45.
        for i in range(860):
            p.grad = torch.full((1, 4), 0.1 if i == 0 else 0.0)
            optimizer.step()
            if drop and (i + 1) % DROP_EVERY == 0:
                optimizer.drop_tiny()
        found[drop] = first_moments(optimizer)[0], p.detach().clone()
    assert (found[True][0] == 0).all()
    assert n_denormal([found[False][0]]) == 4
    assert torch.equal(found[True][1], found[False][1])


def test_what_counts_is_kept():
    p = torch.nn.Parameter(torch.ones(1, 3))
    optimizer = PackedAdamW([p], lr=1e-3)
    p.grad = torch.tensor([[1e-18, -1e-17, 1.0]])
    optimizer.step()
    before = first_moments(optimizer)[0].clone()
    optimizer.drop_tiny()
    assert torch.equal(first_moments(optimizer)[0], before)


def test_a_fit_has_none_and_the_same_weights(monkeypatch):
    """2,000 steps at a rate at which units die."""
    seen, end = [], _Net._end_epoch

    def look(net, score):
        seen.append(n_denormal(first_moments(net.optimizer_)))
        return end(net, score)

    monkeypatch.setattr(_Net, "_end_epoch", look)
    params = {**LONG, "lr": 0.05}
    with_drop = TabularMLPClassifier(**params).fit(X, Y).predict_proba(X)
    assert not any(seen)
    seen.clear()
    monkeypatch.setattr(PackedAdamW, "drop_tiny", lambda self: None)
    without = TabularMLPClassifier(**params).fit(X, Y).predict_proba(X)
    assert any(seen)
    assert np.array_equal(with_drop, without)
