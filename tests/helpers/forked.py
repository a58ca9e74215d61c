"""A server: a parent that prepares a classifier, and a worker that predicts with it.

Run as a script, with the path of a saved classifier, what the parent does, what the
worker does first, and how it is started. It writes "done" once the worker has answered.
"""

import multiprocessing
import sys

import numpy as np
import torch

import sklimb

# One block: torch's own threads predict it, where more rows have threads of Python.
X = np.random.default_rng(0).normal(size=(256, 20))
model = None


def begin(path, worker):
    """What gunicorn's `post_fork` and a Pool's `initializer` do in a worker."""
    global model
    if worker == "one thread":
        torch.set_num_threads(1)
    if model is None or worker == "loads":
        model = sklimb.load(path)


def answer(_):
    return model.predict_proba(X)


def main(path, parent, worker, method):
    global model
    if parent == "one thread":
        torch.set_num_threads(1)
    if parent != "imports":
        model = sklimb.load(path)
        want = model.predict_proba(X)
    else:
        want = None
    print("ready", flush=True)
    with multiprocessing.get_context(method).Pool(1, begin, (path, worker)) as pool:
        found = pool.map(answer, range(2))
    for p in found:  # another number of threads sums in another order
        assert np.allclose(p, found[0] if want is None else want, atol=1e-6)
    print("done", flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:5])
