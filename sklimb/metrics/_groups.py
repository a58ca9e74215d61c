"""Recall of the classes with many, some and few training rows."""

import numpy as np
import pandas as pd
from sklearn.utils import check_consistent_length
from sklearn.utils.multiclass import unique_labels

from sklimb._messages import listed, short
from sklimb.metrics._checks import check_column, check_weight

GROUPS = ("many", "medium", "few")


def many_medium_few_report(
    y_true, y_pred, *, y_train, many_above=100, few_below=20, sample_weight=None
):
    """Recall of the classes with many, some and few training rows.

    An accuracy over all rows hides the rare classes. Here each class counts the same
    within its group, whatever its share of the test rows.

    Parameters
    ----------
    y_true : array-like of shape (n_samples,)
        Labels.
    y_pred : array-like of shape (n_samples,)
        Predicted labels.
    y_train : array-like of shape (n_train_samples,)
        Labels of the training rows, whose counts make the groups.
    many_above : int, default=100
        A class with more training rows has many.
    few_below : int, default=20
        A class with fewer training rows has few; one without any, too. What is between
        the two, both included, is medium.
    sample_weight : array-like of shape (n_samples,), default=None
        Weights of the rows of y_true. None weighs every row 1.

    Returns
    -------
    report : DataFrame of shape (4, 3)
        The rows are "many", "medium", "few" and "all", the columns

        - classes: int, classes of the group that y_true has
        - rows: float, rows of y_true of these classes (their weights' sum)
        - recall: float, mean over these classes of the share of rows that are called
          rightly; NaN for a group without a class

    Raises
    ------
    ValueError
        When a label is missing or of another kind than the others, or when `few_below`
        would put a class in two groups.

    See Also
    --------
    group_recall : The recall of one group, for scorers.
    sklearn.metrics.balanced_accuracy_score : The recall of all classes.

    References
    ----------
    .. [1] Liu, Z. et al. (2019). Large-scale long-tailed recognition in an open world.
       CVPR. The groups; its code puts 100 with many and 20 with few.
    .. [2] Kang, B. et al. (2020). Decoupling representation and classifier for
       long-tailed recognition. ICLR. The same groups with the limits as here.

    Examples
    --------
    >>> from sklimb.metrics import many_medium_few_report
    >>> y_train = ["a"] * 500 + ["b"] * 101 + ["c"] * 50 + ["d"] * 5
    >>> y_true, y_pred = list("aaaabbccd"), list("aaabbaccc")
    >>> many_medium_few_report(y_true, y_pred, y_train=y_train)
            classes  rows  recall
    many          2   6.0  0.6250
    medium        1   2.0  1.0000
    few           1   1.0  0.0000
    all           4   9.0  0.5625
    """
    table = _by_class(y_true, y_pred, y_train, many_above, few_below, sample_weight)
    parts = {group: table[table["group"] == group] for group in GROUPS}
    report = {
        group: (len(part), part["rows"].sum(), part["recall"].mean())
        for group, part in {**parts, "all": table}.items()
    }
    columns = ["classes", "rows", "recall"]
    return pd.DataFrame.from_dict(report, orient="index", columns=columns)


def group_recall(
    y_true,
    y_pred,
    *,
    y_train,
    group="few",
    many_above=100,
    few_below=20,
    sample_weight=None,
):
    """Mean recall of the classes with many, some or few training rows.

    One figure of `many_medium_few_report`. Its scorers are "many_recall",
    "medium_recall" and "few_recall"; give them the labels of all rows as `y_train`, so
    that the groups are the same in every fold.

    Parameters
    ----------
    y_true : array-like of shape (n_samples,)
        Labels.
    y_pred : array-like of shape (n_samples,)
        Predicted labels.
    y_train : array-like of shape (n_train_samples,)
        Labels of the training rows, whose counts make the groups.
    group : {"many", "medium", "few"}, default="few"
        Which classes.
    many_above : int, default=100
        A class with more training rows has many.
    few_below : int, default=20
        A class with fewer training rows has few.
    sample_weight : array-like of shape (n_samples,), default=None
        Weights of the rows of y_true. None weighs every row 1.

    Returns
    -------
    recall : float
        Mean of the classes' recalls, in [0, 1].

    Raises
    ------
    ValueError
        When `group` is none of the three, when no class of y_true belongs to it, and
        as `many_medium_few_report`.

    See Also
    --------
    many_medium_few_report : All groups, and the source.

    Examples
    --------
    >>> from sklimb.metrics import group_recall
    >>> y_train = [0] * 200 + [1] * 30 + [2] * 10
    >>> group_recall([0, 1, 2, 2], [0, 1, 2, 0], y_train=y_train, group="few")
    0.5
    """
    if group not in GROUPS:
        raise ValueError(f"group must be one of {list(GROUPS)}, got {short(group)}.")
    table = _by_class(y_true, y_pred, y_train, many_above, few_below, sample_weight)
    recall = table.loc[table["group"] == group, "recall"]
    if recall.empty:
        raise ValueError(
            f"group={short(group)} has no class among the labels of y_true, "
            f"{listed(table.index.tolist())}, whose training rows are "
            f"{listed(table['train'].tolist())}. Change many_above={short(many_above)} "
            f"or few_below={short(few_below)}, or take another group."
        )
    return float(recall.mean())


def _by_class(y_true, y_pred, y_train, many_above, few_below, sample_weight):
    """Rows, recall, training rows and group of each class that y_true has."""
    if not few_below <= many_above + 1:
        raise ValueError(
            "few_below must be at most many_above + 1, so that no class is in two "
            f"groups, got few_below={short(few_below)} and "
            f"many_above={short(many_above)}."
        )
    y_true = check_column("y_true", y_true)
    y_pred = check_column("y_pred", y_pred)
    y_train = check_column("y_train", y_train)
    check_consistent_length(y_true, y_pred)
    unique_labels(y_true, y_pred, y_train)  # refuses what is no label
    weight = check_weight(sample_weight, y_true)
    seen = weight > 0
    classes, code = np.unique(y_true[seen], return_inverse=True)
    rows = np.bincount(code, weights=weight[seen])
    right = np.bincount(code, weights=(weight * (y_true == y_pred))[seen])
    train = pd.Series(y_train).value_counts().reindex(classes, fill_value=0)
    group = np.select(
        [train > many_above, train < few_below], ["many", "few"], "medium"
    )
    return pd.DataFrame(
        {"rows": rows, "recall": right / rows, "train": train, "group": group},
        index=classes,
    )
