"""Shared parts of benchmarks: kept results, splits, scores, reports, one thread.

Importing this package sets one thread per model; `--jobs` says how many fits run side
by side. It also makes the "auto" of our networks for tables one network with one split,
which is what most benchmarks measure; `tables/models.py` gives them their budget back.
"""

import os

# Before torch and the boosters start their threads.
os.environ["OMP_NUM_THREADS"] = "1"
os.environ["MKL_NUM_THREADS"] = "1"
os.environ["OPENBLAS_NUM_THREADS"] = "1"

import torch

from sklimb import TabularMLPClassifier

torch.set_num_threads(1)
TabularMLPClassifier._networks = ()

CORES = 2  # that searches and what runs in a fresh process may use
