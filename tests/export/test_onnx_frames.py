"""to_onnx on random frames: every kind of column, missing and unseen values."""

import os

import numpy as np
import pandas as pd
import pytest
from helpers.frames import TRANSFORMS
from helpers.graphs import compare, feed, session_of
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sklimb import TabularMLPClassifier
from sklimb.export import to_onnx

# `make fuzz` tries 200.
N_FRAMES = int(os.environ.get("SKLIMB_FUZZ_FRAMES", "40"))
TEXTS = ["a", "b", "Ärger", "10", "10.0", "True", "nan ", "x" * 40, " "]
INTEGERS = [0, 1, 10, -3, 2**40, 2**60]


def column(kind, rng, n, later, transform):
    """A column; `later` ones have values that training did not see.

    What a network in float32 reads stays of the size of 1: of larger numbers it makes
    errors of its own above 1e-5, in torch as in a graph. Quantiles bound everything.
    """
    lost = rng.random(n) < 0.25
    if kind == "float":
        values = rng.normal(size=n) * 10.0 ** (
            0 if transform is None else rng.integers(-3, 6)
        )
        far = 100 if transform == "quantile" else 2
        return np.where(lost, np.nan, values * (far if later else 1))
    if kind == "integer":
        return rng.integers(-5 - 90 * later, 6, n)
    if kind == "bool":
        return rng.random(n) < 0.4
    if kind == "constant":
        return np.full(n, 3.5) + later
    if kind == "empty":
        return np.full(n, np.nan) if not later else rng.normal(size=n)
    if kind == "text":
        texts = rng.choice([*TEXTS[:6], *(TEXTS[6:] if later else ())], n)
        return pd.Series(texts, dtype=object).mask(lost)
    if kind == "integers as categories":
        return pd.Categorical(rng.choice(INTEGERS if later else INTEGERS[:4], n))
    if kind == "floats as categories":
        values = rng.choice([0.5, 1.0, 2.0, *([7.25] if later else [])], n)
        return pd.Categorical(np.where(lost, np.nan, values))
    if kind == "bools as categories":
        return pd.Categorical(rng.random(n) < 0.5)
    return pd.Categorical([None] * n, categories=["never"])  # "empty categories"


KINDS = [
    "float",
    "integer",
    "bool",
    "constant",
    "empty",
    "text",
    "integers as categories",
    "floats as categories",
    "bools as categories",
    "empty categories",
]
CASES = st.fixed_dictionaries(
    {
        "kinds": st.lists(st.sampled_from(KINDS), min_size=1, max_size=6),
        "seed": st.integers(0, 10**6),
        "rows": st.integers(20, 60),
        "classes": st.sampled_from([(0, 1), ("no", "yes"), (1, 2, 3), ("a", "b", "c")]),
        "transform": st.sampled_from(TRANSFORMS),
        "embeddings": st.sampled_from(["plr", "ple", None]),
        "decision": st.sampled_from(["probability", "balanced"]),
    }
)


def frame(case, later):
    rng = np.random.default_rng([case["seed"], later])
    made = {
        f"{kind} {i}": column(kind, rng, case["rows"], later, case["transform"])
        for i, kind in enumerate(case["kinds"])
    }
    return pd.DataFrame(made)


def check(case, folder):
    X, classes = frame(case, 0), np.array(case["classes"])
    y = classes[np.random.default_rng(case["seed"]).permutation(len(X)) % len(classes)]
    clf = TabularMLPClassifier(
        d_block=8,
        n_blocks=1,
        n_members=1,
        max_epochs=1,
        random_state=0,
        min_frequency=2,
        numeric_transform=case["transform"],
        num_embeddings=case["embeddings"],
        decision=case["decision"],
    ).fit(X, y)
    path = folder / "graph.onnx"
    to_onnx(clf, path)
    session = session_of(path)
    for rows in (X, frame(case, 1), X.iloc[:1]):
        compare(clf, rows, *session.run(None, feed(session, rows)))


FRAMES = pytest.mark.filterwarnings(
    # What fit and predict_proba say of such frames.
    "ignore::sklimb.exceptions.InputWarning",
    # torch on logits of integers as large as 10^12 that no transform has scaled.
    "ignore:The output bias",
)
ONCE = settings(
    deadline=None,
    database=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)


@FRAMES
@settings(ONCE, max_examples=10)
@given(CASES)
def test_ten_random_frames(tmp_path, case):
    check(case, tmp_path)


@pytest.mark.slow
@FRAMES
@settings(ONCE, max_examples=N_FRAMES)
@given(CASES)
def test_more_random_frames(tmp_path, case):
    check(case, tmp_path)


def test_dates_are_refused_before_a_graph_is_asked_for():
    X = pd.DataFrame({"day": pd.date_range("2024-01-01", periods=20), "n": range(20)})
    with pytest.raises(ValueError, match="day"):
        TabularMLPClassifier().fit(X, np.arange(20) % 2)
