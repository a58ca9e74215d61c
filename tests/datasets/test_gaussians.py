"""Theorems 1 to 3 of S004 in numbers, and what self-training does on their data."""

import numpy as np
import pytest
from scipy.stats import chi2, norm
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.linear_model import LogisticRegression

from sklimb.datasets import make_two_means, make_two_radii
from sklimb.semisup import PseudoLabelClassifier

LOW, HIGH, SIGMA = -1.0, 1.0, 1.0


# Theorem 1: two means, pseudo-labels with a share p, q of right ones.


def theorem_1_draws(n_draws, n_pos, n_neg, p, q, seed=0):
    """`n_draws` estimates of the midpoint in the setup of the theorem."""
    rng = np.random.default_rng(seed)

    def mean_of(n, share, right, wrong):
        is_right = rng.random((n_draws, n)) < share
        return rng.normal(np.where(is_right, right, wrong), SIGMA).mean(1)

    return (mean_of(n_pos, p, HIGH, LOW) + mean_of(n_neg, q, LOW, HIGH)) / 2


def theorem_1_failure(delta, n_pos, n_neg):
    """Upper bound of P(|estimate - its limit| > delta), as printed."""
    gaussian = 2 * delta**2 / (9 * SIGMA**2) * n_pos * n_neg / (n_pos + n_neg)
    labels = [8 * n * delta**2 / (9 * (HIGH - LOW) ** 2) for n in (n_pos, n_neg)]
    return sum(2 * np.exp(-exponent) for exponent in (gaussian, *labels))


@pytest.mark.parametrize(
    ("n_pos", "n_neg", "p", "q"), [(400, 400, 0.9, 0.9), (100, 900, 0.95, 0.7)]
)
def test_theorem_1(n_pos, n_neg, p, q):
    n_draws = 4000
    draws = theorem_1_draws(n_draws, n_pos, n_neg, p, q)
    limit = (LOW + HIGH) / 2 + (p - q) * (HIGH - LOW) / 2
    # Of a row: the Gaussian's variance and that of which Gaussian it is.
    parts = [
        (SIGMA**2 + (HIGH - LOW) ** 2 * share * (1 - share)) / n
        for n, share in ((n_pos, p), (n_neg, q))
    ]
    sd = np.sqrt(sum(parts)) / 2
    # The mean of n_draws lies within 4 of its standard errors but for 6e-5 of seeds.
    assert abs(draws.mean() - limit) < 4 * sd / np.sqrt(n_draws)
    for n_sd in (1.0, 2.0):
        # Central limit theorem for the estimate, a binomial count for the draws.
        tail = 2 * norm.sf(n_sd)
        error = np.sqrt(tail * (1 - tail) / n_draws)
        assert np.mean(np.abs(draws - limit) > n_sd * sd) == pytest.approx(
            tail, abs=4 * error
        )
    # The bound holds and says something.
    for delta in (0.3, 0.45):
        bound = theorem_1_failure(delta, n_pos, n_neg)
        assert bound < 1
        assert np.mean(np.abs(draws - limit) > delta) <= bound


def test_theorem_1_wants_balanced_and_many_unlabelled_rows():
    assert theorem_1_failure(0.2, 500, 500) < theorem_1_failure(0.2, 100, 900)
    assert theorem_1_failure(0.2, 1000, 1000) < theorem_1_failure(0.2, 500, 500)


def sides(threshold, positive_share):
    """Of each side of a threshold: its probability, mean, and share of right labels."""
    shares = np.array([1 - positive_share, positive_share])
    means = np.array([LOW, HIGH])
    z = (threshold - means) / SIGMA
    above, below = shares * norm.sf(z), shares * norm.cdf(z)
    # Means of a truncated Gaussian times its probability.
    edge = shares * SIGMA * norm.pdf(z)
    return {
        "positive": (
            above.sum(),
            (means * above + edge).sum() / above.sum(),
            above[1] / above.sum(),
        ),
        "negative": (
            below.sum(),
            (means * below - edge).sum() / below.sum(),
            below[0] / below.sum(),
        ),
    }


def test_errors_of_a_threshold_are_not_independent_of_x():
    """The theorem's sign is right for real pseudo-labels, its size too small."""
    threshold, n = 0.8, 200_000
    x = make_two_means(n, random_state=0).X[:, 0]
    exact = sides(threshold, 0.5)
    (_, above, p), (_, below, q) = exact["positive"], exact["negative"]
    labels = x > threshold
    estimate = (x[labels].mean() + x[~labels].mean()) / 2
    sd = np.sqrt(x[labels].var() / labels.sum() + x[~labels].var() / (~labels).sum())
    assert estimate == pytest.approx((above + below) / 2, abs=4 * sd / 2)
    promised = (LOW + HIGH) / 2 + (p - q) * (HIGH - LOW) / 2
    # Further off than promised, and still nearer to the best boundary, 0.
    assert 0 < promised < estimate - 0.1 and estimate < threshold - 0.1


def boundary(clf):
    """Where a classifier of one number changes its mind."""
    grid = np.linspace(-5, 5, 10_001)[:, None]
    positive = np.flatnonzero(clf.predict(grid) == 1)
    assert (np.diff(positive) == 1).all()
    return grid[positive[0], 0]


LABELLED = make_two_means(2000, positive_share=0.1, random_state=1)


@pytest.mark.parametrize("base", [LinearDiscriminantAnalysis(), LogisticRegression()])
def test_self_training_follows_the_balance_of_the_unlabelled_rows(base):
    """From few positive rows the boundary is too far on their side; balanced unlabelled
    rows bring it back, round after round, and rows as imbalanced take it away."""
    first = boundary(base.fit(LABELLED.X, LABELLED.y))
    # Prior odds of 9 move the best boundary from 0 to log(9) / 2; the estimates of the
    # means from 200 rows have a standard error of 0.07.
    assert first == pytest.approx(np.log(9) / 2, abs=0.3)

    def after(rounds, positive_share):
        data = make_two_means(20_000, positive_share=positive_share, random_state=2)
        clf = PseudoLabelClassifier(base, rounds=rounds)
        return boundary(clf.fit(LABELLED.X, LABELLED.y, X_unlabeled=data.X))

    assert 0 < after(10, 0.5) < after(3, 0.5) < after(1, 0.5) < first
    assert first < after(1, 0.1) < after(3, 0.1) < after(10, 0.1)


def test_discriminant_analysis_moves_to_where_the_truncated_means_say():
    """One round in closed form, from the moments on both sides of a threshold."""
    base = LinearDiscriminantAnalysis().fit(LABELLED.X, LABELLED.y)
    threshold = boundary(base)
    n = 400_000
    data = make_two_means(n, random_state=3)
    clf = PseudoLabelClassifier(LinearDiscriminantAnalysis())
    clf.fit(LABELLED.X, LABELLED.y, X_unlabeled=data.X)
    exact = sides(threshold, 0.5)
    (share, above, _), (_, below, _) = exact["positive"], exact["negative"]
    second_moment = SIGMA**2 + HIGH**2
    within = second_moment - share * above**2 - (1 - share) * below**2
    odds = np.log((1 - share) / share)
    expected = (above + below) / 2 + within / (above - below) * odds
    # 2,000 labelled rows among 402,000 move a mean by 0.5 % of its distance (below 2)
    # to theirs; the grid has steps of 0.001, sampling is smaller than both.
    assert boundary(clf) == pytest.approx(expected, abs=0.01 + 0.001)


# Theorems 2 and 3: two radii.

BETA = 4.0


def linear_errors(t, positive_share):
    """Error and balanced error of sign(<theta, x> + b), t = b / (|theta| sigma)."""
    missed, alarms = norm.cdf(-t), norm.cdf(t / np.sqrt(BETA))
    error = positive_share * missed + (1 - positive_share) * alarms
    return error, (missed + alarms) / 2


@pytest.mark.parametrize("positive_share", [0.02, 0.1, 0.5])
def test_theorem_2(positive_share):
    t = np.linspace(0, 10, 1001)
    assert (linear_errors(t, positive_share)[0] >= 0.25).all()
    # Whatever the sign of b, the balanced error is above 1/4.
    t = np.linspace(-10, 10, 2001)
    assert (linear_errors(t, positive_share)[1] > 0.25).all()
    # Without b >= 0 the theorem is false for rare positives: always say "negative".
    always = linear_errors(-10.0, positive_share)[0]
    assert always == pytest.approx(positive_share, abs=1e-5)  # cdf(-5) = 3e-7


def test_theorem_2_on_rows():
    """The formula's errors, and a fitted linear classifier that is no better."""
    n = 40_000
    data = make_two_radii(n, positive_share=0.1, random_state=0)
    theta = np.random.default_rng(0).normal(size=20)
    for t in (0.0, 0.7, 2.0):
        said = data.X @ theta + t * np.linalg.norm(theta) > 0
        expected = linear_errors(t, 0.1)[0]
        sd = np.sqrt(expected * (1 - expected) / n)
        assert np.mean(said != data.y) == pytest.approx(expected, abs=4 * sd)
    # On the balanced error; its own is that of always saying "negative".
    fitted = LogisticRegression(class_weight="balanced").fit(data.X, data.y)
    said = fitted.predict(data.X)
    rates = [np.mean(said[data.y == c] != c) for c in (0, 1)]
    assert np.mean(rates) > 0.25


def theorem_3_error(d, positive_share, delta):
    """Upper bound of the error, as printed."""
    gap = BETA - 1 - (1 + BETA) * delta
    power = gap if delta < (BETA - 3) / (BETA + 1) else gap**2 / 2
    return positive_share * np.exp(-d * power / 16) + (1 - positive_share) * np.exp(
        -d * gap**2 / (32 * BETA**2)
    )


def theorem_3_failure(d, n_pos, n_neg, delta):
    """Upper bound of the probability that the error is larger, as printed."""
    return sum(2 * np.exp(-n * d * delta**2 / 8) for n in (n_pos, n_neg))


@pytest.mark.parametrize("d", [20, 100])
def test_theorem_3(d):
    """The self-supervised feature: a threshold half-way between the class means."""
    share, n, k1, k2 = 0.1, 20_000, 0.3, 2.0
    train = make_two_radii(n, n_features=d, positive_share=share, random_state=0)
    z = k1 * (train.X**2).sum(1) + k2
    b = (z[train.y == 1].mean() + z[train.y == 0].mean()) / 2
    n_pos = train.y.sum()
    # Half-way between d and BETA d; chi-square has the variance 2 d.
    sd = np.sqrt(2 * d * (1 / n_pos + BETA**2 / (n - n_pos))) / 2
    radius = (b - k2) / k1
    assert radius == pytest.approx(d * (1 + BETA) / 2, abs=4 * sd)
    error = share * chi2.sf(radius, d) + (1 - share) * chi2.cdf(radius / BETA, d)
    test = make_two_radii(n, n_features=d, positive_share=share, random_state=1)
    said = k1 * (test.X**2).sum(1) + k2 < b
    sd = np.sqrt(error * (1 - error) / n)
    assert np.mean(said != test.y) == pytest.approx(error, abs=4 * sd + 1 / n)
    for delta in (0.1, 0.3):  # on both sides of (BETA - 3) / (BETA + 1)
        assert error <= theorem_3_error(d, share, delta)
        assert theorem_3_failure(d, n_pos, n - n_pos, delta) < 1e-6
    # Linear on X: 1/4 and more (Theorem 2). Here 0.0925 and 0.0011.
    assert error < {20: 0.1, 100: 0.002}[d]


def test_theorem_3_bound_falls_with_the_number_of_columns():
    bounds = [theorem_3_error(d, 0.1, 0.1) for d in (100, 1000, 4000)]
    assert bounds[1] < 0.2 * bounds[0] and bounds[2] < 1e-7


# The generators.


@pytest.mark.parametrize("make", [make_two_means, make_two_radii])
def test_proba_is_the_probability_of_y(make):
    data = make(50_000, positive_share=0.2, random_state=0)
    edges = np.quantile(data.proba, [0, 0.5, 0.75, 0.9, 1])
    bins = np.digitize(data.proba, edges[1:-1])
    for i in range(4):
        p, y = data.proba[bins == i], data.y[bins == i]
        sd = np.sqrt((p * (1 - p)).sum()) / len(p)
        assert y.mean() == pytest.approx(p.mean(), abs=4 * sd)
    again = make(50_000, positive_share=0.2, random_state=0)
    np.testing.assert_array_equal(data.X, again.X)


@pytest.mark.parametrize(
    ("make", "params", "message"),
    [
        (make_two_means, {"n_samples": 0}, "n_samples must be an integer"),
        (make_two_means, {"positive_share": 1.0}, "positive_share must be in"),
        (make_two_means, {"scale": 0.0}, "scale must be above 0"),
        (make_two_radii, {"n_features": 0}, "n_features must be an integer"),
        (make_two_radii, {"variance_ratio": 1.0}, "variance_ratio must be above 1"),
    ],
)
def test_parameters_out_of_range(make, params, message):
    with pytest.raises(ValueError, match=message):
        make(**params)
