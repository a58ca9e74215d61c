"""PackedSearchCV finds what GridSearchCV finds: every parameter, every kind of fold."""

import numpy as np
import pytest
import torch
from helpers.searches import (
    TINY,
    assert_same_results,
    both,
    tiny,
    uneven_splits,
    uneven_table,
)
from scipy.stats import loguniform
from sklearn.base import clone
from sklearn.model_selection import GridSearchCV, RandomizedSearchCV

from sklimb import TabularEncoder, TabularResNetClassifier
from sklimb.fitting.jobs import make_job
from sklimb.fitting.prepare import prepare
from sklimb.model_selection import PackedSearchCV
from sklimb.nn.join import join
from sklimb.training.losses import FocalLoss

X, Y = uneven_table()
LR = {"lr": [3e-3, 1e-2]}
PAIR = [{"lr": [3e-3], "dropout": [0.2]}, {"dropout": [0.0]}]


# The folds of the table.


def test_the_folds_encode_differently():
    encoders = [TabularEncoder().fit(X.iloc[train]) for train, _ in uneven_splits()]
    assert [e.cardinalities_ for e in encoders] == [(5, 3), (5, 4), (4, 4)]
    assert [e.indicator_columns_.tolist() for e in encoders] == [[3], [2], [2, 3]]
    assert [len(e.constant_columns_) for e in encoders] == [0, 1, 0]


def test_the_folds_differ_by_one_batch():
    steps = []
    for train, _ in uneven_splits():
        rows = prepare(tiny(), X.iloc[train], Y[train])
        steps.append(-(-len(rows.train) // 16))
    assert steps == [9, 9, 8]


# Equal to GridSearchCV in float64.


@pytest.mark.parametrize(
    "num_embeddings", [None, "plr", "plr-lite", "plr-dense", "ple", "linear"]
)
def test_embeddings_of_padded_folds_equal_grid_search(num_embeddings):
    # More bins than rows: every fold has its own number of bins.
    clf = tiny(num_embeddings=num_embeddings, n_bins=300, weight_decay=0.1)
    packed = both(clf, PAIR, X, Y)
    assert [len(pack) for pack in packed.packs_] == [6]


@pytest.mark.parametrize(
    "grid",
    [
        {"lr": [1e-3, 1e-2], "weight_decay": [0.0, 0.3]},
        {"dropout": [0.0, 0.1, 0.5]},
        {"smoothing_eps": [0.0, 0.1], "lr": [3e-3, 1e-2]},
        {"class_weight": [None, "balanced", {0: 1.0, 1: 3.0}], "smoothing_eps": [0.1]},
        {"frequency_scale": [0.05, 0.3, 2.0]},
        {"random_state": [0, 1, 2]},
        {"n_members": [1, 2], "random_state": [0, 1]},
        {"target_prior": ["train", "uniform", None], "sampler": ["sqrt"]},
        {"validation_fraction": [0.1, 0.3]},
        {"numeric_transform": ["quantile", "standard", "robust", None]},
        {"categorical_features": ["from_dtype"], "min_frequency": [0.0005, 10]},
    ],
    ids=lambda grid: "-".join(grid),
)
def test_what_may_differ_trains_in_one_pack_as_alone(grid):
    packed = both(tiny(), grid, X, Y)
    assert len(packed.packs_) == 1


def test_ascents_share_a_pack_and_plain_steps_have_another():
    grid = {"sam_asymmetric_rho": [0.0, 0.02, 0.1], "class_weight": [None, "balanced"]}
    packed = both(tiny(), grid, X, Y)
    candidates = [sorted({c for c, _ in pack}) for pack in packed.packs_]
    rho = [p["sam_asymmetric_rho"] for p in packed.cv_results_["params"]]
    assert sorted(sorted(rho[c] for c in pack) for pack in candidates) == [
        [0.0, 0.0],
        [0.02, 0.02, 0.1, 0.1],
    ]


@pytest.mark.parametrize(
    "params",
    [
        {"optimizer": "sgd", "weight_decay": 0.01},
        {"sampler": "balanced"},
        {"sampler": "over"},
        {"batch_size": 500},  # more than there are rows
        {"batch_size": 134},  # more than the first fold has
        {"monitor": "average_precision"},
        {"monitor": "balanced_accuracy", "n_iter_no_change": 2},
        {"early_stopping": False},
        {"n_iter_no_change": 1, "max_epochs": 12, "lr_schedule": "cosine"},
        {"ema_decay": 0.9},
        {"clip_norm": 0.05},
        {"lr_schedule": "cosine", "warmup_epochs": 2},
        {"loss": "focal"},
        {"merge_duplicates": False},
        {"sam_norm": "weighted", "sam_asymmetric_rho": 0.1, "sam_scale": "uniform"},
        {"loss": "vs", "sampler": "sqrt", "n_iter_no_change": 1, "max_epochs": 12},
        {"loss": "ldam", "drw_start": 0.5},
        {"mix": "mixup", "sampler": "over"},
        {"metabalance_sampler": "balanced", "metabalance_steps": 4, "ema_decay": 0.9},
        {
            "sam_asymmetric_rho": 0.1,
            "n_members": 2,
            "ema_decay": 0.9,
            "clip_norm": 0.2,
            "class_weight": "balanced",
            "n_iter_no_change": 1,
            "max_epochs": 12,
        },
    ],
    ids=lambda params: "-".join(params),
)
# A batch size above the rows of a fold is said by both searches.
@pytest.mark.filterwarnings("ignore:batch_size=.* is larger than the:UserWarning")
def test_settings_of_all_members_equal_grid_search(params):
    packed = both(tiny(**params), PAIR, X, Y)
    assert len(packed.packs_) == 1


def test_weights_of_the_self_supervised_term_share_a_pack():
    grid = {"joint_ssl_weight": [0.0, 0.1, 2.0]}
    packed = both(tiny(joint_ssl="vicreg"), grid, X, Y)
    assert len(packed.packs_) == 1


def test_three_classes():
    grid = {"class_weight": [None, "balanced"], "smoothing_eps": [0.0, 0.1]}
    clf = tiny(sam_asymmetric_rho=0.05)
    both(clf, grid, *uneven_table(n_classes=3))


def test_more_rows_than_are_gathered_at_once():
    # 1,024 rows are gathered at a time; the second fold ends where the third goes on.
    rng = np.random.default_rng(0)
    rows, y = rng.normal(size=(1300, 2)), rng.integers(0, 2, 1300)
    splits = [(np.arange(n), np.arange(1200, 1300)) for n in (1024, 1025, 1180, 700)]
    clf = tiny(max_epochs=3, batch_size=64, early_stopping=False)
    both(clf, {"dropout": [0.1, 0.3]}, rows, y, cv=splits)


def test_validation_rows_of_the_caller():
    both(tiny(), LR, X, Y, fit_params={"X_val": X[:50], "y_val": Y[:50]})


def test_networks_that_are_not_padded_equal_grid_search():
    known = TabularResNetClassifier().get_params()
    params = {name: value for name, value in TINY.items() if name in known}
    both(TabularResNetClassifier(**params), LR, X, Y)


def test_portfolios_and_inner_folds():
    portfolio = [{"frequency_scale": 0.1}, {"frequency_scale": 1.0}]
    both(tiny(), {"portfolio": [None, portfolio]}, X, Y)
    both(tiny(n_blocks=1), {"validation_folds": [None, 2]}, X, Y)


def test_what_changes_the_network_or_the_step_starts_another_pack():
    grid = {"d_block": [8, 6], "batch_size": [16, 32], "sampler": ["uniform", "over"]}
    packed = both(tiny(loss=FocalLoss(1.0)), grid, X, Y)
    assert [len(pack) for pack in packed.packs_] == [3] * 8


def test_max_members_cuts_packs_and_changes_nothing():
    want = both(tiny(), PAIR, X, Y)
    for max_members, sizes in [(1, [1] * 6), (4, [3, 3]), ("auto", None)]:
        packed = clone(want).set_params(max_members=max_members).fit(X, Y)
        assert_same_results(packed, want)
        assert sizes in (None, [len(pack) for pack in packed.packs_])


def test_two_processes_change_nothing():
    settings = {"cv": uneven_splits(), "scoring": "neg_log_loss"}
    want = GridSearchCV(tiny(), LR, **settings).fit(X, Y)
    packed = PackedSearchCV(tiny(), LR, n_jobs=2, max_members=64, **settings).fit(X, Y)
    assert [len(pack) for pack in packed.packs_] == [3, 3]
    assert_same_results(packed, want)


def test_randomized_search():
    given = {"lr": loguniform(1e-3, 1e-1), "dropout": [0.0, 0.3], "d_block": [4, 8]}
    settings = {"cv": 3, "scoring": "neg_log_loss", "random_state": 1, "n_iter": 5}
    want = RandomizedSearchCV(tiny(), given, **settings).fit(X, Y)
    got = PackedSearchCV(tiny(), param_distributions=given, **settings).fit(X, Y)
    assert_same_results(got, want)
    np.testing.assert_array_equal(got.predict_proba(X), want.predict_proba(X))


def test_n_iter_draws_from_a_grid():
    grid = {"lr": [1e-3, 1e-2, 1e-1], "dropout": [0.0, 0.3]}
    settings = {"cv": 2, "scoring": "neg_log_loss", "random_state": 0, "n_iter": 3}
    want = RandomizedSearchCV(tiny(), grid, **settings).fit(X, Y)
    assert_same_results(PackedSearchCV(tiny(), grid, **settings).fit(X, Y), want)


def test_n_epochs_is_the_mean_over_folds_of_the_fits_alone():
    clf = tiny(n_iter_no_change=2, max_epochs=30, lr=0.03)
    packed = PackedSearchCV(clf, {"dropout": [0.0, 0.5]}, cv=uneven_splits()).fit(X, Y)
    want = [
        np.mean(
            [
                clf.set_params(dropout=p).fit(X.iloc[train], Y[train]).n_iter_
                for train, _ in uneven_splits()
            ]
        )
        for p in (0.0, 0.5)
    ]
    assert len(set(want)) == 2 and max(want) < 30
    np.testing.assert_array_equal(packed.cv_results_["n_epochs"], want)


# Padding.


def fold_jobs(**params):
    """One job for each fold of the table, and their encoders."""
    jobs, encoders = [], []
    for train, _ in uneven_splits():
        clf = tiny(**params)
        jobs.append(make_job(clf, prepare(clf, X.iloc[train], Y[train])))
        encoders.append(clf.encoder_)
    return jobs, encoders


@pytest.mark.parametrize("num_embeddings", [None, "plr", "plr-dense", "ple", "linear"])
def test_padding_moves_no_output_and_gets_no_gradient(num_embeddings):
    jobs, encoders = fold_jobs(num_embeddings=num_embeddings, n_bins=300)
    modules = [job.module.double() for job in jobs]
    layouts = [job.layout for job in jobs]
    joined = join(modules, layouts)
    # Columns are put where they belong by their names.
    columns = "a b gaps late gaps_missing late_missing city kind".split()
    inputs = torch.zeros(3, 60, len(columns), dtype=torch.float64)
    own = []
    for k, encoder in enumerate(encoders):
        rows = torch.from_numpy(encoder.transform(X.iloc[:60])).double()
        at = [columns.index(name) for name in encoder.get_feature_names_out()]
        inputs[k][:, at] = rows
        own.append(rows)
    logits = joined(inputs)
    for k, module in enumerate(modules):
        torch.testing.assert_close(logits[k], module(own[k][None])[0])
    logits.square().sum().backward()
    # Ones in the fits show as zeros what is padding in the pack.
    for module in modules:
        for p in module.parameters():
            p.data.fill_(1.0)
    real = dict(join(modules, layouts).named_parameters())
    n_padding = 0
    for name, p in joined.named_parameters():
        padding = real[name] == 0
        n_padding += int(padding.sum())
        assert (p[padding] == 0).all() and (p.grad[padding] == 0).all(), name
    assert n_padding > 0
