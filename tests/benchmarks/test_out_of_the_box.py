"""Families and halves of the tables, ranks and differences of made-up fits."""

from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def parts(monkeypatch):
    """The modules that need no other packages; importing them sets one thread."""
    threads = torch.get_num_threads()
    for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
        monkeypatch.setenv(name, "1")
    monkeypatch.syspath_prepend(str(ROOT))
    from benchmarks.out_of_the_box import summary, tables

    yield SimpleNamespace(summary=summary, tables=tables)
    torch.set_num_threads(threads)


def test_every_family_is_in_one_half_and_earlier_choices_stay_apart(parts):
    from benchmarks.common.splits import CHOSEN

    halves = parts.tables.halves()
    both = [*halves["chosen"], *halves["confirmed"]]
    assert sorted(both) == sorted(parts.tables.FAMILIES)
    assert abs(len(halves["chosen"]) - len(halves["confirmed"])) <= 1
    assert set(CHOSEN) <= set(parts.tables.tables_of("chosen"))
    assert len(parts.tables.tables_of("all")) == len(parts.tables.FAMILY_OF) == 51


def kept(score):
    """Fits of three tables, two of one family; `score` is (table, model) -> AP."""
    rows = {}
    for table in ("glass0", "glass2", "ring"):
        for model in ("one", "catboost"):
            for split in range(2):
                line = dict.fromkeys(("roc_auc", "log_loss", "brier"), 0.5)
                line |= {"n_merged": 10**6, "n_train": 10, "n_positive": 2}
                line |= {"fit_cpu_seconds": 2.0 if model == "one" else 1.0}
                line["average_precision"] = score(table, model)
                rows[table, split, model, "d"] = line
    return SimpleNamespace(rows=rows)


def test_tables_of_a_family_count_once(parts):
    def score(table, model):
        return 0.9 if (model == "one") == (table != "ring") else 0.1

    digests = {"one": "d", "catboost": "d"}
    found = parts.summary.collect(kept(score), list(digests), digests)
    models = ("one", "catboost")
    rank = parts.summary.ranks(found, models, "average_precision")
    assert rank == {"one": 1.5, "catboost": 1.5}
    d = parts.summary.difference(found, "one", "catboost", "average_precision")
    assert (d["better"], d["worse"], d["families"]) == (1, 1, 2)
    assert d["mean"] == pytest.approx(0.0)
    assert d["interval"][0] < -1 < 1 < d["interval"][1]
    time = parts.summary.seconds(found, models)["one"]
    assert time["median_of_catboosts"] == pytest.approx(2.0)


def test_a_smaller_log_loss_is_better(parts):
    rows = kept(lambda table, model: 0.5)
    for key, line in rows.rows.items():
        line["log_loss"] = 0.1 if key[2] == "one" else 0.3
    digests = {"one": "d", "catboost": "d"}
    found = parts.summary.collect(rows, list(digests), digests)
    d = parts.summary.difference(found, "one", "catboost", "log_loss")
    assert d["mean"] == pytest.approx(0.2) and d["better"] == 2
    assert parts.summary.ranks(found, ("one", "catboost"), "log_loss")["one"] == 1.0


def test_a_table_whose_fits_are_not_all_there_is_left_out(parts):
    rows = kept(lambda table, model: 0.5)
    del rows.rows["ring", 0, "one", "d"], rows.rows["glass0", 1, "one", "d"]
    rows.rows.pop(("glass0", 0, "one", "d"))
    digests = {"one": "d", "catboost": "d"}
    found = parts.summary.collect(rows, list(digests), digests)
    assert sorted(found) == ["glass2", "ring"]
    assert len(found["ring"]["one"]) == 1 and len(found["glass2"]["one"]) == 2
    assert np.isfinite(parts.summary.mean_of(found["ring"]["one"], "brier"))
