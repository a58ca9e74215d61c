"""scikit-learn classifiers for class-imbalanced tables and images, trained by torch."""

from sklimb.image import ImageResNetClassifier
from sklimb.networks import FTTransformerClassifier, TabularResNetClassifier
from sklimb.persistence import load
from sklimb.preprocessing import TabularEncoder
from sklimb.tabular import TabularMLPClassifier
from sklimb.training.losses import LOSSES

__all__ = [
    "LOSSES",
    "FTTransformerClassifier",
    "ImageResNetClassifier",
    "TabularEncoder",
    "TabularMLPClassifier",
    "TabularResNetClassifier",
    "load",
]

__version__ = "0.1.0"
