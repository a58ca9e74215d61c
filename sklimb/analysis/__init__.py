"""What a fitted classifier has learned: curvature, margins, collapse, uncertainty."""

from sklimb.analysis._collapse import neural_collapse
from sklimb.analysis._hessian import hessian_eigenvalues
from sklimb.analysis._margins import margins
from sklimb.analysis._uncertainty import refer, uncertainty

__all__ = [
    "hessian_eigenvalues",
    "margins",
    "neural_collapse",
    "refer",
    "uncertainty",
]
