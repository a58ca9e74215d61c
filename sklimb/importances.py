"""Importances of columns, from a fitted classifier alone, for selectors."""

import numpy as np
import torch
from scipy.special import logit, ndtri
from sklearn.utils.validation import check_is_fitted

__all__ = ["column_importances"]

# Ranks of the training values that a number runs through.
_RANKS = np.linspace(0.05, 0.95, 7)


def column_importances(classifier):
    """How far the log odds move as one column runs through its training values.

    All other columns are those of `baseline_`, the class-balanced median row. Numbers
    run through seven ranks, categories through all codes, and both through a missing
    value if training had some. No rows are needed, so that
    `sklearn.feature_selection.RFE` and `SelectFromModel` take the function as their
    `importance_getter`. It sees one column at a time: what two columns say together
    only is not in it.

    Parameters
    ----------
    classifier : sklimb classifier for tables
        Fitted.

    Returns
    -------
    array of shape (n_features_in_,)
        Standard deviations of the log odds, averaged over classes; 0 for a column that
        the network does not read.

    Raises
    ------
    NotFittedError
        Before `fit`.
    ValueError
        The classifier is one of images.

    Examples
    --------
    >>> from sklearn.feature_selection import RFE
    >>> from sklimb import TabularMLPClassifier
    >>> from sklimb.datasets import make_transactions
    >>> from sklimb.importances import column_importances
    >>> data = make_transactions(2000, fraud_rate=0.2, random_state=0)
    >>> X = data.X.select_dtypes("number")
    >>> clf = TabularMLPClassifier(max_epochs=3, random_state=0)
    >>> rfe = RFE(clf, n_features_to_select=3, importance_getter=column_importances)
    >>> int(rfe.fit(X, data.y).get_support().sum())
    3
    """
    check_is_fitted(classifier, "net_")
    encoder = classifier.encoder_
    if classifier._of != "columns":
        raise ValueError(
            "column_importances needs a classifier of tables: the pixels of images are "
            "no columns of their own."
        )
    lines = [
        _line(encoder, classifier.baseline_, i) for i in range(encoder.n_features_in_)
    ]
    rows = torch.from_numpy(np.concatenate(lines)).to(classifier.net_._dtype())
    p = classifier.net_.blocks_log_probability(rows).exp().cpu().numpy()
    p = np.tensordot(classifier.member_weights_, p, 1)
    odds = logit(p.clip(1e-12, 1 - 1e-12))
    ends = np.cumsum([len(line) for line in lines])[:-1]
    return np.array([(part - part[0]).std(0).mean() for part in np.split(odds, ends)])


def _line(encoder, baseline, i):
    """Encoded rows in which input column i runs through its values."""
    if i in encoder.categorical_columns_:
        j = encoder.categorical_columns_.tolist().index(i)
        place = encoder.n_numeric_ + encoder.n_indicators_ + j
        rows = np.repeat(baseline[None], encoder.cardinalities_[j], 0)
        rows[:, place] = np.arange(len(rows))
        return rows
    j = encoder.numeric_columns_.tolist().index(i)
    fitted, indicator = encoder._columns[i], None
    rows = np.repeat(baseline[None], len(_RANKS) + fitted.has_indicator, 0)
    if fitted.has_indicator:
        indicator = encoder.indicator_columns_.tolist().index(i)
        rows[:, encoder.n_numeric_ + indicator] = np.arange(len(rows)) == len(_RANKS)
    values = np.full(len(rows), np.nan)
    values[: len(_RANKS)] = _values(fitted, encoder.numeric_transform)
    limit = np.finfo(encoder.dtype).max
    rows[:, j] = fitted.encode(
        values, np.isnan(values), encoder.numeric_transform, limit
    )
    return rows


def _values(fitted, transform):
    """Values of a numeric column at the ranks."""
    if fitted.scale == 0:
        return fitted.center
    if transform == "quantile":  # its knots lie at the training values' ranks
        x, z = fitted.knots
        return np.interp(ndtri(_RANKS), z, x)
    return np.clip(
        fitted.center + fitted.scale * ndtri(_RANKS), fitted.low, fitted.high
    )
