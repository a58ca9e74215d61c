"""Strategies: the objects that parameters take, and the registries of their names."""

from sklimb.training.augment.distortions import (
    ColorJitter,
    GaussianBlur,
    Grayscale,
    RandomResizedCrop,
)
from sklimb.training.augment.operations import (
    AUGMENTS,
    Crop,
    Cutout,
    Flip,
    RandomErasing,
)
from sklimb.training.augment.policies import (
    AugMix,
    AutoAugment,
    RandAugment,
    TrivialAugment,
)
from sklimb.training.losses import (
    LOSSES,
    ClassBalancedLoss,
    CosFaceLoss,
    CrossEntropy,
    FocalLoss,
    LDAMLoss,
    LogitAdjustedLoss,
    VSLoss,
)
from sklimb.training.m2m import M2m
from sklimb.training.reweighting import L2RW, ROW_WEIGHTINGS, MetaWeightNet
from sklimb.training.samplers import SAMPLERS, Balanced, SquareRoot, Uniform
from sklimb.training.steps import STEPS, Plain, backward
from sklimb.training.terms import SCARF, TERMS, MoCo, Rotation, SimCLR, VICReg
from sklimb.training.views.images import VIEWS

__all__ = [
    "AUGMENTS",
    "L2RW",
    "LOSSES",
    "ROW_WEIGHTINGS",
    "SAMPLERS",
    "SCARF",
    "STEPS",
    "TERMS",
    "VIEWS",
    "AugMix",
    "AutoAugment",
    "Balanced",
    "ClassBalancedLoss",
    "ColorJitter",
    "CosFaceLoss",
    "Crop",
    "CrossEntropy",
    "Cutout",
    "Flip",
    "FocalLoss",
    "GaussianBlur",
    "Grayscale",
    "LDAMLoss",
    "LogitAdjustedLoss",
    "M2m",
    "MetaWeightNet",
    "MoCo",
    "Plain",
    "RandAugment",
    "RandomErasing",
    "RandomResizedCrop",
    "Rotation",
    "SimCLR",
    "SquareRoot",
    "TrivialAugment",
    "Uniform",
    "VICReg",
    "VSLoss",
    "backward",
]
