"""Fifty-one binary tables, the families they come from, and two halves of these."""

import os
from functools import lru_cache
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd

from benchmarks.common.splits import CHOSEN, CONFIRMED
from sklimb.datasets import load_table, make_transactions

# Tables of one source, which count once in a mean or a rank.
FAMILIES = {
    "abalone": (
        "abalone_7",
        "abalone_19",
        "abalone-17_vs_7-8-9-10",
        "abalone-3_vs_11",
        "abalone9-18",
    ),
    "adult": ("adult",),
    "bank": ("bank",),
    "bupa": ("bupa",),
    "car": ("car-good", "car-vgood"),
    "chess": ("chess",),
    "credit_approval": ("australian", "crx"),
    "ecoli": ("ecoli_imU", "ecoli-0-1-4-7_vs_2-3-5-6", "ecoli3"),
    "fraud": ("fraud",),
    "german": ("german",),
    "glass": ("glass-0-1-6_vs_2", "glass0", "glass2", "glass4"),
    "heart": ("heart", "cleveland-0_vs_4"),
    "ionosphere": ("ionosphere",),
    "loan": ("loan",),
    "magic": ("magic",),
    "mammographic": ("mammographic",),
    "new_thyroid": ("new-thyroid1",),
    "phoneme": ("phoneme",),
    "poker": ("poker-8-9_vs_5", "poker-8_vs_6"),
    "ring": ("ring",),
    "sonar": ("sonar",),
    "splice": ("splice",),
    "taiwan": ("taiwan",),
    "texture": ("texture",),
    "thyroid": ("thyroid",),
    "tic_tac_toe": ("tic-tac-toe",),
    "titanic": ("titanic",),
    "vowel": ("vowel0",),
    "wdbc": ("wdbc",),
    "wine": ("wine", "winequality-red-4", "winequality-red-8_vs_6-7"),
    "yeast": (
        "yeast_me2",
        "yeast-1-2-8-9_vs_7",
        "yeast-1_vs_7",
        "yeast-2_vs_8",
        "yeast1",
        "yeast4",
    ),
}
FAMILY_OF = {table: name for name, tables in FAMILIES.items() for table in tables}
# The last fifth in time is tested; apart from the others.
TEMPORAL = ("bank_in_time", "transactions_that_drift")
SHARED = (*CHOSEN, *CONFIRMED)
_SEED = 0


def halves():
    """{"chosen": families, "confirmed": families}.

    Families of the tables on which earlier defaults were chosen are chosen on again;
    the other tables of `common.splits` confirm, and so does half of what is left, drawn
    once by a fixed seed.
    """
    chosen = sorted({FAMILY_OF[name] for name in CHOSEN})
    confirmed = sorted({FAMILY_OF[name] for name in CONFIRMED} - set(chosen))
    left = [name for name in FAMILIES if name not in (*chosen, *confirmed)]
    drawn = np.random.default_rng(_SEED).permutation(left).tolist()
    for name in drawn:
        (chosen if len(chosen) <= len(confirmed) else confirmed).append(name)
    return {"chosen": tuple(sorted(chosen)), "confirmed": tuple(sorted(confirmed))}


def tables_of(half):
    """The tables of a half ("chosen", "confirmed"), of both ("all"), or "temporal"."""
    if half == "temporal":
        return TEMPORAL
    families = FAMILIES if half == "all" else halves()[half]
    return tuple(table for name in families for table in FAMILIES[name])


@lru_cache(maxsize=1)
def load(name, data_home=None):
    """X, y, groups (or None) and time (or None) of a table."""
    if name == "transactions_that_drift":
        data = make_transactions(10000, fraud_rate=0.02, random_state=0)
        order = np.argsort(data.time, kind="stable")
        X = data.X.iloc[order].reset_index(drop=True)
        return SimpleNamespace(X=X, y=data.y[order], groups=None, in_time=True)
    if name == "bank_in_time":  # the file is in the order of the calls
        bunch = load_table("bank", data_home=data_home)
        return SimpleNamespace(X=bunch.X, y=bunch.y, groups=None, in_time=True)
    if name in SHARED:
        bunch = load_table(name, data_home=data_home)
        return SimpleNamespace(X=bunch.X, y=bunch.y, groups=bunch.groups, in_time=False)
    home = Path(data_home or os.environ["SKLIMB_DATA"])
    frame = pd.read_parquet(home / "keel" / f"{name}.parquet")
    y = frame.pop("target").to_numpy(dtype=np.int64)
    return SimpleNamespace(X=frame, y=y, groups=None, in_time=False)
