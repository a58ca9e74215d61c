"""Bayesian inference: posteriors over the weights of trained classifiers."""

from sklimb.bayes._laplace import LaplaceClassifier

__all__ = ["LaplaceClassifier"]
