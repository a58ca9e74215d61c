"""ThresholdDisplay: what each threshold on the probability would do."""

from numbers import Real

import numpy as np
from sklearn.model_selection import FixedThresholdClassifier

from sklimb._messages import short
from sklimb.metrics._checks import POSITIVES, check_numbers, check_scores
from sklimb.plots._draw import (
    GREY,
    chosen_panels,
    look,
    make_panels,
    scale_of,
    stacked,
    text,
    tidy,
)
from sklimb.plots._inputs import label_of_predictions, last_step, probability_of

_PANELS = ("share", "alerts", "cost")


class ThresholdDisplay:
    """Precision, recall, alerts and cost against the threshold of a decision.

    A row is an alert where its probability of the positive class is at least the
    threshold. It is recommended to make one by `from_estimator` or `from_predictions`.

    Parameters
    ----------
    thresholds : array of shape (n_thresholds,)
        All different probabilities, increasing, and infinity, where nobody is an
        alert.
    precision, recall : array of shape (n_thresholds,)
        Shares in [0, 1]; the precision of no alerts is NaN.
    alerts : array of shape (n_thresholds,)
        Alerts per 1,000 rows.
    cost : array of shape (n_thresholds,), default=None
        Mean cost per row, in units of money.
    threshold : float, default=None
        The one that is in use, which is marked.
    positive_share : float, default=None
        Share of positive rows: the precision if all are alerts.
    pos_label : label, default=None
        The positive class.

    Attributes
    ----------
    figure_ : matplotlib Figure
    ax_ : array of matplotlib Axes of shape (n_panels,)

    Examples
    --------
    >>> import matplotlib.pyplot as plt
    >>> from sklimb.plots import ThresholdDisplay
    >>> y_true, p = [0, 0, 1, 0, 1], [0.1, 0.2, 0.3, 0.4, 0.9]
    >>> display = ThresholdDisplay.from_predictions(y_true, p, threshold=0.3)
    >>> display.recall.tolist()
    [1.0, 1.0, 1.0, 0.5, 0.5, 0.0]
    >>> plt.close(display.figure_)
    """

    def __init__(
        self,
        thresholds,
        precision,
        recall,
        alerts,
        *,
        cost=None,
        threshold=None,
        positive_share=None,
        pos_label=None,
    ):
        self.thresholds = thresholds
        self.precision = precision
        self.recall = recall
        self.alerts = alerts
        self.cost = cost
        self.threshold = threshold
        self.positive_share = positive_share
        self.pos_label = pos_label

    @classmethod
    def from_estimator(
        cls,
        estimator,
        X,
        y,
        *,
        sample_weight=None,
        pos_label=None,
        cost_matrix=None,
        amount=None,
        threshold="auto",
        panels=None,
        scale="auto",
        ax=None,
    ):
        """Draw what thresholds do on given rows.

        Parameters
        ----------
        estimator : classifier with `predict_proba`, or Pipeline that ends in one
            Fitted; of any library.
        X : array-like or data frame of shape (n_samples, n_features)
        y : array-like of shape (n_samples,)
        sample_weight : array-like of shape (n_samples,), default=None
        pos_label : label, default=None
            The positive class; `classes_[1]` of two. Of more classes one against the
            others.
        cost_matrix, amount : optional
            As in `from_predictions`.
        threshold : "auto", float or None, default="auto"
            The one to mark. "auto" is that by which `predict` chooses: `threshold_`,
            that of scikit-learn's `TunedThresholdClassifierCV` and
            `FixedThresholdClassifier`, or 0.5; none for three and more classes.
        panels, scale, ax : optional
            As in `plot`.

        Returns
        -------
        display : ThresholdDisplay

        Raises
        ------
        NotFittedError
            Before `fit`.
        ValueError
            No `predict_proba`, a `pos_label` that is no class or without rows in y.
        """
        pos_label, p = probability_of(cls, estimator, X, pos_label)
        if isinstance(threshold, str) and threshold == "auto":
            threshold = _threshold_in_use(estimator, pos_label)
        return cls.from_predictions(
            y,
            p,
            sample_weight=sample_weight,
            pos_label=pos_label,
            cost_matrix=cost_matrix,
            amount=amount,
            threshold=threshold,
            panels=panels,
            scale=scale,
            ax=ax,
        )

    @classmethod
    def from_predictions(
        cls,
        y_true,
        y_score,
        *,
        sample_weight=None,
        pos_label=None,
        cost_matrix=None,
        amount=None,
        threshold=None,
        panels=None,
        scale="auto",
        ax=None,
    ):
        """Draw what thresholds on given scores do.

        Parameters
        ----------
        y_true : array-like of shape (n_samples,)
            Labels; every one but `pos_label` is negative.
        y_score : array-like of shape (n_samples,)
            Probability of `pos_label`.
        sample_weight : array-like of shape (n_samples,), default=None
            A row of weight w counts as w rows.
        pos_label : label, default=None
            The positive class; 1 for labels 0 and 1, or -1 and 1.
        cost_matrix : array-like of shape (2, 2), default=None
            Costs in units of money, laid out as `sklearn.metrics.confusion_matrix`;
            None draws no cost. See `sklimb.metrics.expected_cost`.
        amount : array-like of shape (n_samples,), default=None
            By which the cost of each missed positive is multiplied.
        threshold : float, default=None
            The one to mark.
        panels, scale, ax : optional
            As in `plot`.

        Returns
        -------
        display : ThresholdDisplay

        Raises
        ------
        ValueError
            Scores that are not finite, no positive row, a wrong cost matrix.
        """
        pos_label = label_of_predictions(y_true, pos_label)
        positive, score, weight = check_scores(
            y_true, y_score, pos_label, sample_weight, POSITIVES
        )
        if threshold is not None and not isinstance(threshold, Real):
            raise ValueError(f"threshold must be a number, got {short(threshold)}.")
        costs = None
        if cost_matrix is not None:
            costs = _costs(cost_matrix, amount, positive, y_true)
        elif amount is not None:
            raise ValueError("amount needs a cost_matrix, whose cost it multiplies.")
        found = _curves(positive, score, weight, costs)
        share = float(weight[positive].sum() / weight.sum())
        display = cls(
            **found, threshold=threshold, positive_share=share, pos_label=pos_label
        )
        return display.plot(ax, panels=panels, scale=scale)

    def at(self, threshold):
        """Values of all curves at a threshold.

        Parameters
        ----------
        threshold : float
            On the probability.

        Returns
        -------
        values : dict of str to float
            "precision", "recall", "alerts" (per 1,000 rows) and, if there is one,
            "cost" (mean per row).
        """
        i = np.searchsorted(self.thresholds, threshold)
        curves = {
            "precision": self.precision,
            "recall": self.recall,
            "alerts": self.alerts,
        }
        if self.cost is not None:
            curves["cost"] = self.cost
        return {name: float(curve[i]) for name, curve in curves.items()}

    def plot(self, ax=None, *, panels=None, scale="auto"):
        """Draw the panels below each other.

        Parameters
        ----------
        ax : matplotlib Axes or sequence of them, default=None
            One for each panel, or one as a frame of all. None makes a figure.
        panels : list of str, default=None
            "share" (precision and recall), "alerts" and "cost"; None draws all that
            there are values for.
        scale : {"auto", "linear", "log"}, default="auto"
            Of thresholds. "auto" is "log" where fewer than 5 % of rows are positive.

        Returns
        -------
        self : ThresholdDisplay

        Raises
        ------
        ValueError
            A panel without values, too few Axes, an unknown scale.
        """
        there = _PANELS if self.cost is not None else _PANELS[:2]
        names = chosen_panels(panels, there)
        share = 1.0 if self.positive_share is None else self.positive_share
        scale = scale_of(scale, share)
        self.figure_, self.ax_ = make_panels(
            "ThresholdDisplay.plot", ax, len(names), size=(6.4, 1.6 + 2.2 * len(names))
        )
        for own, name in zip(self.ax_, names, strict=True):
            getattr(self, f"_draw_{name}")(own)
            own.set_xscale(scale)
            if self.threshold is not None:
                own.axvline(
                    self.threshold, color=GREY, linestyle="--", zorder=0, linewidth=1
                )
            tidy(own)
            own.legend(fontsize="small")
        what = "" if self.pos_label is None else f" of class {text(self.pos_label)}"
        stacked(self.ax_, f"threshold on the probability{what}")
        return self

    def _draw_share(self, ax):
        self._step(ax, "precision", 0, "{:.2f}")
        self._step(ax, "recall", 1, "{:.2f}")
        if self.positive_share is not None:
            ax.axhline(self.positive_share, color=GREY, linestyle=":", linewidth=1)
        ax.set_ylim(-0.03, 1.03)
        ax.set_ylabel("share")

    def _draw_alerts(self, ax):
        self._step(ax, "alerts", 2, "{:.3g}")
        ax.set_yscale("log")
        ax.set_ylabel("alerts per 1,000 rows")

    def _draw_cost(self, ax):
        self._step(ax, "cost", 3, "{:.3g}")
        ax.set_ylabel("mean cost per row")

    def _step(self, ax, name, i, form):
        """One curve, with its value at the threshold in use."""
        x, curve, style = self.thresholds[:-1], getattr(self, name), look(i)
        label = name
        if self.threshold is not None:
            value = self.at(self.threshold)[name]
            label = f"{name}, {form.format(value)} at {self.threshold:.3g}"
            ax.plot([self.threshold], [value], "o", color=style["color"])
        # A threshold between two scores does what the larger score does.
        ax.plot(x, curve[:-1], drawstyle="steps-pre", label=label, **style)


def _curves(positive, score, weight, costs):
    """The curves at all different scores and above them."""
    kept = weight > 0
    positive, score, weight = positive[kept], score[kept], weight[kept]
    levels, level = np.unique(score, return_inverse=True)

    def above(values):
        """Sums of the rows whose score is at least each threshold."""
        sums = np.bincount(level, weights=values, minlength=len(levels))
        return np.append(np.cumsum(sums[::-1])[::-1], 0.0)

    total = weight.sum()
    called, caught = above(weight), above(weight * positive)
    precision = np.full(len(called), np.nan)
    np.divide(caught, called, out=precision, where=called > 0)
    found = {
        "thresholds": np.append(levels, np.inf),
        "precision": precision,
        "recall": caught / caught[0],
        "alerts": 1000 * called / total,
    }
    if costs is not None:
        missed, alert = (weight * cost[kept] for cost in costs)
        found["cost"] = (missed.sum() - above(missed) + above(alert)) / total
    return found


def _costs(cost_matrix, amount, positive, y_true):
    """What each row costs if it is no alert, and if it is one."""
    costs = np.asarray(cost_matrix, dtype=np.float64)
    if costs.shape != (2, 2) or not np.isfinite(costs).all():
        raise ValueError(
            "cost_matrix must be finite numbers of shape (2, 2), got "
            f"{short(cost_matrix)}."
        )
    quiet, alert = costs[positive.astype(int)].T
    if amount is not None:
        amount = check_numbers("amount", amount, y_true)
        quiet = np.where(positive, quiet * amount, quiet)
    return quiet, alert


def _threshold_in_use(estimator, pos_label):
    """The probability of a class above which `predict` chooses it, or None."""
    classes = np.asarray(estimator.classes_).tolist()
    if len(classes) != 2:
        return None
    last = last_step(estimator)
    found = 0.5
    fixed = "threshold" if isinstance(last, FixedThresholdClassifier) else None
    for name in (fixed, "threshold_", "best_threshold_"):
        value = getattr(last, name, None) if name else None
        if isinstance(value, Real):
            found = float(value)
            break
    return found if pos_label == classes[1] else 1 - found
