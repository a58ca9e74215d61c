"""All pairs of strategies: each fits, or is refused with what, why and what to do."""

from itertools import combinations

import numpy as np
import pytest
from helpers.packs import fixed_table
from helpers.pairs import SMALL, STRATEGIES

from sklimb import TabularMLPClassifier
from sklimb.training import net

X, Y = fixed_table()
X, Y = X[::2], Y[::2]
PAIRS = [(a, b) for a, b in combinations(STRATEGIES, 2) if not set(a) & set(b)]


@pytest.mark.filterwarnings("ignore:sampler='smote':UserWarning")
@pytest.mark.filterwarnings("ignore:m2m translated no row:UserWarning")
@pytest.mark.parametrize(("one", "other"), PAIRS, ids=str)
def test_a_pair_fits_or_is_refused(one, other, monkeypatch):
    trained = []
    fit_loop = net._Net.fit_loop
    monkeypatch.setattr(
        net._Net, "fit_loop", lambda *a, **k: trained.append(1) or fit_loop(*a, **k)
    )
    params = {**SMALL, **one, **other}
    if "portfolio" in params:
        params["early_stopping"] = "auto"
    clf = TabularMLPClassifier(**params)
    try:
        p = clf.fit(X, Y).predict_proba(X)
    except ValueError as error:
        assert not trained  # before any training
        what = str(error)
        assert any(name in what for name in one), what
        assert any(name in what for name in other), what
        assert "cannot be combined" in what and (": " in what or "because" in what)
        assert "Set " in what or "Use " in what
        return
    assert p.shape == (len(X), 2) and np.isfinite(p).all()
    np.testing.assert_allclose(p.sum(1), 1.0, rtol=1e-6)


def test_each_strategy_works_alone_and_does_something():
    plain = TabularMLPClassifier(**SMALL).fit(X, Y).predict_proba(X)
    for strategy in STRATEGIES:
        if strategy in ({"warm_start": True},):  # of the second fit
            continue
        p = TabularMLPClassifier(**{**SMALL, **strategy}).fit(X, Y).predict_proba(X)
        assert np.abs(p - plain).max() > 1e-6, strategy
