"""The loss that a classifier was trained by, on given rows and without regularisation.

In it: the classifier's loss function with the class statistics of its fit (margins,
shifts), `sample_weight`, `class_weight` and the class weights of the loss
("class_balanced"), as a weighted mean over rows. Not in it, since they regularise or
choose rows: weight decay, label smoothing, dropout, augmentation and mixing,
self-supervised terms, SAM, and whatever draws or re-weights rows while training goes on
(samplers, deferred re-weighting, meta-learned weights). BatchNorm normalises by its
stored statistics.
"""

import numpy as np
import torch

from sklimb.fitting.class_weights import class_weight_vector
from sklimb.training.losses import make_loss


def class_factors(clf):
    """Weight of each class in the loss, by the classes of the training rows."""
    counts = np.asarray(clf.class_weight_sum_, dtype=np.float64)
    codes = np.arange(len(counts))
    factor = class_weight_vector(clf.class_weight, codes, counts, clf.classes_)
    loss = make_loss(clf.loss)
    if hasattr(loss, "class_factor"):
        factor = factor * loss.class_factor(counts)
    return factor


def loss_weights(clf, rows):
    """The weight of each of the Encoded rows in the loss; they sum to 1."""
    weight = rows.weight * class_factors(clf)[rows.y]
    if not weight.sum() > 0:
        raise ValueError(
            "The rows have no weight in the loss: class_weight is 0 for all of their "
            "classes."
        )
    return weight / weight.sum()


def row_losses(objective, logits, y):
    """Loss of each row, (K, rows), in the dtype of the logits."""
    target = torch.nn.functional.one_hot(y, logits.shape[-1]).to(logits.dtype)
    return objective.loss_function(logits, target.expand_as(logits))
