"""What a fitted classifier has learned: curvature, margins, collapse, uncertainty."""

from sklimb.analysis._collapse import neural_collapse
from sklimb.analysis._curves import ClassCurves, class_curves
from sklimb.analysis._hessian import hessian_eigenvalues
from sklimb.analysis._landscape import loss_landscape
from sklimb.analysis._margins import margins
from sklimb.analysis._regions import region_volumes
from sklimb.analysis._uncertainty import refer, uncertainty

__all__ = [
    "ClassCurves",
    "class_curves",
    "hessian_eigenvalues",
    "loss_landscape",
    "margins",
    "neural_collapse",
    "refer",
    "region_volumes",
    "uncertainty",
]
