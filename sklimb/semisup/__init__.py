"""Classifiers that learn from unlabelled rows beside the labelled ones."""

from sklimb.semisup._pseudo_labels import PseudoLabelClassifier

__all__ = ["PseudoLabelClassifier"]
