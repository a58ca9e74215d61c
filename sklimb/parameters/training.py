"""All parameters that training reads, whatever the network is."""

from sklimb.parameters.loop import LoopParameters
from sklimb.parameters.strategies import StrategyParameters


class TrainingParameters(LoopParameters, StrategyParameters):
    """The imbalance strategies and the loop."""
