"""Every constructor parameter with hostile values: it works, or one sentence says why.

The sentence names the parameter and comes before training. Rates that are legal but far
too large are the exception: only training shows that they are.
"""

from dataclasses import fields

import numpy as np
import pytest

from sklimb import (
    FTTransformerClassifier,
    ImageResNetClassifier,
    TabularMLPClassifier,
    TabularNetworkClassifier,
    TabularResNetClassifier,
)
from sklimb.bayes import LaplaceClassifier, SGHMCClassifier
from sklimb.model_selection import PackedSearchCV
from sklimb.preprocessing import TabularEncoder
from sklimb.selfsup import SelfSupervisedPretrainer
from sklimb.semisup import PseudoLabelClassifier
from sklimb.training.net import _Net
from sklimb.two_stage import ClassifierRetrainer

RNG = np.random.default_rng(0)
X, Y = RNG.normal(size=(60, 3)), np.tile([0, 1, 1], 20)
IMAGES = RNG.integers(0, 255, (30, 8, 8)).astype(np.uint8)
HOSTILE = {
    "None": None,
    "nan": float("nan"),
    "inf": float("inf"),
    "-1": -1,
    "0": 0,
    "2**63": 2**63,
    "1e12": 1e12,
    "''": "",
    "'x'": "x",
    "[]": [],
    "{}": {},
    "object": object(),
    "lambda": lambda *given: None,
    "array": np.array([1, 2]),
    "True": True,
    "[.5, .5]": [0.5, 0.5],
}
# Epochs without end are legal.
ENDLESS = ("max_epochs", "n_epochs", "rounds")
# Of scikit-learn's search, which checks them.
OF_SEARCH = ("cv", "param_grid", "scoring", "refit", "n_jobs", "pre_dispatch")
SMALL = {"d_block": 4, "n_blocks": 1, "max_epochs": 1, "random_state": 0}


def mlp(**params):
    return TabularMLPClassifier(**{**SMALL, **params})


def own(cls, of=TabularNetworkClassifier):
    """Parameters that a class adds to those of another."""
    shared = {f.name for f in fields(of)}
    return [f.name for f in fields(cls) if f.name not in shared]


MAKE = {
    "mlp": mlp,
    "resnet": lambda: TabularResNetClassifier(**SMALL),
    "transformer": lambda: FTTransformerClassifier(**SMALL, attention_n_heads=2),
    "images": lambda: ImageResNetClassifier(
        backbone="resnet8", max_epochs=1, random_state=0
    ),
    "second stage": lambda: ClassifierRetrainer(mlp(), n_epochs=1),
    "laplace": lambda: LaplaceClassifier(mlp()),
    "sghmc": lambda: SGHMCClassifier(mlp(), 1, 1, n_epochs=2),
    "pretrainer": lambda: SelfSupervisedPretrainer(mlp(), max_epochs=1),
    "pseudo-labels": lambda: PseudoLabelClassifier(mlp()),
    "search": lambda: PackedSearchCV(mlp(), {"lr": [0.1]}, cv=2),
    "encoder": lambda: TabularEncoder(),
}
NAMES = {
    "resnet": [*own(TabularResNetClassifier), "n_members"],
    "transformer": [*own(FTTransformerClassifier), "n_members"],
    "images": own(ImageResNetClassifier, TabularMLPClassifier),
}


def fit(estimator):
    if isinstance(estimator, ImageResNetClassifier):
        return estimator.fit(IMAGES, Y[:30])
    if isinstance(estimator, PseudoLabelClassifier):
        return estimator.fit(X, Y, X_unlabeled=X[:5] + 1)
    if isinstance(estimator, SelfSupervisedPretrainer | TabularEncoder):
        return estimator.fit(X)
    return estimator.fit(X, Y)


def cases():
    for kind, make in MAKE.items():
        for name in NAMES.get(kind, make().get_params(deep=False)):
            if kind != "search" or name not in OF_SEARCH:
                yield kind, name


@pytest.mark.filterwarnings("ignore")  # of what is legal and unusual
@pytest.mark.parametrize(("kind", "name"), list(cases()))
def test_it_works_or_one_sentence_says_why(kind, name, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)  # a checkpoint named "x" is legal
    began, loop = [], _Net.fit_loop

    def noted(self, *args, **kwargs):
        began.append(self)
        return loop(self, *args, **kwargs)

    monkeypatch.setattr(_Net, "fit_loop", noted)
    for shown, value in HOSTILE.items():
        if shown == "2**63" and name in ENDLESS:
            continue
        if shown == "True" and name == "compile":  # works, and takes a minute
            continue
        began.clear()
        estimator = MAKE[kind]().set_params(**{name: value})
        try:
            fit(estimator)
        except (ValueError, TypeError) as error:
            said = str(error)
            if "NaN or infinite" in said or "did not stay finite" in said:
                continue
            if name == "unlabeled" and "two classes" in said:
                continue  # 0 is a label of y, and without it one class is left
            assert name in said, (shown, said)
            assert not (began and hasattr(estimator, "history_")), (shown, said)
            assert len(said) < 450 and "\n" not in said, (shown, said)
            if kind not in ("second stage", "pseudo-labels", "search"):
                assert not began, (shown, said)


@pytest.mark.parametrize(
    ("make", "name"),
    [
        (TabularMLPClassifier, "n_blocks"),
        (TabularMLPClassifier, "n_frequencies"),
        (TabularMLPClassifier, "d_block"),
        (TabularMLPClassifier, "n_members"),
        (TabularResNetClassifier, "n_blocks"),
        (TabularResNetClassifier, "d_hidden_multiplier"),
        (FTTransformerClassifier, "ffn_d_hidden_multiplier"),
        (FTTransformerClassifier, "n_members"),
    ],
)
@pytest.mark.parametrize("value", [2**63, 10**12])
def test_a_network_larger_than_the_memory_is_not_built(make, name, value):
    with pytest.raises(ValueError, match=rf"{name}=\d+ makes .* bytes.*Lower {name}"):
        make(**{name: value}).fit(X, Y)


@pytest.mark.parametrize("make", [TabularMLPClassifier, TabularResNetClassifier])
def test_estimated_weights_are_those_of_the_network(make):
    for params in ({"d_block": 32}, {"n_blocks": 3, "d_block": 40}):
        clf = make(**{**SMALL, "n_blocks": 2, **params}).fit(X, Y)
        sizes = {name: getattr(clf, name) for name in clf._sizes}
        n_weights = sum(p.numel() for p in clf.net_.module_.parameters())
        assert 0.7 < clf._count_weights(**sizes) / n_weights < 1.4


@pytest.mark.parametrize(
    ("optimizer", "given"),
    [
        ("sgd", {"betas": (0.9, 0.99)}),
        ("adamw", {"momentum": 0.9}),
        ("adamw", {"betas": "x"}),
        ("adamw", {"betas": 0.9}),
        ("adamw", {"betas": (2.0, 0.9)}),
        ("adamw", {"eps": -1}),
        ("adamw", {"eps": None}),
        ("adamw", {"foreach": True}),
        ("sgd", {"momentum": -1}),
        ("sgd", {"momentum": float("nan")}),
        ("sgd", {"momentum": np.array([1, 2])}),
        ("sgd", {"no_such": 1}),
    ],
)
def test_arguments_that_the_optimiser_does_not_take(optimizer, given):
    given = {f"optimizer__{k}": v for k, v in given.items()}
    clf = mlp(optimizer=optimizer, net_params=given)
    with pytest.raises(ValueError, match="net_params cannot be used with") as told:
        clf.fit(X, Y)
    assert len(str(told.value)) < 300 and not hasattr(clf, "net_")


@pytest.mark.parametrize("key", [1, None, "betas", "optimizer__lr", "module__x"])
def test_keys_that_are_no_arguments_of_the_optimiser(key):
    with pytest.raises(ValueError, match="net_params must name arguments"):
        mlp(net_params={key: 1}).fit(X, Y)


def test_arguments_that_it_takes_still_do():
    for optimizer, given in (("sgd", {"momentum": 0.5}), ("adamw", {"eps": 1e-6})):
        given = {f"optimizer__{k}": v for k, v in given.items()}
        mlp(optimizer=optimizer, net_params=given).fit(X, Y)
