"""Constructor parameters that classifiers share, each defined once."""

from sklimb.parameters.fields import parameter
from sklimb.parameters.loop import LoopParameters
from sklimb.parameters.strategies import StrategyParameters

__all__ = ["parameter"]


class TrainingParameters(LoopParameters, StrategyParameters):
    """The imbalance strategies and the loop: all that training reads."""
