"""The benchmark of identification: which images are taken, and a dry run."""

import importlib
import json

import numpy as np
import pytest
import torch

PLACE = "benchmarks.papers.identification"


@pytest.fixture
def script(monkeypatch):
    """Imports a file of the benchmark; undoes what the import sets."""
    threads = torch.get_num_threads()
    for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
        monkeypatch.setenv(name, "1")
    yield lambda name: importlib.import_module(f"{PLACE}.{name}")
    torch.set_num_threads(threads)


def test_parts(script):
    measure = script("measure")
    rows = measure.generated(20, 10, 6, 0)
    (X, y, group), (X_test, y_test, group_test) = measure.parts(*rows, 0.2, 0.1, 1)
    assert not set(y) & set(y_test) and len(X_test) == 4 * 10
    for identity in np.unique(y):
        kept = (y == identity).sum()
        assert kept == (2 if identity % 2 else 10)  # two at least of the rare group
    assert sorted(np.unique(y_test % 2, return_counts=True)[1]) == [20, 20]
    assert set(group[y % 2 == 1]) == {"f"} and len(group_test) == len(X_test)
    # An identity is more like itself than others are.
    flat = X.reshape(len(X), -1).astype(float)
    flat -= flat.mean(0)
    from sklimb.metrics import rank_1_accuracy

    assert 0.5 < rank_1_accuracy(y, flat) < 1


def test_celeba_in_its_published_layout(script, tmp_path):
    faces = script("measure").faces.__wrapped__
    with pytest.raises(FileNotFoundError, match="celeba is not here"):
        faces(tmp_path)
    home = tmp_path / "celeba"
    (home / "img_align_celeba").mkdir(parents=True)
    names = [f"{i:06d}.jpg" for i in range(1, 5)]
    for name in names:
        (home / "img_align_celeba" / name).touch()
    (home / "identity_CelebA.txt").write_text(
        "\n".join(f"{name} {7 + i // 2}" for i, name in enumerate(names))
    )
    rows = [f"{name}  1 {1 if i < 2 else -1} -1" for i, name in enumerate(names)]
    (home / "list_attr_celeba.txt").write_text(
        "\n".join(["4", "Bald Male Young", *rows])
    )
    X, y, group = faces(tmp_path)
    assert y.tolist() == [7, 7, 8, 8] and group.tolist() == ["m", "m", "f", "f"]
    assert X[0].endswith("000001.jpg")


def test_dry_run_writes_three_files_and_resumes(script, monkeypatch, tmp_path, capsys):
    run = script("run")
    args = ["--tiny", "--jobs", "1", "--out", str(tmp_path)]
    run.main(args)
    first = json.loads((tmp_path / "identification.json").read_text())
    assert len(first["summary"]) == 2 * 3 and len(first["claims"]) == 2 * 4
    text = (tmp_path / "identification.md").read_text()
    assert "**Not measured on faces**" in text and "CelebA: not run" in text
    assert (tmp_path / "identification.png").stat().st_size > 500
    monkeypatch.setattr(run, "run", None)  # nothing is run again
    run.main(args)
    assert json.loads((tmp_path / "identification.json").read_text()) == first
