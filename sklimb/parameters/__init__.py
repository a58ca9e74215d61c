"""Constructor parameters that classifiers share, each defined once."""

from sklimb.parameters.fields import parameter

__all__ = ["parameter"]
