"""EmbeddingDisplay: the features of the last layer in two dimensions."""

import numpy as np
from sklearn.decomposition import PCA
from sklearn.utils import check_consistent_length, check_random_state

from sklimb._compat import _safe_indexing
from sklimb._messages import short
from sklimb.explanation import check_count
from sklimb.metrics._checks import check_column
from sklimb.plots._draw import COLOURS, MARKERS, make_panels, text, tidy
from sklimb.plots._inputs import classifier_and_rows

_METHODS = ("pca", "tsne")
# Classes that the legend names, those with most rows first.
_NAMED = 20


class EmbeddingDisplay:
    """Rows as points in two dimensions of the features that the last layer sees.

    It is recommended to make one by `from_estimator`.

    Parameters
    ----------
    points : array of shape (n_points, 2)
        Where the rows lie.
    labels : array of shape (n_points,)
        Their classes.
    method : {"pca", "tsne"}, default="pca"
        What has made the points.
    explained : array of shape (2,), default=None
        Shares of the variance that both principal components have.
    predicted : bool, default=False
        Whether `labels` are predictions.

    Attributes
    ----------
    figure_ : matplotlib Figure
    ax_ : matplotlib Axes

    Examples
    --------
    >>> import matplotlib.pyplot as plt
    >>> from sklimb import TabularMLPClassifier
    >>> from sklimb.datasets import make_transactions
    >>> from sklimb.plots import EmbeddingDisplay
    >>> data = make_transactions(500, fraud_rate=0.1, random_state=0)
    >>> clf = TabularMLPClassifier(max_epochs=2, d_block=8, random_state=0)
    >>> clf = clf.fit(data.X, data.y)
    >>> display = EmbeddingDisplay.from_estimator(clf, data.X, data.y)
    >>> plt.close(display.figure_)
    """

    def __init__(
        self, points, labels, *, method="pca", explained=None, predicted=False
    ):
        self.points = points
        self.labels = labels
        self.method = method
        self.explained = explained
        self.predicted = predicted

    @classmethod
    def from_estimator(
        cls,
        estimator,
        X,
        y=None,
        *,
        method="pca",
        member=0,
        max_rows=2000,
        random_state=0,
        ax=None,
    ):
        """Draw the features of given rows.

        Parameters
        ----------
        estimator : sklimb classifier, or Pipeline that ends in one
            Fitted.
        X : array-like or data frame of shape (n_samples, n_features)
        y : array-like of shape (n_samples,), default=None
            Labels; None takes what `predict` says.
        method : {"pca", "tsne"}, default="pca"
            Principal components, or t-SNE (van der Maaten and Hinton, 2008), whose
            distances between groups mean nothing.
        member : int, default=0
            Whose features, where `embed` returns those of several networks.
        max_rows : int, default=2000
            Of more rows so many are drawn at random, as equally from all classes as
            they have rows.
        random_state : int, RandomState instance or None, default=0
            Of that draw and of t-SNE.
        ax : matplotlib Axes, default=None
            As in `plot`.

        Returns
        -------
        display : EmbeddingDisplay

        Raises
        ------
        NotFittedError
            Before `fit`.
        ValueError
            A search, a classifier without `embed`, fewer than 4 rows, no such member.
        """
        if method not in _METHODS:
            raise ValueError(f"method must be 'pca' or 'tsne', got {short(method)}.")
        check_count("max_rows", max_rows)
        clf, X = classifier_and_rows(cls, estimator, X, "embed")
        labels = clf.predict(X) if y is None else check_column("y", y)
        check_consistent_length(X, labels)
        random = check_random_state(random_state)
        rows = _some(labels, max_rows, random)
        if len(rows) < 4:
            raise ValueError(
                f"EmbeddingDisplay needs at least 4 rows, got {len(rows)}."
            )
        features = clf.embed(_safe_indexing(X, rows))
        if features.ndim == 3:
            if not 0 <= member < len(features):
                raise ValueError(
                    f"member must be at least 0 and below {len(features)}, got "
                    f"{short(member)}."
                )
            features = features[member]
        points, explained = _reduced(features.astype(np.float64), method, random)
        display = cls(
            points,
            labels[rows],
            method=method,
            explained=explained,
            predicted=y is None,
        )
        return display.plot(ax)

    def plot(self, ax=None):
        """Draw one point per row, rare classes on top.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            None makes a figure.

        Returns
        -------
        self : EmbeddingDisplay
        """
        self.figure_, (self.ax_,) = make_panels("EmbeddingDisplay.plot", ax)
        ax = self.ax_
        points, labels = np.asarray(self.points), np.asarray(self.labels)
        classes, counts = np.unique(labels, return_counts=True)
        by_rows = np.argsort(-counts, kind="stable")
        for c in by_rows:
            own = labels == classes[c]
            ax.scatter(
                *points[own].T,
                s=8 if counts[c] > 300 else 22,
                color=COLOURS[c % len(COLOURS)],
                marker=MARKERS[c // len(COLOURS) % len(MARKERS)],
                alpha=0.7,
                linewidths=0,
                label=text(classes[c]),
            )
        what = "predicted class" if self.predicted else "class"
        handles, names = ax.get_legend_handles_labels()
        if len(classes) > _NAMED:
            what = f"{what} ({_NAMED} of {len(classes)})"
        ax.legend(
            handles[:_NAMED],
            names[:_NAMED],
            title=what,
            fontsize="small",
            title_fontsize="small",
            ncols=1 + (len(classes) > 10),
        )
        for axis, i in (("x", 0), ("y", 1)):
            name = f"t-SNE dimension {i + 1}"
            if self.method == "pca":
                name = f"principal component {i + 1}"
            if self.explained is not None:
                name += f" ({self.explained[i]:.0%} of the variance)"
            ax.set(**{f"{axis}label": name})
        tidy(ax)
        return self


def _some(labels, most, random):
    """At most so many rows, as equally from all classes as they have rows; sorted."""
    if len(labels) <= most:
        return np.arange(len(labels))
    classes, counts = np.unique(labels, return_counts=True)
    rows, left = [], most
    for i, c in enumerate(np.argsort(counts, kind="stable")):
        n = min(counts[c], left // (len(classes) - i))
        own = np.flatnonzero(labels == classes[c])
        rows.append(random.choice(own, n, replace=False))
        left -= n
    return np.sort(np.concatenate(rows))


def _reduced(features, method, random):
    """(n, 2) points of features (n, d), and the shares of variance of components."""
    if features.shape[1] == 1:  # one unit: a line
        features = np.column_stack([features, np.zeros(len(features))])
    if method == "tsne":
        from sklearn.manifold import TSNE

        model = TSNE(
            perplexity=min(30, (len(features) - 1) / 3),
            init="pca",
            random_state=random,
        )
        return model.fit_transform(features), None
    model = PCA(2, svd_solver="full")
    points = model.fit_transform(features)
    return points, model.explained_variance_ratio_
