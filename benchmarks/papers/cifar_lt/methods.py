"""The methods of the papers on long-tailed images."""

from sklimb.training.losses import FocalLoss

GROUPS = ("many", "medium", "few")
_JOINT = {"joint_ssl": "vicreg", "joint_ssl_weight": 0.1}
_SAM = {"sam_asymmetric_rho": 0.05}
# name -> title, parameters of the classifier, and what is made of its network: None is
# its own decisions, "raw" those without the correction by `target_prior`, others are
# second stages.
METHODS = {
    "erm": ("ERM", {"target_prior": "uniform"}, "raw"),
    "erm_uniform": ("ERM, prior divided out", {"target_prior": "uniform"}, None),
    "reweighting": ("re-weighting", {"class_weight": "balanced"}, None),
    "resampling": ("re-sampling", {"sampler": "balanced"}, None),
    "focal": ("focal loss", {"loss": FocalLoss(1.0)}, None),
    "class_balanced": ("class-balanced loss", {"loss": "class_balanced"}, None),
    # Its decisions are those of the raw logits, which favour no class.
    "logit_adjusted": (
        "logit adjustment",
        {"loss": "logit_adjusted", "target_prior": "uniform"},
        None,
    ),
    # As its authors decide; the largest probability takes the margins back.
    "ldam_drw": ("LDAM-DRW", {"loss": "ldam", "drw_start": 0.8}, "largest"),
    "mixup": ("mixup", {"mix": "mixup"}, None),
    "crt": ("cRT", {"target_prior": "uniform"}, "crt"),
    "mislas": ("MiSLAS", {"mix": "mixup"}, "mislas"),
    "m2m": ("M2m", {"m2m": "default"}, None),
    "ssp": ("SSP (rotation), then ERM", {"pretrained": "rotation"}, None),
    "sam_a": ("SAM-A", _SAM, None),
    "joint_ssl": ("Joint-SSL", _JOINT, None),
    "joint_sam": (
        "Joint-SSL + SAM-A + smoothing",
        {**_JOINT, **_SAM, "smoothing_eps": 0.1},
        None,
    ),
    "metabalance": (
        "MetaBalance (natural, over)",
        {"metabalance_sampler": ("natural", "over")},
        None,
    ),
}
# Set-ups of Bansal et al. (2021) on which some methods are run too.
SEVERE = ("erm", "erm_uniform", "reweighting", "resampling", "sam_a", "metabalance")
