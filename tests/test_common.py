"""scikit-learn's own estimator checks: none fails, none is expected to fail."""

import pytest
from sklearn.utils.estimator_checks import (
    check_dataframe_column_names_consistency,
    check_param_validation,
    parametrize_with_checks,
)

from sklimb import (
    FTTransformerClassifier,
    TabularMLPClassifier,
    TabularResNetClassifier,
)
from sklimb.selfsup import SelfSupervisedPretrainer
from sklimb.semisup import PseudoLabelClassifier

# Only what makes small data learnable in seconds differs from the defaults.
SMALL = {"max_epochs": 60, "d_block": 32, "lr": 5e-3}

# Object samplers are left out: they count rows and cannot see weights, so a weight of 2
# cannot equal two rows for them. So is target_prior="uniform", which refuses the
# class_weight that a check sets, because both move the prior.
# Some of the checks have two different rows of a class: one judges, one trains.
BALANCED_ROWS = {"row_weighting_rows": 1, "early_stopping": False}
STRATEGIES = [
    {},
    {"loss": "focal"},
    {"loss": "class_balanced"},
    {"loss": "vs"},
    {"loss": "ldam"},
    {"drw_start": 0.5},
    {"mix": "mixup"},
    {"m2m": "default"},
    {"class_weight": "balanced"},
    {"sampler": "balanced"},
    {"sampler": "sqrt"},
    {"sampler": "over"},
    {"sampler": "under"},
    {"sampler": "smote"},
    {"smoothing_eps": 0.05},
    {"sam_asymmetric_rho": 0.05},
    {"joint_ssl": "scarf"},
    {"metabalance_sampler": "balanced", "metabalance_steps": 4},
    {"row_weighting": "l2rw", **BALANCED_ROWS},
    {"row_weighting": "meta_weight_net", **BALANCED_ROWS},
    {"ema_decay": 0.9},
    {"n_members": 3},
    {"pretrained": SelfSupervisedPretrainer(max_epochs=3)},
    {"portfolio": [{"dropout": 0.0}, {"dropout": 0.1}]},
    {"validation_folds": 2},
    {"temperature_scaling": True},
]
NETWORKS = [
    TabularResNetClassifier(d_block=16, max_epochs=60, lr=1e-2),
    FTTransformerClassifier(
        d_block=8, n_blocks=1, attention_n_heads=2, max_epochs=60, lr=1e-2
    ),
]
# A seed inside, because the checks set that of the outer estimator.
META = [PseudoLabelClassifier(TabularMLPClassifier(**SMALL, random_state=0))]


# The tables of these checks are tiny, and "smote" and m2m say so each time.
@pytest.mark.filterwarnings("ignore:sampler='smote':UserWarning")
@pytest.mark.filterwarnings("ignore:m2m translated no row:UserWarning")
@parametrize_with_checks(
    [TabularMLPClassifier(**SMALL, **s) for s in STRATEGIES] + NETWORKS + META
)
def test_estimator_checks(estimator, check):
    name = check.func.__name__
    if getattr(estimator, "row_weighting", None) and "weight_equivalence" in name:
        # A class has one row, which cannot both judge and train. test_reweighting.py
        # asks the same of a table with more rows.
        with pytest.raises(ValueError, match="class 0 has 1 different training rows"):
            check(estimator)
        return
    check(estimator)


@pytest.mark.parametrize(
    "check", [check_param_validation, check_dataframe_column_names_consistency]
)
def test_checks_that_scikit_learn_runs_apart(check):
    for estimator in (TabularMLPClassifier(**SMALL), *NETWORKS):
        check(type(estimator).__name__, estimator)
