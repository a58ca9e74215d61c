"""Random inputs of fits: tables of named values, usual and odd, and draws from them.

`draw(seed)` is one input: an estimator, its parameters, X, y, further arguments of
`fit` and what is done afterwards. One or two of its parts are odd, the rest is usual,
so that a failure has few possible causes.
"""

import copy
import decimal
import fractions
import inspect
import warnings
from dataclasses import dataclass
from functools import partial

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import scipy.sparse as sp
import torch
from imblearn.over_sampling import SMOTE, RandomOverSampler
from sklearn.model_selection import KFold, TimeSeriesSplit

from fuzz.pictures import IMAGES
from fuzz.tables import COLUMNS, TABLES
from sklimb import (
    FTTransformerClassifier,
    ImageResNetClassifier,
    TabularEncoder,
    TabularMLPClassifier,
    TabularResNetClassifier,
)
from sklimb.model_selection import PackedSearchCV
from sklimb.selfsup import SelfSupervisedPretrainer
from sklimb.semisup import PseudoLabelClassifier
from sklimb.strategies import FocalLoss, M2m
from sklimb.two_stage import ClassifierRetrainer

QUICK = {"max_epochs": 2, "random_state": 0}
SMALL = {**QUICK, "n_blocks": 1, "d_block": 4}
MLP = {**SMALL, "num_embeddings": None, "d_embedding": 2, "n_frequencies": 2}
PICTURES = {**QUICK, "backbone": "resnet8"}


def of_mlp(make, **own):
    """A meta-estimator around a small network."""
    return lambda: make(TabularMLPClassifier(**MLP), **own)


# Name -> (share of the draws, what makes it).
ESTIMATORS = {
    "mlp": (6, partial(TabularMLPClassifier, **MLP)),
    "resnet": (2, partial(TabularResNetClassifier, **SMALL, d_embedding=2)),
    "ft": (2, partial(FTTransformerClassifier, **SMALL, attention_n_heads=2)),
    "image": (3, partial(ImageResNetClassifier, **PICTURES)),
    "retrainer": (2, of_mlp(ClassifierRetrainer, n_epochs=1)),
    "pseudo": (2, of_mlp(PseudoLabelClassifier)),
    "search": (
        2,
        of_mlp(
            PackedSearchCV,
            param_grid={"lr": [0.001, 0.01]},
            cv=2,
            max_members=8,
            error_score="raise",
        ),
    ),
    "pretrainer": (2, of_mlp(SelfSupervisedPretrainer, max_epochs=1, random_state=0)),
    "encoder": (3, TabularEncoder),
}

# Parameter -> values that it documents.
DOCUMENTED = {
    "loss": "focal class_balanced logit_adjusted balanced_softmax vs ldam cosface",
    "class_weight": ["balanced", {0: 1.0, 1: 5.0}],
    "drw_start": [0.0, 0.5],
    "sampler": "balanced sqrt smote over under borderline_smote svm_smote adasyn "
    "all_knn cluster_centroids near_miss smote_enn",
    "smoothing_eps": [0.1],
    "smoothing_scale": "inverse head uniform max_ratio printed",
    "sam_asymmetric_rho": [0.05],
    "joint_ssl": "vicreg simclr scarf",
    "mix": "mixup cutmix",
    "m2m": ["default", M2m(n_steps=2, start=0.0)],
    "metabalance_sampler": ["balanced", "under", ("natural", "over")],
    "metabalance_steps": [2],
    "row_weighting": "l2rw meta_weight_net",
    "row_weighting_rows": [2],
    "target_prior": ["uniform", None, [0.5, 0.5]],
    "temperature_scaling": [True],
    "n_members": [2, 3],
    "portfolio": ["default", [{"lr": 0.1}, {"lr": 0.01}]],
    "pretrained": [SelfSupervisedPretrainer(max_epochs=1)],
    "optimizer": ["sgd"],
    "lr": [1e-3, 0.1],
    "lr_schedule": ["cosine"],
    "max_epochs": [2, 3],
    "batch_size": [1, 7, 10_000],
    "ema_decay": [0.9],
    "clip_norm": [1.0],
    "early_stopping": [True, False],
    "validation_split": [2, KFold(3), TimeSeriesSplit(2)],
    "validation_folds": [2, 5],
    "monitor": ["roc_auc", "average_precision"],
    "warm_start": [True],
    "merge_duplicates": [False],
    "dtype": "float64 bfloat16",
    "compile": [False],
    "random_state": [1, np.random.RandomState(0)],
    "callbacks": [[]],
    "net_params": [{"optimizer__betas": (0.9, 0.99)}],
    "categorical_features": [None, [0], [True, False], ["a"], [-1], "a"],
    "numeric_transform": ["standard", "robust", None],
    "min_frequency": [0.0, 1, 3, 0.5],
    "num_embeddings": "plr plr-lite ple linear",
    "backbone": ["resnet20"],
    "image_shape": [(8, 8), (8, 8, 3), [4, 4], (64, 1)],
    "augment": ["flip", ["crop", "trivial"], "randaugment"],
    "retrainer method": "tau lws ncm mislas oltr",
    "pretrainer method": "vicreg simclr rotation moco",
    "category_encoding": ["onehot"],
    "threshold": [0.5, 1.0],
    "omega": [0.0, 0.5],
    "scoring": ["roc_auc", "neg_log_loss", ["accuracy"]],
    "cv": [3, KFold(2)],
    "halving_factor": [2],
}
# What no parameter documents, or few.
HOSTILE = [
    *(None, -1, 0, 1, 0.5, 2.0, 2**70, -(2**70), 1e300, 1e-300, 1 + 1j),
    *(np.nan, np.inf, -np.inf, "", "x", "ce\0", b"x", True, (), [], {}, {1: 2}, set()),
    *(np.int64(3), np.float32(0.1), np.bool_(True), np.str_("auto"), np.ones(2)),
    *([np.nan, 1.0], [1, "a"], [[1.0], [2.0]], ["a", "a"], {"lr": 1}, {None: 1}),
    *(np.array(1.0), np.array("x"), torch.tensor(0.5), decimal.Decimal("0.5"), pd.NA),
    *(fractions.Fraction(1, 2), len, np.mean, int, FocalLoss, FocalLoss(-1.0)),
    *(SMOTE(), RandomOverSampler(random_state=0), range(3), pd.Series([0.5, 0.5])),
]
# Their large values are long training, and `compile` takes a minute.
COSTLY = {"compile", "max_epochs", "n_members", "metabalance_steps", "n_epochs", "cv"}
COSTLY |= {"n_iter_no_change", "verbose", "rounds", "n_jobs", "checkpoint", "n_iter"}


LABELS = {
    "usual": {
        "integers": lambda codes: codes,
        "strings": lambda codes: np.array(["no", "yes"])[codes],
        "booleans": lambda codes: codes == 1,
        "-1 and 1": lambda codes: 2 * codes - 1,
    },
    "odd": {
        "floats": lambda codes: codes.astype(float),
        "float16": lambda codes: codes.astype("f2"),
        "halves": lambda codes: codes + 0.5,
        "bytes": lambda codes: np.array([b"no", b"yes"])[codes],
        "uint8": lambda codes: codes.astype("u1"),
        "big-endian": lambda codes: codes.astype(">i8"),
        "objects": lambda codes: np.array([7, 2**62], dtype=object)[codes],
        "text objects": lambda codes: np.array(["é", "\0"], dtype=object)[codes],
        "mixed": lambda codes: np.array([1, "a"], dtype=object)[codes],
        "endless integers": lambda codes: np.array([1, 2**70], dtype=object)[codes],
        "Decimals": lambda codes: [decimal.Decimal(int(c)) for c in codes],
        "None": lambda codes: None,
        "missing": lambda codes: np.where(codes == 1, np.nan, 0.0),
        "None in it": lambda codes: np.array(["a", None], dtype=object)[codes],
        "pd.NA in it": lambda codes: pd.Series(codes, dtype="Int64").replace(1, pd.NA),
        "infinite": lambda codes: np.where(codes == 1, np.inf, 0.0),
        "1e300": lambda codes: codes * 1e300,
        "one class": lambda codes: codes * 0,
        "one rare row": lambda codes: (np.arange(len(codes)) == 0).astype(int),
        "three classes": lambda codes: codes + (np.arange(len(codes)) % 5 == 0),
        "a class a row": lambda codes: np.arange(len(codes)),
        "continuous": lambda codes: codes + np.arange(len(codes)) / 97,
        "several": lambda codes: np.stack([codes, 1 - codes], 1),
        "one column": lambda codes: codes[:, None],
        "frame": lambda codes: pd.DataFrame({"y": codes}),
        "too short": lambda codes: codes[:-1],
        "no rows": lambda codes: codes[:0],
        "one number": lambda codes: 1,
        "text": lambda codes: "yes",
        "list": lambda codes: codes.tolist(),
        "tuple of text": lambda codes: tuple("ab"[c] for c in codes),
        "lists in it": lambda codes: [[c] for c in codes.tolist()],
        "sets": lambda codes: [{c} for c in codes.tolist()],
        "Series": lambda codes: pd.Series(codes, index=codes, name="y"),
        "category": lambda codes: pd.Series(
            pd.Categorical.from_codes(codes, ["b", "a"])
        ),
        "unused category": lambda codes: pd.Categorical.from_codes(codes, [3, 1, 2]),
        "nullable": lambda codes: pd.Series(codes, dtype="Int64"),
        "nullable booleans": lambda codes: pd.Series(codes == 1, dtype="boolean"),
        "string dtype": lambda codes: pd.Series(codes.astype(str), dtype="string"),
        "arrow dtype": lambda codes: pd.Series(codes, dtype="int64[pyarrow]"),
        "dates": lambda codes: codes.astype("M8[D]"),
        "complex": lambda codes: codes + 0j,
        "polars": lambda codes: pl.Series(codes),
        "pyarrow": lambda codes: pa.chunked_array([codes]),
        "torch": lambda codes: torch.from_numpy(codes),
        "masked": lambda codes: np.ma.masked_equal(codes, 1),
        "scipy": lambda codes: sp.csr_matrix(codes[:, None]),
        "generator": lambda codes: (c for c in codes),
        "read-only": lambda codes: np.broadcast_to(codes, (1, len(codes)))[0],
    },
}

# Further arguments of `fit`, of (rng, X, y, n).
WEIGHTS = {
    "ones": lambda rng, n: np.ones(n),
    "random": lambda rng, n: rng.random(n),
    "integers": lambda rng, n: rng.integers(0, 3, n),
    "zeros": lambda rng, n: np.zeros(n),
    "negative": lambda rng, n: rng.normal(size=n),
    "NaN": lambda rng, n: np.where(rng.random(n) < 0.3, np.nan, 1.0),
    "infinite": lambda rng, n: np.full(n, np.inf),
    "1e300": lambda rng, n: 1e300 * rng.random(n),
    "1e-300": lambda rng, n: 1e-300 * rng.random(n),
    "1e-300 to 1e300": lambda rng, n: 10.0 ** rng.uniform(-300, 300, n),
    "too long": lambda rng, n: np.ones(n + 1),
    "one number": lambda rng, n: 2.0,
    "text": lambda rng, n: np.array(["1"] * n),
    "letters": lambda rng, n: ["a"] * n,
    "objects": lambda rng, n: np.ones(n, dtype=object),
    "None in it": lambda rng, n: [None] * n,
    "booleans": lambda rng, n: rng.random(n) < 0.7,
    "complex": lambda rng, n: np.ones(n, dtype=complex),
    "2 columns": lambda rng, n: np.ones((n, 2)),
    "1 column": lambda rng, n: np.ones((n, 1)),
    "Series": lambda rng, n: pd.Series(np.ones(n), index=range(n, 0, -1)),
    "nullable": lambda rng, n: pd.Series([1, None] * n, dtype="Int64")[:n],
    "polars": lambda rng, n: pl.Series(rng.random(n)),
    "torch": lambda rng, n: torch.rand(n, generator=torch.Generator().manual_seed(0)),
    "float16": lambda rng, n: rng.random(n).astype("f2"),
    "one row": lambda rng, n: np.eye(n)[0] if n else [],
    "read-only": lambda rng, n: np.broadcast_to(1.0, n),
}
OTHERS = {
    "groups": lambda rng, X, y, n: {"groups": rng.integers(0, 4, n)},
    "text groups": lambda rng, X, y, n: {"groups": ["a", "b"] * (n // 2)},
    "NaN groups": lambda rng, X, y, n: {"groups": np.full(n, np.nan)},
    "X_val": lambda rng, X, y, n: {"X_val": X, "y_val": y},
    "X_val alone": lambda rng, X, y, n: {"X_val": X},
    "other X_val": lambda rng, X, y, n: {"X_val": np.zeros((2, 9)), "y_val": [0, 1]},
    "X_unlabeled": lambda rng, X, y, n: {"X_unlabeled": X},
    "other X_unlabeled": lambda rng, X, y, n: {"X_unlabeled": np.zeros((4, 9))},
    "text as X_unlabeled": lambda rng, X, y, n: {"X_unlabeled": "X"},
    "no X_unlabeled": lambda rng, X, y, n: {"X_unlabeled": [[]]},
}
AFTER = "pickle clone save refit swapped dtypes unseen other hostile partial reports"
ROWS = {"usual": [24, 24, 40], "odd": [0, 1, 2, 3, 5, 300]}
PARTS = ("parameters", "contents", "container", "labels", "arguments", "rows")


@dataclass
class Input:
    """One random input; `names` says what was drawn, in words."""

    seed: int
    kind: str
    estimator: object
    parameters: dict
    X: object
    y: object
    arguments: dict
    after: tuple
    names: dict
    make_X: object

    def __str__(self):
        drawn = ", ".join(f"{part}: {name}" for part, name in self.names.items())
        given = ", ".join(f"{k}={str(v)[:40]!r}" for k, v in self.parameters.items())
        return f"seed {self.seed}: {self.kind}({given}); {drawn}; after: {self.after}"


def draw(seed):
    """The input of a seed."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return _draw(seed)


def _draw(seed):
    rng = np.random.default_rng(seed)

    def of(values):
        return list(values)[rng.integers(len(values))]

    odd = set(rng.choice(PARTS, rng.integers(3), replace=False).tolist())
    grade = {part: "odd" if part in odd else "usual" for part in PARTS}
    shares = np.array([share for share, _ in ESTIMATORS.values()])
    kind = list(ESTIMATORS)[rng.choice(len(shares), p=shares / shares.sum())]
    estimator = ESTIMATORS[kind][1]()
    n = of(ROWS[grade["rows"]])
    codes = (np.arange(n) % 3 == 0).astype(np.int64)
    names = {"rows": n}

    if kind == "image":
        names["container"] = of(IMAGES[grade["container"]])
        make_X = partial(IMAGES[grade["container"]][names["container"]], rng, n)
    else:
        usual, chosen = COLUMNS["usual"], COLUMNS[grade["contents"]]
        contents = [of(chosen), *(of(usual) for _ in range(rng.integers(1, 4)))]
        container = of(TABLES[grade["container"]])
        names |= {"contents": contents, "container": container}

        def make_X():
            columns = {
                letter: (chosen | usual)[name](rng, n)
                for letter, name in zip("abcd", contents, strict=False)
            }
            return TABLES[grade["container"]][container](columns)

    names["labels"] = of(LABELS[grade["labels"]])
    y = LABELS[grade["labels"]][names["labels"]](codes)
    X = made(make_X)
    arguments = {} if kind == "encoder" else {"y": y}
    if kind == "pseudo":
        arguments["X_unlabeled"] = X
    if "arguments" in odd:
        names["arguments"] = of([*WEIGHTS, *OTHERS])
        if names["arguments"] in WEIGHTS:
            arguments["sample_weight"] = WEIGHTS[names["arguments"]](rng, n)
        else:
            arguments |= OTHERS[names["arguments"]](rng, X, y, n)
    elif grade["rows"] == "usual" and rng.random() < 0.2:
        arguments["sample_weight"] = WEIGHTS["random"](rng, n)
    takes = inspect.signature(estimator.fit).parameters
    if not any(p.kind == p.VAR_KEYWORD for p in takes.values()):
        arguments = {name: v for name, v in arguments.items() if name in takes}

    known = [p for p in estimator.get_params(deep=False) if p not in ("estimator",)]
    parameters = {}
    for name in rng.choice(known, rng.integers(1, 4), replace=False).tolist():
        hostile = "parameters" in odd and name not in COSTLY and rng.random() < 0.7
        own = DOCUMENTED.get(f"{kind} {name}", DOCUMENTED.get(name, []))
        values = HOSTILE if hostile else own
        values = values.split() if isinstance(values, str) else values
        if values:
            parameters[name] = copy.deepcopy(of(values))
    after = tuple(rng.choice(AFTER.split(), 2, replace=False).tolist())
    return Input(
        seed, kind, estimator, parameters, X, y, arguments, after, names, make_X
    )


def made(make):
    """What a maker makes; an array of nothing where the container refuses."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            return make()
        except Exception:
            return np.empty((0, 0))
