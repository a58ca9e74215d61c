"""Mixup and CutMix of rows: nothing when off, the formula when on."""

import numpy as np
import pandas as pd
import pytest
import torch
from helpers.packs import PLAIN, fixed_table, weights
from sklearn.model_selection import GridSearchCV

from sklimb import TabularMLPClassifier
from sklimb.model_selection import PackedSearchCV
from sklimb.training.losses import CosFaceLoss, CrossEntropy, LDAMLoss
from sklimb.training.mixing import MIXES, Mixer
from sklimb.training.objective import Objective

X, Y = fixed_table()


def fit(**params):
    return TabularMLPClassifier(**{**PLAIN, **params}).fit(X, Y)


@pytest.mark.parametrize("kind", MIXES)
def test_mixing_is_the_formula(kind):
    rng = np.random.default_rng(0)
    draws, n, n_columns, size, n_continuous = 2, 10, 4, 4, 3
    mixer = Mixer(kind, 0.7, n_continuous)
    generators = [np.random.default_rng(k) for k in range(draws)]
    left = np.array([10, 7])
    partner, share, keep = mixer.draw(generators, left, n, size, n_columns)
    rows = rng.normal(size=(draws, n, n_columns))
    target = np.eye(3)[rng.integers(0, 3, (draws, n))]
    weight = rng.uniform(0.5, 1.5, (draws, n))
    weight[1, 7:] = 0.0
    tensors = [torch.from_numpy(a) for a in (rows, partner, share, keep)]
    mixed = mixer.mix(*tensors).numpy()
    parts = [torch.from_numpy(a) for a in (target, weight, partner, share)]
    labels, total, other = mixer.mix_labels(*parts)
    assert other is None
    # A loss that needs one class gets both, whose mean by the shares is the same.
    both = Mixer(kind, 0.7, n_continuous, one_class=True)
    own, same, (others, part) = both.mix_labels(*parts)
    torch.testing.assert_close(same, total)
    part = part.unsqueeze(-1)
    torch.testing.assert_close((1 - part) * own + part * others, labels)
    for d in range(draws):
        for i in range(n):
            j, s = partner[d, i], share[d, i]
            if i >= left[d]:
                assert j == i and s == 1.0  # padding stays as it is
            assert j // size == i // size and (j < left[d] or j == i)
            for c in range(n_columns):
                kept = rows[d, i, c] if keep[d, i, c] else rows[d, j, c]
                if kind == "mixup" and c < n_continuous:
                    kept = s * rows[d, i, c] + (1 - s) * rows[d, j, c]
                assert mixed[d, i, c] == pytest.approx(kept)
            if kind == "cutmix":
                assert s == pytest.approx(keep[d, i].mean())
            # The loss of a mixed row is that of both rows, each with its weight.
            mass = s * weight[d, i] * target[d, i]
            mass = mass + (1 - s) * weight[d, j] * target[d, j]
            np.testing.assert_allclose(labels[d, i] * total[d, i], mass, atol=1e-12)
            assert float(labels[d, i].sum()) == pytest.approx(1.0)
        for begin in range(0, left[d], size):
            block = partner[d, begin : min(begin + size, left[d])]
            assert sorted(block) == list(range(begin, begin + len(block)))
    assert len(np.unique(partner[0] - np.arange(n))) > 2


def test_shares_are_from_the_beta_distribution():
    mixer = Mixer("mixup", 0.5, 1)
    _, share, _ = mixer.draw([np.random.default_rng(0)], np.array([8000]), 8000, 2, 1)
    shares = share[0, ::2]
    # Mean 1/2, variance 1 / (4 (2 alpha + 1)); 4,000 draws: four standard errors.
    assert shares.mean() == pytest.approx(0.5, abs=4 * 0.354 / 4000**0.5)
    assert shares.var() == pytest.approx(1 / 8, abs=0.01)


@pytest.mark.parametrize("kind", MIXES)
def test_whole_rows_are_plain_training(kind):
    """Shares of 0 or 1 only change the order of the rows of a batch."""
    plain = fit(dtype="float64")
    # A zero of Beta(1e-9, 1e-9) is exact but for one draw in 1e8.
    whole = fit(dtype="float64", mix=kind, mix_alpha=1e-9)
    np.testing.assert_allclose(
        whole.predict_proba(X), plain.predict_proba(X), atol=1e-10
    )


@pytest.mark.parametrize("kind", MIXES)
def test_mixed_labels_make_less_sure(kind):
    params = {"max_epochs": 30, "target_prior": None}
    plain, mixed = fit(**params), fit(**params, mix=kind)
    sure = [np.log(c.predict_proba(X).max(1)).mean() for c in (plain, mixed)]
    assert sure[1] < sure[0] - 0.01
    small = fit(**params, mix=kind, mix_alpha=0.1)
    assert np.abs(small.predict_proba(X) - mixed.predict_proba(X)).max() > 1e-3


@pytest.mark.parametrize("kind", MIXES)
def test_members_equal_single_fits(kind):
    params = {"mix": kind, "dtype": "float64", "dropout": 0.1}
    params |= {"sam_asymmetric_rho": 0.05, "smoothing_eps": 0.05}
    many = fit(**params, n_members=3)
    for k, seed in enumerate(many.member_seeds_):
        one = fit(**params, random_state=int(seed))
        for name, w in weights(many).items():
            np.testing.assert_allclose(w[k], weights(one)[name][0], atol=1e-10)


@pytest.mark.parametrize("kind", MIXES)
def test_searches_agree_on_a_table_with_categories_and_missing_values(kind):
    frame = pd.DataFrame(X, columns=list("abcdef"))
    frame.loc[::97, "a"] = np.nan  # an indicator that some folds lack
    frame["g"] = pd.Categorical(np.where(X[:, 1] > 0, "u", "v"))
    clf = TabularMLPClassifier(
        **{**PLAIN, "mix": kind, "dtype": "float64", "num_embeddings": "plr"}
    )
    grid = {"lr": [1e-3, 1e-2], "dropout": [0.0, 0.2]}
    params = {"cv": 3, "scoring": "roc_auc"}
    a = PackedSearchCV(clf, grid, max_members=12, **params).fit(frame, Y)
    b = GridSearchCV(clf, grid, **params).fit(frame, Y)
    # Sums in another order.
    np.testing.assert_allclose(
        a.cv_results_["mean_test_score"], b.cv_results_["mean_test_score"], atol=1e-8
    )


@pytest.mark.parametrize("loss", ["focal", "vs", "ldam", "cosface"])
def test_with_other_losses(loss):
    plain, mixed = (fit(loss=loss, mix=m).predict_proba(X) for m in (None, "mixup"))
    assert np.isfinite(mixed).all()
    assert np.abs(plain - mixed).max() > 1e-3


class OfOneClass(CrossEntropy):
    """Cross-entropy whose mixed rows keep both targets."""

    one_class = True


def test_both_targets_are_one_soft_target_for_a_linear_loss():
    params = {"mix": "mixup", "dtype": "float64", "smoothing_eps": 0.1}
    soft, both = fit(**params), fit(**params, loss=OfOneClass())
    np.testing.assert_allclose(  # sums in another order
        both.predict_proba(X), soft.predict_proba(X), atol=1e-10
    )


@pytest.mark.parametrize("loss", [LDAMLoss(), CosFaceLoss()])
def test_the_margins_of_a_mixed_row_are_those_of_both_classes(loss):
    bound = loss.bind(torch.tensor([[90.0, 9.0, 1.0]], dtype=torch.float64))
    margin, s = bound.statistics[0][0, 0], loss.s
    z = torch.linspace(-1, 1, 12, dtype=torch.float64).view(1, 4, 3)
    eye = torch.eye(3, dtype=torch.float64)
    own, others = torch.tensor([[0, 1, 2, 2]]), torch.tensor([[1, 1, 0, 1]])
    part = torch.tensor([[0.3, 0.5, 0.0, 1.0]], dtype=torch.float64)
    weight = torch.tensor([[1.0, 2.0, 3.0, 0.5]], dtype=torch.float64)
    batch = {"y": own, "target": eye[own], "other": (eye[others], part)}
    batch["weight"] = weight
    objective = Objective(torch.nn.Linear(1, 1), bound)
    expected = 0.0
    for i in range(4):
        for c, share in ((own[0, i], 1 - part[0, i]), (others[0, i], part[0, i])):
            log_p = torch.log_softmax(s * (z[0, i] - margin * eye[c]), -1)
            expected = expected - weight[0, i] * share * log_p[c]
    torch.testing.assert_close(objective.loss(z, batch), expected)
    losses, slope = objective.row_losses(z, batch)
    torch.testing.assert_close((losses * weight).sum(), expected)
    free = z.detach().clone().requires_grad_()
    (of_sum,) = torch.autograd.grad(objective.loss(free, batch), free)
    torch.testing.assert_close(slope * weight.unsqueeze(-1), of_sum)
