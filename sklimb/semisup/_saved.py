"""A fitted pseudo-label classifier in a file: its last model and counts."""

import numpy as np
import torch

from sklimb.base import BaseNeuralClassifier
from sklimb.persistence import Saved


class SavedPseudoLabels(Saved):
    """What a file holds beside parameters and the last model."""

    _saved_when = "estimator_"
    _saved_parts = ("estimator_",)

    @staticmethod
    def _takes(part):
        if isinstance(part, BaseNeuralClassifier):
            return hasattr(part, "intercept_")  # not a network without labels
        return hasattr(part, "predict") and hasattr(part, "classes_")

    def _own_state(self):
        return {}, {"pseudo_label_counts_": self.pseudo_label_counts_}

    def _set_own_state(self, config, arrays):
        counts = arrays.get("pseudo_label_counts_")
        if config or len(arrays) != 1 or counts is None:
            raise ValueError("it does not describe a pseudo-label classifier.")
        n_classes = len(self.estimator_.classes_)
        fine = counts.ndim == 2 and counts.shape[1] == n_classes
        if not fine or counts.dtype != torch.int64 or (counts < 0).any():
            raise ValueError("its pseudo_label_counts_ are no counts of its classes.")
        self._keep(self.estimator_, np.array(counts.numpy()))
