"""LaplaceClassifier: its matrix is the exact one, its probabilities those of draws."""

import pickle
import re

import numpy as np
import pytest
import torch
from helpers.images import X as IMAGES
from helpers.images import Y as LABELS
from helpers.packs import PLAIN, fixed_table
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import log_loss
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from sklimb import (
    FTTransformerClassifier,
    ImageResNetClassifier,
    TabularMLPClassifier,
    TabularResNetClassifier,
)
from sklimb.bayes import LaplaceClassifier
from sklimb.bayes._curvature import best_precision
from sklimb.bayes._jacobians import SUBSETS
from sklimb.bayes._predictive import probit

X, Y = fixed_table()
THREE = np.where(X[:, 0] > 1.5, 2, Y)
TINY = {**PLAIN, "d_block": 5, "n_blocks": 1, "dtype": "float64"}


def laplace(clf, *args, y=Y, sample_weight=None, **params):
    """Around a fitted classifier."""
    posterior = LaplaceClassifier(FrozenEstimator(clf), *args, **params)
    return posterior.fit(X, y, sample_weight=sample_weight)


def exact(clf, subset, member=0, row_weight=None):
    """Gauss-Newton matrix by autograd, row by row, in the order of the parts."""
    module, K = clf.net_.module_, member
    named = dict(module.named_parameters())
    if subset == "last_layer":
        named = {n: p for n, p in named.items() if "head" in n}
    rows = clf._encode(X).double()
    row_weight = np.ones(len(X)) if row_weight is None else row_weight
    total = 0.0
    for x, w in zip(rows, row_weight, strict=True):
        logits = module(x.reshape(1, 1, -1).expand(module.n_members, -1, -1))[K, 0]
        J = []
        for z in logits:
            grads = torch.autograd.grad(z, list(named.values()), retain_graph=True)
            J.append(torch.cat([g[K].flatten() for g in grads]))
        J = torch.stack(J)
        p = torch.softmax(logits, 0).detach()
        total = total + w * J.T @ (torch.diag(p) - torch.outer(p, p)) @ J
    return total.numpy()


def whole(curvature):
    return ((curvature.basis * curvature.eigenvalues) @ curvature.basis.mT).numpy()


@pytest.mark.parametrize("subset", ["last_layer", "all"])
@pytest.mark.parametrize("y", [Y, THREE], ids=["two", "three"])
def test_the_matrix_is_the_exact_gauss_newton(subset, y):
    clf = TabularMLPClassifier(**TINY, n_members=2).fit(X, y)
    full = laplace(clf, subset, "full", y=y)._curvatures
    diag = laplace(clf, subset, "diag", y=y)._curvatures
    kron = laplace(clf, subset, "kron", y=y)._curvatures
    for k in range(2):
        want = exact(clf, subset, k)
        scale = np.abs(want).max()
        # Sums in another order, in float64.
        np.testing.assert_allclose(whole(full[k]), want, atol=1e-10 * scale)
        np.testing.assert_allclose(
            diag[k].eigenvalues, want.diagonal(), atol=1e-10 * scale
        )
        begin = 0
        for (u, v), values in zip(kron[k].bases, kron[k].sums, strict=True):
            n = len(u) * len(v)
            block = want[begin : begin + n, begin : begin + n]
            block = block.reshape(len(u), len(v), len(u), len(v))
            begin += n
            # Of the block U (x) V diag(values) the partial traces are those.
            left = u @ torch.diag(values.sum(1)) @ u.mT
            right = v @ torch.diag(values.sum(0)) @ v.mT
            np.testing.assert_allclose(
                left, np.einsum("acbc->ab", block), atol=1e-10 * scale
            )
            np.testing.assert_allclose(
                right, np.einsum("cacb->ab", block), atol=1e-10 * scale
            )


@pytest.mark.parametrize(
    "clf",
    [
        TabularResNetClassifier(d_block=4, n_blocks=1, max_epochs=2, random_state=0),
        FTTransformerClassifier(
            d_block=4, n_blocks=1, attention_n_heads=1, max_epochs=2, random_state=0
        ),
        TabularMLPClassifier(d_block=4, max_epochs=2, random_state=0),
    ],
    ids=lambda clf: type(clf).__name__,
)
def test_derivatives_of_all_networks(clf):
    clf = clone(clf).set_params(dtype="float64", n_members=2).fit(X, Y)
    for subset in SUBSETS:
        view, seen = SUBSETS[subset](clf.net_, clf.net_.module_), 0
        for k, rows, logits, jacobian in view.blocks(clf._encode(X[:20])):
            seen += len(logits)
            weights = view.weights(k)
            step = [1e-6 * torch.randn(1, *w.shape).double() for w in weights]
            moved = pickle.loads(pickle.dumps(clf))
            add_to(moved, subset, k, step)
            change = moved.net_.blocks_logits(clf._encode(X[:20]))[k][rows] - logits
            predicted = jacobian.through(step)[..., 0]
            # Second order in a step of 1e-6, and its rounding.
            np.testing.assert_allclose(predicted, change, atol=1e-9)
            assert predicted.abs().max() > 1e-7
        assert seen == 40


@torch.no_grad()
def add_to(clf, subset, k, step):
    """Move the weights of member k by a step of each part."""
    named = dict(clf.net_.module_.named_parameters())
    packed = isinstance(clf, TabularMLPClassifier)
    if subset == "last_layer":
        weight, bias = (p for n, p in named.items() if "head" in n)
        weight[k] += step[0][0, :-1] if packed else step[0][0, :-1].mT
        bias[k] += step[0][0, -1:].reshape(bias[k].shape)
        return
    for p, own in zip(named.values(), step, strict=True):
        own = own[0] if packed or p[k].ndim < 2 else own[0].mT
        p[k] += own.reshape(p[k].shape)


@pytest.mark.parametrize("subset", ["last_layer", "all"])
@pytest.mark.parametrize("structure", ["diag", "kron", "full"])
def test_an_infinite_prior_precision_changes_nothing(subset, structure):
    params = {**TINY, "loss": "vs", "sampler": "balanced", "early_stopping": "auto"}
    clf = TabularMLPClassifier(**params, temperature_scaling=True, n_members=2)
    clf.fit(X, THREE)
    for predictive in ("probit", "sampling"):
        got = laplace(clf, subset, structure, np.inf, predictive, y=THREE, n_samples=3)
        # The arithmetic of the logarithms.
        np.testing.assert_allclose(
            got.predict_proba(X), clf.predict_proba(X), atol=1e-12
        )
        finite = laplace(clf, subset, structure, 1.0, predictive, y=THREE)
        assert np.abs(finite.predict_proba(X) - clf.predict_proba(X)).max() > 1e-3


@pytest.mark.parametrize("loss", ["ce", "vs"])
def test_the_matrix_is_the_hessian_of_the_training_loss(loss):
    params = {**TINY, "loss": loss, "class_weight": {0: 1.0, 1: 3.0}}
    clf = TabularMLPClassifier(**params).fit(X, Y)
    (found,) = laplace(clf, "last_layer", "full")._curvatures
    module, bound = clf.net_.module_, clf.net_.criterion_.loss_function
    h = module.embed(clf._encode(X).double()[None]).detach()
    target = torch.eye(2, dtype=torch.float64)[torch.from_numpy(Y)][None]
    w = torch.tensor([1.0, 3.0], dtype=torch.float64)[torch.from_numpy(Y)]

    def total(flat):
        weight = flat.reshape(1, h.shape[-1] + 1, 2)
        return (bound(h @ weight[:, :-1] + weight[:, -1:], target) * w).sum()

    view = SUBSETS["last_layer"](clf.net_, module)
    at = view.weights(0)[0].flatten()
    want = torch.autograd.functional.hessian(total, at)
    # For a linear layer the Hessian is the Gauss-Newton matrix.
    np.testing.assert_allclose(whole(found), want, atol=1e-9 * float(want.abs().max()))


def test_draws_have_the_covariance_of_the_formula():
    clf = TabularMLPClassifier(**TINY).fit(X, THREE)
    for subset in ("last_layer", "all"):
        for structure in ("diag", "kron", "full"):
            model = laplace(clf, subset, structure, 2.0, y=THREE)
            (curvature,) = model._curvatures
            generator = torch.Generator().manual_seed(0)
            draws = curvature.draws(4000, 2.0, generator)
            view = SUBSETS[subset](clf.net_, clf.net_.module_)
            ((_, _, _, jacobian),) = view.blocks(clf._encode(X[:30]).double())
            z = jacobian.through(draws)
            got = torch.einsum("ncs,nds->ncd", z, z) / 4000
            want = curvature.covariance(jacobian, 2.0)
            scale = want.diagonal(dim1=1, dim2=2).mean()
            # 4,000 draws: a standard error of 2.2 % of a variance, times four.
            assert (got - want).abs().mean() < 0.09 * scale, (subset, structure)


def test_full_covariance_is_the_inverse_of_the_matrix():
    clf = TabularMLPClassifier(**TINY).fit(X, Y)
    (curvature,) = laplace(clf, "all", "full")._curvatures
    view = SUBSETS["all"](clf.net_, clf.net_.module_)
    ((_, _, _, jacobian),) = view.blocks(clf._encode(X[:10]).double())
    J = jacobian.flat().numpy()
    H = exact(clf, "all")
    want = J @ np.linalg.inv(H + 3.0 * np.eye(len(H))) @ J.transpose(0, 2, 1)
    got = curvature.covariance(jacobian, 3.0)
    np.testing.assert_allclose(got, want, rtol=1e-8, atol=1e-12)


def test_kron_is_exact_for_the_last_layer_of_two_classes():
    """There every row's Hessian by the logits is a number times the same matrix."""
    clf = TabularMLPClassifier(**TINY).fit(X, Y)
    kron, full = (laplace(clf, "last_layer", s, 1.0) for s in ("kron", "full"))
    np.testing.assert_allclose(kron.predict_proba(X), full.predict_proba(X), atol=1e-12)
    diag = laplace(clf, "last_layer", "diag", 1.0)
    assert np.abs(diag.predict_proba(X) - full.predict_proba(X)).max() > 1e-3


def test_probit_is_closer_to_the_mean_over_draws_than_the_formula_without_pairs():
    generator = torch.Generator().manual_seed(1)
    for n_classes, most in [(2, 0.005), (4, 0.02)]:
        mean = 2 * torch.randn(200, n_classes, generator=generator).double()
        root = torch.randn(200, n_classes, n_classes, generator=generator).double()
        root /= n_classes**0.5
        covariance = root @ root.mT
        z = mean[..., None] + root @ torch.randn(
            n_classes, 20_000, generator=generator, dtype=torch.float64
        )
        want = torch.softmax(z, 1).mean(-1)
        own = covariance.diagonal(dim1=1, dim2=2)
        others = torch.softmax(mean * (1 + np.pi / 8 * own).rsqrt(), -1)
        plain = torch.softmax(mean, -1)
        got = probit(mean, covariance)
        errors = [float((p - want).abs().mean()) for p in (got, others, plain)]
        # The approximation's own error, measured.
        assert errors[0] < most and errors[0] < errors[1] < errors[2]
        # A term that all logits share does not matter.
        moved = probit(mean + 3.0, covariance + 5.0)
        np.testing.assert_allclose(moved, got, atol=1e-12)


def test_sampling_is_the_mean_of_its_members_and_probit_close():
    clf = TabularMLPClassifier(**PLAIN, n_members=2).fit(X, Y)
    drawn = laplace(clf, predictive="sampling", n_samples=500)
    members = drawn.predict_proba_members(X)
    assert members.shape == (1000, len(X), 2)
    np.testing.assert_allclose(drawn.predict_proba(X), members.mean(0), rtol=1e-12)
    np.testing.assert_array_equal(members, drawn.predict_proba_members(X))
    # A part of the rows alone has the same draws.
    np.testing.assert_allclose(members[:, :7], drawn.predict_proba_members(X[:7]))
    probit = laplace(clf).predict_proba(X)
    assert np.abs(members.mean(0) - probit).mean() < 0.02  # the formula's own error
    other = laplace(clf, predictive="sampling", random_state=1).predict_proba(X)
    assert np.abs(other - drawn.predict_proba(X)).max() > 1e-6


def test_weights_are_repetitions_and_sharpen():
    clf = TabularMLPClassifier(**{**TINY, "max_epochs": 3})
    weight = 1 + np.arange(len(X)) % 3
    rows = np.repeat(np.arange(len(X)), weight)
    a = LaplaceClassifier(clf).fit(X, Y, sample_weight=weight)
    b = LaplaceClassifier(clf).fit(X[rows], Y[rows])
    np.testing.assert_allclose(a.predict_proba(X), b.predict_proba(X), rtol=1e-12)
    fitted = clone(clf).fit(X, Y)
    one = laplace(fitted)._curvatures[0].eigenvalues
    ten = laplace(fitted, sample_weight=np.full(len(X), 10.0))._curvatures[0]
    # Half of them are 0 for two classes, but for rounding.
    largest = float(one.max())
    np.testing.assert_allclose(ten.eigenvalues, 10 * one, atol=1e-12 * largest)


@pytest.mark.parametrize("sampler", ["balanced", "over", "smote"])
def test_a_sampler_moves_weight_and_makes_none(sampler):
    """The curvature of two classes is a mean of p (1 - p) over the rows as drawn."""
    clf = TabularMLPClassifier(**TINY, sampler=sampler).fit(X, Y)
    plain = TabularMLPClassifier(**TINY).fit(X, Y)
    plain.net_.module_.load_state_dict(clf.net_.module_.state_dict())
    drawn, uniform = (
        float(laplace(c, structure="full")._curvatures[0].eigenvalues.sum())
        for c in (clf, plain)
    )
    share = Y.mean()
    balanced = np.where(Y == 1, 0.5 / share, 0.5 / (1 - share))
    want = exact(clf, "last_layer", row_weight=balanced).trace()
    # Copies are drawn, and synthetic rows are not the rows but of their kind.
    rel = {"balanced": 1e-9, "over": 0.05, "smote": 0.15}[sampler]
    assert drawn == pytest.approx(want, rel=rel)
    assert abs(drawn - uniform) > 0.02 * uniform


def test_folds_count_their_own_rows():
    clf = TabularMLPClassifier(
        **{**TINY, "early_stopping": "auto"}, validation_folds=3
    ).fit(X, Y)
    found = laplace(clf, structure="full")._curvatures
    from sklimb.bayes._rows import jobs_of

    jobs = jobs_of(clf, X, Y, {})
    held = [job.validation[0] for job in jobs]
    assert sum(map(len, held)) == len(X)
    encoded = clf._encode(X).numpy()
    for k, part in enumerate(held):
        inside = {row.tobytes() for row in part}
        trains = np.array([row.tobytes() not in inside for row in encoded])
        want = exact(clf, "last_layer", k, row_weight=trains.astype(float))
        np.testing.assert_allclose(whole(found[k]), want, atol=1e-8)


def test_precisions_are_the_best_by_evidence_and_by_held_out_rows():
    clf = TabularMLPClassifier(**{**PLAIN, "early_stopping": "auto"}).fit(X, Y)
    for structure in ("diag", "full"):
        (curvature,) = laplace(clf, structure=structure)._curvatures
        best = best_precision(curvature)
        h, norm = curvature.eigenvalues.numpy(), curvature.norm

        def evidence(d, h=h, norm=norm):
            return len(h) * np.log(d) - d * norm - np.log(h + d).sum()

        assert evidence(best) > max(evidence(best * 1.1), evidence(best / 1.1))
    rows = {"X_val": X[:150], "y_val": Y[:150]}
    clf = TabularMLPClassifier(**{**PLAIN, "max_epochs": 30, "lr": 0.05})
    clf.set_params(early_stopping="auto", n_iter_no_change=30).fit(
        X[150:], Y[150:], **rows
    )

    def loss(prior):
        frozen = FrozenEstimator(clf)
        model = LaplaceClassifier(frozen, structure="diag", prior_precision=prior)
        model.fit(X[150:], Y[150:], **rows)
        return log_loss(Y[:150], model.predict_proba(X[:150])), model

    best, model = loss("validation")
    (chosen,) = model.prior_precision_
    assert best < min(loss(chosen * 3)[0], loss(chosen / 3)[0])


def test_the_classifier_stays_as_it_is_and_frozen_equals_fitted_inside():
    clf = TabularResNetClassifier(d_block=8, max_epochs=3, random_state=0).fit(X, Y)
    before = pickle.dumps(clf)
    frozen = laplace(clf, "all", "diag", 10.0)
    frozen.predict_proba(X)
    assert pickle.dumps(clf) == before
    assert frozen.estimator_ is clf
    inside = LaplaceClassifier(clone(clf), "all", "diag", 10.0).fit(X, Y)
    np.testing.assert_array_equal(inside.predict_proba(X), frozen.predict_proba(X))
    again = pickle.loads(pickle.dumps(frozen))
    np.testing.assert_array_equal(again.predict_proba(X), frozen.predict_proba(X))


def test_pipelines_decisions_and_names():
    pipe = make_pipeline(
        StandardScaler(), TabularMLPClassifier(**{**PLAIN, "early_stopping": "auto"})
    )
    pipe[-1].set_params(decision="f1", n_members=2)
    model = LaplaceClassifier(pipe).fit(X, Y)
    assert model.n_features_in_ == 6
    p = model.predict_proba(X)[:, 1]
    np.testing.assert_array_equal(model.predict(X), (p > model.threshold_).astype(int))
    assert len(model.decision_scores_) > 10
    pipe[-1].set_params(decision=0.2)
    model = LaplaceClassifier(pipe).fit(X, Y)
    assert model.threshold_ == pytest.approx(0.2)


@pytest.mark.parametrize("params", [{}, {"subset": "all"}, {"structure": "diag"}])
def test_images(params):
    clf = ImageResNetClassifier(backbone="resnet8", max_epochs=1, random_state=0)
    clf.fit(IMAGES, LABELS)
    model = LaplaceClassifier(FrozenEstimator(clf), **params).fit(IMAGES, LABELS)
    p = model.predict_proba(IMAGES)
    np.testing.assert_allclose(p.sum(1), 1)
    assert np.abs(p - clf.predict_proba(IMAGES)).max() > 1e-4


REFUSED = {
    "focal": ({"loss": "focal"}, {}, "loss='focal' has no Gauss-Newton form"),
    "ldam": ({"loss": "ldam"}, {}, "loss='ldam' has no Gauss-Newton form"),
    "nothing held out": (
        {},
        {"prior_precision": "validation"},
        "early_stopping=False of the estimator holds none out",
    ),
    "too many": (
        {"d_block": 128},
        {"subset": "all", "structure": "full"},
        "is for at most 5000 weights of a member, and subset='all' has 17666",
    ),
    "precision": ({}, {"prior_precision": 0.0}, "'prior_precision' parameter"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_refused_in_one_sentence(case):
    own, params, message = REFUSED[case]
    clf = TabularMLPClassifier(**{**PLAIN, **own})
    with pytest.raises(ValueError, match=re.escape(message)):
        LaplaceClassifier(clf, **params).fit(X, Y)


def test_other_estimators_are_refused():
    with pytest.raises(TypeError, match="must be a sklimb classifier, a Pipeline"):
        LaplaceClassifier(LogisticRegression()).fit(X, Y)
    search = GridSearchCV(TabularMLPClassifier(**PLAIN), {"lr": [1e-2]}, cv=2)
    with pytest.raises(TypeError, match="best_estimator_ of the search"):
        LaplaceClassifier(FrozenEstimator(search.fit(X, Y))).fit(X, Y)
    unfitted = LaplaceClassifier(FrozenEstimator(TabularMLPClassifier()))
    with pytest.raises(NotFittedError):
        unfitted.fit(X, Y)
    images = ImageResNetClassifier(backbone="resnet8", max_epochs=1)
    with pytest.raises(ValueError, match="'all' is not for images"):
        LaplaceClassifier(images, "all", "kron").fit(IMAGES, LABELS)
    fitted = TabularMLPClassifier(**PLAIN).fit(X, Y)
    with pytest.raises(TypeError, match="got 'verbose': what is inside is not fitted"):
        LaplaceClassifier(FrozenEstimator(fitted)).fit(X, Y, verbose=1)
    with pytest.raises(ValueError, match="X has 3 features"):
        laplace(fitted).predict_proba(X[:, :3])
    with pytest.raises(NotImplementedError, match=r"use joblib\.dump"):
        laplace(fitted).save("model.safetensors")
