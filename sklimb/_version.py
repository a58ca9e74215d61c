"""The version of sklimb, which saved files name."""

__version__ = "0.1.0"
