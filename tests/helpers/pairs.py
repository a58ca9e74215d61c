"""One setting of each strategy that is not off, for tests of combinations."""

from helpers.packs import PLAIN
from sklimb.selfsup import SelfSupervisedPretrainer
from sklimb.training.m2m import M2m

SMALL = {**PLAIN, "d_block": 8, "max_epochs": 2, "early_stopping": True}

# One setting of each strategy that is not off.
STRATEGIES = [
    {"loss": "focal"},
    {"loss": "class_balanced"},
    {"loss": "ldam"},
    {"loss": "vs"},
    {"class_weight": "balanced"},
    {"drw_start": 0.5},
    {"sampler": "balanced"},
    {"sampler": "smote"},
    {"smoothing_eps": 0.1},
    {"sam_asymmetric_rho": 0.05},
    {"mix": "mixup"},
    {"mix": "cutmix"},
    {"m2m": M2m(start=0.5, gamma=0.1)},
    {"joint_ssl": "vicreg"},
    {"joint_ssl": "scarf"},
    {"row_weighting": "l2rw", "row_weighting_rows": 3},
    {"row_weighting": "meta_weight_net", "row_weighting_rows": 3},
    {"temperature_scaling": True},
    {"pretrained": SelfSupervisedPretrainer(max_epochs=1)},
    {"metabalance_sampler": "balanced", "metabalance_steps": 2},
    {
        "metabalance_sampler": "under",
        "metabalance_steps": 2,
        "metabalance_second_order": True,
    },
    {"target_prior": "uniform"},
    {"n_members": 2},
    {"portfolio": [{"weight_decay": 0.1}, {"weight_decay": 0.0}]},
    {"validation_folds": 2},
    {"ema_decay": 0.9},
    {"clip_norm": 0.1},
    {"dtype": "bfloat16"},
    {"num_embeddings": "ple", "n_bins": 4},
    {"warm_start": True},
]
