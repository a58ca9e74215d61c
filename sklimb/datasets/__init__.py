"""Tables and images: local files, downloads and simulated transactions."""

from sklimb.datasets._fetch import (
    fetch_adult,
    fetch_covertype,
    fetch_creditcard,
    fetch_loans,
    fetch_otto,
)
from sklimb.datasets._gaussians import make_two_means, make_two_radii
from sklimb.datasets._identities import read_identities
from sklimb.datasets._image_folders import read_image_folder
from sklimb.datasets._image_lists import read_image_list
from sklimb.datasets._images import (
    load_cifar10,
    load_cifar100,
    load_eurosat,
    load_fashion_mnist,
    load_medmnist,
    load_svhn,
)
from sklimb.datasets._imbalance import make_long_tailed
from sklimb.datasets._tables import TABLES, load_table
from sklimb.datasets._transactions import make_transactions

__all__ = [
    "TABLES",
    "fetch_adult",
    "fetch_covertype",
    "fetch_creditcard",
    "fetch_loans",
    "fetch_otto",
    "load_cifar10",
    "load_cifar100",
    "load_eurosat",
    "load_fashion_mnist",
    "load_medmnist",
    "load_svhn",
    "load_table",
    "make_long_tailed",
    "make_transactions",
    "make_two_means",
    "make_two_radii",
    "read_identities",
    "read_image_folder",
    "read_image_list",
]
