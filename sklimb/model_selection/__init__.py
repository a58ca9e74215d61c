"""Searches whose candidates train as one program, and what is worth searching."""

from sklimb.model_selection._search import PackedSearchCV
from sklimb.model_selection._spaces import search_space

__all__ = ["PackedSearchCV", "search_space"]
