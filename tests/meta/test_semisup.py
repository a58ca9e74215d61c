"""Pseudo-labels train, never validate, and count only where they are asked to."""

import copy
import pickle

import numpy as np
import pandas as pd
import polars as pl
import pytest
import torch
from helpers.packs import PLAIN, fixed_table, same_bits
from sklearn import config_context
from sklearn.dummy import DummyClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import get_scorer
from sklearn.model_selection import GridSearchCV, ShuffleSplit
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import LinearSVC

import sklimb
from sklimb import TabularMLPClassifier
from sklimb.fitting.device_rows import make_batches
from sklimb.fitting.jobs import make_fold_jobs, make_job
from sklimb.fitting.prepare import prepare
from sklimb.model_selection import PackedSearchCV
from sklimb.nn.join import Layout
from sklimb.semisup import PseudoLabelClassifier

X, Y = (np.asarray(part) for part in fixed_table())
L, U = slice(0, 150), slice(150, 400)
STOPPED = {**PLAIN, "early_stopping": True}


def fit(params=None, base=PLAIN, X_unlabeled=X[U], sample_weight=None, **fit_params):
    params = {"count_pseudo_labels": True, **(params or {})}
    clf = PseudoLabelClassifier(TabularMLPClassifier(**base), **params)
    return clf.fit(X[L], Y[L], sample_weight, X_unlabeled=X_unlabeled, **fit_params)


def marked(y_pseudo, counted=True, **params):
    """A classifier that is told that the rows U have pseudo-labels."""
    clf = TabularMLPClassifier(**{**STOPPED, **params})
    clf._pseudo_labels = np.arange(400) >= 150, counted
    return clf, np.concatenate([Y[L], y_pseudo])


def hashes(rows):
    return set(rows.table.row_hash().tolist())


# What is off changes nothing; what is on is fitting to the rows put together.


@pytest.mark.parametrize("base", [PLAIN, STOPPED])
@pytest.mark.parametrize("off", [{"X_unlabeled": None}, {"params": {"omega": 0.0}}])
def test_off_is_the_base_estimator(base, off):
    plain = TabularMLPClassifier(**base).fit(X[L], Y[L])
    clf = fit(base=base, **off)
    assert same_bits(clf.estimator_, plain)
    assert clf.n_rounds_ == 0 and clf.pseudo_label_counts_.shape == (0, 2)


def test_no_row_above_the_threshold_keeps_the_base_model():
    with pytest.warns(UserWarning, match="threshold=1.0: the model of round 0 is kept"):
        clf = fit({"threshold": 1.0})
    plain = TabularMLPClassifier(**PLAIN).fit(X[L], Y[L])
    assert same_bits(clf.estimator_, plain) and clf.n_rounds_ == 0


@pytest.mark.parametrize("omega", [1.0, 0.3])
@pytest.mark.parametrize("threshold", [None, 0.7])
def test_a_round_is_a_fit_to_the_rows_put_together(omega, threshold):
    base = TabularMLPClassifier(**PLAIN).fit(X[L], Y[L])
    p = base.predict_proba(X[U])
    kept = p.max(1) >= (threshold or 0)
    assert threshold is None or 0 < kept.sum() < 250
    both = np.concatenate([X[L], X[U][kept]])
    labels = np.concatenate([Y[L], p.argmax(1)[kept]])
    weight = np.repeat([1.0, omega], [150, kept.sum()])
    by_hand = TabularMLPClassifier(**PLAIN).fit(both, labels, weight)
    clf = fit({"omega": omega, "threshold": threshold})
    assert same_bits(clf.estimator_, by_hand)
    counts = np.bincount(p.argmax(1)[kept], minlength=2)
    np.testing.assert_array_equal(clf.pseudo_label_counts_, [counts])
    # And it is not the base model.
    assert np.abs(clf.predict_proba(X) - base.predict_proba(X)).max() > 1e-3


def test_further_rounds_label_anew():
    second = fit({"rounds": 2})
    first = fit()
    y = np.concatenate([Y[L], first.predict(X[U])])
    by_hand = TabularMLPClassifier(**PLAIN).fit(X, y)
    assert second.n_rounds_ == 2 and same_bits(second.estimator_, by_hand)
    np.testing.assert_array_equal(
        second.pseudo_label_counts_[0], first.pseudo_label_counts_[0]
    )


def test_rounds_end_when_the_labels_stay():
    clf = PseudoLabelClassifier(LogisticRegression(), rounds=100)
    assert clf.fit(X[L], Y[L], X_unlabeled=X[U]).n_rounds_ < 100
    # One more would be the same fit.
    labels = np.concatenate([Y[L], clf.predict(X[U])])
    again = LogisticRegression().fit(X, labels)
    np.testing.assert_array_equal(clf.predict_proba(X), again.predict_proba(X))


def test_omega_is_a_weight_of_each_row():
    """omega=2 is every unlabelled row twice, also beside an internal split."""
    twice = fit(base=STOPPED, X_unlabeled=np.concatenate([X[U], X[U]]))
    assert same_bits(fit({"omega": 2.0}, STOPPED).estimator_, twice.estimator_)


def test_sample_weight_is_of_labelled_rows():
    weight = 1.0 + np.arange(150) % 3
    repeated = np.repeat(np.arange(150), weight.astype(int))
    base = TabularMLPClassifier(**STOPPED)
    a = PseudoLabelClassifier(base).fit(X[L], Y[L], weight, X_unlabeled=X[U])
    b = PseudoLabelClassifier(base).fit(X[repeated], Y[repeated], X_unlabeled=X[U])
    assert same_bits(a.estimator_, b.estimator_)


def test_the_model_believes_its_labels_more_with_a_larger_omega():
    def agreement(omega):
        clf = fit({"omega": omega}, {**PLAIN, "max_epochs": 20})
        base = TabularMLPClassifier(**{**PLAIN, "max_epochs": 20}).fit(X[L], Y[L])
        labels = base.predict(X[U])
        return clf.predict_proba(X[U])[np.arange(250), labels].mean()

    assert agreement(0.0) < agreement(0.3) - 1e-3 < agreement(3.0) - 2e-3


# Only labelled rows validate.


def test_the_split_is_that_of_the_labelled_rows():
    plain = TabularMLPClassifier(**STOPPED)
    alone = prepare(plain, X[L], Y[L])
    clf, y = marked(1 - Y[U])
    both = prepare(clf, X, y)
    assert hashes(both.held_out) == hashes(alone.held_out)
    unlabelled = prepare(TabularMLPClassifier(**PLAIN), X[U], Y[U]).train
    assert hashes(both.train) == hashes(alone.train) | hashes(unlabelled)
    assert both.train.pseudo.sum() == 250


def test_copies_of_held_out_rows_do_not_train():
    plain = TabularMLPClassifier(**STOPPED)
    held_out = prepare(plain, X[L], Y[L]).held_out
    clf = TabularMLPClassifier(**STOPPED)
    clf._pseudo_labels = np.arange(300) >= 150, True
    twice = np.concatenate([X[L], X[L]])
    right = prepare(clf, twice, np.concatenate([Y[L], Y[L]]))
    assert not hashes(right.train) & hashes(held_out)
    assert right.train.pseudo.sum() == 150 - len(held_out)
    # With the other label they are no copies, as in the split of labelled rows.
    other = prepare(clf, twice, np.concatenate([Y[L], 1 - Y[L]]))
    assert other.train.pseudo.sum() == 150


def test_folds_validate_on_each_labelled_row_once():
    clf, y = marked(1 - Y[U], validation_folds=3)
    prepared = prepare(clf, X, y)
    jobs = make_fold_jobs(clf, prepared)
    validated = np.concatenate([job.validation[0] for job in jobs])
    labelled = prepared.X[np.logical_not(prepared.train.pseudo)]
    both = (np.unique(part, axis=0) for part in (validated, labelled))
    np.testing.assert_array_equal(*both)
    assert len(validated) == 150
    assert all(len(job.plan.y) == 400 - len(job.validation[1]) for job in jobs)


def test_folds_leave_out_copies_of_their_held_out_rows():
    clf = TabularMLPClassifier(**{**STOPPED, "validation_folds": 3})
    clf._pseudo_labels = np.arange(300) >= 150, True
    prepared = prepare(clf, np.concatenate([X[L]] * 2), np.concatenate([Y[L]] * 2))
    for job in make_fold_jobs(clf, prepared):
        assert len(job.plan.y) == 2 * (150 - len(job.validation[1]))


class Recording(ShuffleSplit):
    seen = ()

    def split(self, X, y=None, groups=None):
        Recording.seen = (*Recording.seen, (len(X), np.bincount(y).tolist()))
        return super().split(X, y, groups)


def test_a_splitter_and_groups_see_labelled_rows_only():
    splitter = Recording(1, random_state=0)
    fit(base={**STOPPED, "validation_split": splitter})
    labels = np.bincount(Y[L]).tolist()
    assert Recording.seen == ((150, labels), (150, labels))
    groups = np.arange(150) // 3
    clf = fit(base=STOPPED, groups=groups)
    assert clf.n_rounds_ == 1 and "valid_loss" in clf.estimator_.history_[0]


def test_given_validation_rows_are_taken():
    clf = fit(base=STOPPED, X_val=X[:50], y_val=Y[:50], sample_weight_val=np.ones(50))
    y = np.concatenate([Y[L], fit_base_with_val().predict(X[U])])
    by_hand = TabularMLPClassifier(**STOPPED).fit(X, y, X_val=X[:50], y_val=Y[:50])
    assert same_bits(clf.estimator_, by_hand)


def fit_base_with_val():
    return TabularMLPClassifier(**STOPPED).fit(X[L], Y[L], X_val=X[:50], y_val=Y[:50])


def test_all_rounds_share_a_split_without_a_seed():
    clf = fit(base={**STOPPED, "random_state": None})
    assert isinstance(clf.estimator_.random_state, int)
    assert clf.estimator.random_state is None


# Class statistics.


def test_what_counts():
    """The class shares by hand, from the rows that were not held out."""
    held_out = prepare(TabularMLPClassifier(**STOPPED), X[L], Y[L]).held_out
    labelled = np.bincount(Y[L]) - np.bincount(held_out.y)
    counted = fit({"omega": 0.5}, STOPPED)
    sums = labelled + 0.5 * counted.pseudo_label_counts_[0]
    np.testing.assert_allclose(counted.estimator_.class_weight_sum_, sums, rtol=1e-12)
    not_counted = fit({"omega": 0.5, "count_pseudo_labels": False}, STOPPED)
    own = not_counted.estimator_
    np.testing.assert_allclose(own.class_weight_sum_, labelled, rtol=1e-12)
    np.testing.assert_allclose(own.class_prior_, labelled / labelled.sum(), rtol=1e-12)
    # The draw had the shares of all rows: that is what is divided out.
    shift = sums / sums.sum() / own.class_prior_
    np.testing.assert_allclose(own.prior_shift_, shift, rtol=1e-12)


def test_auto_does_not_count():
    auto, no = (fit({"count_pseudo_labels": count}) for count in ("auto", False))
    assert same_bits(auto.estimator_, no.estimator_)
    assert not same_bits(auto.estimator_, fit().estimator_)


@pytest.mark.parametrize("loss", ["ce", "logit_adjusted"])
@pytest.mark.parametrize("counted", [True, False])
def test_mean_probabilities_are_the_shares_that_count(loss, counted):
    base = {**PLAIN, "dtype": "float64", "loss": loss}
    clf = fit({"count_pseudo_labels": counted}, base)
    rows = X if counted else X[L]
    share = Y[L].sum()
    if counted:
        share += clf.pseudo_label_counts_[0, 1]
    # solve_intercept ends at 1e-10 of the rarest share.
    mean = clf.predict_proba(rows)[:, 1].mean()
    assert mean == pytest.approx(share / len(rows), rel=1e-9)


@pytest.mark.parametrize(
    "params",
    [
        {"loss": "ldam"},
        {"loss": "class_balanced"},
        {"class_weight": "balanced"},
        {"drw_start": 0.4},
        {"smoothing_eps": 0.1},
        {"sam_asymmetric_rho": 0.05},
    ],
    ids=str,
)
def test_counts_reach_every_strategy(params):
    """On labels of another class share, counting them is training differently."""
    clf, y = marked(np.ones(250, dtype=int), **params)
    counted = copy.copy(clf).fit(X, y)
    clf._pseudo_labels = clf._pseudo_labels[0], False
    not_counted = clf.fit(X, y)
    weights = (c.net_.module_.state_dict() for c in (counted, not_counted))
    a, b = ({k: v.double() for k, v in w.items()} for w in weights)
    assert max((a[k] - b[k]).abs().max().item() for k in a) > 1e-3


def test_plain_training_does_not_depend_on_what_counts():
    """Cross-entropy looks at no class share while it trains, only validation does."""
    clf, y = marked(np.ones(250, dtype=int), early_stopping=False)
    counted = copy.copy(clf).fit(X, y)
    clf._pseudo_labels = clf._pseudo_labels[0], False
    not_counted = clf.fit(X, y)
    a, b = (c.net_.module_.state_dict() for c in (counted, not_counted))
    assert all((a[k] == b[k]).all() for k in a)


def test_members_equal_single_fits():
    base = {"dtype": "float64", "dropout": 0.2, "loss": "ldam", "early_stopping": False}
    pack, y = marked(1 - Y[U], False, **base, n_members=3)
    p = pack.fit(X, y).predict_proba_members(X)
    for k, seed in enumerate(pack.member_seeds_):
        single, _ = marked(1 - Y[U], False, **base, random_state=int(seed))
        # Sums in another order.
        np.testing.assert_allclose(single.fit(X, y).predict_proba(X), p[k], atol=1e-10)


def test_rows_with_pseudo_labels_judge_nobody():
    """The balanced rows of row_weighting are rows that somebody has labelled."""
    params = {"row_weighting": "l2rw", "row_weighting_rows": 8}
    clf, y = marked(1 - Y[U], **params)
    job = make_job(clf, prepare(clf, X, y))
    layouts = [Layout.of(clf.encoder_)]
    batches, _, _ = make_batches(
        [job], layouts, job.module, torch.float32, torch.device("cpu")
    )
    judges = batches.balanced["X"][0].numpy()
    own = {row.tobytes() for row in job.plan.X[~job.plan.pseudo].astype(np.float32)}
    assert len(judges) == 16 and {row.tobytes() for row in judges} <= own
    # Three in five rows have pseudo-labels, and train.
    assert len(batches) * job.batch_size >= len(job.plan.y) - 16
    few, y = marked(1 - Y[U], **{**params, "row_weighting_rows": 60})
    with pytest.raises(ValueError, match="row_weighting_rows=60"):
        few.fit(X, y)


# Kinds of estimators and tables.


@pytest.mark.parametrize("omega", [1.0, 0.4])
def test_any_classifier(omega):
    base = LogisticRegression().fit(X[L], Y[L])
    y = np.concatenate([Y[L], base.predict(X[U])])
    weight = np.repeat([1.0, omega], [150, 250])
    by_hand = LogisticRegression().fit(X, y, weight)
    clf = PseudoLabelClassifier(LogisticRegression(), omega=omega)
    clf.fit(X[L], Y[L], X_unlabeled=X[U])
    # lbfgs stops at a gradient of 1e-4; weights of 1 and none are the same numbers.
    np.testing.assert_allclose(clf.decision_function(X), by_hand.decision_function(X))


def test_xgboost():
    XGBClassifier = pytest.importorskip("xgboost").XGBClassifier
    base = XGBClassifier(n_estimators=5)
    clf = PseudoLabelClassifier(base, omega=0.5, threshold=0.8)
    clf.fit(X[L], Y[L], X_unlabeled=X[U])
    p = base.fit(X[L], Y[L]).predict_proba(X[U])
    kept = p.max(1) >= 0.8
    assert 0 < kept.sum() < 250
    both = np.concatenate([X[L], X[U][kept]])
    labels = np.concatenate([Y[L], p[kept].argmax(1)])
    base.fit(both, labels, sample_weight=np.repeat([1.0, 0.5], [150, kept.sum()]))
    np.testing.assert_array_equal(clf.predict_proba(X), base.predict_proba(X))


def test_classifiers_without_probabilities():
    clf = PseudoLabelClassifier(LinearSVC())
    assert not hasattr(clf, "predict_proba") and hasattr(clf, "decision_function")
    y = np.array(["no", "yes"])[Y]
    clf.fit(X[L], y[L], X_unlabeled=X[U])
    assert clf.pseudo_label_counts_.sum() == 250 and set(clf.predict(X)) == set(y)


def frames(n=60):
    rng = np.random.default_rng(0)
    frame = pd.DataFrame(
        {
            "a": rng.normal(size=2 * n),
            "b": rng.integers(0, 3, 2 * n).astype(float),
            "c": rng.choice(["x", "y", "z"], 2 * n),
        }
    )
    frame.loc[n:, "c"] = rng.choice(["x", "w"], n)
    frame.loc[::7, "c"] = None
    y = (frame["a"][:n] > 0).to_numpy()
    return frame[:n].copy(), y, frame[n:].copy()


def test_categories_of_both_tables_are_kept():
    labelled, y, unlabelled = frames()
    plain = PseudoLabelClassifier(TabularMLPClassifier(**PLAIN))
    plain.fit(labelled, y, X_unlabeled=unlabelled)
    assert {"x", "y", "w"} <= set(plain.estimator_.encoder_._columns[2].kept)
    for kind in ("pandas", "polars", "enum"):
        pair = []
        for frame in (labelled, unlabelled):
            if kind == "pandas":
                pair.append(frame.astype({"c": "category"}))
                continue
            own = pl.DataFrame(
                frame.astype(object).where(frame.notna(), None).to_dict("list")
            )
            values = sorted(frame["c"].dropna().unique())
            dtype = pl.Categorical if kind == "polars" else pl.Enum(values)
            pair.append(own.with_columns(pl.col("c").cast(dtype)))
        clf = PseudoLabelClassifier(TabularMLPClassifier(**PLAIN))
        clf.fit(pair[0], y, X_unlabeled=pair[1])
        np.testing.assert_array_equal(
            clf.predict_proba(pair[1]), plain.predict_proba(unlabelled)
        )


def test_lists_and_labels_of_minus_one():
    y = np.where(Y == 1, 1, -1)
    clf = PseudoLabelClassifier(TabularMLPClassifier(**PLAIN), count_pseudo_labels=True)
    a = clf.fit(X[L].tolist(), y[L].tolist(), X_unlabeled=X[U].tolist())
    np.testing.assert_array_equal(a.classes_, [-1, 1])
    # Floats of a list are float64 and those of X are float32: the same numbers.
    np.testing.assert_array_equal(a.predict_proba(X), fit().predict_proba(X))


def test_the_inner_classifier_is_saved_and_the_outer_pickled(tmp_path):
    clf = fit({"count_pseudo_labels": False}, {**STOPPED, "loss": "ldam"})
    p = clf.predict_proba(X)
    clf.estimator_.save(tmp_path / "model")
    np.testing.assert_array_equal(sklimb.load(tmp_path / "model").predict_proba(X), p)
    np.testing.assert_array_equal(pickle.loads(pickle.dumps(clf)).predict_proba(X), p)
    # What was said of the rows of one fit is not said of another's.
    again = clf.estimator_.fit(X[L], Y[L])
    base = TabularMLPClassifier(**STOPPED, loss="ldam").fit(X[L], Y[L])
    assert same_bits(again, base)


# Composition.


def test_unlabelled_rows_pass_the_steps_of_a_pipeline():
    scaler = StandardScaler().fit(X[L])
    direct = PseudoLabelClassifier(TabularMLPClassifier(**PLAIN), omega=0.5)
    weight = 1.0 + Y[L]
    direct.fit(scaler.transform(X[L]), Y[L], weight, X_unlabeled=scaler.transform(X[U]))
    with config_context(enable_metadata_routing=True):
        clf = PseudoLabelClassifier(TabularMLPClassifier(**PLAIN), omega=0.5)
        clf.set_fit_request(X_unlabeled=True, sample_weight=True)
        scale = StandardScaler().set_fit_request(sample_weight=False)
        pipe = Pipeline(
            [("scale", scale), ("clf", clf)], transform_input=["X_unlabeled"]
        )
        pipe.fit(X[L], Y[L], X_unlabeled=X[U], sample_weight=weight)
        np.testing.assert_array_equal(
            pipe.predict_proba(X), direct.predict_proba(scaler.transform(X))
        )
        grid = {"clf__omega": [0.0, 1.0]}
        scorer = get_scorer("roc_auc").set_score_request(sample_weight=True)
        search = GridSearchCV(pipe, grid, cv=2, scoring=scorer, error_score="raise")
        search.fit(X[L], Y[L], X_unlabeled=X[U], sample_weight=weight)
    # Every fold labelled all rows of U.
    best = search.best_estimator_[-1]
    assert best.n_rounds_ == (best.omega > 0)
    assert np.isfinite(search.cv_results_["mean_test_score"]).all()


def test_rows_that_missed_the_steps_are_told():
    far = TabularMLPClassifier(**PLAIN)
    with pytest.warns(UserWarning, match='transform_input=."X_unlabeled"'):
        PseudoLabelClassifier(far).fit(X[L], Y[L], X_unlabeled=X[U] * 1000)


def test_grid_search_over_the_base(loan):
    clf = PseudoLabelClassifier(TabularMLPClassifier(**{**PLAIN, "max_epochs": 2}))
    grid = {"estimator__loss": ["ce", "ldam"], "count_pseudo_labels": [True, False]}
    search = GridSearchCV(clf, grid, cv=2, scoring="roc_auc", error_score="raise")
    X, y = loan[0].select_dtypes("number"), loan[1]
    search.fit(X[:600], y[:600], X_unlabeled=X[600:])
    # What counts moves the probabilities of plain cross-entropy and no ranking.
    ce, ldam, ce_apart, ldam_apart = search.cv_results_["mean_test_score"]
    assert ce == ce_apart and ldam != ldam_apart
    assert search.best_estimator_.pseudo_label_counts_.sum() == 900


def test_packed_search_says_what_to_use():
    clf = PseudoLabelClassifier(TabularMLPClassifier(**PLAIN))
    with pytest.raises(ValueError, match=r"Use sklearn\.model_selection\.GridSearchCV"):
        PackedSearchCV(clf, {"omega": [0.5, 1.0]}).fit(X[L], Y[L])


def test_an_interrupted_round_leaves_the_one_before():
    class Interrupted(LogisticRegression):
        def fit(self, X, y, sample_weight=None):
            if len(y) > 150:
                raise KeyboardInterrupt
            return super().fit(X, y, sample_weight)

    clf = PseudoLabelClassifier(Interrupted())
    with pytest.raises(KeyboardInterrupt):
        clf.fit(X[L], Y[L], X_unlabeled=X[U])
    assert clf.n_rounds_ == 0 and clf.predict(X).shape == (400,)


# Refusals.


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        (lambda f: f[["a", "b"]].assign(d=1), r"lacks \['c'\] and has \['d'\] besides"),
        (lambda f: f[["b", "a", "c"]], r"in the place of \['a', 'b'\]"),
        (lambda f: f[:0], "at least one row, got none"),
        (lambda f: f.to_numpy(), "same kind as X, a pandas data frame, got a array"),
        (lambda f: f.assign(a=np.inf), "X_unlabeled cannot be read: .*infinity"),
        (
            lambda f: f.assign(a=pd.Timestamp("2020-01-01")),
            "X_unlabeled cannot be read: .*datetime64",
        ),
    ],
)
def test_unlabelled_rows_that_do_not_fit(rows, message):
    labelled, y, unlabelled = frames()
    clf = PseudoLabelClassifier(TabularMLPClassifier(**PLAIN))
    with pytest.raises(ValueError, match=message):
        clf.fit(labelled, y, X_unlabeled=rows(unlabelled))
    assert not hasattr(clf, "estimator_")


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        (X[U][:, :4], "must have the 6 columns of X, got 4 columns"),
        (X[U][0], r"must have rows and columns, got the shape \(6,\)"),
    ],
)
def test_unlabelled_arrays_that_do_not_fit(rows, message):
    with pytest.raises(ValueError, match=message):
        fit(X_unlabeled=rows)


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({"omega": -1.0}, "'omega' parameter"),
        ({"rounds": 0}, "'rounds' parameter"),
        ({"threshold": 0.0}, "'threshold' parameter"),
        ({"threshold": 1.5}, "'threshold' parameter"),
        ({"count_pseudo_labels": "no"}, "'count_pseudo_labels' parameter"),
    ],
)
def test_parameters_out_of_range(params, message):
    with pytest.raises(ValueError, match=message):
        fit(params)


@pytest.mark.parametrize(
    ("estimator", "params", "fit_params", "message"),
    [
        (KNeighborsClassifier(), {"omega": 0.5}, {}, "whose fit takes sample_weight"),
        (
            KNeighborsClassifier(),
            {},
            {"sample_weight": np.ones(150)},
            "whose fit takes sample_weight",
        ),
        (LinearSVC(), {"threshold": 0.9}, {}, "LinearSVC has no predict_proba"),
        (
            DummyClassifier(),
            {"count_pseudo_labels": False},
            {},
            "needs a sklimb classifier: DummyClassifier cannot tell",
        ),
        (DummyClassifier(), {}, {"groups": np.ones(150)}, "groups can be given to"),
        (
            make_pipeline(StandardScaler(), TabularMLPClassifier()),
            {},
            {},
            "must not be a Pipeline around a sklimb classifier",
        ),
    ],
    ids=str,
)
def test_estimators_that_cannot(estimator, params, fit_params, message):
    clf = PseudoLabelClassifier(estimator, **params)
    with pytest.raises(ValueError, match=message):
        clf.fit(X[L], Y[L], X_unlabeled=X[U], **fit_params)


@pytest.mark.parametrize("ragged", ["X", "X_unlabeled"])
def test_rows_of_unequal_lengths_are_told(ragged):
    rows = {"X": [[1.0, 2.0]] * 20, "X_unlabeled": [[1.0, 2.0]] * 5}
    rows[ragged][-1] = [1.0]
    clf = PseudoLabelClassifier(TabularMLPClassifier(max_epochs=1))
    with pytest.raises(ValueError, match=f"^{ragged} must have as many values"):
        clf.fit(rows["X"], [0, 1] * 10, X_unlabeled=rows["X_unlabeled"])
