"""LandscapeDisplay shows losses along directions, by class and member."""

import numpy as np
import pytest
from plots.conftest import small
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer

from sklimb.analysis import loss_landscape
from sklimb.plots import LandscapeDisplay

A = np.linspace(-1, 1, 9)
B = np.linspace(-0.5, 0.5, 5)


def test_lines_of_classes_and_members():
    losses = {
        "all rows": np.array([A**2 + 0.1, A**2 + 0.3]),
        "fraud": np.array([5 * A**2 + 0.1, 7 * A**2 + 0.1]),
    }
    display = LandscapeDisplay(losses, A).plot()
    (ax,) = display.ax_
    for i, values in enumerate(losses.values()):
        first, second, mean = ax.lines[3 * i : 3 * i + 3]
        for line, y in ((first, values[0]), (second, values[1])):
            np.testing.assert_array_equal(line.get_ydata(), y)
            np.testing.assert_array_equal(line.get_xdata(), A)
        np.testing.assert_array_equal(mean.get_ydata(), values.mean(0))
    shown = [entry.get_text() for entry in ax.get_legend().get_texts()]
    assert shown == ["all rows", "fraud"]
    assert ax.lines[-1].get_xdata()[0] == 0 and [t.get_text() for t in ax.texts] == [
        "fit"
    ]
    assert ax.get_yscale() == "log"  # from 0.1 to 7
    (ax,) = display.plot(panels=["all rows"]).ax_
    assert ax.get_yscale() == "linear" and "nats" in ax.get_ylabel()
    with pytest.raises(ValueError, match=r"panels must be among \['all rows', 'fraud'"):
        display.plot(panels=["home"])


def test_the_line_between_two_fits():
    display = LandscapeDisplay({"all rows": [A**2]}, A, between=True).plot()
    (ax,) = display.ax_
    assert [t.get_text() for t in ax.texts] == ["first fit", "second fit"]
    assert [t.xy[0] for t in ax.texts] == [0, 1]
    assert ax.get_xlabel() == "position between the fits"


def test_surfaces():
    surface = A[:, None] ** 2 + 3 * B**2 + 0.2
    losses = {"all rows": np.stack([surface, 2 * surface]), "fraud": [surface] * 2}
    display = LandscapeDisplay(losses, A, B).plot(member=1)
    assert [ax.get_title() for ax in display.ax_] == ["all rows", "fraud"]
    contours = display.ax_[0].collections[0]
    # The first direction runs to the right, the second upwards.
    low, high = contours.get_clim()
    assert (low, high) == (pytest.approx(0.4), pytest.approx(2 * surface.max()))
    vertices = np.concatenate([path.vertices for path in contours.get_paths()])
    assert vertices[:, 0].min() == -1 and vertices[:, 1].min() == -0.5
    assert display.ax_[0].lines[0].get_xydata().tolist() == [[0, 0]]
    display.figure_.canvas.draw()
    with pytest.raises(
        ValueError, match="member must be at least 0 and below 2, got 2"
    ):
        display.plot(member=2)


def test_a_wide_range_a_flat_surface_and_values_that_are_not_finite():
    wide = np.exp(3 * (A[:, None] ** 2 + B**2))
    wide[0, 0] = np.inf
    flat = np.ones((9, 5))
    display = LandscapeDisplay({"wide": [wide], "flat": [flat]}, A, B).plot()
    ratios = np.diff(np.log(display.ax_[0].collections[0].levels))
    np.testing.assert_allclose(ratios, ratios[0])
    display.figure_.canvas.draw()


def test_around_a_classifier_and_to_another(payments, fitted):
    X, y = payments
    display = LandscapeDisplay.from_estimator(fitted, X, y, n_points=3)
    found = loss_landscape(fitted, X, y, n_points=3)
    assert list(display.losses) == ["all rows", "class 0", "class 1"]
    np.testing.assert_array_equal(display.losses["all rows"], found.loss_members)
    np.testing.assert_array_equal(
        display.losses["class 1"], found.class_loss_members[..., 1]
    )
    assert display.a.tolist() == [-1, 0, 1] and display.b is None
    # Without held-out rows both are fitted to the same ones.
    pipes = [
        make_pipeline(
            FunctionTransformer(), small(early_stopping=False, random_state=seed)
        ).fit(X, y)
        for seed in (0, 1)
    ]
    display = LandscapeDisplay.from_estimator(
        pipes[0], X, y, other=pipes[1], n_points=2, by_class=False
    )
    assert display.between and list(display.losses) == ["all rows"]
    assert [t.get_text() for t in display.ax_[0].texts] == ["first fit", "second fit"]


def test_a_surface_around_a_classifier(payments, fitted):
    X, y = payments
    display = LandscapeDisplay.from_estimator(
        fitted, X, y, directions=2, n_points=3, panels=["class 1"]
    )
    found = loss_landscape(fitted, X, y, directions=2, n_points=3)
    np.testing.assert_array_equal(
        display.losses["class 1"], found.class_loss_members[..., 1]
    )
    assert display.b.tolist() == [-1, 0, 1]
    assert [ax.get_title() for ax in display.ax_] == ["class 1"]
