"""Constructor parameters of training, the same for all networks."""

from sklimb.parameters.loop import LoopParameters
from sklimb.parameters.strategies import StrategyParameters


class TrainingParameters(LoopParameters, StrategyParameters):
    """The imbalance strategies and the loop."""
