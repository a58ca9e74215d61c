"""A portfolio tunes itself: what varies, what is fixed, how members are weighed."""

import numpy as np
import pytest
from helpers.packs import PLAIN, fixed_table
from sklearn.base import clone
from sklearn.metrics import log_loss
from sklearn.model_selection import train_test_split

import sklimb
from sklimb import TabularMLPClassifier, TabularResNetClassifier
from sklimb.fitting.portfolio import AUTO, DEFAULT, MIN_MINORITY_ROWS, select

X, Y = fixed_table(800)
SMALL = {
    "d_block": 16,
    "max_epochs": 6,
    "batch_size": 64,
    "validation_fraction": 0.3,
    "random_state": 0,
}
LIST = [{"lr": 1e-2}, {"lr": 1e-7}, {"lr": 3e-3, "dropout": 0.3}]


def make(**params):
    return TabularMLPClassifier(**{**SMALL, **params})


def test_auto_is_the_documented_value_and_visible_after_clone():
    clf = clone(make())
    for name, value in AUTO.items():
        assert getattr(clf, name) == "auto"
        assert clf._member_settings(0)[name] == value
    a = make().fit(X, Y).predict_proba(X)
    b = make(**AUTO).fit(X, Y).predict_proba(X)
    assert np.array_equal(a, b)


def test_each_member_is_the_single_fit_with_its_setting():
    a, b, ya, yb = train_test_split(X, Y, stratify=Y, random_state=0)
    params = {"dtype": "float64", "sam_asymmetric_rho": 0.05}
    many = make(portfolio=LIST, n_members=2, **params)
    many.fit(a, ya, X_val=b, y_val=yb)
    p = many.predict_proba_members(X)
    assert len(p) == 6
    for k, seed in enumerate(many.member_seeds_):
        one = make(**{**params, **LIST[k % 3], "random_state": int(seed)})
        one.fit(a, ya, X_val=b, y_val=yb)
        np.testing.assert_allclose(p[k], one.predict_proba(X), atol=1e-10)


def test_members_may_differ_in_the_weight_of_the_self_supervised_term():
    weights = [{"joint_ssl_weight": w} for w in (0.0, 0.1, 2.0)]
    params = {"dtype": "float64", "joint_ssl": "vicreg", "early_stopping": False}
    many = make(portfolio=weights, **params).fit(X, Y)
    p = many.predict_proba_members(X)
    assert many.portfolio_["joint_ssl_weight"].tolist() == [0.0, 0.1, 2.0]
    for k, seed in enumerate(many.member_seeds_):
        one = make(**{**params, **weights[k], "random_state": int(seed)}).fit(X, Y)
        np.testing.assert_allclose(p[k], one.predict_proba(X), atol=1e-10)
    with pytest.raises(ValueError, match="nothing left to vary"):
        make(portfolio=weights, joint_ssl="vicreg", joint_ssl_weight=0.2).fit(X, Y)


def test_what_the_caller_sets_is_held_fixed():
    clf = make(portfolio=LIST, lr=2e-3).fit(X, Y)
    assert clf.portfolio_.columns.tolist()[:2] == ["dropout", "best_epoch"]
    settings = [m["lr"] for m in clf._members()]
    assert settings == [2e-3] * 2  # two of the three differed in lr alone
    assert clf.portfolio_["dropout"].tolist() == [AUTO["dropout"], 0.3]


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({"portfolio": LIST, "lr": 1e-3, "dropout": 0.1}, "nothing left to vary.*lr"),
        ({"portfolio": "default", **dict.fromkeys(DEFAULT[0], 0.1)}, None),
        ({"portfolio": [{"d_block": 3}, {}]}, r"portfolio\[0\] names 'd_block'"),
        ({"portfolio": [{"lr": -1.0}, {}]}, r"'lr' parameter of portfolio\[0\]"),
        ({"portfolio": [{"joint_ssl_weight": 1.0}, {}]}, "nothing to weigh"),
        ({"portfolio": []}, "at least one dict"),
        ({"portfolio": "best"}, "portfolio"),
        ({"validation_folds": 1}, "validation_folds"),
        ({"validation_folds": 3, "validation_split": 3}, "cannot be combined"),
        ({"validation_folds": 3, "warm_start": True}, "cannot be combined"),
        ({"validation_folds": 3, "early_stopping": False}, "cannot be combined"),
    ],
)
def test_bad_portfolios_are_refused_before_training(params, message, monkeypatch):
    if message is None:
        assert len(make(**params).fit(X, Y).portfolio_) >= 1
        return

    def trained(*args, **kwargs):
        raise AssertionError("training began")

    monkeypatch.setattr("sklimb._inner_face.train", trained)
    with pytest.raises(ValueError, match=message):
        make(**params).fit(X, Y)


def test_x_val_and_validation_folds_exclude_each_other():
    with pytest.raises(ValueError, match="X_val and validation_folds"):
        make(validation_folds=3).fit(X, Y, X_val=X, y_val=Y)


def test_a_member_that_learned_nothing_weighs_nothing():
    X, Y = fixed_table(2400)  # enough rare rows to select on
    clf = make(portfolio=LIST).fit(X, Y)
    weights = clf.portfolio_["weight"].to_numpy()
    assert weights[1] == 0.0 and weights.sum() == pytest.approx(1.0)
    assert np.array_equal(weights, clf.member_weights_)
    mixed = np.tensordot(weights, clf.predict_proba_members(X), 1)
    np.testing.assert_allclose(clf.predict_proba(X), mixed, atol=1e-12)


def test_the_selection_is_the_best_mixture_that_steps_of_one_member_reach():
    rng = np.random.default_rng(0)
    y = rng.integers(0, 2, 300)
    logit = rng.normal(size=(4, 300)) + np.array([1.0, 1.0, 0.0, -1.0])[:, None] * (
        2 * y - 1
    )
    p = 1 / (1 + np.exp(-logit))

    def score(weights):
        return log_loss(y, weights @ p)

    weights = select(score, 4, greater_is_better=False)
    singles = [score(row) for row in np.eye(4)]
    assert weights.sum() == pytest.approx(1.0)
    assert score(weights) < min(singles) - 0.01
    assert weights[3] == 0.0
    # The other sign asks for the worst.
    assert select(score, 4, greater_is_better=True)[3] == 1.0
    # Equal members share.
    same = select(lambda w: -float((w**2).sum()), 4, greater_is_better=True)
    np.testing.assert_allclose(same, 0.25)


def test_too_few_rare_rows_to_select_on_weigh_all_the_same(capsys):
    rare = np.flatnonzero(Y == 1)[: MIN_MINORITY_ROWS // 2]
    rows = np.sort(np.concatenate([np.flatnonzero(Y == 0), rare]))
    clf = make(portfolio=LIST, verbose=1).fit(X[rows], Y[rows])
    assert clf.member_weights_.tolist() == [1 / 3] * 3
    assert "all members weigh the same" in capsys.readouterr().out


def test_folds_hold_every_row_out_once_and_stop_their_own_members():
    clf = make(portfolio=LIST, validation_folds=4, n_members=2).fit(X, Y)
    assert clf.predict_proba_members(X).shape == (4 * 2 * 3, len(X), 2)
    assert len(set(clf.member_seeds_)) == 24 == len(clf.best_epoch_)
    # Weights are those of a setting and seed, whatever its fold.
    by_fold = clf.member_weights_.reshape(4, 6)
    assert (by_fold == by_fold[0]).all()
    assert clf.member_weights_.sum() == pytest.approx(1.0)
    assert clf.predict_proba(X)[:, 1].mean() == pytest.approx(Y.mean(), rel=0.02)
    assert len(clf.history_) == clf.n_iter_
    assert len(clf.history_[-1]["valid_score_members"]) == 24


def test_folds_are_weighed_once_and_together(capsys):
    few = np.concatenate([np.flatnonzero(Y == 0)[:200], np.flatnonzero(Y == 1)[:30]])
    clf = make(portfolio=LIST, validation_folds=3, verbose=1).fit(X[few], Y[few])
    said = capsys.readouterr().out
    assert said.count("all members weigh the same") == 1
    assert "30 validation rows" in said
    np.testing.assert_allclose(clf.member_weights_, 1 / 9)


@pytest.mark.parametrize(
    ("kind", "more"),
    [
        (TabularMLPClassifier, {}),
        (TabularResNetClassifier, {}),
        (TabularMLPClassifier, {"metabalance_sampler": "balanced"}),
    ],
)
def test_a_fold_is_the_fit_on_its_rows(kind, more):
    """Folds have 529 and 528 rows: those that pad a batch are seen by nobody."""
    from sklimb.fitting.prepare import prepare
    from sklimb.inputs.splits import split_folds

    X, Y = fixed_table(793)
    params = {**SMALL, "dtype": "float64", "numeric_transform": None, **more}
    clf = kind(**params, validation_folds=3).fit(X, Y)
    rows = prepare(clone(clf), X, Y).train
    values = np.stack([rows.table.column(i) for i in range(X.shape[1])], 1)
    parts = split_folds(rows, 3, 0)
    assert sorted(len(train) for train, _ in parts) == [528, 529, 529]
    for k, (train, held_out) in enumerate(parts):
        one = kind(**{**params, "random_state": int(clf.member_seeds_[k])})
        one.fit(
            values[train], rows.y[train], X_val=values[held_out], y_val=rows.y[held_out]
        )
        # Up to the output bias, which here is solved on validation rows as well.
        a, b = one.predict_proba(X), clf.predict_proba_members(X)[k]
        gap = np.log(a[:, 1] / a[:, 0]) - np.log(b[:, 1] / b[:, 0])
        np.testing.assert_allclose(gap, gap.mean(), atol=1e-9)


def test_groups_stay_whole_in_folds_and_single_rows_train():
    from sklimb.fitting.prepare import prepare
    from sklimb.inputs.splits import split_folds

    y = Y.copy()
    y[0] = 2  # a class of one row
    groups = np.arange(len(X)) // 8
    clf = make(validation_folds=3)
    rows = prepare(clf, X, y, groups=groups).train
    single = np.flatnonzero(rows.y == 2)
    for train, held_out in split_folds(rows, 3, 0):
        assert single in train
        shared = np.intersect1d(rows.group[train], rows.group[held_out])
        assert set(shared) <= set(rows.group[single])


def test_a_portfolio_survives_save_and_load(tmp_path):
    for params in ({}, {"validation_folds": 2, "num_embeddings": "ple"}):
        clf = make(portfolio=LIST, **params).fit(X, Y)
        clf.save(tmp_path / "model")
        again = sklimb.load(tmp_path / "model")
        assert np.array_equal(again.predict_proba(X), clf.predict_proba(X))
        assert again.portfolio_.equals(clf.portfolio_)


def test_members_that_are_done_leave_and_change_nothing():
    """The pack gets smaller; every member ends as it does alone."""
    params = {**PLAIN, "early_stopping": True, "max_epochs": 60, "dtype": "float64"}
    params |= {"n_iter_no_change": 3, "dropout": 0.1, "ema_decay": 0.9, "clip_norm": 1}
    a, b, ya, yb = train_test_split(X, Y, stratify=Y, random_state=0)
    rates = [{"lr": lr} for lr in (3e-2, 1e-2, 3e-3, 1e-3)]
    params.pop("lr")
    many = TabularMLPClassifier(**params, portfolio=rates).fit(a, ya, X_val=b, y_val=yb)
    left = [np.isfinite(row["train_loss_members"]).sum() for row in many.history_]
    assert left[0] == 4 and left[-1] < 4
    p = many.predict_proba_members(X)
    assert len(set(many.best_epoch_)) > 1
    for k, seed in enumerate(many.member_seeds_):
        one = TabularMLPClassifier(**{**params, **rates[k], "random_state": int(seed)})
        one.fit(a, ya, X_val=b, y_val=yb)
        assert one.best_epoch_[0] == many.best_epoch_[k]
        np.testing.assert_allclose(p[k], one.predict_proba(X), atol=1e-10)
