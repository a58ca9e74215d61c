"""Shared parts of benchmarks: kept results, splits, scores, reports, one thread.

Importing this package sets one thread per model; `--jobs` says how many fits run side
by side.
"""

import os

# Before torch and the boosters start their threads.
os.environ["OMP_NUM_THREADS"] = "1"
os.environ["MKL_NUM_THREADS"] = "1"
os.environ["OPENBLAS_NUM_THREADS"] = "1"

import torch

torch.set_num_threads(1)

CORES = 2  # that searches and what runs in a fresh process may use
