"""The version of sklimb, which saved files name."""

__version__ = "0.2.0"
