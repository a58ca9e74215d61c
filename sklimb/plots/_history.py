"""HistoryDisplay: losses and scores after each epoch, and the epoch that is kept."""

import numpy as np

from sklimb.plots._draw import (
    COLOURS,
    GREY,
    chosen_panels,
    look,
    make_panels,
    stacked,
    text,
    tidy,
)
from sklimb.plots._inputs import classifier_and_rows, fitted_inside

SCORES = {
    "average_precision": "average precision",
    "roc_auc": "area under the ROC curve",
    "balanced_accuracy": "balanced accuracy",
}
# What `sklimb.analysis.ClassCurves` records, and what it is.
_OF_CLASSES = {
    "valid_class_loss": "loss of held-out rows (nats)",
    "valid_class_recall": "recall of held-out rows",
    "train_class_loss": "loss of training rows (nats)",
    "train_class_recall": "recall of training rows",
}


class HistoryDisplay:
    """Losses and scores of a fit after each epoch, with the kept epoch marked.

    It is recommended to make one by `from_estimator`.

    Parameters
    ----------
    epoch : array of shape (n_epochs,)
        Numbers of the epochs, from 1.
    train_loss : array of shape (n_epochs, n_members)
        The training objective of each member, NaN where it has ended.
    valid_score : array of shape (n_epochs, n_members), default=None
        Score of the held-out rows.
    monitor : str, default="loss"
        What `valid_score` is; "loss" is the log loss.
    best_epoch : array of shape (n_members,), default=None
        The epoch whose weights each member keeps.
    by_class : dict of str to array of shape (n_epochs, n_classes), default=None
        Further measures of each class by name.
    classes : array of shape (n_classes,), default=None
        Labels for `by_class`.

    Attributes
    ----------
    figure_ : matplotlib Figure
    ax_ : array of matplotlib Axes of shape (n_panels,)
        "loss" first.

    Examples
    --------
    >>> import matplotlib.pyplot as plt
    >>> from sklimb import TabularMLPClassifier
    >>> from sklimb.datasets import make_transactions
    >>> from sklimb.plots import HistoryDisplay
    >>> data = make_transactions(1000, fraud_rate=0.1, random_state=0)
    >>> clf = TabularMLPClassifier(max_epochs=3, random_state=0).fit(data.X, data.y)
    >>> display = HistoryDisplay.from_estimator(clf)
    >>> plt.close(display.figure_)
    """

    def __init__(
        self,
        epoch,
        train_loss,
        *,
        valid_score=None,
        monitor="loss",
        best_epoch=None,
        by_class=None,
        classes=None,
    ):
        self.epoch = epoch
        self.train_loss = train_loss
        self.valid_score = valid_score
        self.monitor = monitor
        self.best_epoch = best_epoch
        self.by_class = by_class
        self.classes = classes

    @classmethod
    def from_estimator(cls, estimator, *, panels=None, ax=None):
        """Draw the `history_` of a fitted classifier.

        Parameters
        ----------
        estimator : sklimb classifier, Pipeline or wrapper
            Fitted. Of a wrapper, such as `LaplaceClassifier`, `ClassifierRetrainer`,
            `PseudoLabelClassifier` or `TunedThresholdClassifierCV`, the fit of the
            classifier inside is drawn, the last one where there were several.
        panels, ax : optional
            As in `plot`.

        Returns
        -------
        display : HistoryDisplay

        Raises
        ------
        NotFittedError
            Before `fit`.
        ValueError
            A search, or a classifier without `history_`.
        """
        clf = fitted_inside(estimator)
        clf, _ = classifier_and_rows(cls, clf, None, "history_")
        rows = clf.history_
        scores = None
        if all("valid_score_members" in row for row in rows):
            scores = _members(rows, "valid_score_members")
        display = cls(
            np.array([row["epoch"] for row in rows]),
            _members(rows, "train_loss_members"),
            valid_score=scores,
            monitor=clf.monitor,
            best_epoch=clf.best_epoch_,
            by_class=_by_class(rows),
            classes=clf.classes_,
        )
        return display.plot(ax, panels=panels)

    def _names(self):
        """All panels that there are values for."""
        names = ["loss"]
        if self.valid_score is not None and self.monitor != "loss":
            names.append("score")
        return [*names, *(self.by_class or ())]

    def plot(self, ax=None, *, panels=None):
        """Draw the panels below each other.

        Parameters
        ----------
        ax : matplotlib Axes or sequence of them, default=None
            One for each panel, or one as a frame of all. None makes a figure.
        panels : list of str, default=None
            "loss", "score" (where `monitor` is not the loss) and the names in
            `by_class`: "valid_class_loss", "valid_class_recall", "train_class_loss" and
            "train_class_recall" with `callbacks=[ClassCurves()]`. None draws all that
            there are values for, of training rows only where none are held out.

        Returns
        -------
        self : HistoryDisplay

        Raises
        ------
        ValueError
            A panel without values; too few Axes.
        """
        names = chosen_panels(panels, self._names())
        if panels is None and any(name.startswith("valid_class") for name in names):
            names = [name for name in names if not name.startswith("train_class")]
        self.figure_, self.ax_ = _panels(ax, len(names))
        for own, name in zip(self.ax_, names, strict=True):
            if name == "loss":
                self._draw_loss(own)
            elif name == "score":
                self._draw_members(own, self.valid_score, 1, "held-out rows")
                self._mark(own, self.valid_score)
                own.set_ylabel(SCORES.get(self.monitor, text(self.monitor)))
            else:
                self._draw_classes(own, name)
            tidy(own)
            own.legend(fontsize="small")
            own.xaxis.get_major_locator().set_params(integer=True)
        stacked(self.ax_, "epoch")
        return self

    def _draw_loss(self, ax):
        self._draw_members(ax, self.train_loss, 0, "training objective")
        if self.valid_score is not None and self.monitor == "loss":
            self._draw_members(ax, self.valid_score, 1, "held-out log loss")
            self._mark(ax, self.valid_score)
        ax.set_ylabel("loss per row (nats)")

    def _draw_members(self, ax, values, i, label):
        """The mean over members, and each of them as a thin line if there are more."""
        values = np.asarray(values, dtype=float)
        style = look(i)
        if values.shape[1] > 1:
            ax.plot(self.epoch, values, **style, linewidth=0.7, alpha=0.4)
            label = f"{label}, mean of {values.shape[1]}"
        there = np.isfinite(values)
        total = np.where(there, values, 0).sum(1)
        mean = np.divide(
            total, there.sum(1), out=np.full(len(total), np.nan), where=there.any(1)
        )
        ax.plot(self.epoch, mean, **style, linewidth=1.8, label=label)

    def _mark(self, ax, values):
        """A dot where each member is kept, and a line where it is one epoch."""
        if self.best_epoch is None:
            return
        epoch, best = np.asarray(self.epoch), np.asarray(self.best_epoch)
        there = np.isin(best, epoch)  # not of an earlier call
        if not there.any():
            return
        row = np.searchsorted(epoch, best[there])
        own = np.asarray(values, dtype=float)[row, np.flatnonzero(there)]
        kept = np.unique(best[there])
        label = f"kept epoch {kept[0]}" if len(kept) == 1 else "kept epochs"
        ax.plot(
            best[there],
            own,
            "o",
            color=COLOURS[1],
            markeredgecolor="black",
            label=label,
            zorder=3,
        )
        if len(kept) == 1:
            ax.axvline(kept[0], color=GREY, linestyle=":", zorder=0)

    def _draw_classes(self, ax, name):
        values = np.asarray(self.by_class[name], dtype=float)
        for c in range(values.shape[1]):
            label = c if self.classes is None else self.classes[c]
            ax.plot(self.epoch, values[:, c], **look(c), label=f"class {text(label)}")
        ax.set_ylabel(_OF_CLASSES.get(name) or text(name))


def _panels(ax, n):
    return make_panels("HistoryDisplay.plot", ax, n, size=(6.4, 1.6 + 3.0 * n))


def _members(rows, name):
    """Values of all members, (n_epochs, n_members)."""
    return np.array([row[name] for row in rows], dtype=float)


def _by_class(rows):
    """What `sklimb.analysis.ClassCurves` has recorded, (n_epochs, n_classes) each."""
    found = {name: [row.get(name) for row in rows] for name in _OF_CLASSES}
    return {
        name: np.array(values, dtype=float)
        for name, values in found.items()
        if values and None not in values
    }
