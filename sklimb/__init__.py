"""scikit-learn classifiers for class-imbalanced tables and images, trained by torch.

Classifiers (`fit`, `predict_proba`, `explain`, `save`), strategies as parameters:

TabularMLPClassifier, TabularResNetClassifier, FTTransformerClassifier
    Tables with numbers, categories and missing values.
ImageResNetClassifier
    Images: arrays, files or PIL images.

Beside them: `load` (a saved classifier), TabularEncoder (a table as one matrix),
TabularNetworkClassifier (base of tabular networks of your own) and LOSSES (the names
that `loss` takes). The rest is in modules, which are imported when first used:

analysis
    What a fitted classifier has learned: collapse, curvature, margins, uncertainty.
bayes
    Posteriors of trained networks: Laplace approximations and Monte Carlo chains.
datasets
    Published and simulated imbalanced tables and images.
distributed
    One network on several devices.
exceptions
    Warnings of sklimb.
export
    A fitted estimator as one ONNX graph.
explanation
    The row that explanations compare with.
importances
    What columns contribute, for scikit-learn's selectors.
metrics
    Scores for rare classes, and scorers of them.
model_selection
    PackedSearchCV: a search whose fits train as one program.
nn
    Packed layers: networks with a leading member axis.
parameters
    Constructor parameters of classifiers of your own.
plots
    Displays of fits, thresholds, gains, classes, reasons and searches.
selfsup
    SelfSupervisedPretrainer: features without labels.
semisup
    PseudoLabelClassifier: self-training with unlabelled rows.
strategies
    The objects that parameters take: losses, samplers, steps, augmentations, terms.
two_stage
    ClassifierRetrainer: a new last layer on features that stay.

Signatures and defaults: `help(sklimb.TabularMLPClassifier)`. What versions promise:
CONTRIBUTING.md, "Versions".
"""

from importlib import import_module as _import_module
from importlib.util import find_spec as _find_spec

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


def __getattr__(name):
    """Import a module of the package when it is first asked for."""
    if not name.startswith("_") and _find_spec(f"{__name__}.{name}"):
        return _import_module(f"{__name__}.{name}")
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__():
    from pkgutil import iter_modules

    modules = {found.name for found in iter_modules(__path__)}
    return sorted({*globals(), *(name for name in modules if name[0] != "_")})
