"""The figures of the papers that look inside: a fit of the toy, claims, tables."""

import importlib

import numpy as np
import pytest
import torch


@pytest.fixture
def module(monkeypatch):
    """Imports a file of benchmarks/papers/inside; undoes what the import sets."""
    threads = torch.get_num_threads()
    for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
        monkeypatch.setenv(name, "1")
    yield lambda name: importlib.import_module(f"benchmarks.papers.inside.{name}")
    torch.set_num_threads(threads)


def image_row(method, ratio, seed, cdnv, **more):
    """What is kept of a fit on images."""
    return {
        "part": "images",
        "method": method,
        "ratio": ratio,
        "seed": seed,
        "accuracy": 0.5,
        "train_accuracy": [0.2, 0.6],
        "few_recall": [0.0, 0.3 * ratio],
        "many_recall": [0.5, 0.9],
        "cdnv": cdnv,
        "ncm_accuracy": 0.9,
        "ncm_agreement": 0.8,
        "seconds": 1.0,
        **more,
    }


def rows_by_hand(scale):
    rows = []
    for seed in range(2):
        for ratio in scale["ratios"]:
            more = {
                "eigenvalues": [10 * ratio + seed],
                "positions": [-1, 0, 1],
                "landscape": [1 + ratio, 0.5, 1.0],
                "regions": [0.9, 0.1],
            }
            rows.append(image_row("erm", ratio, seed, 0.4 + 0.01 * seed, **more))
        last = scale["ratios"][-1]
        rows.append(image_row("reweighting", last, seed, 0.3))
        rows.append(image_row("ssl_sam_a", last, seed, 0.5, regions=[0.6, 0.4]))
        for method, margin in (("erm", 0.1), ("sam", 0.2), ("sam_a", 0.3)):
            own = {"rare_margin": margin + seed, "frequent_margin": 1.0}
            own |= {"rare_lowest": 0.0, "rare_region": 0.2, "seconds": 1.0}
            name = {"part": "toy", "method": method, "seed": seed}
            rows.append({**name, "ratio": scale["toy_ratio"], **own})
    return rows


def test_claims_by_hand(module):
    scale = module("run").SCALES["tiny"]
    rows = rows_by_hand(scale)
    claims = module("report").claims(rows, scale)
    mean = {claim["claim"]: claim["mean"] for claim in claims}

    def of(start):
        (value,) = (v for k, v in mean.items() if k.startswith(start))
        return value

    assert of("rare classes are fit worse") == pytest.approx(0.9 - 0.03)
    assert of("imbalanced rows take longer") == pytest.approx(0.3 - 0.03)
    assert of("imbalance lowers the top") == pytest.approx(9)
    assert of("the loss rises slower") == pytest.approx((1 - 0.1) / 2)
    assert of("Reweighting collapses more") == pytest.approx(0.105)
    assert of("Joint-SSL + SAM-A collapses less") == pytest.approx(0.095)
    assert of("SAM-A makes regions alike") == pytest.approx(0.3)
    assert of("SAM widens") == pytest.approx(0.1)
    assert of("SAM-A widens") == pytest.approx(0.2)
    assert not any(key.startswith("Resampling") for key in mean)  # it has no fit


def test_tables_and_picture(module):
    scale, report = module("run").SCALES["tiny"], module("report")
    rows = rows_by_hand(scale)
    collapse, curves, toy = report.tables(report.summarise(rows))
    assert "| Reweighting, 0.1 | 0.500" in collapse and "| 0.38 | 0.94 |" in collapse
    assert collapse.count("\n") == 5 and curves.count("\n") == 3
    assert "| SAM-A | 0.800 ± 0.500 |" in toy
    figure = report.draw(rows, scale)
    spectrum = figure.axes[1].lines[0].get_ydata()
    np.testing.assert_allclose(spectrum, [10.5])
    importlib.import_module("matplotlib.pyplot").close(figure)


def test_a_fit_of_the_toy_and_the_names_of_all(module):
    run, measure = module("run"), module("measure")
    scale = run.SCALES["tiny"]
    jobs = [names for names, _ in run.all_jobs(scale)]
    assert len(set(jobs)) == len(jobs) == 2 * 3 + 2 * (1 + len(measure.METHODS))
    settings = {"toy_rows": 60, "toy_epochs": 30, "planes": 2}
    found = measure.run(("toy", "sam_a", 0.3, 0), settings, None, "cpu")
    assert 0 <= found["rare_region"] <= 1 and np.isfinite(found["frequent_margin"])
