"""Searches whose candidates train as one program."""

from sklimb.model_selection._search import PackedSearchCV

__all__ = ["PackedSearchCV"]
