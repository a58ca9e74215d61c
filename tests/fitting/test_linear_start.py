"""Folds that start from a logistic regression, where the rarest class has few rows."""

import numpy as np
import pandas as pd
import pytest
import torch
from fuzz.mutate_files import Parts
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import log_loss

import sklimb
from sklimb import TabularMLPClassifier, TabularResNetClassifier
from sklimb.analysis import loss_landscape
from sklimb.fitting import jobs, linear_start
from sklimb.fitting.linear_start import FEW, design
from sklimb.nn import PackedMLP
from sklimb.nn.join import Layout, join, split
from sklimb.selfsup import SelfSupervisedPretrainer

SHORT = {
    "validation_folds": 3,
    "max_epochs": "auto",
    "n_iter_no_change": 2,
    "d_block": 8,
    "d_embedding": 4,
    "n_frequencies": 4,
    "random_state": 0,
}


def table(n=300, seed=0):
    """Numbers, one constant and one with missing values, and categories."""
    rng = np.random.default_rng(seed)
    X = pd.DataFrame(rng.normal(size=(n, 3)), columns=list("abc"))
    X["same"], X["word"] = 1.0, rng.choice(["x", "y", "z"], n)
    X["other"] = rng.choice(["p", "q"], n)
    score = 2 * X["a"] - X["b"] + 2 * (X["word"] == "y") - 2 * (X["other"] == "q")
    score += rng.normal(size=n)
    X.loc[rng.random(n) < 0.2, "c"] = np.nan
    return X, score.to_numpy()


def few(n_positive=30, n=300):
    """The table with the largest scores as positives."""
    X, score = table(n)
    return X, (score.argsort().argsort() >= n - n_positive).astype(int)


def fit(X, y, weight=None, kind=TabularMLPClassifier, **params):
    return kind(**{**SHORT, **params}).fit(X, y, weight)


def lines(clf):
    """Weights (networks, columns and codes, lines) of the lines of a fit."""
    module = clf.net_.module_.lines
    own = [module.weight]
    own += [] if module.categories is None else [module.categories.weight]
    return torch.cat(own, 1)


@pytest.mark.parametrize(("n_positive", "there"), [(FEW - 1, True), (FEW, False)])
def test_lines_are_there_where_positives_are_few(n_positive, there):
    assert (fit(*few(n_positive)).net_.module_.lines is not None) == there


def test_a_table_of_many_numbers_has_none(monkeypatch):
    X, y = few()
    n_columns = 4 + 1 + 4 + 3  # numbers, an indicator, words and what is rare
    for most, there in ((300 * n_columns, True), (300 * n_columns - 1, False)):
        monkeypatch.setattr(linear_start, "MANY", most)
        assert (fit(X, y).net_.module_.lines is not None) == there


def test_every_other_fold_has_the_regression_of_its_rows(monkeypatch):
    X, y = few()
    seen = []
    whole = jobs.add_lines

    def spy(module, plan, fold):
        seen.append((plan.X, plan.y))
        return whole(module, plan, fold)

    monkeypatch.setattr(jobs, "add_lines", spy)
    clf = fit(X, y)
    found = lines(clf)
    for k in (0, 2):  # as they were at the start
        columns = design(clf.net_.module_, torch.from_numpy(seen[k][0]))
        wanted = LogisticRegression(max_iter=1000).fit(columns.double(), seen[k][1])
        torch.testing.assert_close(
            found[k, :, 0].double(), torch.from_numpy(wanted.coef_[0])
        )
    assert not found[1].any()


def test_numbers_that_do_not_vary_have_no_part():
    clf = fit(*few(), numeric_transform=None, num_embeddings=None)
    assert clf.encoder_.constant_columns_.tolist() == [3]
    found = lines(clf)
    assert found[0, :3].all() and not found[:, 3].any()


@pytest.mark.parametrize("n_classes", [2, 3])
@pytest.mark.parametrize("weight", [False, True])
def test_a_network_starts_as_the_regression(n_classes, weight, monkeypatch):
    X, y = few()
    if n_classes == 3:
        y = y + (np.arange(300) % 3 == 0)
    weight = np.where(np.arange(300) % 2, 1.0, 3.0) if weight else None
    starts = []
    whole = jobs.add_lines

    def spy(module, plan, fold):
        n_lines = whole(module, plan, fold)
        X = torch.from_numpy(plan.X)
        with torch.no_grad():
            p = torch.softmax(module(X.unsqueeze(0))[0].double(), -1)
        starts.append((design(module, X).double().numpy(), plan, p.numpy()))
        return n_lines

    monkeypatch.setattr(jobs, "add_lines", spy)
    clf = fit(X, y, weight)
    columns, plan, p = starts[0]
    own = LogisticRegression(max_iter=1000)
    own.fit(columns, plan.y, sample_weight=plan.weight)
    np.testing.assert_allclose(p, own.predict_proba(columns), atol=1e-5)
    assert clf.net_.module_.n_lines == (1 if n_classes == 2 else 3)
    assert clf.module_config_["n_lines"] == clf.net_.module_.n_lines
    # It has learned something since.
    assert clf.net_.module_.head.weight[0, clf.net_.module_.n_lines :].any()


def test_weights_are_repetitions_and_the_order_of_rows_is_nothing():
    X, y = few()
    weight = np.where(np.arange(300) % 3, 1.0, 2.0)
    once = fit(X, y, weight)
    again = np.concatenate([np.arange(300), np.flatnonzero(weight == 2)])
    order = np.random.default_rng(0).permutation(again)
    twice = fit(X.iloc[order], y[order])
    assert lines(once)[0].any()
    assert np.array_equal(once.predict_proba(X), twice.predict_proba(X))


@pytest.mark.parametrize(
    "params",
    [
        {"linear_start": None},
        {"max_epochs": 3},
        {"validation_folds": None},
        {"sampler": "balanced"},
        {"loss": "focal"},
        {"loss": "ldam"},
        {"sam_asymmetric_rho": 0.05, "optimizer": "sgd"},
        {"pretrained": SelfSupervisedPretrainer(TabularMLPClassifier(d_block=8))},
    ],
)
def test_other_fits_have_none(params):
    if "pretrained" in params:
        own = {k: v for k, v in SHORT.items() if k.startswith(("d_", "n_f", "max"))}
        params = {
            "pretrained": SelfSupervisedPretrainer(
                TabularMLPClassifier(**own, num_embeddings="plr-dense"), max_epochs=1
            )
        }
    assert fit(*few(), **params).net_.module_.lines is None


def test_few_positives_are_told_better():
    X, y = few(16, 400)
    X_test, score = table(4000, seed=1)
    y_test = (score > 4.2).astype(int)
    losses = [
        log_loss(y_test, fit(X, y, linear_start=start).predict_proba(X_test))
        for start in ("auto", None)
    ]
    assert losses[0] < 0.97 * losses[1]


def test_none_is_what_more_positives_have_anyway():
    X, y = few(FEW)
    with_it, without = (fit(X, y, linear_start=start) for start in ("auto", None))
    assert np.array_equal(with_it.predict_proba(X), without.predict_proba(X))


def test_other_networks_have_none():
    clf = TabularResNetClassifier(d_block=8, n_blocks=1, validation_folds=2)
    X, y = few()
    clf.set_params(max_epochs=1, random_state=0).fit(X, y)
    assert "n_lines" not in clf.module_config_


@pytest.mark.parametrize(("n_pseudo", "there"), [(10, False), (11, True)])
def test_rows_that_a_model_has_labelled_are_not_counted(n_pseudo, there):
    X, y = few(FEW + 10)
    is_pseudo = np.zeros(len(y), dtype=bool)
    is_pseudo[np.flatnonzero(y == 1)[:n_pseudo]] = True
    clf = TabularMLPClassifier(**SHORT)
    with clf._with_pseudo_labels(is_pseudo, True):
        clf.fit(X, y)
    assert (clf.net_.module_.lines is not None) == there


def test_a_file_a_module_and_explanations_hold_the_lines(tmp_path):
    X, y = few()
    clf = fit(X, y)
    clf.save(tmp_path / "clf")
    again = sklimb.load(tmp_path / "clf")
    p = clf.predict_proba(X)
    assert np.array_equal(again.predict_proba(X), p)
    assert torch.equal(lines(again), lines(clf))
    plain = clf.to_module()
    encoded = torch.from_numpy(clf.encoder_.transform(X))
    np.testing.assert_allclose(plain(encoded).detach().numpy(), p, atol=1e-5)
    parts = clf.explain(X[:20])
    odds = np.log(p[:20, 1] / p[:20, 0])
    left = odds - parts.sum(1)  # the same of each row: that of the baseline
    assert np.ptp(left) < 2e-3 and np.ptp(odds) > 1


def test_a_file_with_other_positions_is_refused(tmp_path):
    fit(*few()).save(tmp_path / "clf")
    parts = Parts((tmp_path / "clf").read_bytes())
    name = next(n for n in parts.tensors if n.endswith("lines.categories.start"))
    parts.tensors[name][2] = b"\x01" * len(parts.tensors[name][2])
    (tmp_path / "clf").write_bytes(parts.bytes())
    with pytest.raises(ValueError, match="other positions than its sizes"):
        sklimb.load(tmp_path / "clf")


def test_a_fit_that_goes_on_keeps_its_lines():
    X, y = few()
    clf = fit(X, y)
    before, head = lines(clf).clone(), clf.net_.module_.head.weight.clone()
    clf.partial_fit(X[:50], y[:50])
    assert torch.equal(lines(clf), before)
    assert not torch.equal(clf.net_.module_.head.weight, head)


def test_features_keep_their_shape():
    X, y = few()
    assert fit(X, y).embed(X).shape == fit(X, y, max_epochs=2).embed(X).shape


def test_lines_of_other_layouts_are_padded():
    layouts = [Layout(2, (0,), (3, 2)), Layout(2, (1,), (2, 4))]
    modules = []
    for i, layout in enumerate(layouts):
        n = layout.n_numeric, len(layout.indicators), layout.cardinalities
        module = PackedMLP(2, *n, 2, d_block=4, d_embedding=3, n_lines=1)
        module.reset_parameters([2 * i, 2 * i + 1])
        n_weights = 2 + 1 + sum(layout.cardinalities)
        module.lines.set_(torch.arange(1.0, n_weights + 1).unsqueeze(1) + 10 * i)
        modules.append(module)
    joined = join(modules, layouts)
    common = Layout.common(layouts)
    for i, (module, layout) in enumerate(zip(modules, layouts, strict=True)):
        x = torch.zeros(1, 5, common.n_columns)
        own = torch.randn(1, 5, layout.n_columns)
        own[..., 3:] = own[..., 3:].abs().clamp_max(1).round()
        x[..., layout.columns_in(common)] = own
        with torch.no_grad():
            wanted, found = module(own), joined(x)[2 * i : 2 * i + 2]
        torch.testing.assert_close(found, wanted)
    kept = [{n: p.clone() for n, p in m.named_parameters()} for m in modules]
    split(joined, modules, layouts)
    for module, before in zip(modules, kept, strict=True):
        for name, p in module.named_parameters():
            assert torch.equal(p, before[name])
    alone = joined.take_([3])
    torch.testing.assert_close(alone(x)[0], found[1])


def test_a_landscape_leaves_the_lines(monkeypatch):
    X, y = few()
    clf = fit(X, y)
    moved = []
    surface = sklimb.analysis._landscape._Surface

    class Seen(surface):
        def random_direction(self, random):
            way, rest = super().random_direction(random)
            names = dict(self.model.named_parameters())
            moved.append({n: bool(w.any()) for n, w in zip(names, way, strict=True)})
            return way, rest

    monkeypatch.setattr(sklimb.analysis._landscape, "_Surface", Seen)
    loss_landscape(clf, X, y, n_points=3, random_state=0)
    assert moved[0]["head.weight"] and moved[0]["categories.weight"]
    assert not moved[0]["lines.weight"] and not moved[0]["lines.categories.weight"]
