"""Learning from rows without labels, before any label is seen."""

from sklimb.selfsup._pretrainer import SelfSupervisedPretrainer

__all__ = ["SelfSupervisedPretrainer"]
