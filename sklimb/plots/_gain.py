"""GainDisplay: the share of positives among the first rows that are inspected."""

import numpy as np

from sklimb.metrics._checks import POSITIVES, check_scores
from sklimb.plots._draw import GREY, look, make_panels, scale_of, text, tidy
from sklimb.plots._inputs import label_of_predictions, probability_of

# Marks the curves of Displays among the lines of an Axes.
_GID = "sklimb gain"


class GainDisplay:
    """Share of positives caught against the share of rows inspected.

    Rows are inspected from the highest score down; of rows with equal scores each is
    as likely to come next. It is recommended to make one by `from_estimator` or
    `from_predictions`.

    Parameters
    ----------
    inspected : array of shape (n_points,)
        Shares of rows in [0, 1], increasing from 0 to 1.
    caught : array of shape (n_points,)
        Shares of the positives among them.
    positive_share : float, default=None
        Share of positive rows.
    name : str, default=None
        Of the line.
    pos_label : label, default=None
        The positive class.

    Attributes
    ----------
    figure_ : matplotlib Figure
    ax_ : matplotlib Axes
    line_ : matplotlib Line2D
        The curve of the classifier.

    Examples
    --------
    >>> import matplotlib.pyplot as plt
    >>> from sklimb.plots import GainDisplay
    >>> y_true, p = [0, 0, 1, 0, 1], [0.1, 0.2, 0.3, 0.4, 0.9]
    >>> display = GainDisplay.from_predictions(y_true, p)
    >>> display.caught.tolist()
    [0.0, 0.5, 0.5, 1.0, 1.0, 1.0]
    >>> plt.close(display.figure_)
    """

    def __init__(
        self, inspected, caught, *, positive_share=None, name=None, pos_label=None
    ):
        self.inspected = inspected
        self.caught = caught
        self.positive_share = positive_share
        self.name = name
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
        name=None,
        scale="auto",
        ax=None,
    ):
        """Draw the curve of a classifier on given rows.

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
        name : str, default=None
            Of the line; None is the name of the class of the estimator.
        scale, ax : optional
            As in `plot`.

        Returns
        -------
        display : GainDisplay

        Raises
        ------
        NotFittedError
            Before `fit`.
        ValueError
            No `predict_proba`, a `pos_label` that is no class or without rows in y.
        """
        pos_label, p = probability_of(cls, estimator, X, pos_label)
        return cls.from_predictions(
            y,
            p,
            sample_weight=sample_weight,
            pos_label=pos_label,
            name=type(estimator).__name__ if name is None else name,
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
        name=None,
        scale="auto",
        ax=None,
    ):
        """Draw the curve of given scores.

        Parameters
        ----------
        y_true : array-like of shape (n_samples,)
            Labels; every one but `pos_label` is negative.
        y_score : array-like of shape (n_samples,)
            Probability of `pos_label`, or any score that grows with it.
        sample_weight : array-like of shape (n_samples,), default=None
            A row of weight w counts as w rows.
        pos_label : label, default=None
            The positive class; 1 for labels 0 and 1, or -1 and 1.
        name : str, default=None
            Of the line.
        scale, ax : optional
            As in `plot`.

        Returns
        -------
        display : GainDisplay

        Raises
        ------
        ValueError
            Scores that are not finite, no positive row.
        """
        pos_label = label_of_predictions(y_true, pos_label)
        positive, score, weight = check_scores(
            y_true, y_score, pos_label, sample_weight, POSITIVES
        )
        _, level = np.unique(-score, return_inverse=True)
        rows = np.cumsum(np.bincount(level, weights=weight))
        caught = np.cumsum(np.bincount(level, weights=weight * positive))
        display = cls(
            np.append(0.0, rows / rows[-1]),
            np.append(0.0, caught / caught[-1]),
            positive_share=float(caught[-1] / rows[-1]),
            name=name,
            pos_label=pos_label,
        )
        return display.plot(ax, scale=scale)

    def plot(self, ax=None, *, name=None, scale="auto"):
        """Draw the curve, and once in its Axes those of chance and a perfect order.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            None makes a figure.
        name : str, default=None
            Of the line; None is `name` of the Display.
        scale : {"auto", "linear", "log"}, default="auto"
            Of the share of rows. "auto" is "log" where fewer than 5 % are positive.

        Returns
        -------
        self : GainDisplay

        Raises
        ------
        ValueError
            An unknown scale.
        """
        share = 1.0 if self.positive_share is None else self.positive_share
        scale = scale_of(scale, share)
        self.figure_, (self.ax_,) = make_panels("GainDisplay.plot", ax)
        ax = self.ax_
        n_before = sum(line.get_gid() == _GID for line in ax.lines)
        x, y = np.asarray(self.inspected), np.asarray(self.caught)
        name = name or self.name or "classifier"
        if scale == "log":  # a straight line between two points is none on this axis
            low = min(x[x > 0].min(), share)
            at = np.union1d(x[x > 0], np.geomspace(low, 1, 200))
            x, y = at, np.interp(at, x, y)
            ax.set_xlim(left=low)
        (self.line_,) = ax.plot(x, y, label=text(name), gid=_GID, **look(n_before))
        if not n_before:
            grid = x if scale == "log" else np.array([0.0, 1.0])
            ax.plot(grid, grid, color=GREY, linestyle=":", label="chance")
            best = np.union1d(grid, [share])
            perfect = np.minimum(best / share, 1)
            ax.plot(best, perfect, color=GREY, linestyle="--", label="perfect order")
        what = "positives"
        if self.pos_label is not None:
            what = f"rows of class {text(self.pos_label)}"
        ax.set_xscale(scale)
        ax.set_ylim(-0.03, 1.03)
        ax.set_xlabel("share of all rows that are inspected")
        ax.set_ylabel(f"share of {what} that are caught")
        tidy(ax)
        ax.legend(fontsize="small")
        return self
