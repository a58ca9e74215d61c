"""Bad input gets one sentence before training: what, why, what to do."""

from decimal import Decimal
from fractions import Fraction

import numpy as np
import pandas as pd
import pytest
import torch
from helpers.packs import PLAIN, fixed_table
from imblearn import FunctionSampler
from imblearn.over_sampling import SMOTE

from sklimb import (
    ImageResNetClassifier,
    TabularEncoder,
    TabularMLPClassifier,
    TabularResNetClassifier,
)
from sklimb.training.losses import FocalLoss

X, Y = fixed_table()
FRAME = pd.DataFrame(X, columns=[f"x{i}" for i in range(6)])


@pytest.fixture(autouse=True)
def no_training(monkeypatch):
    """Every refusal here must come before the first step."""

    def forbidden(*args, **kwargs):
        raise AssertionError("training had begun")

    monkeypatch.setattr("sklimb.training.net._Net.fit_loop", forbidden)


def refused(match, X=FRAME, y=Y, sample_weight=None, error=ValueError, **params):
    fit_arguments = {k: params.pop(k) for k in ("groups",) if k in params}
    with pytest.raises(error, match=match):
        TabularMLPClassifier(**{**PLAIN, **params}).fit(
            X, y, sample_weight, **fit_arguments
        )


def test_labels():
    refused("0 sample", FRAME.iloc[:0], Y[:0])
    refused("two classes, got one class: 1", y=np.ones(len(Y), int))
    refused("row 3 has no label", y=np.r_[[0.0, 1, 0, np.nan], Y[4:]])
    refused("row 1 has no label", y=pd.Series(["a", None, *["b", "a"] * 199]))
    refused("requires y", y=None)
    refused("inconsistent numbers of samples", y=Y[:-1])
    refused("continuous", y=Y + 0.5 * (np.arange(len(Y)) == 0))


def test_columns():
    infinite = FRAME.copy()
    infinite.loc[7, "x2"] = np.inf
    refused("infinity.*x2.*Clip", infinite)
    dates = FRAME.assign(day=pd.Timestamp("2026-01-01"))
    refused("day.*(days since|drop)", dates, error=(ValueError, TypeError))
    twice = FRAME.rename(columns={"x1": "x0"})
    refused("x0", twice)
    refused("Expected 2D array", X[:, 0])
    refused("x9", categorical_features=["x9"])


def test_columns_at_predict_time(monkeypatch):
    monkeypatch.undo()
    clf = TabularMLPClassifier(**{**PLAIN, "max_epochs": 1}).fit(FRAME, Y)
    with pytest.raises(ValueError, match="x5"):
        clf.predict(FRAME.drop(columns="x5"))
    with pytest.raises(ValueError, match=r"5 features.*6 features"):
        TabularMLPClassifier(**{**PLAIN, "max_epochs": 1}).fit(X, Y).predict(X[:, :5])
    worse = FRAME.copy()
    worse.loc[0, "x3"] = -np.inf
    with pytest.raises(ValueError, match=r"infinity.*x3.*Clip"):
        clf.predict(worse)


BLANK = FRAME.astype({"x3": object})
BLANK.loc[7, "x3"] = " "


def test_text_in_a_column_of_numbers(monkeypatch):
    cure = r"it holds ' ' in row 7.*pd\.to_numeric\(\.\.\., errors='coerce'\)"
    refused(rf"'x3' \(index 3\) as numbers: {cure}.*categorical_features", BLANK)
    monkeypatch.undo()
    clf = TabularMLPClassifier(**{**PLAIN, "max_epochs": 1}).fit(FRAME, Y)
    with pytest.raises(ValueError, match=rf"'x3' \(index 3\) as numbers: {cure}") as e:
        clf.predict(BLANK)
    assert "was numeric in training" in str(e.value)
    assert "categorical_features" not in str(e.value)
    for dtype in ("category", "string"):
        with pytest.raises(ValueError, match=r"it holds .* in row 0.*in training"):
            clf.predict(BLANK.astype({"x3": dtype})[7:])
    with pytest.raises(ValueError, match=r"column 3 as numbers.*in row 7.*in training"):
        TabularMLPClassifier(**{**PLAIN, "max_epochs": 1}).fit(X, Y).predict(
            BLANK.to_numpy()
        )


@pytest.mark.parametrize("kind", [TabularMLPClassifier, ImageResNetClassifier])
@pytest.mark.parametrize(
    ("given", "message"),
    [
        (FRAME.to_dict("list"), "a dict of columns"),
        (FRAME.to_dict("records"), r"a list of records \(dict\)"),
        (tuple(FRAME.to_dict("records")), r"a tuple of records \(dict\)"),
        (FRAME.to_records(), "a structured array"),
    ],
)
def test_columns_and_records_by_name(kind, given, message):
    cure = r"Pass pd\.DataFrame\(X\) instead\.$"
    with pytest.raises(TypeError, match=rf"^X must be .*, got {message}. {cure}"):
        kind().fit(given, Y)


@pytest.mark.parametrize("given", [X[:, 0], [*X[:, 0]], 3.0, None])
def test_what_has_less_than_two_dimensions_is_not_printed(given):
    text = r"Expected 2D array, got [01]D array.*shape \((400,)?\)\. Reshape your data"
    refused(text, given)


def test_weights():
    refused("at least one non-zero", sample_weight=np.zeros(len(Y)))
    refused("[Nn]egative", sample_weight=np.r_[-1.0, np.ones(len(Y) - 1)])
    refused("two classes", sample_weight=(Y == 0).astype(float))
    refused("class_weight names .*'frod'", class_weight={"frod": 2.0})
    refused("class_weight.*non-negative", class_weight={1: -1.0})
    refused("inconsistent", groups=np.zeros(3))


@pytest.mark.parametrize(
    "weights",
    [
        ["a"] * 400,
        [1j] * 400,
        [{}] * 400,
        [10**400] * 400,
        pd.to_datetime(Y).to_numpy(),
        "text",
        [[1.0], [1.0, 2.0]] * 200,
    ],
)
def test_weights_that_are_no_numbers(weights):
    refused("sample_weight must hold one number a row", sample_weight=weights)
    with pytest.raises(ValueError, match="sample_weight must hold one number a row"):
        TabularEncoder().fit(X, sample_weight=weights)


def test_weights_that_are_missing_or_infinite():
    for weights in (
        [None, 1] * 200,
        pd.Series([pd.NA, 1] * 200),
        np.nan,
    ):
        refused("sample_weight contains NaN", sample_weight=weights)
    refused("sample_weight contains infinity", sample_weight=np.inf)
    refused("of 400 are masked", sample_weight=np.ma.masked_equal(Y, 1))
    with pytest.raises(ValueError, match="sample_weight contains NaN"):
        TabularEncoder().fit(X, sample_weight=np.nan)


def test_batches_of_one_row_have_no_variance():
    resnet = TabularResNetClassifier
    match = "batch_size=1 cannot be used with a network that has BatchNorm"
    task = {"metabalance_sampler": "over", "metabalance_steps": 2}
    for params in (
        {"batch_size": 1},
        {**task, "metabalance_support_batch_size": 1},
        {**task, "metabalance_query_batch_size": 1},
    ):
        with pytest.raises(ValueError, match=match):
            resnet(max_epochs=1, **params).fit(X, Y)


def test_arguments_that_the_optimiser_does_not_take():
    betas = {"optimizer__betas": (0.9, 0.99)}
    refused("cannot be used with optimizer='sgd'", optimizer="sgd", net_params=betas)
    refused(
        "cannot be used with.*Invalid beta", net_params={"optimizer__betas": (2, 2)}
    )


def test_strategies():
    refused("sam_asymmetric_rho", sam_asymmetric_rho=-0.1)
    refused("smoothing_eps", smoothing_eps=1.0)
    refused("smoothing_eps", smoothing_eps=-0.1)
    refused("sampler", sampler="smotte")
    refused("instance, got the class SMOTE", sampler=SMOTE)
    refused("sam_scale must hold one value a class", sam_scale=[1.0, 2.0, 3.0])
    refused("smoothing_scale must be one of", smoothing_scale=[-1.0, 2.0])
    refused(
        "target_prior='uniform' and class_weight='balanced'.*twice.*Set",
        target_prior="uniform",
        class_weight="balanced",
    )
    refused("sum to 1", target_prior=[0.5, 0.6])
    refused("one positive share a class", target_prior=[1.0])
    refused("warmup_epochs must be below", warmup_epochs=5)
    refused("target_prior", target_prior="test")


def test_samplers_with_too_few_rows():
    y = np.zeros(len(Y), int)
    y[:2] = 1
    refused(
        "SMOTE cannot re-sample.*'1': 2.*neighbours.*sampler='over'",
        y=y,
        sampler=SMOTE(),
    )
    refused(
        "1 categorical columns. Use sampler='smote'",
        FRAME.assign(c=pd.Categorical(["a", "b"] * 200)),
        sampler=SMOTE(),
    )


def test_string_samplers_lower_k_and_say_so(monkeypatch):
    monkeypatch.undo()
    y = np.zeros(len(Y), int)
    y[:4] = 1
    params = {**PLAIN, "max_epochs": 1, "sampler": "smote"}
    with pytest.warns(UserWarning, match="3 instead of 5 neighbours.*has 4 training"):
        TabularMLPClassifier(**params).fit(X, y)
    y[1:4] = 0
    with pytest.warns(UserWarning, match="class 1 has 1.*sampler='over'"):
        TabularMLPClassifier(**params).fit(X, y)


def test_devices():
    absent = "cuda" if not torch.cuda.is_available() else "cuda:99"
    refused(f"device must be .*{absent}.*device='auto'", device=absent)
    refused("device must be .*'gpu'", device="gpu")


def test_batches_larger_than_the_data(monkeypatch):
    monkeypatch.undo()
    params = {**PLAIN, "max_epochs": 1, "batch_size": 5000}
    with pytest.warns(UserWarning, match="batch_size=5000 is larger than the 400") as w:
        large = TabularMLPClassifier(**params).fit(X, Y)
    assert len(w) == 1
    params["batch_size"] = 400
    exact = TabularMLPClassifier(**params).fit(X, Y)
    np.testing.assert_array_equal(large.predict_proba(X), exact.predict_proba(X))


@pytest.mark.parametrize("batch_size", [1, 7, 399, 400])
def test_a_short_last_batch_never_crashes(monkeypatch, batch_size):
    monkeypatch.undo()
    params = {**PLAIN, "max_epochs": 1, "batch_size": batch_size, "dropout": 0.1}
    clf = TabularMLPClassifier(**params).fit(X, Y)
    assert np.isfinite(clf.predict_proba(X)).all()


def test_losses_that_are_none():
    def mean_loss(logits, target):
        return -(target * logits.log_softmax(-1)).sum(-1).mean()

    refused("one value a row.*got \\(\\).*Do not average", loss=mean_loss)
    refused("one value a row.*TypeError", loss=FocalLoss)
    refused("one value a row", loss=lambda z, t: (z * t).sum(-1).detach())
    refused("one value a row", loss=lambda z, t: (z * t).sum(-1) / 0)


def test_parameters_of_the_net_and_callbacks():
    for key in ("lr", "max_epochs", "device", "optimizer__lr", "module__d_block"):
        refused(
            f"net_params must name arguments of the optimiser.*{key}",
            net_params={key: 1},
        )
    for item in (5, "x", ("name", 5)):
        refused("callbacks must hold skorch callbacks", callbacks=[item])


def test_values_that_are_not_numbers():
    for value in ("a", None, [1, 2]):
        refused(
            "class_weight\\[1\\] must be a non-negative number", class_weight={1: value}
        )
    for value in ([np.nan, 1.0], ["a", "b"], [0.5, 0.0]):
        refused("target_prior must hold one positive share", target_prior=value)
    refused("sam_scale must be", sam_scale=["a", "b"])
    refused(
        "sample_weight must have a positive and finite sum",
        sample_weight=np.full(len(Y), 1e308),
    )
    refused(
        "y must hold numbers, strings or booleans, got datetime64",
        y=pd.to_datetime(Y, unit="D").to_numpy(),
    )


def test_splits_that_take_a_class_away():
    refused("class 0 has no training rows left", groups=Y, early_stopping=True)
    split = [(np.flatnonzero(Y == 0), np.flatnonzero(Y == 1))]
    refused("class 1 has no training rows", validation_split=split, early_stopping=True)
    refused(
        "pairs of training and validation",
        validation_split=[([0, 1], [900])],
        early_stopping=True,
    )
    for splits in ([3, 4], {None: 1}, ["ab", 1]):
        refused(
            "pairs of training and validation row numbers",
            validation_split=splits,
            early_stopping=True,
        )
    used = iter([(range(300), range(300, 400))])
    list(used)
    refused("A generator is used up", validation_split=used, early_stopping=True)


def test_samplers_that_lose_a_class():
    only = FunctionSampler(func=_only_majority, validate=False)
    refused("must keep every class and column, and it lost class 1", sampler=only)


def _only_majority(X, y):
    return X[y == 0], y[y == 0]


def test_labels_of_validation_rows():
    with pytest.raises(ValueError, match="y_val holds the label 7"):
        TabularMLPClassifier(**PLAIN).fit(X, Y, X_val=X, y_val=np.full(len(Y), 7))
    refused("partial_fit takes all labels", y=np.ones(len(Y), int))


def test_numbers_that_numpy_does_not_know():
    for value in (Fraction(1, 2), Decimal("0.5")):
        with pytest.raises(ValueError, match="'ema_decay' parameter"):
            TabularMLPClassifier(ema_decay=value).fit(X, Y)


def test_labels_that_end_in_nul():
    y = np.array(["a\0", "b"], dtype=object)[Y]
    with pytest.raises(ValueError, match="drop a NUL at the end"):
        TabularMLPClassifier().fit(X, y)


def test_rows_of_unequal_lengths_and_complex_numbers():
    ragged = [*X.tolist()[:-1], [1.0]]
    with pytest.raises(ValueError, match="got rows of unequal lengths"):
        TabularMLPClassifier().fit(ragged, Y)
    with pytest.raises(ValueError, match="Complex data not supported: X holds") as told:
        TabularMLPClassifier().fit(X.astype(complex), Y)
    assert len(str(told.value)) < 200
