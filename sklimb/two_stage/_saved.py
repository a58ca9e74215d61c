"""A fitted second stage in a file: its head, probabilities and decision."""

import copy

import numpy as np
import torch

from sklimb.persistence import Saved
from sklimb.persistence.fitted import check_scores
from sklimb.persistence.header import is_history
from sklimb.persistence.networks import build_part, check_like
from sklimb.persistence.values import plain
from sklimb.two_stage._first_stage import Backbone, unwrap
from sklimb.two_stage._heads import LinearHead, NearestMean
from sklimb.two_stage._oltr import ModulatedHead


def _means(weight):
    """Room for class means (K, classes, d), in memory as `class_means` leaves them.

    Products of another layout differ in the last bits.
    """
    return weight.permute(2, 0, 1).contiguous().permute(1, 0, 2)


def _centres(weight, bias):
    return NearestMean(weight[:, :, :1].mT.contiguous(), _means(weight))


def _memory(weight, bias):
    return ModulatedHead(weight, bias, _means(weight), [])


# Name of a head -> one with the shapes of a last layer, (K, d, classes) and its bias.
_HEADS = {
    "LinearHead": LinearHead,
    "NearestMean": _centres,
    "ModulatedHead": _memory,
}
# Shapes of the arrays; K members, C classes.
_ARRAYS = {
    "class_prior_": "C",
    "temperature_": "K",
    "intercept_": "KC",
    "decision_factors_": "C",
    "tau_": "K",
}
_POSITIVE = ("temperature_", "decision_factors_")
_OPTIONAL = ("tau_", "decision_scores_")


class SavedRetrainer(Saved):
    """What a file holds of a second stage, beside its parameters and first stage."""

    _saved_when = "head_"
    _saved_parts = ("estimator_",)

    @staticmethod
    def _takes(part):
        try:
            return hasattr(unwrap(part)[1], "intercept_")
        except TypeError:
            return False

    def _own_state(self):
        found = {f"head.{k}": v for k, v in self.head_.state_dict().items()}
        for name in (*_ARRAYS, "decision_scores_"):
            if hasattr(self, name):
                found[name] = getattr(self, name)
        drifted = self._backbone.module is not self._backbone.net.module_
        if drifted:  # running statistics of the second stage's own
            found |= {f"drift.{k}": v for k, v in self._backbone.module.named_buffers()}
        own = {"head": type(self.head_).__name__, "history": plain(self.history_)}
        return own, found

    def _set_own_state(self, config, arrays):
        classifier = unwrap(self.estimator_)[1]
        if set(config) != {"head", "history"} or not is_history(config["history"]):
            raise ValueError("it does not describe a second stage.")
        self.classes_ = classifier.classes_
        for name in ("n_features_in_", "feature_names_in_"):
            if hasattr(self.estimator_, name):
                setattr(self, name, getattr(self.estimator_, name))
        parts = {"head": {}, "drift": {}}
        for name in list(arrays):
            part, dot, rest = name.partition(".")
            if dot and part in parts:
                parts[part][rest] = arrays[name]
        plain_ones = {k: v for k, v in arrays.items() if "." not in k}
        self._set_arrays(plain_ones, len(classifier.member_seeds_))
        if len(arrays) != len(plain_ones) + sum(map(len, parts.values())):
            raise ValueError("it has a tensor of no part of a second stage.")
        self._backbone = Backbone.of(classifier)
        self.head_ = self._made_head(config["head"], parts["head"])
        if parts["drift"]:
            self._backbone = _drifted(self._backbone, parts["drift"])
        self.history_ = config["history"]

    def _set_arrays(self, arrays, n_members):
        lengths = {"K": n_members, "C": len(self.classes_)}
        if not set(_ARRAYS) - set(_OPTIONAL) <= set(arrays):
            raise ValueError("it lacks an attribute of a second stage.")
        for name, value in arrays.items():
            if name == "decision_scores_":
                check_scores(value, len(self.classes_))
            elif name not in _ARRAYS:
                raise ValueError(f"it has another attribute {name[:40]!r}.")
            else:
                shape = [lengths[axis] for axis in _ARRAYS[name]]
                check_like(name, value, torch.empty(shape, dtype=torch.float64))
            if name in _POSITIVE and not (value > 0).all():
                raise ValueError(f"its {name} is not above 0.")
            setattr(self, name, np.array(value.numpy()))

    def _made_head(self, name, state):
        if not isinstance(name, str) or name not in _HEADS:
            raise ValueError("it has a head that this sklimb does not know.")
        # Shapes of the layer that the head replaces.
        weight, bias = (torch.empty_like(t) for t in self._backbone.last_layer())
        own = {key: value.to(weight.device) for key, value in state.items()}
        head = build_part(lambda: _HEADS[name](weight.zero_(), bias.zero_()), own)
        return head.to(weight.device).requires_grad_(False)


def _drifted(backbone, buffers):
    """The backbone with running statistics of a file."""
    module = copy.deepcopy(backbone.module)
    own = dict(module.named_buffers())
    if set(own) != set(buffers):
        raise ValueError("its running statistics are not those of its network.")
    for name, buffer in own.items():
        if buffers[name].shape != buffer.shape or buffers[name].dtype != buffer.dtype:
            raise ValueError(f"its {name} has another shape or type.")
        buffer.copy_(buffers[name])
    return Backbone(backbone.net, module.eval(), backbone.length)
