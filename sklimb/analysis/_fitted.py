"""What an analysis starts from: a fitted classifier, encoded rows, the network."""

import copy
from dataclasses import dataclass

import numpy as np
import torch
from sklearn.exceptions import NotFittedError

from sklimb._messages import listed, short
from sklimb.base import BaseNeuralClassifier


@dataclass
class Encoded:
    """Encoded rows with their class codes and weights, those of weight 0 left out.

    X is a tensor on the CPU as the network reads it, (rows, columns).
    """

    X: torch.Tensor
    y: np.ndarray
    weight: np.ndarray

    def __len__(self):
        return len(self.y)

    def take(self, rows):
        """The given rows."""
        return Encoded(self.X[rows], self.y[rows], self.weight[rows])


def refuse_unfitted(clf, function):
    """Say that a classifier is not fitted."""
    raise NotFittedError(
        f"{function} needs a fitted classifier, and this {type(clf).__name__} is not "
        "fitted: call fit before."
    )


def check_classifier(clf, function):
    """Refuse what is no fitted classifier of sklimb, and say what to give instead."""
    name = type(clf).__name__
    if isinstance(clf, BaseNeuralClassifier):
        if not hasattr(clf, "net_"):
            refuse_unfitted(clf, function)
        return
    instead = "a TabularMLPClassifier, for example"
    for part in ("best_estimator_", "estimator_", "classifier_"):
        if hasattr(clf, part):
            instead = f"its {part}"
            break
    else:
        if hasattr(clf, "steps"):
            instead = "its last step, and the rows that the steps before it make"
        elif hasattr(clf, "param_grid") or hasattr(clf, "param_distributions"):
            instead = "its best_estimator_, once it is fitted"
    raise ValueError(
        f"{function} needs a fitted classifier of sklimb, got a {name}: give {instead}."
    )


def labelled(clf, X, y, sample_weight=None, *, function, two_classes=True):
    """The Encoded rows of X and y, in their order."""
    check_classifier(clf, function)
    rows = clf._read_rows(X, y, sample_weight).positive()
    if two_classes and len(np.unique(rows.y)) < 2:
        raise ValueError(
            f"{function} needs rows of at least two classes, and y holds only "
            f"{short(clf.classes_.tolist()[rows.y[0]])}."
        )
    return Encoded(clf._encode_table(rows.table, "X"), rows.y, rows.weight)


def codes_of(clf, classes, y):
    """Codes of the labels `classes` (one or a list), each of which has rows in y."""
    known = clf.classes_.tolist()
    asked = [classes] if np.ndim(classes) == 0 else list(classes)
    codes = []
    for label in asked:
        label = label.item() if isinstance(label, np.generic) else label
        if label not in known:
            raise ValueError(
                f"classes must name classes of the classifier, {listed(known)}, got "
                f"{short(label)}."
            )
        codes.append(known.index(label))
    empty = sorted(set(codes) - set(y.tolist()))
    if empty or not codes:
        which = f"class {short(known[empty[0]])}" if empty else "any class"
        raise ValueError(f"classes={short(classes)} asks for {which}, without rows.")
    return np.unique(codes)


def objective_of(clf, members=None):
    """A copy of the objective with its network in evaluation mode, cut to `members`.

    The copy is the caller's own: the classifier is read by other threads.
    """
    objective = copy.deepcopy(clf.net_.criterion_).eval()
    if members is not None:
        objective.model.take_(members)
        objective.take_(members)
    return objective


def n_members(clf):
    """Networks of a fitted classifier."""
    return len(clf.member_weights_)


def log_probability(clf, X):
    """log P of each member for encoded rows, (K, rows, classes) in float64."""
    return clf.net_.blocks_log_probability(X).cpu().numpy()


def mean_over(weights, values):
    """The mean over the first axis by the weights of members."""
    return np.tensordot(weights, values, 1)
