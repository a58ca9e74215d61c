"""`decision`: how predict chooses, tuned on held-out rows, probabilities unchanged."""

import warnings

import numpy as np
import pytest
from scipy.special import expit
from sklearn.calibration import CalibratedClassifierCV
from sklearn.frozen import FrozenEstimator
from sklearn.metrics import (
    balanced_accuracy_score,
    f1_score,
    make_scorer,
    precision_score,
    recall_score,
)
from sklearn.model_selection import GridSearchCV

import sklimb
from sklimb import (
    FTTransformerClassifier,
    ImageResNetClassifier,
    TabularMLPClassifier,
    TabularResNetClassifier,
)
from sklimb.datasets import make_transactions
from sklimb.exceptions import DecisionWarning
from sklimb.fitting.decision import Objective, decision_values
from sklimb.metrics import expected_cost, get_scorer
from sklimb.model_selection import PackedSearchCV
from sklimb.training.net import _Net
from sklimb.two_stage import ClassifierRetrainer

DATA = make_transactions(3000, fraud_rate=0.06, random_state=0)
TEST = make_transactions(4000, fraud_rate=0.06, random_state=1)
X, Y = DATA.X.select_dtypes("number"), DATA.y
X_TEST, Y_TEST = TEST.X[X.columns], TEST.y
# Three classes, the third of them rare.
Y3 = np.where(Y == 1, 2, (X.iloc[:, 0] > X.iloc[:, 0].median()).astype(int))
SMALL = {"d_block": 16, "n_blocks": 1, "max_epochs": 6, "random_state": 0}
PLAIN = TabularMLPClassifier(**SMALL).fit(X, Y)
FLOOR = get_scorer("precision_with_recall_floor", min_recall=0.9)


def fit(decision, y=Y, **params):
    return TabularMLPClassifier(**SMALL, decision=decision, **params).fit(X, y)


@pytest.mark.parametrize("decision", ["balanced", 0.2, "f1", "expected_cost", FLOOR])
def test_probabilities_do_not_change(decision):
    clf = fit(decision)
    np.testing.assert_array_equal(
        clf.predict_proba(X_TEST), PLAIN.predict_proba(X_TEST)
    )
    assert (clf.predict(X_TEST) != PLAIN.predict(X_TEST)).any()


@pytest.mark.parametrize("decision", ["probability", "balanced", 0.2, "f1", FLOOR])
def test_two_classes_are_a_threshold(decision):
    clf = fit(decision)
    p, values = clf.predict_proba(X_TEST)[:, 1], clf.decision_function(X_TEST)
    np.testing.assert_array_equal(clf.predict(X_TEST), p > clf.threshold_)
    np.testing.assert_array_equal(clf.predict(X_TEST), values > 0)
    assert values.dtype == np.float64
    # Log odds less those of the threshold; both sides are exact to rounding.
    np.testing.assert_allclose(
        expit(values + np.log(clf.threshold_ / (1 - clf.threshold_))), p, rtol=1e-9
    )


def test_default_is_the_argmax():
    p = PLAIN.predict_proba(X_TEST)
    np.testing.assert_array_equal(PLAIN.predict(X_TEST), PLAIN.classes_[p.argmax(1)])
    assert PLAIN.threshold_ == 0.5
    np.testing.assert_array_equal(PLAIN.decision_factors_, 1)
    assert not hasattr(PLAIN, "decision_scores_")


def test_a_float_is_the_threshold():
    assert fit(0.2).threshold_ == pytest.approx(0.2, rel=1e-15)
    recalls = [recall_score(Y_TEST, fit(t).predict(X_TEST)) for t in (0.4, 0.2, 0.05)]
    assert recalls[0] < recalls[1] < recalls[2]


@pytest.mark.parametrize(
    ("params", "share"),
    [
        ({}, None),
        ({"target_prior": "uniform"}, 0.5),
        ({"target_prior": [0.9, 0.1]}, 0.1),
        ({"sampler": "balanced"}, None),
        ({"sampler": "balanced", "target_prior": None}, 0.5),
        ({"validation_folds": 3}, None),
    ],
)
def test_balanced_is_the_share_that_probabilities_assume(params, share):
    clf = fit("balanced", **params)
    share = Y.mean() if share is None else share
    # The shares are those of the training rows; a split moves them by a row.
    assert clf.threshold_ == pytest.approx(share, rel=0.02)


@pytest.mark.parametrize("prior", ["train", None])
def test_balanced_leaves_class_weight(prior):
    clf = fit("balanced", class_weight={0: 1.0, 1: 5.0}, target_prior=prior)
    assert clf.threshold_ == pytest.approx(Y.mean(), rel=0.02)
    more = clf.predict(X_TEST).mean(), fit("balanced").predict(X_TEST).mean()
    assert more[0] > more[1] + 0.1
    with pytest.raises(ValueError, match="rare classes would be favoured twice"):
        fit("balanced", class_weight="balanced")


def test_balanced_does_not_depend_on_the_target_prior():
    labels = [
        fit("balanced", target_prior=prior).predict(X_TEST)
        for prior in ("train", "uniform", [0.8, 0.2])
    ]
    # Rows at the threshold may fall to either side by rounding.
    assert np.mean(labels[0] != labels[1]) < 0.002
    assert np.mean(labels[0] != labels[2]) < 0.002


@pytest.mark.parametrize(
    ("decision", "score"),
    [
        ("f1", f1_score),
        ("balanced_accuracy", balanced_accuracy_score),
        ("expected_cost", lambda y, called: -expected_cost(y, called)),
    ],
)
def test_no_threshold_is_better_on_the_held_out_rows(decision, score):
    y, rows = Y_TEST[:200], X_TEST[:200]
    clf = TabularMLPClassifier(**SMALL, decision=decision)
    clf.fit(X, Y, X_val=rows, y_val=y)
    p = clf.predict_proba(rows)[:, 1]
    mine = score(y, clf.predict(rows))
    brute = max(score(y, (p > t).astype(int)) for t in [0, *p])
    assert mine == pytest.approx(brute, abs=1e-12)
    assert clf.decision_scores_[:, 1].max() == pytest.approx(mine)


def test_folds_tune_on_rows_out_of_fold():
    clf = fit("f1", validation_folds=4)
    tried = clf.decision_scores_
    assert tried.shape[1] == 2
    assert (np.diff(tried[:, 0]) > 0).all()
    assert tried[:, 1].max() > 0.1
    best = tried[tried[:, 1].argmax()]
    assert abs(np.log(best[0] / clf.threshold_)) < 1


def test_floor_and_names_with_parameters():
    clf = fit(FLOOR)
    assert recall_score(Y_TEST, clf.predict(X_TEST)) > 0.75
    assert precision_score(Y_TEST, clf.predict(X_TEST)) > 1.2 * Y_TEST.mean()


@pytest.mark.parametrize("labels", [["no", "yes"], [False, True], [-5, 7]])
def test_names_take_the_second_class_for_positive(labels):
    labels = np.array(labels)
    clf = fit("f1", y=labels[Y])
    np.testing.assert_array_equal(clf.decision_factors_, fit("f1").decision_factors_)
    np.testing.assert_array_equal(
        clf.predict(X_TEST), labels[fit("f1").predict(X_TEST)]
    )


def test_a_scorer_gets_the_labels():
    y = np.array(["yes", "no"])[Y]  # "no" is rare and comes first
    scorer = make_scorer(f1_score, pos_label="no")
    clf = fit(scorer, y=y)
    rare = np.array(["yes", "no"])[Y_TEST]
    tuned = f1_score(rare, clf.predict(X_TEST), pos_label="no")
    plain = f1_score(rare, fit("probability", y=y).predict(X_TEST), pos_label="no")
    assert tuned > plain


@pytest.mark.parametrize("decision", ["balanced", "balanced_accuracy", "f1_macro"])
def test_three_classes_by_factors(decision):
    clf, plain = fit(decision, y=Y3), fit("probability", y=Y3)
    values = clf.decision_function(X_TEST)
    assert values.shape == (len(X_TEST), 3)
    np.testing.assert_array_equal(clf.predict(X_TEST), values.argmax(1))
    score = f1_score if decision == "f1_macro" else balanced_accuracy_score
    extra = {"average": "macro"} if decision == "f1_macro" else {}
    assert score(Y3, clf.predict(X), **extra) > score(Y3, plain.predict(X), **extra)
    assert not hasattr(clf, "threshold_")
    with pytest.raises(ValueError, match="a threshold, for two classes"):
        fit(0.3, y=Y3)


def test_weights_count_as_repetitions():
    weight = 1.0 + 3.0 * (Y == 1)
    costly = TabularMLPClassifier(**SMALL, decision="f1").fit(X, Y, weight)
    assert costly.decision_scores_[0, 1] > fit("f1").decision_scores_[0, 1] + 0.05


def test_held_out_rows_that_are_given():
    clf = TabularMLPClassifier(**SMALL, decision="f1", early_stopping=False)
    clf.fit(X, Y, X_val=X_TEST, y_val=Y_TEST)
    best = clf.decision_scores_[:, 1].max()
    assert f1_score(Y_TEST, clf.predict(X_TEST)) == pytest.approx(best, abs=1e-12)


def test_few_rows_take_balanced_and_say_so():
    rows = np.r_[np.flatnonzero(Y == 0)[:200], np.flatnonzero(Y == 1)[:8]]
    clf = TabularMLPClassifier(**SMALL, decision="f1")
    with pytest.warns(DecisionWarning, match="'balanced' is taken instead"):
        clf.fit(X.iloc[rows], Y[rows])
    assert clf.threshold_ == pytest.approx(8 / 208, rel=0.1)


@pytest.mark.parametrize(
    ("decision", "match"),
    [
        ("roc_auc", "must score predicted labels"),
        ("nothing", "got 'nothing'"),
        (1.5, "decision"),
        (0.0, "decision"),
        (None, "decision"),
        (lambda y, p: 0.0, "must score predicted labels"),
        (make_scorer(lambda y, p: float("nan")), "finite"),
    ],
)
def test_refused_before_training(decision, match):
    clf = TabularMLPClassifier(**SMALL, decision=decision)
    with pytest.raises(ValueError, match=match):
        clf.fit(X, Y)
    assert not hasattr(clf, "net_")


def test_an_objective_needs_held_out_rows():
    clf = TabularMLPClassifier(**SMALL, decision="f1", early_stopping=False)
    with pytest.raises(ValueError, match="none are"):
        clf.fit(X, Y)
    assert not hasattr(TabularMLPClassifier(decision="f1"), "partial_fit")
    with pytest.raises(AttributeError) as error:
        clf.partial_fit(X, Y)
    assert "holds no rows out" in str(error.value.__cause__)


def test_partial_fit_follows_the_shares():
    clf = TabularMLPClassifier(**SMALL, decision="balanced")
    half = np.arange(len(Y)) % 2 == 0
    clf.partial_fit(X[half], Y[half]).partial_fit(X[~half], Y[~half])
    assert clf.threshold_ == pytest.approx(Y.mean(), rel=0.01)


def test_the_fit_decides_and_not_the_parameter():
    clf = fit("balanced")
    before = clf.predict(X_TEST)
    clf.set_params(decision=0.9)
    np.testing.assert_array_equal(clf.predict(X_TEST), before)
    scored = fit("f1")
    scored.set_params(decision="probability").fit(X, Y)
    assert not hasattr(scored, "decision_scores_")
    assert scored.threshold_ == 0.5


@pytest.mark.parametrize("decision", ["balanced", 0.2, "f1", FLOOR])
@pytest.mark.filterwarnings("ignore:.*could not hold decision")
def test_saved_and_read(decision, tmp_path):
    clf = fit(decision)
    clf.save(tmp_path / "clf")
    again = sklimb.load(tmp_path / "clf")
    np.testing.assert_array_equal(again.predict(X_TEST), clf.predict(X_TEST))
    assert again.threshold_ == clf.threshold_


def test_log_probabilities_are_finite():
    p = np.array([[1.0, 0.0], [0.0, 1.0], [1e-320, 1.0]])
    assert np.isfinite(decision_values(p, np.ones(2))).all()
    far = X_TEST * 1e6
    log_p = PLAIN.predict_log_proba(far)
    assert np.isfinite(log_p).all()
    np.testing.assert_allclose(np.exp(log_p), PLAIN.predict_proba(far), atol=1e-150)
    assert np.isfinite(PLAIN.decision_function(far)).all()


def test_second_stage_decides_as_the_first():
    for decision in ("balanced", 0.2, "f1"):
        stage = fit(decision)
        clf = ClassifierRetrainer(FrozenEstimator(stage), "lws", n_epochs=1).fit(X, Y)
        p = clf.predict_proba(X_TEST)[:, 1]
        np.testing.assert_array_equal(clf.predict(X_TEST), p > clf.threshold_)
        assert clf.threshold_ != 0.5


def test_a_packed_search_trains_decisions_side_by_side(monkeypatch):
    grid = {"decision": ["probability", "balanced", "f1"]}
    clf, given = (
        TabularMLPClassifier(**SMALL),
        {"scoring": "balanced_accuracy", "cv": 2},
    )
    began, loop = [], _Net.fit_loop

    def noted(self, *args, **kwargs):
        began.append(self)
        return loop(self, *args, **kwargs)

    monkeypatch.setattr(_Net, "fit_loop", noted)
    packed = PackedSearchCV(clf, grid, max_members=8, **given).fit(X, Y)
    assert len(began) < 4  # as many as with each decision in a pack of its own
    plain = GridSearchCV(clf, grid, **given).fit(X, Y)
    name = "mean_test_score"
    np.testing.assert_array_equal(packed.cv_results_[name], plain.cv_results_[name])


def test_within_a_search_and_a_calibrator():
    search = GridSearchCV(
        TabularMLPClassifier(**SMALL),
        {"decision": ["probability", "balanced", "f1"]},
        scoring="balanced_accuracy",
        cv=2,
    ).fit(X, Y)
    assert search.best_params_["decision"] == "balanced"
    cv = CalibratedClassifierCV(TabularMLPClassifier(**SMALL, decision="balanced"))
    p = cv.set_params(cv=2).fit(X, Y).predict_proba(X_TEST)[:, 1]
    assert p.mean() == pytest.approx(Y_TEST.mean(), rel=0.25)


@pytest.mark.parametrize(
    "clf",
    [
        TabularResNetClassifier(d_block=8, n_blocks=1, max_epochs=2, random_state=0),
        FTTransformerClassifier(d_block=8, n_blocks=1, max_epochs=2, random_state=0),
        ImageResNetClassifier(backbone="resnet8", max_epochs=1, random_state=0),
    ],
    ids=lambda clf: type(clf).__name__,
)
def test_every_classifier_decides(clf):
    shape = (8, 8) if "Image" in type(clf).__name__ else None
    rng = np.random.default_rng(0)
    y = (np.arange(120) % 6 == 0).astype(int)
    rows = rng.normal(size=(120, 64 if shape else 3)) + 2 * y[:, None]
    if shape:
        rows = rows.reshape(-1, *shape)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        clf.set_params(decision="balanced").fit(rows, y)
    assert clf.threshold_ == pytest.approx(1 / 6, rel=0.05)


def test_objective_counts_weight():
    objective = Objective("balanced_accuracy", np.array([0, 1]))
    y, called = np.array([0, 0, 1]), np.array([0, 1, 1])
    assert objective(y, called, np.array([1.0, 3.0, 1.0])) == pytest.approx(0.625)


@pytest.mark.parametrize(
    ("params", "parts"),
    [
        ({}, ["ended after all 6 epochs", "kept epoch"]),
        ({"n_iter_no_change": 1, "lr": 0.3}, ["1 without a better score"]),
        ({"n_members": 3, "max_epochs": 30, "lr": 0.02}, ["kept epochs"]),
        ({"early_stopping": False}, ["kept epoch 6"]),
    ],
)
def test_verbose_tells_what_ended_training(params, parts, capsys):
    clf = TabularMLPClassifier(**{**SMALL, **params, "verbose": 1}).fit(X, Y)
    told = capsys.readouterr().err
    for part in parts:
        assert part in told
    assert ("held-out recall of class 1 is" in told) == bool(clf.early_stopping)


def test_verbose_tells_the_recall_of_the_decision(capsys):
    clf = TabularMLPClassifier(**SMALL, verbose=1, decision="balanced")
    clf.fit(X, Y, X_val=X_TEST, y_val=Y_TEST)
    recall = recall_score(Y_TEST, clf.predict(X_TEST))
    assert f"recall of class 1 is {recall:.2f}" in capsys.readouterr().err


def test_too_few_rows_beside_balanced_weights_are_not_balanced_twice():
    rows = np.r_[np.flatnonzero(Y == 0)[:200], np.flatnonzero(Y == 1)[:8]]
    clf = TabularMLPClassifier(**SMALL, decision="f1", class_weight="balanced")
    with pytest.warns(DecisionWarning):
        clf.fit(X.iloc[rows], Y[rows])
    assert clf.threshold_ == pytest.approx(0.5, abs=0.05)
