"""The six tests of every imbalance knob: that it is exact when off, and does what it
says when on."""

import numpy as np
import pytest
import torch
from helpers.oracles.hand_loop import sam_by_hand, train_by_hand
from helpers.packs import PLAIN, fit_pack, fixed_table, same_bits, weights

from sklimb import TabularMLPClassifier
from sklimb.training import steps
from sklimb.training.losses import CrossEntropy, FocalLoss
from sklimb.training.objective import Objective
from sklimb.training.scales import class_scale, smoothing_table
from sklimb.training.steps import SAMStep

X, Y = fixed_table()
MINORITY = Y == 1


def fit(**params):
    sample_weight = params.pop("sample_weight", None)
    return TabularMLPClassifier(**{**PLAIN, **params}).fit(X, Y, sample_weight)


def minority_probability(clf):
    return clf.predict_proba(X)[:, 1].mean()


# 1. Plain training equals a loop written by hand, bit for bit.


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_plain_training_is_the_hand_loop(dtype):
    clf = fit(dtype=dtype)
    order = _canonical_order(X, Y)
    expected = train_by_hand(
        torch.from_numpy(X[order]).to(getattr(torch, dtype)),
        torch.from_numpy(Y[order]),
        torch.ones(len(X), dtype=getattr(torch, dtype)),
        width=16,
        lr=5e-3,
        batch_size=32,
        epochs=5,
        seed=0,
    )
    for got, want in zip(weights(clf).values(), expected, strict=True):
        np.testing.assert_array_equal(got, want.numpy())


def test_weighted_training_is_the_hand_loop():
    weight = np.random.default_rng(0).integers(1, 4, len(X)).astype(float)
    clf = fit(dtype="float64", sample_weight=weight)
    order = _canonical_order(X, Y)
    expected = train_by_hand(
        torch.from_numpy(X[order]).double(),
        torch.from_numpy(Y[order]),
        torch.from_numpy(weight[order] / weight.mean()),
        width=16,
        lr=5e-3,
        batch_size=32,
        epochs=5,
        seed=0,
    )
    for got, want in zip(weights(clf).values(), expected, strict=True):
        # The mean of the weights is summed in another order: one unit of the last place
        # of float64, grown over 65 steps.
        np.testing.assert_allclose(got, want.numpy(), rtol=0, atol=1e-12)


def _canonical_order(X, y):
    from sklimb.inputs.rowset import RowSet
    from sklimb.inputs.table import read_table

    rows = RowSet(read_table(X), np.arange(len(y)), np.ones(len(y)))
    assert len(np.unique(X, axis=0)) == len(X)  # nothing is merged here
    hashes = rows.table.row_hash()
    return np.argsort(hashes)


# 2. In a pack of (off, on) the off member has the bits that it has in (off, off).


@pytest.mark.parametrize(
    ("off", "on", "params"),
    [
        ({"smoothing_eps": 0.0}, {"smoothing_eps": 0.2}, {}),
        ({"sam_asymmetric_rho": 0.0}, {"sam_asymmetric_rho": 0.1}, {}),
        ({"sam_asymmetric_rho": 0.0}, {"sam_asymmetric_rho": 0.1}, {"dropout": 0.2}),
        ({"dropout": 0.0}, {"dropout": 0.3}, {}),
    ],
)
def test_off_member_does_not_notice_its_neighbour(off, on, params):
    both_off = weights(fit_pack([off, off], **params))
    mixed = weights(fit_pack([off, on], **params))
    changed = 0.0
    for name in both_off:
        np.testing.assert_array_equal(both_off[name][0], mixed[name][0])
        changed = max(changed, np.abs(both_off[name][1] - mixed[name][1]).max())
    assert changed > 1e-3


def test_learning_rates_of_neighbours_do_not_mix():
    slow, fast = {"lr": 1e-3}, {"lr": 1e-2}
    mixed = weights(fit_pack([slow, fast]))
    alike = weights(fit_pack([slow, slow]))
    for name in mixed:
        # Unequal rates leave torch's fused step for the same formula in tensors.
        np.testing.assert_allclose(mixed[name][0], alike[name][0], atol=1e-4)
        assert np.abs(mixed[name][1] - alike[name][1]).max() > 1e-3


# 3. The off value sent through the strategy's own code equals plain.


def test_sam_of_radius_zero_is_plain(monkeypatch):
    plain = fit()
    monkeypatch.setattr(steps.Plain, "make", lambda self, fits: SAMStep(0.0))
    assert same_bits(plain, fit())


def test_class_weight_of_ones_is_plain():
    assert same_bits(fit(), fit(class_weight={0: 1.0, 1: 1.0}))


def test_focal_loss_of_gamma_zero_is_cross_entropy():
    a, b = fit(dtype="float64"), fit(dtype="float64", loss=FocalLoss(gamma=0.0))
    # Other operations, the same real numbers: rounding of float64 over 65 steps.
    np.testing.assert_allclose(a.predict_proba(X), b.predict_proba(X), atol=1e-10)


def test_average_of_decay_zero_is_plain():
    assert same_bits(fit(), fit(ema_decay=1e-12))


def test_clipping_at_infinity_is_plain():
    assert same_bits(fit(), fit(clip_norm=1e9))


# 4. On differs from off by more than 1e-3, in the stated direction.


def test_class_weight_raises_the_minority():
    assert minority_probability(fit(class_weight="balanced")) > (
        minority_probability(fit()) + 0.05
    )


def test_sample_weight_raises_the_minority():
    weight = np.where(MINORITY, 5.0, 1.0)
    assert minority_probability(fit(sample_weight=weight)) > (
        minority_probability(fit()) + 0.05
    )


@pytest.mark.parametrize("sampler", ["balanced", "sqrt", "over", "under", "smote"])
def test_sampler_raises_the_minority_before_correction(sampler):
    raw = fit(sampler=sampler, target_prior=None)
    assert minority_probability(raw) > minority_probability(fit()) + 0.05
    assert np.array_equal(raw.prior_shift_, np.ones(2))


def test_sqrt_lies_between_uniform_and_balanced():
    uniform, sqrt, balanced = (
        minority_probability(fit(sampler=s, target_prior=None))
        for s in ("uniform", "sqrt", "balanced")
    )
    assert uniform < sqrt < balanced


@pytest.mark.parametrize("sampler", ["balanced", "sqrt", "over", "under", "smote"])
def test_prior_correction_takes_the_shift_back(sampler):
    clf = fit(sampler=sampler, max_epochs=10)
    assert clf.prior_shift_[1] > 1.2 > 1 > clf.prior_shift_[0]
    assert minority_probability(clf) == pytest.approx(Y.mean(), rel=1e-6)


@pytest.mark.parametrize("loss", ["ce", "focal"])
@pytest.mark.parametrize("eps", [0.0, 0.1])
def test_mean_probability_is_the_base_rate(loss, eps):
    clf = fit(loss=loss, smoothing_eps=eps)
    assert minority_probability(clf) == pytest.approx(Y.mean(), rel=1e-6)


def test_target_prior_moves_the_mean():
    train, uniform = fit(), fit(target_prior="uniform")
    given = fit(target_prior=[0.5, 0.5])
    assert minority_probability(uniform) > minority_probability(train) + 0.1
    np.testing.assert_allclose(
        uniform.predict_proba(X), given.predict_proba(X), rtol=1e-12
    )
    # S003 section 6: p_c / pi_c, renormalised.
    p = train.predict_proba(X) / np.bincount(Y)
    np.testing.assert_allclose(
        uniform.predict_proba(X), p / p.sum(1, keepdims=True), rtol=1e-9
    )


def test_smoothing_spares_the_majority():
    plain, smooth = fit(max_epochs=30), fit(max_epochs=30, smoothing_eps=0.2)
    confidence = [c.predict_proba(X[MINORITY])[:, 1].mean() for c in (plain, smooth)]
    assert confidence[1] < confidence[0] - 1e-3
    tail = smoothing_table(0.1, "complement", 0.5, np.array([0.9, 0.1]))
    assert tail[1, 0] > 5 * tail[0, 1] > 0
    head = smoothing_table(0.1, "head", 0.5, np.array([0.9, 0.1]))
    assert head[0, 1] > 5 * head[1, 0] > 0


def test_a_larger_radius_fits_the_training_rows_less_closely():
    losses = [
        fit(max_epochs=40, sam_asymmetric_rho=rho).history_[-1]["train_loss"]
        for rho in (0.0, 0.1, 1.0)
    ]
    assert losses[0] + 1e-3 < losses[1] < losses[2] - 1e-3


def _batch(dtype):
    y = torch.from_numpy(Y).unsqueeze(0)
    return {
        "X": torch.from_numpy(X).to(dtype).unsqueeze(0),
        "y": y,
        "weight": torch.full((1, len(Y)), 1 / len(Y), dtype=dtype),
        "target": torch.eye(2, dtype=dtype)[y],
        "masks": None,
    }


def test_sam_asymmetry_climbs_further_with_the_minority_in_the_batch():
    lengths = {}
    for name, rows in (("majority", ~MINORITY), ("minority", MINORITY)):
        step, model = _linear_sam(scale=[0.6, 3.0])
        batch = _linear_batch(rows)
        before = [p.detach().clone() for p in model.parameters()]
        seen = []
        climb = steps._climb

        def spy(parameters, radius, seen=seen, climb=climb, before=before):
            climb(parameters, radius)
            moved = [p - b for p, b in zip(parameters, before, strict=True)]
            seen.append(float(torch.cat([m.flatten() for m in moved]).norm()))

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(steps, "_climb", spy)
            step(Objective(model, CrossEntropy()), batch)
        lengths[name] = seen[0]
        for p, b in zip(model.parameters(), before, strict=True):
            assert torch.equal(p, b)  # the perturbation is taken back exactly
    # rho times the mean of r over the batch.
    assert lengths["majority"] == pytest.approx(0.1 * 0.6, rel=1e-6)
    assert lengths["minority"] == pytest.approx(0.1 * 3.0, rel=1e-6)


# 5. Equivalences.


def test_class_weight_is_the_same_sample_weight():
    by_class = fit(class_weight={0: 1.0, 1: 4.0})
    by_row = fit(sample_weight=np.where(MINORITY, 4.0, 1.0))
    assert same_bits(by_class, by_row)


def test_balanced_is_its_dict():
    counts = np.bincount(Y)
    spelled = {c: len(Y) / (2 * counts[c]) for c in (0, 1)}
    assert same_bits(fit(class_weight="balanced"), fit(class_weight=spelled))


def test_scale_of_the_weights_does_not_matter():
    a = fit(dtype="float64", sample_weight=np.ones(len(Y)))
    b = fit(dtype="float64", sample_weight=np.full(len(Y), 0.25))
    assert same_bits(a, b)


def test_sam_with_one_factor_for_all_is_sam():
    uniform = fit(sam_asymmetric_rho=0.1, sam_scale="uniform")
    ones = fit(sam_asymmetric_rho=0.1, sam_scale=[1.0, 1.0])
    assert same_bits(uniform, ones)
    # "weighted" divides by the scaled gradient's own norm, so a common factor cancels.
    weighted = fit(
        sam_asymmetric_rho=0.1,
        sam_scale=[2.0, 2.0],
        sam_norm="weighted",
        dtype="float64",
    )
    plain = fit(sam_asymmetric_rho=0.1, sam_scale="uniform", dtype="float64")
    np.testing.assert_allclose(
        weighted.predict_proba(X), plain.predict_proba(X), atol=1e-9
    )


def test_weight_k_is_k_repetitions_for_every_strategy():
    weight = np.random.default_rng(0).integers(0, 4, len(X))
    for params in (
        {"smoothing_eps": 0.1},
        {"sam_asymmetric_rho": 0.1},
        {"sampler": "balanced"},
        {"sampler": "smote"},
        {"class_weight": "balanced"},
        {"num_embeddings": "ple", "numeric_transform": "quantile", "n_bins": 8},
        {"early_stopping": True},
    ):
        clf = TabularMLPClassifier(**{**PLAIN, **params})
        weighted = clf.fit(X, Y, weight).predict_proba(X)
        repeated = clf.fit(np.repeat(X, weight, 0), np.repeat(Y, weight))
        np.testing.assert_array_equal(weighted, repeated.predict_proba(X), str(params))


def test_row_order_does_not_matter():
    order = np.random.default_rng(1).permutation(len(X))
    clf = TabularMLPClassifier(**{**PLAIN, "early_stopping": True, "sampler": "over"})
    a = clf.fit(X, Y).predict_proba(X)
    np.testing.assert_array_equal(a, clf.fit(X[order], Y[order]).predict_proba(X))


# 6. The formulas, slowly.


def _linear_sam(scale):
    model = torch.nn.Module()
    rng = torch.Generator().manual_seed(0)
    draw = {"generator": rng, "dtype": torch.float64}
    model.weight = torch.nn.Parameter(torch.randn(1, 6, 2, **draw))
    model.bias = torch.nn.Parameter(torch.randn(1, 1, 2, **draw))
    model.forward = lambda x, masks: torch.baddbmm(model.bias, x, model.weight)
    return SAMStep(0.1, torch.tensor(scale, dtype=torch.float64)), model


def _linear_batch(rows):
    batch = _batch(torch.float64)
    rows = torch.from_numpy(np.flatnonzero(rows)[:20])
    return {k: v if v is None else v[:, rows] for k, v in batch.items()}


def test_sam_step_equals_the_formula():
    step, model = _linear_sam([0.6, 3.0])
    batch = _linear_batch(np.ones(len(Y), bool))
    batch["weight"] = torch.rand(1, 20, dtype=torch.float64) + 0.5
    loss = step(Objective(model, CrossEntropy()), batch)
    gW, gb, expected = sam_by_hand(
        batch["X"][0].numpy(),
        batch["y"][0].numpy(),
        batch["weight"][0].numpy(),
        (model.weight.detach()[0], model.bias.detach()[0, 0]),
        0.1,
        [0.6, 3.0],
    )
    np.testing.assert_allclose(model.weight.grad[0], gW, rtol=1e-10)
    np.testing.assert_allclose(model.bias.grad[0, 0], gb, rtol=1e-10)
    assert float(loss) == pytest.approx(expected, rel=1e-12)


def test_class_scales_have_the_published_values():
    lt = np.array([5000, 2997, 1796, 1077, 645, 387, 232, 139, 83, 50.0])
    cifar, fraud = lt / lt.sum(), np.array([0.99828, 0.00172])
    expected = {
        ("printed", "cifar"): (1.675, 1.004),
        ("inverse", "cifar"): (0.25, 24.8),
        ("complement", "cifar"): (0.66, 1.107),
        ("printed", "fraud"): (581.4, 1.0017),
        ("inverse", "fraud"): (0.50, 290.7),
        ("complement", "fraud"): (0.00344, 1.997),
    }
    for (scale, table), (head, tail) in expected.items():
        factor = class_scale(scale, {"cifar": cifar, "fraud": fraud}[table])
        # the published figures have three digits.
        np.testing.assert_allclose(factor[[0, -1]], (head, tail), rtol=0.2e-1)
    for scale in ("uniform", "inverse", "complement", "max_ratio", "head"):
        np.testing.assert_allclose(class_scale(scale, np.full(4, 0.25)), 1.0)
    assert class_scale("inverse", fraud, cap=10.0)[1] == 10.0
    np.testing.assert_allclose(class_scale("max_ratio", cifar)[-1], 100.0)


def test_smoothed_targets_equal_the_formula():
    prior = np.array([0.7, 0.2, 0.1])
    table = smoothing_table(0.1, "complement", 0.5, prior)
    for y in range(3):
        eps = min(0.5, 0.1 * (1 - prior[y]) * 3 / 2)
        for j in range(3):
            expected = (1 - eps) * (y == j) + eps / 3
            assert table[y, j] == pytest.approx(expected, rel=1e-12)
    # Equation 6 as printed would take more than everything from the true class.
    capped = smoothing_table(0.1, "printed", 0.5, np.array([0.99, 0.01]))
    assert capped[0, 0] == pytest.approx(0.75) and (capped >= 0).all()


def test_smoothed_training_is_cross_entropy_with_soft_targets():
    clf = fit(smoothing_eps=0.2, dtype="float64", max_epochs=1, batch_size=400, lr=1e-9)
    z = clf.net_.module_(torch.from_numpy(X).double().unsqueeze(0))[0]
    log_p = torch.log_softmax(z, -1).detach().numpy()
    table = smoothing_table(0.2, "complement", 0.5, np.bincount(Y) / len(Y))
    expected = np.mean([-(table[c] * lp).sum() for c, lp in zip(Y, log_p, strict=True)])
    # lr = 1e-9 has moved the weights by that much.
    assert clf.history_[0]["train_loss"] == pytest.approx(expected, abs=1e-7)


@pytest.mark.parametrize("gamma", [0.5, 1.0, 2.0, 5.0])
def test_focal_probability_is_the_minimiser(gamma):
    loss = FocalLoss(gamma)
    truth = torch.tensor([0.85, 0.12, 0.03], dtype=torch.float64)
    z = torch.zeros(3, dtype=torch.float64, requires_grad=True)
    optimizer = torch.optim.LBFGS([z], max_iter=500, line_search_fn="strong_wolfe")

    def closure():
        optimizer.zero_grad()
        value = loss(z.view(1, 1, 3), truth.view(1, 1, 3)).sum()
        value.backward()
        return value

    optimizer.step(closure)
    softmax = torch.softmax(z.detach(), -1)
    recovered = loss.log_probability(z.detach().view(1, 1, 3)).exp().flatten()
    # LBFGS stops at a gradient of 1e-7.
    np.testing.assert_allclose(recovered, truth, atol=1e-4)
    assert (softmax - truth).abs().max() > 0.02


@pytest.mark.parametrize("loss", [CrossEntropy(), FocalLoss(2.0), FocalLoss(0.5)])
def test_gradients_of_the_losses(loss):
    generator = torch.Generator().manual_seed(0)
    z = torch.randn(2, 3, 4, generator=generator, dtype=torch.float64)
    target = torch.softmax(torch.randn(2, 3, 4, generator=generator).double(), -1)
    z.requires_grad_()
    assert torch.autograd.gradcheck(lambda logits: loss(logits, target), z)


# Weights in small batches.


@pytest.mark.parametrize("batch_size", [32, 2048])
def test_balanced_weights_find_an_intercept_of_one_half(batch_size):
    # 0.17 % positives and nothing to learn but the intercept. Dividing by a batch's own
    # weight sum would give 0.06 at batch 32.
    y = np.zeros(20_000, dtype=int)
    y[:34] = 1
    clf = TabularMLPClassifier(
        class_weight="balanced",
        target_prior=None,  # what was trained, without the solved intercept
        num_embeddings=None,
        d_block=4,
        dropout=0.0,
        weight_decay=0.0,
        merge_duplicates=False,
        early_stopping=False,
        batch_size=batch_size,
        lr=1e-3,
        ema_decay=0.999,
        max_epochs=6 if batch_size == 32 else 150,
        random_state=0,
    ).fit(np.zeros((len(y), 1)), y)
    assert clf.predict_proba([[0.0]])[0, 1] == pytest.approx(0.5, abs=0.05)
