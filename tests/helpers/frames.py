"""A data frame with every kind of column."""

import numpy as np
import pandas as pd

nan = float("nan")


def mixed_frame(n=400, seed=0):
    """Every kind of column: continuous, discrete, missing, constant, categories."""
    rng = np.random.default_rng(seed)
    X = pd.DataFrame(
        {
            "amount": np.exp(rng.normal(size=n)),
            "count": rng.integers(0, 4, n),
            "gap": np.where(rng.random(n) < 0.3, nan, rng.normal(size=n)),
            "same": np.full(n, 3.0),
            "never": np.full(n, nan),
            "flag": rng.random(n) < 0.2,
            "job": rng.choice(["cook", "clerk", "judge"], n, p=[0.6, 0.3, 0.1]),
            "level": pd.Categorical(rng.integers(1, 5, n)),
        }
    )
    X.loc[::9, "job"] = None
    return X


TRANSFORMS = ["quantile", "standard", "robust", None]
