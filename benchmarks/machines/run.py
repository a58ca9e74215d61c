"""What does a search send to the workers of dask and Ray?

    python benchmarks/machines/run.py [--rows 20000]

A search of 4 and one of 16 packs over two workers on this machine; the difference
tells what a pack costs, the rest what is sent once. Of dask: bytes that the client and
the scheduler write to sockets. Of Ray (left out where it is not installed): bytes of a
pickled call, and of what is put into the object store. Writes results/machines.md.
"""

import argparse
import pickle
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

import numpy as np
from joblib import delayed, parallel_config

from benchmarks.common.report import RESULTS, environment, markdown
from sklimb import TabularMLPClassifier
from sklimb.model_selection import PackedSearchCV, _workers

PACKS = (4, 16)


def search(n_packs):
    """A search of many packs in which next to nothing is trained."""
    clf = TabularMLPClassifier(
        num_embeddings=None, d_block=4, max_epochs=1, batch_size=4096, random_state=0
    )
    grid = {"lr": np.logspace(-4, -2, n_packs // 2).tolist()}
    return PackedSearchCV(clf, grid, cv=2, refit=False, max_members=1)


def of_dask(X, y):
    """{packs: (bytes, seconds)}."""
    from distributed import Client, LocalCluster
    from distributed.comm.tcp import TCP

    written, write = [], TCP.write

    async def counted(self, *args, **kwargs):
        n_bytes = await write(self, *args, **kwargs)
        written.append(n_bytes)
        return n_bytes

    TCP.write, found = counted, {}
    how = {"n_workers": 2, "threads_per_worker": 1, "dashboard_address": None}
    with LocalCluster(**how, host="127.0.0.1") as cluster, Client(cluster):
        with parallel_config("dask"):
            search(4).fit(X[:500], y[:500])  # workers import what they need
            for n in PACKS:
                written.clear()
                begin = time.perf_counter()
                search(n).fit(X, y)
                found[n] = sum(written), time.perf_counter() - begin
    TCP.write = write
    return found


def of_ray(X, y):
    """{packs: (bytes, seconds)}, or None."""
    try:
        import ray
        from ray import cloudpickle
        from ray.util.joblib import register_ray
    except ImportError:
        return None
    made, sent_once, found = [], _workers._sent_once, {}

    def counted(*things):
        made.append(len(pickle.dumps(things)))
        sent = sent_once(*things)
        made.append(len(cloudpickle.dumps(delayed(_workers._kept)(sent, [(0, 0)]))))
        return sent

    _workers._sent_once = counted
    ray.init(num_cpus=2, include_dashboard=False)
    register_ray()
    with parallel_config("ray", n_jobs=2):
        search(4).fit(X[:500], y[:500])
        for n in PACKS:
            made.clear()
            begin = time.perf_counter()
            search(n).fit(X, y)
            found[n] = made[0] + n * made[1], time.perf_counter() - begin
    ray.shutdown()
    _workers._sent_once = sent_once
    return found


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--rows", type=int, default=20_000)
    args = parser.parse_args()
    rng = np.random.default_rng(0)
    X = rng.normal(size=(args.rows, 30)).astype(np.float32)
    y = (X[:, 0] > 1).astype(int)
    lines = []
    for name, measure in (("dask", of_dask), ("Ray", of_ray)):
        found = measure(X, y)
        if found is None:
            lines.append([name, "not run", "", ""])
            continue
        (few, _), (many, seconds) = (found[n] for n in PACKS)
        pack = (many - few) / (PACKS[1] - PACKS[0])
        once = few - PACKS[0] * pack
        lines.append([name, f"{pack / 1e3:.1f}", f"{once / 1e6:.2f}", f"{seconds:.1f}"])
    head = ["engine", "kB per pack", "MB once", f"seconds of {PACKS[1]} packs"]
    text = [f"# {__doc__.partition(chr(10))[0]}\n", markdown(head, lines)]
    text.append(
        f"\n{args.rows:,} rows of {(X.nbytes + y.nbytes) / 1e6:.1f} MB, two workers on "
        f"this machine ({environment()['machine']})."
    )
    (RESULTS / "machines.md").write_text("\n".join(text) + "\n")
    print("\n".join(text))


if __name__ == "__main__":
    main()
