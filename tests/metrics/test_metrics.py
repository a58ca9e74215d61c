"""Scores against counts made by hand, and their scorers inside of searches."""

import doctest
import itertools

import numpy as np
import pytest
import sklearn
from sklearn.datasets import make_classification
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import (
    GridSearchCV,
    StratifiedKFold,
    cross_validate,
)
from sklearn.svm import LinearSVC

from sklimb import TabularMLPClassifier, metrics
from sklimb.metrics import (
    _groups,
    _ranking,
    _scorers,
    _thresholds,
    expected_cost,
    get_scorer,
    get_scorer_names,
    group_recall,
    many_medium_few_report,
    precision_at_k,
    precision_with_recall_floor,
    recall_at_false_positive_rate,
    recall_at_precision,
    recall_within_alert_budget,
)
from sklimb.model_selection import PackedSearchCV

COSTS = [[0.5, 5.0], [2.0, 4.0]]
RANKING = [
    (recall_at_false_positive_rate, {"max_fpr": 0.2}),
    (recall_at_precision, {"min_precision": 0.4}),
    (precision_at_k, {"k": 37}),
    (precision_at_k, {"k": 0.13}),
]
OF_LABELS = [
    (precision_with_recall_floor, {"min_recall": 0.3}),
    (precision_with_recall_floor, {"min_recall": 0.9}),
    (recall_within_alert_budget, {"max_alerts": 150}),
    (recall_within_alert_budget, {"max_alerts": 20}),
    (recall_within_alert_budget, {"max_alerts": 0.5}),
    (recall_within_alert_budget, {"max_alerts": 0.1}),
    (expected_cost, {"cost_matrix": COSTS}),
]


def rows(seed=0, n=200):
    """Labels, scores with ties, predicted labels, small integer weights."""
    rng = np.random.default_rng(seed)
    y = (rng.random(n) < 0.3).astype(int)
    score = np.round(rng.random(n) + 0.4 * y, 1)
    return y, score, (score > 0.7).astype(int), rng.integers(0, 4, size=n)


def counts(y, called, weight):
    """Weighted true positives, positives, alerts and rows, row by row."""
    true_positives = positives = alerts = total = 0.0
    for truth, alert, w in zip(y, called, weight, strict=True):
        total += w
        positives += w if truth == 1 else 0
        alerts += w if alert == 1 else 0
        true_positives += w if truth == 1 and alert == 1 else 0
    return true_positives, positives, alerts, total


def recall_by_counting(y, score, max_fpr, weight):
    """Try every threshold that the scores realise, and none."""
    best = 0.0
    for threshold in np.unique(score):
        called = score >= threshold
        if weight[called & (y == 0)].sum() / weight[y == 0].sum() <= max_fpr:
            best = max(best, weight[called & (y == 1)].sum() / weight[y == 1].sum())
    return best


@pytest.mark.parametrize("max_fpr", [0.0, 0.01, 0.05, 0.3, 1.0])
@pytest.mark.parametrize("decimals", [1, 12])  # with many ties, without ties
@pytest.mark.parametrize("seed", range(3))
def test_it_is_the_best_threshold_found_by_counting(max_fpr, decimals, seed):
    rng = np.random.default_rng(seed)
    y = (rng.random(300) < 0.2).astype(int)
    score = np.round(rng.random(300) + 0.4 * y, decimals)
    # Powers of two add up exactly, in any order.
    weight = rng.choice([0.5, 1.0, 2.0], size=300)
    assert recall_at_false_positive_rate(
        y, score, max_fpr=max_fpr, sample_weight=weight
    ) == pytest.approx(recall_by_counting(y, score, max_fpr, weight), abs=1e-12)


@pytest.mark.parametrize("min_precision", [0.0, 0.3, 0.5, 0.75, 1.0])
@pytest.mark.parametrize("decimals", [1, 12])
@pytest.mark.parametrize("seed", range(3))
def test_recall_at_precision_is_the_best_threshold(min_precision, decimals, seed):
    rng = np.random.default_rng(seed)
    y = (rng.random(200) < 0.3).astype(int)
    score = np.round(rng.random(200) + 0.4 * y, decimals)
    weight = rng.choice([0.0, 0.5, 1.0, 2.0], size=200)
    best = 0.0
    for threshold in np.unique(score):
        caught, positives, alerts, _ = counts(y, score >= threshold, weight)
        if alerts > 0 and caught / alerts >= min_precision:
            best = max(best, caught / positives)
    found = recall_at_precision(
        y, score, min_precision=min_precision, sample_weight=weight
    )
    assert found == pytest.approx(best, abs=1e-12)


def test_exact_precision_is_allowed_and_a_hair_more_is_not():
    y, score = np.r_[np.ones(3), np.zeros(2), 1], np.r_[np.full(5, 2.0), 1.0]
    assert recall_at_precision(y, score, min_precision=0.6) == 1.0
    assert recall_at_precision(y[:5], score[:5], min_precision=0.61) == 0.0


@pytest.mark.parametrize("k", [1, 2, 3, 5, 7, 0.2, 0.5, 1.0])
@pytest.mark.parametrize(
    "score", [[3, 3, 3, 2, 2, 1, 1], [1, 1, 1, 1, 1, 1, 1], [7, 1, 6, 2, 5, 3, 4]]
)
def test_precision_at_k_is_the_mean_over_all_orders_of_tied_rows(k, score):
    y = np.array([1, 0, 0, 1, 0, 1, 0])
    places = k if isinstance(k, int) else k * len(y)
    # A place that is cut takes a part of its row.
    taken = np.clip(places - np.arange(len(y)), 0, 1)
    values = []
    for order in itertools.permutations(range(len(y))):
        order = np.array(order)
        order = order[np.argsort(-np.array(score)[order], kind="stable")]
        values.append((taken * y[order]).sum() / places)
    found = precision_at_k(y, score, k=k)
    assert found == pytest.approx(np.mean(values), abs=1e-12)


def test_precision_at_k_counts_places_by_weight():
    y, score = [1, 0, 1], [3, 2, 1]
    assert precision_at_k(y, score, k=4, sample_weight=[1.5, 0.5, 4.0]) == 3.5 / 4
    assert precision_at_k(y, score, k=1, sample_weight=[0, 1, 1]) == 0.0
    assert precision_at_k([0, 0, 0], score, k=2) == 0.0
    assert precision_at_k(y, score, k=3) == 2 / 3


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("threshold", [0.0, 0.4, 0.8, 9.0])
def test_objectives_are_counted_row_by_row(seed, threshold):
    y, score, _, weight = rows(seed)
    called = (score >= threshold).astype(int)
    caught, positives, alerts, total = counts(y, called, weight)
    recall = caught / positives
    for floor in (0.0, 0.3, 0.7, 1.0):
        value = precision_with_recall_floor(
            y, called, min_recall=floor, sample_weight=weight
        )
        precision = caught / alerts if alerts else 0.0
        wanted = precision if recall >= floor else recall - floor - 100
        assert value == pytest.approx(wanted, abs=1e-12)
    for budget in (1, 40, 10_000, 0.01, 0.4, 1.0):
        value = recall_within_alert_budget(
            y, called, max_alerts=budget, sample_weight=weight
        )
        share = budget / total if isinstance(budget, int) else budget
        excess = alerts / total - share
        wanted = recall if excess <= 0 else -100 - excess
        assert value == pytest.approx(wanted, abs=1e-12)


@pytest.mark.parametrize("with_amount", [False, True])
def test_cost_is_counted_row_by_row(with_amount):
    y, _, called, weight = rows()
    amount = np.random.default_rng(1).exponential(50, size=len(y))
    cost = 0.0
    for i in range(len(y)):
        each = COSTS[y[i]][called[i]]
        if with_amount and y[i] == 1 and called[i] == 0:
            each = COSTS[1][0] * amount[i]
        cost += weight[i] * each
    found = expected_cost(
        y,
        called,
        cost_matrix=COSTS,
        amount=amount if with_amount else None,
        sample_weight=weight,
    )
    assert found == pytest.approx(cost / weight.sum(), rel=1e-12)


def test_cost_counts_errors_by_default():
    assert expected_cost([0, 0, 1, 1], [0, 1, 0, 0]) == 0.75
    # A fold may lack positives, and alerts.
    assert expected_cost([0, 0], [0, 0], cost_matrix=[[3, 1], [1, 1]]) == 3.0


def test_the_exact_floor_and_budget_are_kept():
    y = np.repeat([1, 0], [100, 100])
    called = np.r_[np.ones(29), np.zeros(71), np.zeros(100)].astype(int)
    assert precision_with_recall_floor(y, called, min_recall=0.29) == 1.0
    assert precision_with_recall_floor(y, called, min_recall=0.291) < 0
    y, called = y[50:150], called[:100]
    assert recall_within_alert_budget(y, called, max_alerts=0.29) == 29 / 50
    assert recall_within_alert_budget(y, called, max_alerts=29) == 29 / 50
    assert recall_within_alert_budget(y, called, max_alerts=28) < 0


def by_group(y_true, y_pred, y_train, many_above, few_below, weight):
    """Class by class, row by row."""
    found = {"many": [], "medium": [], "few": []}
    for c in sorted(set(y_true)):
        of_class = [i for i in range(len(y_true)) if y_true[i] == c and weight[i] > 0]
        if not of_class:
            continue
        total = sum(weight[i] for i in of_class)
        right = sum(weight[i] for i in of_class if y_pred[i] == c)
        n_train = sum(label == c for label in y_train)
        group = "medium"
        if n_train > many_above:
            group = "many"
        if n_train < few_below:
            group = "few"
        found[group].append((total, right / total))
    return found


@pytest.mark.parametrize("limits", [(100, 20), (50, 20), (19, 20), (30, 1)])
@pytest.mark.parametrize("names", [np.arange(7), np.array(list("gfedcba"))])
def test_groups_are_counted_class_by_class(limits, names):
    rng = np.random.default_rng(0)
    y_train = names[np.repeat(np.arange(6), [101, 100, 20, 19, 60, 300])]
    y_true = names[rng.integers(0, 7, size=400)]  # the last class was not trained
    y_pred = np.where(rng.random(400) < 0.6, y_true, rng.permutation(y_true))
    weight = rng.integers(0, 3, size=400)
    weight[y_true == names[0]] = 0
    wanted = by_group(y_true, y_pred, y_train, *limits, weight)
    wanted["all"] = list(itertools.chain(*wanted.values()))
    settings = {
        "y_train": y_train,
        "many_above": limits[0],
        "few_below": limits[1],
        "sample_weight": weight,
    }
    report = many_medium_few_report(y_true, y_pred, **settings)
    assert report.index.tolist() == ["many", "medium", "few", "all"]
    for group, classes in wanted.items():
        line = report.loc[group]
        assert line["classes"] == len(classes)
        assert line["rows"] == sum(total for total, _ in classes)
        if not classes:
            assert np.isnan(line["recall"])
            with pytest.raises(ValueError, match="has no class among the labels"):
                group_recall(y_true, y_pred, group=group, **settings)
            continue
        recall = np.mean([recall for _, recall in classes])
        assert line["recall"] == pytest.approx(recall, abs=1e-12)
        if group != "all":
            value = group_recall(y_true, y_pred, group=group, **settings)
            assert value == line["recall"] and type(value) is float


def test_default_limits_are_those_of_the_literature():
    y_train = np.repeat(np.arange(4), [101, 100, 20, 19])
    report = many_medium_few_report(range(4), range(4), y_train=y_train)
    assert report["classes"].tolist() == [1, 2, 1, 4]


@pytest.mark.parametrize(("metric", "parameters"), RANKING + OF_LABELS)
def test_weights_are_repetitions(metric, parameters):
    y, score, called, weight = rows()
    given = called if (metric, parameters) in OF_LABELS else score
    value = metric(y, given, sample_weight=weight, **parameters)
    repeated = metric(np.repeat(y, weight), np.repeat(given, weight), **parameters)
    assert value == pytest.approx(repeated, abs=1e-12)
    assert type(value) is float
    assert value != pytest.approx(metric(y, given, **parameters), abs=1e-6)


def test_weights_repeat_amounts_and_groups():
    y, score, called, weight = rows()
    Y, amount, alerts = (np.repeat(a, weight) for a in (y, score, called))
    cost = expected_cost(y, called, amount=score, sample_weight=weight)
    assert cost == pytest.approx(expected_cost(Y, alerts, amount=amount), abs=1e-12)
    report = many_medium_few_report(y, called, y_train=y, sample_weight=weight)
    assert report.equals(many_medium_few_report(Y, alerts, y_train=y))


@pytest.mark.parametrize(("metric", "parameters"), RANKING + OF_LABELS)
def test_labels_of_any_kind(metric, parameters):
    y, score, called, weight = rows()
    given = called if (metric, parameters) in OF_LABELS else score
    value = metric(y, given, sample_weight=weight, **parameters)
    # The positive class may come first in the order of the labels.
    for names in (["no", "a fraud"], [True, False], [7.0, -1.0], [5, 3]):
        names = np.array(names)
        pos_label = names[1].item()
        relabelled = names[given] if given is called else given
        assert value == metric(
            names[y],
            relabelled,
            pos_label=pos_label,
            sample_weight=weight,
            **parameters,
        )


def test_collinear_thresholds_count():
    # Every other row is positive: the curve is one straight line of stairs, whose
    # inner corners a drawn curve may leave out.
    y = np.repeat([1, 0, 1, 0, 1, 0, 1, 0], 5)
    score = np.repeat(np.arange(4.0)[::-1], 10)
    assert recall_at_false_positive_rate(y, score, max_fpr=0.6) == 0.5


def test_the_exact_rate_is_allowed_and_a_hair_less_is_not():
    y = np.r_[np.ones(10), np.zeros(100)]
    score = np.r_[np.full(5, 3.0), np.full(5, 1.0), 2.0, np.zeros(99)]
    assert recall_at_false_positive_rate(y, score, max_fpr=0.01) == 1.0
    assert recall_at_false_positive_rate(y, score, max_fpr=0.0099) == 0.5


def test_zero_when_the_highest_score_is_a_false_alarm():
    assert recall_at_false_positive_rate([0, 1, 0], [3, 2, 1], max_fpr=0.0) == 0.0


def test_other_labels():
    y = ["bad", "good", "good", "bad"]
    score = [0.9, 0.1, 0.8, 0.3]
    assert recall_at_false_positive_rate(y, score, pos_label="bad", max_fpr=0) == 0.5


@pytest.mark.parametrize("y", [[0, 0, 0], [1, 1, 1], [2, 3, 2], ["a", "b", "a"]])
def test_needs_rows_of_both_classes(y):
    with pytest.raises(ValueError, match="rows of both classes"):
        recall_at_false_positive_rate(y, [0.1, 0.2, 0.3])


def test_rows_of_weight_zero_do_not_make_a_class():
    with pytest.raises(ValueError, match=r"the labels \[0\] \(rows of weight 0"):
        recall_at_false_positive_rate([0, 0, 1], [1, 2, 3], sample_weight=[1, 1, 0])


def test_every_other_label_is_negative():
    score = [0.1, 0.4, 0.3, 0.2]
    assert recall_at_false_positive_rate(
        [0, 1, 2, 1], score, max_fpr=0.0
    ) == recall_at_false_positive_rate([0, 1, 0, 1], score, max_fpr=0.0)


@pytest.mark.parametrize("max_fpr", [-0.1, 1.5, float("nan")])
def test_rate_out_of_range(max_fpr):
    with pytest.raises(ValueError, match=r"max_fpr must be in \[0, 1\], got"):
        recall_at_false_positive_rate([0, 1], [0.1, 0.2], max_fpr=max_fpr)


def test_docstring_examples():
    for module in (_groups, _ranking, _scorers, _thresholds):
        results = doctest.testmod(module)
        assert results.attempted > 0 and results.failed == 0


@pytest.mark.parametrize(("metric", "parameters"), RANKING + OF_LABELS)
def test_refuses_what_it_cannot_count(metric, parameters):
    y, score, called, _ = rows(n=200)
    given = called if (metric, parameters) in OF_LABELS else score
    with pytest.raises(ValueError, match="inconsistent numbers of samples"):
        metric(y, given[1:], **parameters)
    with pytest.raises(ValueError, match="inconsistent numbers of samples"):
        metric(y, given, sample_weight=np.ones(3), **parameters)
    with pytest.raises(ValueError, match="sample_weight must not be negative, got -1"):
        metric(y, given, sample_weight=np.r_[-1.0, np.ones(199)], **parameters)
    with pytest.raises(ValueError, match="sample_weight contains NaN"):
        metric(y, given, sample_weight=np.r_[np.nan, np.ones(199)], **parameters)
    with pytest.raises(ValueError, match="a row of positive weight, got 200 rows"):
        metric(y, given, sample_weight=np.zeros(200), **parameters)
    with pytest.raises(ValueError, match="a row of positive weight, got 0 rows"):
        metric([], [], **parameters)
    with pytest.raises(ValueError, match=r"pos_label (must be one of|is) .*'fraud'"):
        metric(y, given, pos_label="fraud", **parameters)
    # NaN is no label and no score.
    with pytest.raises(ValueError, match="NaN"):
        metric(y, np.r_[np.nan, given[1:]], **parameters)
    with pytest.raises(ValueError, match="NaN"):
        metric(np.r_[np.nan, y[1:]], given, **parameters)


@pytest.mark.parametrize(
    "metric",
    [recall_at_precision, precision_with_recall_floor, recall_within_alert_budget],
)
def test_recall_needs_positives(metric):
    with pytest.raises(ValueError, match=r"recall needs rows of .* labels \[0\]"):
        metric([0, 0, 0], [1, 0, 1])
    with pytest.raises(ValueError, match=r"recall needs rows of .* labels \[0\]"):
        metric([0, 0, 1], [1, 0, 1], sample_weight=[1, 1, 0])


def test_scores_are_no_labels():
    for metric, parameters in OF_LABELS:
        with pytest.raises(ValueError, match=r"[Mm]ix"):
            metric([0, 1, 1], [0.2, 0.7, 0.9], **parameters)


@pytest.mark.parametrize("k", [0, -1, 0.0, 1.5, True, "5", None, float("nan")])
def test_counts_out_of_range(k):
    with pytest.raises(ValueError, match=r"^k must be an int >= 1 \(rows\) or a fl"):
        precision_at_k([0, 1], [0.1, 0.2], k=k)
    with pytest.raises(ValueError, match=r"^max_alerts must be an int >= 1"):
        recall_within_alert_budget([0, 1], [0, 1], max_alerts=k)


def test_parameters_out_of_range():
    with pytest.raises(ValueError, match=r"min_recall must be in \[0, 1\], got 80"):
        precision_with_recall_floor([0, 1], [0, 1], min_recall=80)
    with pytest.raises(ValueError, match=r"min_precision must be in \[0, 1\], got -1"):
        recall_at_precision([0, 1], [0, 1], min_precision=-1)
    with pytest.raises(ValueError, match=r"number of rows .*, 2, got 3. Give a share"):
        precision_at_k([0, 1], [0.1, 0.2], k=3)
    for wrong in ([1, 5], [[0, 1, 2], [1, 0, 2]], [[0, np.inf], [1, 0]]):
        with pytest.raises(ValueError, match=r"cost_matrix must be finite numbers"):
            expected_cost([0, 1], [0, 1], cost_matrix=wrong)
    with pytest.raises(ValueError, match="amount contains NaN"):
        expected_cost([0, 1], [0, 1], amount=[1, np.nan])
    with pytest.raises(ValueError, match="inconsistent numbers of samples"):
        expected_cost([0, 1], [0, 1], amount=[1, 2, 3])
    with pytest.raises(ValueError, match=r"group must be one of .* got 'rare'"):
        group_recall([0, 1], [0, 1], y_train=[0, 1], group="rare")
    with pytest.raises(ValueError, match="few_below must be at most many_above"):
        many_medium_few_report(
            [0, 1], [0, 1], y_train=[0, 1], many_above=10, few_below=12
        )
    with pytest.raises(ValueError, match=r"[Mm]ix of label input types"):
        many_medium_few_report([0, 1], [0, 1], y_train=["0", "1"])


BY_NAME = {
    "expected_cost": (expected_cost, {"cost_matrix": COSTS}),
    "precision_at_k": (precision_at_k, {"k": 0.1}),
    "precision_with_recall_floor": (precision_with_recall_floor, {"min_recall": 0.1}),
    "recall_at_false_positive_rate": (recall_at_false_positive_rate, {"max_fpr": 0.1}),
    "recall_at_precision": (recall_at_precision, {"min_precision": 0.6}),
    "recall_within_alert_budget": (recall_within_alert_budget, {"max_alerts": 0.3}),
}
GROUPS = ["many", "medium", "few"]


def problem(n_classes):
    """Rows of two or three classes, and the scorers for them."""
    X, y = make_classification(
        300,
        n_informative=4,
        n_classes=n_classes,
        n_clusters_per_class=1,
        weights=[0.8, 0.2] if n_classes == 2 else [0.6, 0.3, 0.1],
        flip_y=0.1,
        random_state=0,
    )
    if n_classes == 2:
        return X, y, {name: get_scorer(name, **p) for name, (_, p) in BY_NAME.items()}
    limits = {"y_train": y, "many_above": 120, "few_below": 50}
    return X, y, {g: get_scorer(f"{g}_recall", **limits) for g in GROUPS}


@pytest.mark.parametrize("n_classes", [2, 3])
def test_scorers_in_a_grid_search(n_classes):
    X, y, scoring = problem(n_classes)
    grid = {"C": [0.01, 1.0]}
    clf, cv = LogisticRegression(), StratifiedKFold(3)
    search = GridSearchCV(
        clf, grid, scoring=scoring, cv=cv, refit=False, error_score="raise"
    ).fit(X, y)
    for split, (train, test) in enumerate(cv.split(X, y)):
        for candidate, C in enumerate(grid["C"]):
            fitted = LogisticRegression(C=C).fit(X[train], y[train])
            for name in scoring:
                if n_classes == 3:
                    wanted = group_recall(
                        y[test],
                        fitted.predict(X[test]),
                        y_train=y,
                        group=name,
                        many_above=120,
                        few_below=50,
                    )
                else:
                    metric, parameters = BY_NAME[name]
                    given = fitted.predict(X[test])
                    if metric.__module__ == _ranking.__name__:
                        given = fitted.predict_proba(X[test])[:, 1]
                    wanted = metric(y[test], given, **parameters)
                    wanted = -wanted if name == "expected_cost" else wanted
                found = search.cv_results_[f"split{split}_test_{name}"][candidate]
                assert found == pytest.approx(wanted, abs=1e-12)


@pytest.mark.parametrize("n_classes", [2, 3])
def test_scorers_in_a_packed_search(n_classes):
    X, y, scoring = problem(n_classes)
    clf = TabularMLPClassifier(d_block=8, max_epochs=20, batch_size=64, random_state=0)
    settings = {"scoring": scoring, "cv": 2, "refit": False, "error_score": "raise"}
    grid = {"lr": [1e-2, 3e-2]}
    alone = GridSearchCV(clf, grid, **settings).fit(X, y).cv_results_
    packed = PackedSearchCV(clf, grid, max_members=8, **settings).fit(X, y).cv_results_
    for name in scoring:
        scores = packed[f"mean_test_{name}"]
        # No figure of a network that calls nobody, or all.
        assert ((scores > -2) & (scores < 1) & (scores != 0)).all()
        np.testing.assert_allclose(scores, alone[f"mean_test_{name}"], rtol=1e-9)


def test_amounts_and_weights_reach_a_packed_search():
    X, y, _ = problem(2)
    clf = TabularMLPClassifier(d_block=8, max_epochs=2, random_state=0)
    amount, weight = 1.0 + np.arange(300) % 7, 1.0 + np.arange(300) % 3
    costs, cv = [[0, 5], [1, 5]], StratifiedKFold(2)
    with sklearn.config_context(enable_metadata_routing=True):
        scoring = get_scorer("expected_cost", cost_matrix=costs)
        scoring = scoring.set_score_request(amount=True, sample_weight=True)
        clf = clf.set_fit_request(sample_weight=False)
        search = PackedSearchCV(
            clf, {"lr": [1e-2]}, cv=cv, scoring=scoring, max_members=2
        ).fit(X, y, amount=amount, sample_weight=weight)
        train, test = next(cv.split(X, y))
        called = clf.set_params(lr=1e-2).fit(X[train], y[train]).predict(X[test])
    weights = {"amount": amount[test], "sample_weight": weight[test]}
    wanted = -expected_cost(y[test], called, cost_matrix=costs, **weights)
    found = search.cv_results_["split0_test_score"][0]
    assert found == pytest.approx(wanted, rel=1e-12)
    assert found != -expected_cost(y[test], called, cost_matrix=costs)


def test_ranking_scorers_take_decision_functions_and_strings():
    X, y, _ = problem(2)
    names = np.array(["good", "bad"])[y]
    scores = {
        name: get_scorer(name, pos_label="bad", **BY_NAME[name][1])
        for name in ("precision_at_k", "recall_at_precision")
    }
    found = cross_validate(LinearSVC(), X, names, scoring=scores, cv=2)
    train, test = next(StratifiedKFold(2).split(X, names))
    score = -LinearSVC().fit(X[train], names[train]).decision_function(X[test])
    for name in scores:
        metric, parameters = BY_NAME[name]
        wanted = metric(names[test], score, pos_label="bad", **parameters)
        assert found[f"test_{name}"][0] == pytest.approx(wanted)


def test_scorers_by_name():
    of_labels = [*BY_NAME, *(f"{g}_recall" for g in GROUPS)]
    assert get_scorer_names() == sorted([*of_labels, "rank_1_accuracy"])
    assert set(BY_NAME) < set(metrics.__all__)
    with pytest.raises(ValueError, match=r"scoring must be one of .* got 'roc_auc'"):
        get_scorer("roc_auc")
    with pytest.raises(TypeError, match=r"'precision_at_k' takes .*'k'.* argument 'n'"):
        get_scorer("precision_at_k", n=5)
    with pytest.raises(TypeError, match=r"'few_recall' takes .*argument: 'y_train'"):
        get_scorer("few_recall")
    with pytest.raises(TypeError, match=r"takes the parameters \['y_train', 'many_ab"):
        get_scorer("few_recall", y_train=[0, 1], group="many")
