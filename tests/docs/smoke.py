"""What an installed package must do: fit, predict, explain, save and load.

Run by `make dist` in an environment that holds nothing but the built package.
"""

import tempfile
from importlib.metadata import version
from pathlib import Path

import sklimb


def main():
    data = sklimb.datasets.make_transactions(400, fraud_rate=0.1, random_state=0)
    clf = sklimb.TabularMLPClassifier(max_epochs=2, random_state=0).fit(data.X, data.y)
    p = clf.predict_proba(data.X)
    path = Path(tempfile.mkdtemp()) / "model.safetensors"
    clf.save(path)
    assert (sklimb.load(path).predict_proba(data.X) == p).all()
    assert clf.explain(data.X[:2]).shape == (2, data.X.shape[1])
    assert version("sklimb") == sklimb.__version__
    assert (Path(sklimb.__file__).parent / "py.typed").is_file()
    assert "site-packages" in sklimb.__file__, "not the installed package"


if __name__ == "__main__":
    main()
