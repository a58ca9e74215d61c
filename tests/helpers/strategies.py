"""Classifiers with each strategy, for scikit-learn's estimator checks."""

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
    {"decision": "balanced"},
]
NETWORKS = [
    TabularResNetClassifier(d_block=16, max_epochs=60, lr=1e-2),
    FTTransformerClassifier(
        d_block=8, n_blocks=1, attention_n_heads=2, max_epochs=60, lr=1e-2
    ),
]
# A seed inside, because the checks set that of the outer estimator.
META = [PseudoLabelClassifier(TabularMLPClassifier(**SMALL, random_state=0))]
