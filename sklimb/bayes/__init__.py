"""Bayesian inference: posteriors over the weights of trained classifiers."""

from sklimb.bayes._laplace import LaplaceClassifier
from sklimb.bayes._sghmc import SGHMCClassifier

__all__ = ["LaplaceClassifier", "SGHMCClassifier"]
