"""scikit-learn classifiers for class-imbalanced tables and images, trained by torch."""

# Rooms whose estimators a file may hold, so that `load` knows them.
from sklimb import selfsup as selfsup
from sklimb import semisup as semisup
from sklimb import two_stage as two_stage
from sklimb._version import __version__ as __version__
from sklimb.ft_transformer import FTTransformerClassifier
from sklimb.image_resnet import ImageResNetClassifier
from sklimb.persistence import load, save
from sklimb.preprocessing import TabularEncoder
from sklimb.tabular_mlp import TabularMLPClassifier
from sklimb.tabular_network import TabularNetworkClassifier
from sklimb.tabular_resnet import TabularResNetClassifier
from sklimb.training.losses import LOSSES

__all__ = [
    "LOSSES",
    "FTTransformerClassifier",
    "ImageResNetClassifier",
    "TabularEncoder",
    "TabularMLPClassifier",
    "TabularNetworkClassifier",
    "TabularResNetClassifier",
    "load",
    "save",
]
