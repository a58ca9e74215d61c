"""Simulated transactions of 30 columns, of any number of rows, with known chances.

The eleven columns of `make_transactions` without drift decide the chance of fraud. The
others are made of these and of noise, as real tables have them: copies in other units,
rounded, of few values, and columns that tell nothing. They are drawn without a look at
the labels, so that the chance of fraud given all columns is that given the eleven.
"""

import numpy as np
import pandas as pd

from sklimb.datasets import make_transactions

FRAUD_RATE = 0.01
BLOCK_ROWS = 250_000
N_COLUMNS = 30
_TERMINALS = np.array([f"T{i:03d}" for i in range(200)])
_SEGMENTS = np.array(["basic", "gold", "plus", "student"])


def blocks(n_rows, seed):
    """Blocks of (X, y, chance of fraud), as an iterator; equal seeds, equal rows."""
    for i, begin in enumerate(range(0, n_rows, BLOCK_ROWS)):
        yield block(min(BLOCK_ROWS, n_rows - begin), (seed, i))


def block(n_rows, seed):
    """X (frame of 30 columns), y and the chance of fraud of one block of rows."""
    rng = np.random.default_rng(seed)
    data = make_transactions(
        n_rows, fraud_rate=FRAUD_RATE, drift=0.0, random_state=int(rng.integers(2**31))
    )
    return _wider(data.X, rng), data.y, data.proba


def table(n_rows, seed):
    """All blocks as one (X, y, chance of fraud)."""
    X, y, proba = zip(*blocks(n_rows, seed), strict=True)
    return pd.concat(X, ignore_index=True), np.concatenate(y), np.concatenate(proba)


def _wider(X, rng):
    """X with nineteen more columns."""
    n = len(X)
    amount = X["amount"].to_numpy()
    more = {
        "log_amount": np.log1p(amount),
        "amount_rounded": np.round(amount, -1),
        "amount_noisy": amount * np.exp(0.3 * rng.normal(size=n)),
        "cents": np.round(amount % 1, 2),
        "minutes_since_previous": np.round(X["seconds_since_previous"] / 60),
        "is_night": (X["hour"] < 6).to_numpy(),
        "is_weekend": (X["weekday"] > 4).to_numpy(),
        "n_last_week": X["n_last_24h"].to_numpy() + rng.poisson(3.0, n),
        "terminal": pd.Categorical.from_codes(
            rng.integers(len(_TERMINALS), size=n), _TERMINALS
        ),
        "segment": pd.Categorical.from_codes(
            rng.integers(len(_SEGMENTS), size=n), _SEGMENTS
        ),
        "age": rng.integers(18, 90, n).astype(np.int8),
        "tenure_months": np.round(rng.exponential(40.0, n)),
        "limit": np.round(np.exp(rng.normal(8, 0.7, n)), -2),
        "score": np.round(rng.normal(600, 80, n)),
        "balance": np.round(np.exp(rng.normal(6, 1.5, n)), 2),
    }
    more["balance"][rng.random(n) < 0.05] = np.nan
    for i in range(4):
        more[f"noise_{i}"] = rng.normal(size=n)
    return X.assign(**more)
