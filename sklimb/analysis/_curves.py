"""Curves of each class over the epochs, recorded while training goes on."""

from dataclasses import dataclass

import numpy as np
from skorch.callbacks import Callback

from sklimb.analysis._fitted import check_classifier

_PARTS = ("train", "valid")


class ClassCurves(Callback):
    """Callback that records loss and recall of each class after each epoch.

    Given as `callbacks=[ClassCurves()]`, it adds to each epoch of `history_`, for
    "train" and, where there are held-out rows, "valid":

    - "train_class_loss": list of n_classes floats, log loss of the rows of each class
    - "train_class_recall": list of n_classes floats
    - "train_accuracy": float
    - the same of each member, under names that end in "_members"

    NaN for a class without rows and for a member that has ended. They are of the
    weights by which the epoch is validated (averaged ones with `ema_decay`), without
    dropout or augmentation, by weight of the rows; probabilities are those of
    `predict_proba` but for the intercept, which is solved after training. Training rows
    are those after an object sampler such as SMOTE. It costs one pass through the
    network per epoch over the training rows; held-out rows cost none.

    Examples
    --------
    >>> from sklimb import TabularMLPClassifier
    >>> from sklimb.analysis import ClassCurves, class_curves
    >>> from sklimb.datasets import make_transactions
    >>> data = make_transactions(500, fraud_rate=0.1, random_state=0)
    >>> clf = TabularMLPClassifier(
    ...     callbacks=[ClassCurves()], max_epochs=3, random_state=0
    ... )
    >>> class_curves(clf.fit(data.X, data.y)).train_recall.shape
    (3, 2)
    """

    def on_epoch_end(self, net, dataset_train=None, **kwargs):
        """Record the curves of the epoch that has ended.

        Parameters
        ----------
        net : skorch net
            The one that trains.
        dataset_train : Rows, default=None
            The training rows.
        **kwargs : object
            What else skorch tells.
        """
        here = len(net.members_)
        log_p = net.blocks_log_probability(dataset_train.X).cpu().numpy()
        self._record(net, "train", log_p, [dataset_train] * here)
        if net.monitor_ is not None:
            panel = net.monitor_.panel
            rows = [panel.rows_of(k) for k in range(here)]
            self._record(net, "valid", net.evaluated_.cpu().numpy(), rows)

    @staticmethod
    def _record(net, part, log_p, rows):
        n_members, n_classes = net.n_all_, log_p.shape[-1]
        loss = np.full((n_members, n_classes), np.nan)
        recall, accuracy = loss.copy(), np.full(n_members, np.nan)
        for k, own, of in zip(net.members_, log_p, rows, strict=True):
            y, weight = of.y.cpu().numpy(), of.weight.double().cpu().numpy()
            own = own[: len(y)]
            hit = own.argmax(1) == y
            accuracy[k] = np.average(hit, weights=weight)
            totals = np.bincount(y, weight, n_classes)
            nll = -own[np.arange(len(y)), y]
            with np.errstate(invalid="ignore"):
                loss[k] = np.bincount(y, weight * nll, n_classes) / totals
                recall[k] = np.bincount(y, weight * hit, n_classes) / totals
        for name, values in (
            ("class_loss", loss),
            ("class_recall", recall),
            ("accuracy", accuracy),
        ):
            mean = values[net.members_].mean(0)
            net.history.record(f"{part}_{name}_members", values.tolist())
            net.history.record(f"{part}_{name}", mean.tolist())


@dataclass(frozen=True)
class Curves:
    """The result of `class_curves`, which tells what each field is."""

    classes: np.ndarray
    epoch: np.ndarray
    train_loss: np.ndarray
    train_recall: np.ndarray
    train_accuracy: np.ndarray
    train_loss_members: np.ndarray
    train_recall_members: np.ndarray
    valid_loss: np.ndarray | None
    valid_recall: np.ndarray | None
    valid_accuracy: np.ndarray | None
    valid_loss_members: np.ndarray | None
    valid_recall_members: np.ndarray | None


def class_curves(clf):
    """The curves that a `ClassCurves` has recorded in `history_`.

    Parameters
    ----------
    clf : sklimb classifier
        Fitted with `callbacks=[ClassCurves()]`, or loaded from such a one's file.

    Returns
    -------
    result : Curves
        - classes: array of shape (n_classes,), labels
        - epoch: array of shape (n_epochs,), from 1
        - train_loss, train_recall: arrays of shape (n_epochs, n_classes), means over
          the members that have not ended
        - train_accuracy: array of shape (n_epochs,)
        - train_loss_members, train_recall_members: arrays of shape (n_members,
          n_epochs, n_classes)
        - valid_loss, valid_recall, valid_accuracy, valid_loss_members,
          valid_recall_members: the same of the held-out rows, or None without any

    Raises
    ------
    ValueError
        `history_` has no such curves.

    Examples
    --------
    >>> from sklimb import TabularMLPClassifier
    >>> from sklimb.analysis import ClassCurves, class_curves
    >>> from sklimb.datasets import make_transactions
    >>> data = make_transactions(500, fraud_rate=0.1, random_state=0)
    >>> clf = TabularMLPClassifier(
    ...     callbacks=[ClassCurves()], max_epochs=3, random_state=0
    ... )
    >>> class_curves(clf.fit(data.X, data.y)).epoch
    array([1, 2, 3])
    """
    check_classifier(clf, "class_curves")
    rows = [row for row in clf.history_ if "train_class_loss" in row]
    if not rows:
        raise ValueError(
            "class_curves needs curves in history_, and there are none: fit with "
            "callbacks=[ClassCurves()]."
        )
    found = {}
    for part in _PARTS:
        there = all(f"{part}_class_loss" in row for row in rows)
        for name, key in (
            ("loss", "class_loss"),
            ("recall", "class_recall"),
            ("accuracy", "accuracy"),
        ):
            own = [row[f"{part}_{key}"] for row in rows] if there else None
            found[f"{part}_{name}"] = None if own is None else np.array(own)
            if name == "accuracy":
                continue
            own = [row[f"{part}_{key}_members"] for row in rows] if there else None
            found[f"{part}_{name}_members"] = (
                None if own is None else np.array(own).swapaxes(0, 1)
            )
    epoch = np.array([row["epoch"] for row in rows])
    return Curves(clf.classes_.copy(), epoch, **found)
