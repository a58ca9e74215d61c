"""The checkpoint of a fit of rows in blocks."""

from sklimb._checkpoint import Checkpoint
from sklimb._messages import short
from sklimb.training.going_on import GoingOn

# Between two states of a training that goes on for hours.
SECONDS = 60
# Parameters that a fit may be called again with other values of.
_FREE = ("checkpoint", "verbose", "max_seconds")
# Those whose own state is not kept, with the value that has none.
_OFF = {"callbacks": None, "ema_decay": 0.0, "drw_start": None}


def checkpoint_of(estimator, in_blocks):
    """The Checkpoint of one call of `fit`, without a folder where none is asked for.

    Raises
    ------
    ValueError
        Rows in memory, or a parameter whose state is not kept.
    """
    folder = getattr(estimator, "checkpoint", None)
    if folder is None:
        return Checkpoint(None, "fit")
    if not in_blocks:
        raise ValueError(
            "checkpoint is for rows in blocks, and X is in memory. Set "
            "checkpoint=None, or give a callable that returns an iterator of frames."
        )
    for name, off in _OFF.items():
        value = getattr(estimator, name)
        if value is not None and value != off:
            raise ValueError(
                f"checkpoint and {name}={short(value)} cannot be combined: the state "
                f"of the latter is not kept. Set {name}={off} or checkpoint=None."
            )
    return Checkpoint(folder, "fit")


def going_on(checkpoint, estimator, rows):
    """The callbacks that keep the state of a fit on prepared rows, and go on from it.

    Raises
    ------
    ValueError
        The folder holds the fit of other rows or parameters.
    """
    if checkpoint.folder is None:
        return []
    params = estimator.get_params(deep=False)
    checkpoint.open(
        rows.seed,
        estimator=type(estimator).__qualname__,
        parameters={k: v for k, v in params.items() if k not in _FREE},
        data=(len(rows.train), rows.solved_on),
    )
    return [GoingOn(checkpoint, SECONDS)]
