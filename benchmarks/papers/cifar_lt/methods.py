"""The methods of the papers on long-tailed images."""

from dataclasses import dataclass

from sklimb.strategies import ClassBalancedLoss, FocalLoss


@dataclass(frozen=True)
class ClassBalancedFocalLoss(FocalLoss):
    """Focal loss with the class weights of Cui et al. (2019)."""

    beta: float = 0.9999

    def class_factor(self, counts):
        """Weight of each class, with mean 1 over the classes that occur."""
        return ClassBalancedLoss(self.beta).class_factor(counts)


GROUPS = ("many", "medium", "few")
_JOINT = {"joint_ssl": "vicreg", "joint_ssl_weight": 0.1}
# By class, which is what S002 adds to the smoothing of its recipe.
SMOOTHING = "complement"
_SAM = {"sam_asymmetric_rho": 0.05}
# The common recipe of Table 1 of Shwartz-Ziv et al. (2023): TrivialAugment and CutMix,
# label smoothing and averaged weights. They print no strengths: these are usual ones.
RECIPE = {
    "augment": ["crop", "flip", "trivial"],
    "mix": "cutmix",
    "smoothing_eps": 0.1,
    "smoothing_scale": "uniform",
    "ema_decay": 0.99,
}
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
    "under": ("under-sampling", {"sampler": "under"}, None),
    "cutmix": ("CutMix", {"mix": "cutmix"}, None),
    "os_mixup": ("over-sampling, mixup", {"sampler": "over", "mix": "mixup"}, None),
    "os_cutmix": ("over-sampling, CutMix", {"sampler": "over", "mix": "cutmix"}, None),
    # Two of the five images of a rare class judge the others.
    "meta_weight_net": (
        "Meta-Weight-Net",
        {"row_weighting": "meta_weight_net", "row_weighting_rows": 2},
        None,
    ),
    "cb_focal": (
        "class-balanced focal loss",
        {"loss": ClassBalancedFocalLoss(1.0)},
        None,
    ),
    "ce_drs": ("ERM-DRS", {"sampler": "balanced", "drw_start": 0.8}, None),
    "ssp": ("SSP (rotation), then ERM", {"pretrained": "rotation"}, None),
    "ssp_uniform": (
        "SSP, prior divided out",
        {"pretrained": "rotation", "target_prior": "uniform"},
        None,
    ),
    "ssp_resampling": (
        "SSP, then re-sampling",
        {"pretrained": "rotation", "sampler": "balanced"},
        None,
    ),
    "ssp_ldam_drw": (
        "SSP, then LDAM-DRW",
        {"pretrained": "rotation", "loss": "ldam", "drw_start": 0.8},
        "largest",
    ),
    # S004, Tables 3 and 4.
    "moco": ("SSP (MoCo), then ERM", {"pretrained": "moco"}, None),
    "moco_resampling": (
        "SSP (MoCo), then re-sampling",
        {"pretrained": "moco", "sampler": "balanced"},
        None,
    ),
    "moco_crt": ("SSP (MoCo), then cRT", {"pretrained": "moco"}, "crt"),
    "sam_a": ("SAM-A", _SAM, None),
    "joint_ssl": ("Joint-SSL", _JOINT, None),
    "ssl_sam": ("Joint-SSL + SAM-A", {**_JOINT, **_SAM}, None),
    "joint_sam": (
        "Joint-SSL + SAM-A + smoothing",
        {**_JOINT, **_SAM, "smoothing_eps": 0.1, "smoothing_scale": SMOOTHING},
        None,
    ),
    "recipe": ("recipe of S002", RECIPE, None),
    "recipe_best": (
        "recipe, Joint-SSL + SAM-A + M2m",
        {**RECIPE, **_JOINT, **_SAM, "m2m": "default"},
        None,
    ),
    "metabalance": (
        "MetaBalance (natural, over)",
        {"metabalance_sampler": ("natural", "over")},
        None,
    ),
}
# Set-ups of Bansal et al. (2021): the columns of their Table 1 and some of ours.
SEVERE = (
    "erm",
    "erm_uniform",
    "reweighting",
    "resampling",
    "under",
    "mixup",
    "cutmix",
    "os_mixup",
    "os_cutmix",
    "meta_weight_net",
    "class_balanced",
    "m2m",
    "sam_a",
    "metabalance",
)
# Real images: the rows of Table 2 of Shwartz-Ziv et al. (2023).
REAL = (
    "erm",
    "reweighting",
    "resampling",
    "focal",
    "ldam_drw",
    "m2m",
    "mislas",
    "joint_ssl",
    "ssl_sam",
    "joint_sam",
)
# ImageNet-LT and iNaturalist: the rows of Tables 3 and 4 of Yang and Xu (2020).
LARGE = (
    "erm",
    "resampling",
    "ldam_drw",
    "crt",
    "moco",
    "moco_resampling",
    "moco_crt",
)
# Rows of Table 1 of Shwartz-Ziv et al. (2023), each on top of the common recipe.
ON_RECIPE = (
    "erm",
    "reweighting",
    "resampling",
    "focal",
    "ldam_drw",
    "m2m",
    "mislas",
    "sam_a",
    "joint_ssl",
    "joint_sam",
    "recipe_best",
)
# Of `SEVERE`, what is in that table only.
ONLY_SEVERE = ("under", "os_mixup", "os_cutmix", "meta_weight_net")
