"""A mixed table, and the views that a self-supervised term sees of rows."""

import numpy as np
import pandas as pd
import torch

from sklimb.training.batches import Draw
from sklimb.training.samplers import UniformOrder
from sklimb.training.views.columns import Pool, Views


def mixed_table(n=240, seed=0):
    """Numbers, some of them missing, and a category, with 20 % positives."""
    rng = np.random.default_rng(seed)
    frame = pd.DataFrame(rng.normal(size=(n, 3)), columns=["a", "b", "c"])
    frame["job"] = rng.choice(["cook", "clerk", "smith"], n, p=[0.6, 0.3, 0.1])
    y = (frame["a"] + rng.normal(size=n) > 1.2).astype(int).to_numpy()
    frame.loc[rng.choice(n, 3, replace=False), "b"] = np.nan
    frame.loc[rng.random(n) < 0.3, "c"] = np.nan
    return frame, y


def make_views(rates, table, weight, n, groups, draws_rows=False, seed=0):
    pool = Pool(np.asarray(table), np.asarray(weight), draws_rows)
    draw = Draw(0, UniformOrder(len(table)), seed, 0, pool)
    views = Views(rates, groups)
    table = torch.as_tensor(table)
    rows = table[torch.arange(n) % len(table)].unsqueeze(0)
    generators = views.start([draw], 0, torch.device("cpu"))
    return rows[0], [v[0] for v in views.make(rows, [draw], generators, [n], table)]


def same_encoder(a, b):
    pair = a.encoder_._get_state(), b.encoder_._get_state()
    arrays = [state[1] for state in pair]
    return repr(pair[0][0]) == repr(pair[1][0]) and all(
        np.array_equal(arrays[0][k], arrays[1][k], equal_nan=True) for k in arrays[0]
    )
