"""Weights and shares of the classes, counted by the weights of the rows."""

from numbers import Real

import numpy as np

from sklimb._messages import listed, short

# Rows whose labels and weights are counted at once.
ROWS_AT_ONCE = 2**20


def class_weight_vector(class_weight, y, weight, classes):
    """Factor of each class: None, "balanced" (by summed sample weight) or a dict.

    Raises
    ------
    ValueError
        A key that is no class, or a negative weight.
    """
    n_classes = len(classes)
    if class_weight is None:
        return np.ones(n_classes)
    if isinstance(class_weight, str):
        total = class_totals(y, weight, n_classes)
        return np.where(
            total > 0, total.sum() / (n_classes * np.where(total > 0, total, 1)), 1.0
        )
    position = {label: c for c, label in enumerate(classes.tolist())}
    unknown = [label for label in class_weight if label not in position]
    if unknown:
        raise ValueError(
            f"class_weight names {short(unknown)}, which are not among the classes "
            f"{listed(classes.tolist())}."
        )
    vector = np.ones(n_classes)
    for label, value in class_weight.items():
        if not isinstance(value, Real) or not np.isfinite(value) or value < 0:
            raise ValueError(
                f"class_weight[{short(label)}] must be a non-negative number, got "
                f"{short(value)}."
            )
        vector[position[label]] = value
    return vector


def class_shares(parts, n_classes):
    """Shares of the classes in parts (X, y, weight) of rows, by weight."""
    _, y, weight = zip(*parts, strict=True)
    return class_share_of(np.concatenate(y), np.concatenate(weight), n_classes)


def class_totals(y, weight, n_classes):
    """The summed weight of each class; counting many rows at once would copy them."""
    begins = range(0, max(1, len(y)), ROWS_AT_ONCE)
    parts = [slice(begin, begin + ROWS_AT_ONCE) for begin in begins]
    totals = [np.bincount(y[p], weight[p], minlength=n_classes) for p in parts]
    return totals[0] if len(totals) == 1 else np.sum(totals, axis=0)


def class_share_of(y, weight, n_classes):
    total = class_totals(y, weight, n_classes)
    return total / total.sum()
