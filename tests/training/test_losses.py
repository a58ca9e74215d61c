"""Losses that know the class shares: off is plain, on does what its paper says, and the
probabilities mean what they say."""

import numpy as np
import pytest
import torch
from helpers.packs import PLAIN, fixed_table, same_bits, weights
from sklearn.model_selection import GridSearchCV

import sklimb
from sklimb import TabularMLPClassifier, TabularResNetClassifier
from sklimb.model_selection import PackedSearchCV
from sklimb.training.losses import (
    LOSSES,
    ClassBalancedLoss,
    CosFaceLoss,
    LDAMLoss,
    LogitAdjustedLoss,
    VSLoss,
    bind,
    effective_number_weights,
)

X, Y = fixed_table()
COUNTS = np.bincount(Y).astype(float)


def fit(**params):
    return TabularMLPClassifier(**{**PLAIN, **params}).fit(X, Y)


def bound(loss, counts=(90.0, 9.0, 1.0)):
    return bind(loss, [list(counts)], torch.empty(0, dtype=torch.float64))


# Slow oracles, one row and class at a time.


def _nll(z, target):
    top = max(z)
    log_sum = top + np.log(sum(np.exp(v - top) for v in z))
    return -sum(t * (v - log_sum) for v, t in zip(z, target, strict=True))


def vs_oracle(z, target, n, gamma=0.3, tau=1.0):
    p = [c / sum(n) for c in n]
    delta = [(max(n) / c) ** gamma for c in n]
    z = [v / d + tau * np.log(q) for v, d, q in zip(z, delta, p, strict=True)]
    return _nll(z, target)


def ldam_oracle(z, target, n, max_m=0.5, s=30.0):
    m = [c**-0.25 for c in n]
    m = [v * max_m / max(m) for v in m]
    y = int(np.argmax(target))
    z = [s * (v - (m[c] if c == y else 0.0)) for c, v in enumerate(z)]
    return _nll(z, target)


def cosface_oracle(z, target, n, m=0.35, s=30.0):
    y = int(np.argmax(target))
    return _nll([s * (v - m * (c == y)) for c, v in enumerate(z)], target)


def focal_cosface_oracle(z, target, n, m=0.35, s=30.0, gamma=2.0):
    y = int(np.argmax(target))
    z = [s * (v - m * (c == y)) for c, v in enumerate(z)]
    nll = [_nll(z, np.eye(len(z))[c]) for c in range(len(z))]
    return sum(
        t * (1 - np.exp(-v)) ** gamma * v for t, v in zip(target, nll, strict=True)
    )


@pytest.mark.parametrize(
    ("loss", "oracle"),
    [
        (VSLoss(), vs_oracle),
        (VSLoss(0.1, 2.0), lambda *a: vs_oracle(*a, gamma=0.1, tau=2.0)),
        (LogitAdjustedLoss(tau=0.7), lambda *a: vs_oracle(*a, gamma=0.0, tau=0.7)),
        (LDAMLoss(), ldam_oracle),
        (LDAMLoss(0.3, 10.0), lambda *a: ldam_oracle(*a, max_m=0.3, s=10.0)),
        (CosFaceLoss(), cosface_oracle),
        (CosFaceLoss(gamma=2.0), focal_cosface_oracle),
    ],
)
def test_losses_equal_their_formulas(loss, oracle):
    rng = np.random.default_rng(0)
    n = [90.0, 9.0, 1.0]
    logits = rng.uniform(-1, 1, (2, 4, 3))
    target = np.eye(3)[rng.integers(0, 3, (2, 4))] * 0.9 + 0.1 / 3
    got = bound(loss, n)(torch.tensor(logits), torch.tensor(target)).numpy()
    want = [
        [oracle(z, t, n) for z, t in zip(zs, ts, strict=True)]
        for zs, ts in zip(logits, target, strict=True)
    ]
    np.testing.assert_allclose(got, want, rtol=1e-12)


@pytest.mark.parametrize("name", sorted(LOSSES))
def test_gradients(name):
    loss = bound(LOSSES[name])
    draw = torch.Generator().manual_seed(0)
    logits = torch.randn(2, 3, 3, generator=draw, dtype=torch.float64)
    y = torch.tensor([[0, 1, 2], [2, 2, 0]])
    target = torch.eye(3, dtype=torch.float64)[y] * 0.8 + 0.2 / 3
    logits.requires_grad_()
    assert torch.autograd.gradcheck(lambda z: loss(z, target), logits)


def test_members_have_their_own_statistics():
    counts = torch.tensor([[90.0, 10.0], [50.0, 50.0]], dtype=torch.float64)
    logits = torch.zeros(2, 1, 2, dtype=torch.float64)
    target = torch.tensor([0.0, 1.0], dtype=torch.float64).expand(2, 1, 2)
    loss = LogitAdjustedLoss().bind(counts)
    np.testing.assert_allclose(
        loss(logits, target).flatten(), [-np.log(0.1), np.log(2)], rtol=1e-12
    )
    loss.take_([1])
    np.testing.assert_allclose(loss(logits[:1], target[:1]), [[np.log(2)]], rtol=1e-12)


def test_weights_by_effective_numbers_are_the_papers():
    # Cao et al.'s code, beta 0.9999, 5000, 500 and 50 rows (measured).
    got = effective_number_weights([5000, 500, 50], 0.9999)
    np.testing.assert_allclose(got, [0.034, 0.275, 2.691], atol=5e-4)
    n = np.array([7.0, 3.0, 0.0])
    slow = [(1 - 0.9) / (1 - 0.9**k) for k in n[:2]]
    expected = [*(np.array(slow) / np.mean(slow)), 1.0]
    np.testing.assert_allclose(effective_number_weights(n, 0.9), expected, rtol=1e-12)


# Off is plain.


def test_off_values_are_plain():
    assert same_bits(fit(), fit(loss=ClassBalancedLoss(beta=0.0)))
    plain = fit(dtype="float64").predict_proba(X)
    for loss in (LogitAdjustedLoss(tau=0.0), VSLoss(gamma=0.0, tau=0.0)):
        got = fit(dtype="float64", loss=loss).predict_proba(X)
        # The same real numbers by other operations: rounding of float64, 65 steps.
        np.testing.assert_allclose(got, plain, atol=1e-10)


def test_margins_of_zero_are_cross_entropy_of_the_same_cosines():
    class ScaledCosines(LDAMLoss):
        def of(self, logits, target, margin):
            log_p = torch.log_softmax(self.s * logits, -1)
            return -(target * log_p).sum(-1)

    a = fit(dtype="float64", loss=LDAMLoss(max_m=0.0))
    b = fit(dtype="float64", loss=ScaledCosines(max_m=0.0))
    np.testing.assert_allclose(a.predict_proba(X), b.predict_proba(X), atol=1e-10)


# On does what it says.


@pytest.mark.parametrize(
    "params",
    [
        {"loss": "class_balanced"},
        {"loss": "logit_adjusted"},
        {"loss": "vs"},
        {"drw_start": 0.4},
        {"drw_start": 0.4, "sampler": "balanced"},
    ],
)
def test_raw_outputs_favour_the_rare_class(params):
    """By the logits themselves, before anything is divided out."""

    def mean_logit(clf):
        X_ = clf._encode(X)
        with torch.no_grad():
            logits = clf.net_.module_(X_.unsqueeze(0))[0]
        return float((logits[:, 1] - logits[:, 0]).mean())

    gap = mean_logit(fit(**params)) - mean_logit(fit())
    assert gap > 0.1


def test_margins_change_the_fit_and_grow_for_rare_classes():
    loss = bound(LDAMLoss())
    (margin,) = loss.statistics
    assert margin.flatten().diff().gt(0).all() and margin.max() == 0.5
    a, b = fit(loss="ldam"), fit(loss=LDAMLoss(max_m=0.0))
    assert np.abs(a.predict_proba(X) - b.predict_proba(X)).max() > 1e-3
    head = a.net_.module_.head
    assert not hasattr(head, "bias")
    x = torch.from_numpy(X[:5]).unsqueeze(0)
    assert a.net_.module_(x).abs().max() <= 1 + 1e-6


# Equivalences.


def test_class_balanced_is_a_class_weight_of_the_same_numbers():
    w = effective_number_weights(COUNTS, 0.99)
    a = fit(loss=ClassBalancedLoss(0.99), target_prior=None, dtype="float64")
    b = fit(class_weight=dict(enumerate(w)), target_prior=None, dtype="float64")
    np.testing.assert_allclose(a.predict_proba(X), b.predict_proba(X), atol=1e-10)
    shift = a.class_prior_ * w
    ours = fit(loss=ClassBalancedLoss(0.99)).prior_shift_
    np.testing.assert_allclose(ours, shift / shift.sum() / a.class_prior_, rtol=1e-12)


def test_deferring_to_the_first_epoch_is_not_deferring():
    assert same_bits(
        fit(drw_start=0.0), fit(loss=ClassBalancedLoss(sklimb.fitting.jobs.DRW_BETA))
    )
    assert same_bits(fit(drw_start=0.0, sampler="sqrt"), fit(sampler="sqrt"))


def test_deferred_training_is_plain_until_it_begins():
    # max_epochs is 5: ceil(0.6 * 5) = 3 plain epochs.
    rows = [fit(drw_start=0.6).history_, fit().history_]
    loss = [[row["train_loss"] for row in history] for history in rows]
    assert loss[0][:3] == loss[1][:3] and loss[0][3] != loss[1][3]
    clf = fit(drw_start=0.6, early_stopping=True, n_iter_no_change=1, max_epochs=10)
    assert clf.best_epoch_[0] > 6


def test_balanced_softmax_is_logit_adjustment():
    a, b = fit(loss="balanced_softmax"), fit(loss="logit_adjusted")
    assert same_bits(a, b)


# Probabilities.


@pytest.mark.parametrize("loss", sorted(LOSSES))
def test_probabilities_keep_the_base_rate_and_uniform_divides_it_out(loss):
    params = {"loss": loss, "max_epochs": 30, "early_stopping": True}
    train = fit(**params)
    assert train.predict_proba(X)[:, 1].mean() == pytest.approx(Y.mean(), rel=0.01)
    uniform = fit(**params, target_prior="uniform")
    p, q = train.predict_proba(X), uniform.predict_proba(X)
    gap = np.log(q[:, 1] / q[:, 0]) - np.log(p[:, 1] / p[:, 0])
    # The odds move by the prior's of the rows that the output bias is solved on, all.
    np.testing.assert_allclose(gap, np.log(COUNTS[0] / COUNTS[1]), atol=1e-6)


def test_logit_adjustment_learns_the_posterior_and_its_logits_no_prior():
    """Where nothing can be learned but the share, without the solved output bias."""
    X_ = np.random.default_rng(0).normal(size=(2000, 1))
    y_ = (np.arange(2000) % 10 == 0).astype(int)
    params = {**PLAIN, "loss": "logit_adjusted", "target_prior": None, "max_epochs": 10}
    clf = TabularMLPClassifier(**params).fit(X_, y_)
    assert clf.predict_proba(X_)[:, 1].mean() == pytest.approx(0.1, abs=0.02)
    rows = clf._encode(X_).unsqueeze(0)
    with torch.no_grad():
        raw = clf.net_.module_(rows).softmax(-1)[0, :, 1]
    assert raw.mean() == pytest.approx(0.5, abs=0.05)


# Alone, in packs, in files.


@pytest.mark.parametrize("loss", ["vs", "ldam", "cosface", "class_balanced"])
def test_searches_agree_where_folds_have_their_own_shares(loss):
    X_, y_ = X[:250], Y[:250]
    clf = TabularMLPClassifier(
        **{**PLAIN, "loss": loss, "dtype": "float64", "early_stopping": True}
    )
    grid = {"lr": [1e-3, 1e-2], "smoothing_eps": [0.0, 0.1]}
    ours = PackedSearchCV(clf, grid, cv=3, scoring="neg_log_loss", max_members=12)
    theirs = GridSearchCV(clf, grid, cv=3, scoring="neg_log_loss")
    a = ours.fit(X_, y_).cv_results_["mean_test_score"]
    b = theirs.fit(X_, y_).cv_results_["mean_test_score"]
    # Sums in another order.
    np.testing.assert_allclose(a, b, atol=1e-8)


@pytest.mark.parametrize("loss", sorted(LOSSES))
def test_files_keep_the_statistics(loss, tmp_path):
    clf = fit(loss=loss, n_members=2, drw_start=0.2)
    clf.save(tmp_path / "model")
    again = sklimb.load(tmp_path / "model")
    assert np.array_equal(again.predict_proba(X), clf.predict_proba(X))


def test_members_equal_single_fits_with_deferred_ldam():
    params = {"loss": "ldam", "drw_start": 0.4, "dtype": "float64", "dropout": 0.1}
    many = fit(**params, n_members=3, sam_asymmetric_rho=0.05)
    for k, seed in enumerate(many.member_seeds_):
        one = fit(**params, sam_asymmetric_rho=0.05, random_state=int(seed))
        for name, w in weights(many).items():
            np.testing.assert_allclose(w[k], weights(one)[name][0], atol=1e-10)


def test_refusals():
    with pytest.raises(ValueError, match="layer of cosines"):
        TabularResNetClassifier(loss="ldam").fit(X, Y)
    with pytest.raises(ValueError, match=r"drw_start.*warm_start"):
        fit(drw_start=0.5, warm_start=True)
    with pytest.raises(ValueError, match="drw_start"):
        fit(drw_start=1.0)
