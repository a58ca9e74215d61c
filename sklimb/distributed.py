"""One network on several devices: what scripts of several processes import."""

from sklimb.training.processes import data_parallel

__all__ = ["data_parallel"]
