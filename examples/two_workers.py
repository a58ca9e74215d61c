"""A search on two workers that see different devices, with dask.

Each worker is told its own cards by CUDA_VISIBLE_DEVICES, and `device="auto"` is
resolved there: on a machine with two cards each worker trains on one, on a machine
without any on its processor. The rows go to each worker once, packs follow by their
numbers. With `checkpoint=` a worker that dies loses the pack that it was at, and dask
trains that one on the other.

    python examples/two_workers.py --out demo_output
"""

import os

import _report as report
import pandas as pd
import torch
from _small import main_of, payments, small
from distributed import Client, Nanny, Scheduler, SpecCluster
from joblib import parallel_config

from sklimb.model_selection import PackedSearchCV

CARDS = ("0", "1")


def seen():
    """What a worker would train on."""
    own = os.environ["CUDA_VISIBLE_DEVICES"]
    return {"its card": int(own), "cards there": torch.cuda.device_count()}


def run(args):
    X, y, *_ = payments(args)
    grid = {"lr": [1e-3, 3e-3, 1e-2], "dropout": [0.0, 0.2]}
    # Sizes of packs are measured here, where other devices may be: so they are given.
    search = PackedSearchCV(
        small(args, device="auto"), grid, cv=3, scoring="roc_auc", max_members=6
    )
    local = {"host": "127.0.0.1"}
    workers = {
        f"worker {cards}": {
            "cls": Nanny,
            "options": {
                **local,
                "nthreads": 1,
                "env": {"CUDA_VISIBLE_DEVICES": cards, "OMP_NUM_THREADS": "1"},
            },
        }
        for cards in CARDS
    }
    scheduler = {"cls": Scheduler, "options": {**local, "dashboard_address": None}}
    with SpecCluster(workers, scheduler) as cluster, Client(cluster) as client:
        client.wait_for_workers(len(CARDS))
        table = pd.DataFrame(client.run(seen).values()).sort_values("its card")
        with parallel_config("dask"):
            search.fit(X, y)
    table.index = pd.Index(list(workers), name="")
    report.show_and_save(table, "Workers", args.out / "two_workers")
    print(f"{len(search.packs_)} packs; best: {search.best_params_}")


main = main_of(run, __doc__)

if __name__ == "__main__":
    main()
