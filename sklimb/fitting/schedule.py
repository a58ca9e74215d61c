"""What "auto" stands for in max_epochs: a short training with a cosine.

A network that waits for its score to get worse spends half of its time on epochs that
it throws away. A cosine over a few epochs ends by itself: with smaller batches where
rows are few, so that there are steps enough, a larger rate and a narrower network it
takes a fifth of the time for probabilities as good (benchmarks/studies/out_of_the_box).
Where rows are so few that 20 epochs would still be too few steps to learn a rule by,
there are more epochs.

That holds for networks of several folds, which average what is hasty in each. Without
folds the patient training stays: one short network on few rows is worse (same study).
Where the rarest class has few rows, every other fold starts from a logistic regression
(linear_start.py). Strategies that have a schedule of their own, or whose defaults were
chosen for the patient training, keep that.

`short_training` says what it is for so many rows. From 200,000 rows on there are fewer
epochs, and the cosine falls step by step: a rate that changes by epoch would not have
fallen where there is one epoch. Steps of more than 1024 rows save no time, and what
they hold is more than the rows of a million.
"""

import math
from dataclasses import dataclass

from sklimb.training.callbacks import BY_STEP

# The short training: epochs, rate, units of a hidden layer.
EPOCHS, RATE, WIDTH = 20, 5e-3, 128
# Rows per step: 64, but fewer where an epoch had fewer than so many steps, and more
# where it had more; and the fewest and the most of them.
ROWS, STEPS, LIMITS = 64, (16, 96), (32, 1024)
# Steps below which there are 2, 4, 8, ... times the epochs.
FEWEST_STEPS = 1000
# Rows below which numbers are scaled robustly: of few values quantiles are noise.
FEW_ROWS = 2000
# Of many rows: those of all epochs together, and the fewest epochs; and how many
# validate at most, if the caller has not set a share.
SEEN, FEWEST_EPOCHS = 4_000_000, 1
MOST_VALIDATE = 50_000
# The patient one: no end but the lack of improvement.
PATIENT_EPOCHS, PATIENT_WIDTH = 200, 256
# "auto" of the short training and of the patient one.
_SHAPES = {
    "d_block": (WIDTH, PATIENT_WIDTH),
    "num_embeddings": ("plr-dense", "plr"),
}
_TRAINED = 0.8  # share of the rows, about: the others validate
_KEEP_THEIRS = (
    "portfolio",
    "joint_ssl",
    "m2m",
    "metabalance_sampler",
    "row_weighting",
    "drw_start",
)


@dataclass(frozen=True)
class Short:
    """The short training: epochs, and rows per step."""

    epochs: int
    rows_per_step: int


def short_training(n_rows, rows_per_step: int | str = "auto"):
    """What "auto" stands for, of so many merged rows that train or validate.

    Rows per step are a power of 2, so that a row more or less changes them seldom.
    Where few rows make few steps there are 2, 4, 8, ... times the epochs, for about
    FEWEST_STEPS; of many rows there are fewer, for SEEN rows in all of them.
    """
    rows = _rows_for(n_rows) if isinstance(rows_per_step, str) else rows_per_step
    steps = EPOCHS * math.ceil(max(1.0, _TRAINED * n_rows) / rows)
    times = 2 ** max(0, round(math.log2(FEWEST_STEPS / steps)))
    most = max(FEWEST_EPOCHS, round(SEEN / max(1, n_rows)))
    return Short(min(EPOCHS * times, most), rows)


def _rows_for(n_rows):
    few, many = (
        2 ** round(math.log2(max(1.0, _TRAINED * n_rows / steps))) for steps in STEPS
    )
    fewest, most = LIMITS
    return min(most, max(fewest, min(ROWS, few), many))


def is_short(estimator):
    """Whether a fit is the short training."""
    if not _may_be_short(estimator) or estimator.lr_schedule == "constant":
        return False
    if estimator.optimizer != "adamw" or estimator.warm_start:
        return False
    return all(getattr(estimator, name) is None for name in _KEEP_THEIRS)


def schedule_of(estimator):
    """{"max_epochs", "lr_schedule"} of a fit, with "auto" resolved but for the rows."""
    short = is_short(estimator)
    epochs, schedule = estimator.max_epochs, estimator.lr_schedule
    if epochs == "auto":
        epochs = EPOCHS if short else PATIENT_EPOCHS
    if schedule == "auto":
        schedule = "cosine" if short else "constant"
    return {"max_epochs": epochs, "lr_schedule": schedule}


def schedule_for(estimator, n_rows):
    """{"max_epochs", "lr_schedule"} on so many rows that train or validate."""
    found = schedule_of(estimator)
    if estimator.max_epochs != "auto" or not is_short(estimator):
        return found
    epochs = short_training(n_rows, estimator.batch_size).epochs
    epochs = max(epochs, estimator.warmup_epochs + 1)
    by_step = epochs < EPOCHS and found["lr_schedule"] == "cosine"
    return {
        "max_epochs": epochs,
        "lr_schedule": BY_STEP if by_step else found["lr_schedule"],
    }


def transform_for(estimator, n_rows):
    """What numeric_transform is, of so many rows that train or validate.

    Of None, where rows come bit by bit or without labels, "auto" is "quantile".
    """
    asked = estimator.numeric_transform
    if asked != "auto":
        return asked
    few = n_rows is not None and n_rows < FEW_ROWS
    return "robust" if few and is_short(estimator) else "quantile"


def rows_per_step(estimator, n_rows):
    """What "auto" stands for in batch_size, of so many rows that train or validate."""
    if not is_short(estimator):
        return estimator._auto_batch_size
    return short_training(n_rows).rows_per_step


def value_of(estimator, name):
    """The value of a parameter, with an "auto" of the network's shape resolved.

    That follows from the parameters alone, as networks must, so that one that is
    pre-trained or goes on has the width of the one that it meets. Of a class it is the
    default.
    """
    value = getattr(estimator, name)
    if name not in _SHAPES or value != "auto":
        return value
    return _SHAPES[name][0 if _may_be_short(estimator) else 1]


def _may_be_short(estimator):
    folds = estimator.validation_folds
    if folds == "auto" and not estimator._networks:
        return False  # a kind of classifier whose "auto" is one network
    return estimator.max_epochs == "auto" and folds is not None
