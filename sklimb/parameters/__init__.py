"""Constructor parameters that classifiers share, each written once."""

from sklimb.parameters.fields import parameter

__all__ = ["parameter"]
