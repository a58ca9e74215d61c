"""Meta-estimators with a second training stage on a trained classifier."""

from sklimb.two_stage._retrainer import ClassifierRetrainer

__all__ = ["ClassifierRetrainer"]
