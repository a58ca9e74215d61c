"""Spaces of Gorishniy et al. (2022), one trial of TPE, five seeds of what it chose."""

import warnings

import numpy as np
import optuna
from optuna.distributions import CategoricalDistribution as Choice
from optuna.distributions import FloatDistribution as Float
from optuna.distributions import IntDistribution as Int
from xgboost import XGBClassifier

from benchmarks.common.scores import timed_fit
from benchmarks.common.splits import table
from benchmarks.papers.simplifying.measure import (
    MEMBERS,
    PATIENCE,
    SCORES,
    make_split,
    score,
)
from sklimb import (
    FTTransformerClassifier,
    TabularMLPClassifier,
    TabularResNetClassifier,
)

MODELS = ("xgboost", "mlp", "resnet", "ft_transformer", "mlp_sam")
OURS = {
    "mlp": TabularMLPClassifier,
    "mlp_sam": TabularMLPClassifier,
    "resnet": TabularResNetClassifier,
    "ft_transformer": FTTransformerClassifier,
}
# "{0} or a number", as in Gorishniy et al.: a choice decides.
MAYBE = "with "


def maybe(name, distribution):
    """A number that may be 0 instead."""
    return {MAYBE + name: Choice((False, True)), name: distribution}


def space(model, limits):
    """What is tuned, {name: distribution}.

    NOTE[DIFF]: one width for all hidden layers; ResNet and FT-Transformer take numbers
    by a linear layer, not by periodic features.
    """
    if model == "xgboost":
        return {
            "max_depth": Int(3, 10),
            "min_child_weight": Float(1e-8, 1e5, log=True),
            "subsample": Float(0.5, 1.0),
            "learning_rate": Float(1e-3, 1.0, log=True),
            "colsample_bytree": Float(0.5, 1.0),
            **maybe("gamma", Float(1e-8, 100.0, log=True)),
            **maybe("reg_lambda", Float(1e-8, 100.0, log=True)),
            **maybe("reg_alpha", Float(1e-8, 100.0, log=True)),
        }
    wide, deep = limits["d_block"], limits["n_blocks"]
    own = {
        "lr": Float(5e-5, 5e-3, log=True),
        **maybe("weight_decay", Float(1e-6, 1e-3, log=True)),
        "n_blocks": Int(1, deep),
    }
    if model == "ft_transformer":
        own |= {"d_block": Int(16, wide // 2, step=8), "attention_dropout": drop()}
        own |= {"ffn_dropout": drop(), **maybe("residual_dropout", Float(0.0, 0.2))}
        return {**own, "ffn_d_hidden_multiplier": Float(2 / 3, 8 / 3)}
    own["d_block"] = Int(16, wide)
    if model == "resnet":
        own |= {"d_hidden_multiplier": Float(1.0, 4.0), "dropout1": drop()}
        return own | maybe("dropout2", drop())
    own |= maybe("dropout", drop())
    own |= {"d_embedding": Int(1, limits["embedding"])}
    own |= {"n_frequencies": Int(1, limits["embedding"])}
    own |= {"frequency_scale": Float(0.01, 100.0, log=True)}
    if model == "mlp_sam":
        own |= {"sam_asymmetric_rho": Float(0.005, 0.5, log=True)}
        own |= {"smoothing_eps": Float(0.0, 0.2)}
    return own


def drop():
    return Float(0.0, 0.5)


def parameters(suggested):
    """Of a trial: those of the classifier."""
    return {
        name: 0.0 if suggested.get(MAYBE + name) is False else value
        for name, value in suggested.items()
        if not name.startswith(MAYBE)
    }


def suggest(model, settings, number):
    """The next trial of TPE after those of the history; it does not depend on stops."""
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    own = space(model, settings["limits"])
    sampler = optuna.samplers.TPESampler(
        seed=number, n_startup_trials=settings["startup"]
    )
    study = optuna.create_study(direction="maximize", sampler=sampler)
    for suggested, value in settings["history"]:
        study.add_trial(
            optuna.trial.create_trial(params=suggested, distributions=own, value=value)
        )
    return study.ask(own).params


def run_trial(key, settings, data_home, device):
    """Fit one network or booster; its accuracy on the validation rows."""
    name, model, number = key[:3]
    suggested = suggest(model, settings, number)
    parts = rows_of(name, settings, data_home)
    with warnings.catch_warnings():
        # Probabilities whose largest value is never that of a rare class.
        warnings.simplefilter("ignore", UserWarning)
        (p, classes), wall, seconds = timed_fit(
            lambda: fitted(
                model, parameters(suggested), settings, parts, 1, 0, 0, device
            )
        )
    right = classes[p[0].argmax(1)] == parts[1][1]
    return {
        "suggested": suggested,
        "validation": float(right.mean()),
        "seconds": seconds,
        "wall": wall,
    }


def run_tuned(key, settings, data_home, device):
    """Five seeds of what was chosen: each alone, and their mean, on the test rows."""
    name, model, group = key[:3]
    parts = rows_of(name, settings, data_home)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        (p, classes), wall, seconds = timed_fit(
            lambda: fitted(
                model,
                settings["chosen"],
                settings,
                parts,
                2,
                MEMBERS * group,
                MEMBERS - 1,
                device,
            )
        )
        y = parts[2][1]
        single = [score(y, one, classes) for one in p]
        return {
            "single": {s: [line[s] for line in single] for s in SCORES},
            "ensemble": score(y, p.mean(0), classes),
            "chosen": None,
            "rows": [len(part[1]) for part in parts],
            "seconds": seconds,
            "wall": wall,
        }


def rows_of(name, settings, data_home):
    """Training, validation and test rows of `simplifying`, with their labels."""
    bunch = table(name, data_home)
    return [
        (bunch.X.iloc[rows], bunch.y[rows])
        for rows in make_split(name, settings["rows"], data_home)
    ]


def fitted(model, chosen, settings, parts, part, seed, more, device):
    """Probabilities on a part, (1 + more, rows, classes), and the classes."""
    if model == "xgboost":
        return _boosted(chosen, settings, parts, part, range(seed, seed + more + 1))
    estimator = OURS[model](
        random_state=seed // MEMBERS,
        n_members=1 + more,
        device=device,
        **settings["fixed"],
        **chosen,
    )
    validation = dict(zip(("X_val", "y_val"), parts[1], strict=True))
    estimator.fit(*parts[0], **validation)
    p = estimator.predict_proba_members(parts[part][0])
    return p.astype(float), estimator.classes_


def _boosted(chosen, settings, parts, part, seeds):
    classes, codes = np.unique(parts[0][1], return_inverse=True)
    validation = (parts[1][0], np.searchsorted(classes, parts[1][1]))
    p = []
    for seed in seeds:
        model = XGBClassifier(
            n_estimators=settings["rounds"],
            early_stopping_rounds=PATIENCE,
            enable_categorical=True,
            tree_method="hist",
            n_jobs=1,
            random_state=seed,
            **chosen,
        )
        model.fit(parts[0][0], codes, eval_set=[validation], verbose=False)
        p.append(model.predict_proba(parts[part][0]))
    return np.stack(p).astype(float), classes
