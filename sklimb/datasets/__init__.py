"""Tables to learn from: local files, public downloads, simulated transactions."""

from sklimb.datasets._fetch import (
    fetch_adult,
    fetch_covertype,
    fetch_creditcard,
    fetch_loans,
    fetch_otto,
)
from sklimb.datasets._gaussians import make_two_means, make_two_radii
from sklimb.datasets._tables import TABLES, load_table
from sklimb.datasets._transactions import make_transactions

__all__ = [
    "TABLES",
    "fetch_adult",
    "fetch_covertype",
    "fetch_creditcard",
    "fetch_loans",
    "fetch_otto",
    "load_table",
    "make_transactions",
    "make_two_means",
    "make_two_radii",
]
