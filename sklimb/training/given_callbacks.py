"""skorch's callbacks in our loop: what each is shown, and which cannot be used."""

import numpy as np
from skorch.callbacks import Checkpoint, EpochScoring, InputShapeSetter
from skorch.callbacks.scoring import ScoringBase

from sklimb._messages import short
from sklimb.inputs.scoring import is_scorer, names_near

# Values of the history that are lists, which loggers and tables take for numbers.
OF_MEMBERS = ("train_loss_members", "valid_score_members")


def unusable(callback):
    """Why a callback, or its class, cannot be used here, or None."""
    kind = callback if isinstance(callback, type) else type(callback)
    name = kind.__name__
    if issubclass(kind, InputShapeSetter):
        return f"{name} sets a network's width, which follows from X: leave it out"
    if isinstance(callback, type):
        return None
    if issubclass(kind, ScoringBase) and not is_scorer(callback.scoring):
        return (
            f"{name} takes the name of one scorer, a callable or None, got "
            f"{short(callback.scoring)}. {names_near(callback.scoring)}"
        )
    if issubclass(kind, EpochScoring) and not callback.use_caching:
        return f"{name}(use_caching=False) predicts rows again: set use_caching=True"
    if issubclass(kind, Checkpoint) and callback.load_best:
        return (
            f"{name}(load_best=True) is not needed, because the best weights of each "
            "network are kept: set load_best=False"
        )
    return None


def check_watched(callbacks, monitor, validates):
    """Refuse callbacks that watch a figure which this fit does not have.

    Parameters
    ----------
    callbacks : list
    monitor : str
        The parameter of this name.
    validates : bool
        Whether there are validation rows.

    Raises
    ------
    ValueError
        Before training.
    """
    here = ["train_loss"]
    if validates:
        here += ["valid_score"] + ["valid_loss"] * (monitor == "loss")
    for item in callbacks:
        callback = item[1] if isinstance(item, tuple) else item
        name, watched = type(callback).__name__, getattr(callback, "monitor", None)
        if getattr(callback, "save_model", False) is True and watched is None:
            watched = "valid_loss_best"  # of WandbLogger, which does not say so
        if not isinstance(watched, str) or not watched.startswith("valid_"):
            continue
        if watched.removesuffix("_best") in here:
            continue
        if not validates:
            raise ValueError(
                f"{name} watches {watched!r}, and no rows are held out. Set "
                "early_stopping=True, give X_val, or let it watch 'train_loss_best'."
            )
        if watched.removesuffix("_best") == "valid_loss":
            raise ValueError(
                f"{name} watches {watched!r}, and monitor={monitor!r} is what is "
                "measured. Set monitor='loss', or let it watch 'valid_score_best'."
            )


def hide_members(callbacks):
    """Let loggers and tables leave out the lists of members' values."""
    for callback in callbacks:
        if isinstance(getattr(callback, "keys_ignored_", None), set):
            callback.keys_ignored_.update(OF_MEMBERS)


def reads_labels(callback):
    """Whether a callback is shown the user's labels.

    A scorer or function gets them, as scikit-learn's scorers do; a name scores codes 0,
    1, ..., so that of two classes the second is the positive one whatever it is called.
    """
    return isinstance(callback, ScoringBase) and not isinstance(callback.scoring, str)


class BestSoFar:
    """Which epochs are the best so far, in the words of skorch's callbacks.

    Parameters
    ----------
    greater_is_better : bool
        Whether a greater "valid_score" is better.
    """

    def __init__(self, greater_is_better):
        sign = -1.0 if greater_is_better else 1.0
        self.signs = {"train_loss": 1.0, "valid_loss": 1.0, "valid_score": sign}
        self.best = dict.fromkeys(self.signs, np.inf)

    def record(self, history, n_train, n_valid):
        """Add "*_best" to the last epoch, and one batch where there is none."""
        row = history[-1]
        for name, sign in self.signs.items():
            if name in row:
                value = sign * row[name]
                is_best = bool(value < self.best[name])
                self.best[name] = value if is_best else self.best[name]
                history.record(f"{name}_best", is_best)
        if row["batches"]:
            return
        history.new_batch()  # which names of files and averages are made of
        for part, n_rows in (("train", n_train), ("valid", n_valid)):
            if f"{part}_loss" in row:
                history.record_batch(f"{part}_loss", row[f"{part}_loss"])
                history.record_batch(f"{part}_batch_size", n_rows)
