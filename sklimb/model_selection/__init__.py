"""Searches that train their candidates as one program."""

from sklimb.model_selection._search import PackedSearchCV

__all__ = ["PackedSearchCV"]
