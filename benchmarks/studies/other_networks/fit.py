"""Fits one network of pytabkit, in an environment that has it.

    PYTHON_OF_PYTABKIT fit.py FOLDER realmlp | tabm SEED

Reads train.parquet (its last column is the label) and test.parquet from the folder;
writes p.npy, the probabilities of the test rows, and seconds.json. One thread.
"""

import json
import sys
import time
import warnings
from importlib.metadata import version
from pathlib import Path

import numpy as np
import pandas as pd
from pytabkit import RealMLP_TD_Classifier, TabM_D_Classifier

MODELS = {"realmlp": RealMLP_TD_Classifier, "tabm": TabM_D_Classifier}


def main():
    folder, name, seed = Path(sys.argv[1]), sys.argv[2], int(sys.argv[3])
    warnings.simplefilter("ignore")
    X, test = (pd.read_parquet(folder / f"{n}.parquet") for n in ("train", "test"))
    y = X.pop("target").to_numpy()
    model = MODELS[name](device="cpu", random_state=seed, n_threads=1, verbosity=0)
    # What the first fit of a process pays is not counted.
    MODELS[name](device="cpu", n_threads=1, verbosity=0, n_epochs=1).fit(X, y)
    begin = time.process_time()
    model.fit(X, y)
    seconds = time.process_time() - begin
    np.save(folder / "p.npy", model.predict_proba(test)[:, 1].astype(float))
    found = {"fit_cpu_seconds": seconds, "version": version("pytabkit")}
    (folder / "seconds.json").write_text(json.dumps(found))


if __name__ == "__main__":
    main()
