"""Meta-estimators that make more of a classifier that has been trained."""

from sklimb.two_stage._retrainer import ClassifierRetrainer

__all__ = ["ClassifierRetrainer"]
