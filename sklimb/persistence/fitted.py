"""Fitted attributes in a file: their names, types and shapes, and the class labels."""

import re

import numpy as np
import torch

# Shapes of the arrays that a file holds for each classifier; K members, C classes, E
# encoded columns. A file that lacks one, or has another one, is refused.
FITTED = {
    "class_prior_": "C",
    "class_weight_sum_": "C",
    "intercept_": "KC",
    "temperature_": "K",
    "baseline_": "E",
    "prior_shift_": "C",
    "decision_factors_": "C",
    "member_seeds_": "K",
    "member_weights_": "K",
    "_loss_counts": "KC",
    "best_epoch_": "K",
    "best_score_": "K",
}
# Arrays that only some fits leave.
OPTIONAL = ("decision_scores_",)
# What a network that was trained without labels has, which predicts no classes.
BARE = ("member_seeds_",)
_WHOLE = ("member_seeds_", "best_epoch_")
# Below 0 nothing is meant by them.
_NOT_NEGATIVE = (
    "class_prior_",
    "class_weight_sum_",
    "prior_shift_",
    "member_seeds_",
    "member_weights_",
    "_loss_counts",
)
_LABELS = re.compile(r"[<>|=](b1|[iu][1248]|f[248]|f16|U\d{1,4}|O)")
_KINDS = {
    "b": (bool,),
    "i": (int,),
    "u": (int,),
    "f": (int, float),
    "U": (str,),
    "O": (bool, int, float, str),
}


def check_labels(dtype, labels):
    """The class labels as an array; refuse those that are none.

    Raises
    ------
    ValueError
        Labels that a file cannot hold: bytes, dates and the like.
    """
    if not isinstance(dtype, str) or not _LABELS.fullmatch(dtype):
        raise ValueError(
            f"labels of type {dtype!r} are none that a file can hold. Use str, int, "
            "float or bool."
        )
    if not isinstance(labels, list) or len(labels) < 1:
        raise ValueError("its labels are no list.")
    allowed = _KINDS[dtype[1]]
    for label in labels:
        wrong = not isinstance(label, allowed)
        if wrong or (isinstance(label, bool) and bool not in allowed):
            raise ValueError(f"a label of type {dtype!r} is {str(label)[:40]!r}.")
    try:
        made = np.array(labels, dtype=np.dtype(dtype))
    except (OverflowError, TypeError, ValueError) as error:
        raise ValueError(f"its labels are not of type {dtype!r}.") from error
    if made.tolist() != labels or len(set(labels)) != len(labels):
        raise ValueError("its labels are not distinct, or not of their type.")
    return made


def check_fitted(arrays, n_members, n_classes, n_encoded):
    """Refuse arrays of other names, types, shapes or values than those of a fit."""
    own = set(arrays) - set(OPTIONAL)
    if own != set(FITTED):
        differ = sorted(own ^ set(FITTED))[0]
        what = "lacks" if differ in FITTED else "has another"
        raise ValueError(f"it {what} fitted attribute {differ!r}.")
    check_scores(arrays.get("decision_scores_"), n_classes)
    lengths = {"K": n_members, "C": n_classes, "E": n_encoded}
    for name, shape in FITTED.items():
        value, wanted = arrays[name], tuple(lengths[axis] for axis in shape)
        shapes = [wanted]
        if name == "_loss_counts":  # one row if all members share them
            shapes.append((1, n_classes))
        kind = torch.int64 if name in _WHOLE else torch.float64
        if tuple(value.shape) not in shapes or value.dtype != kind:
            raise ValueError(
                f"its {name} has shape {tuple(value.shape)} and type {value.dtype}, "
                f"not {wanted} and {kind}."
            )
        if name != "best_score_" and value.isnan().any():
            raise ValueError(f"its {name} is not a number.")
        if name in _NOT_NEGATIVE and (value < 0).any():
            raise ValueError(f"its {name} is negative.")
    for name in ("temperature_", "decision_factors_", "prior_shift_"):
        if not (arrays[name] > 0).all():
            raise ValueError(f"its {name} is not above 0.")
    if abs(arrays["member_weights_"].sum() - 1) > 1e-6:  # shares, summed in float64
        raise ValueError("its member_weights_ do not add up to 1.")


def check_scores(scores, n_classes):
    """Refuse what is no table of tried decisions and their values."""
    if scores is None:
        return
    widths = (2, n_classes + 1)
    fine = scores.ndim == 2 and scores.shape[1] in widths
    if not fine or scores.dtype != torch.float64 or scores.isnan().any():
        raise ValueError("its decision_scores_ are no table of numbers.")


def neutral(n_members, n_classes, n_encoded):
    """The arrays that a network without labels lacks, which change nothing."""
    lengths = {"K": n_members, "C": n_classes, "E": n_encoded}
    found = {}
    for name, shape in FITTED.items():
        kind = torch.int64 if name in _WHOLE else torch.float64
        found[name] = torch.ones([lengths[axis] for axis in shape], dtype=kind)
    found["intercept_"].zero_()
    found["member_weights_"] /= max(n_members, 1)
    return found
