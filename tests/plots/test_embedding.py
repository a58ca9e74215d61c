"""EmbeddingDisplay shows the features of `embed` in two dimensions."""

import numpy as np
import pytest
from plots.conftest import small
from sklearn.decomposition import PCA
from sklearn.manifold import TSNE
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer

from sklimb import ImageResNetClassifier
from sklimb.plots import EmbeddingDisplay


def drawn(ax):
    """{label: points} of an Axes."""
    return {one.get_label(): np.asarray(one.get_offsets()) for one in ax.collections}


def test_principal_components_by_class(three):
    X, labels, clf = three
    display = EmbeddingDisplay.from_estimator(clf, X, labels)
    model = PCA(2, svd_solver="full")
    points = model.fit_transform(clf.embed(X).astype(np.float64))
    found = drawn(display.ax_)
    assert set(found) == {"abroad", "fraud", "home"}
    for name, own in found.items():
        np.testing.assert_array_equal(own, points[labels == name])
    share = model.explained_variance_ratio_
    assert display.ax_.get_xlabel() == (
        f"principal component 1 ({share[0]:.0%} of the variance)"
    )
    assert f"2 ({share[1]:.0%}" in display.ax_.get_ylabel()
    assert display.ax_.get_legend().get_title().get_text() == "class"
    # Rare classes lie on top: they are drawn last.
    sizes = [len(own) for own in found.values()]
    assert sizes == sorted(sizes, reverse=True)


def test_t_sne_without_labels(three):
    X, _, clf = three
    X = X[:60]
    display = EmbeddingDisplay.from_estimator(clf, X, method="tsne", random_state=3)
    model = TSNE(perplexity=59 / 3, init="pca", random_state=np.random.RandomState(3))
    points = model.fit_transform(clf.embed(X).astype(np.float64))
    np.testing.assert_array_equal(display.points, points)
    assert display.labels.tolist() == clf.predict(X).tolist()
    assert display.ax_.get_xlabel() == "t-SNE dimension 1"
    legend = display.ax_.get_legend()
    assert legend.get_title().get_text() == "predicted class"


def test_of_many_rows_rare_classes_are_kept(three):
    X, labels, clf = three
    rare = labels == "fraud"
    most = 3 * int(rare.sum())
    display = EmbeddingDisplay.from_estimator(clf, X, labels, max_rows=most)
    assert len(display.points) == most
    assert (display.labels == "fraud").sum() == rare.sum()
    again = EmbeddingDisplay.from_estimator(clf, X, labels, max_rows=most)
    np.testing.assert_array_equal(display.points, again.points)


def test_members(payments):
    X, y = payments
    clf = small(n_members=2, max_epochs=1).fit(X, y)
    first, second = (
        EmbeddingDisplay.from_estimator(clf, X, y, member=k) for k in (0, 1)
    )
    points = PCA(2, svd_solver="full").fit_transform(clf.embed(X)[1].astype(float))
    np.testing.assert_array_equal(second.points, points)
    assert (first.points != points).any()
    with pytest.raises(ValueError, match="member must be at least 0 and below 2, got"):
        EmbeddingDisplay.from_estimator(clf, X, y, member=2)


def test_images_pipelines_and_a_single_unit(payments):
    rng = np.random.default_rng(0)
    images, y = rng.random((30, 8, 8)), np.arange(30) % 3
    clf = ImageResNetClassifier(backbone="resnet8", max_epochs=1, random_state=0)
    clf.fit(images, y)
    assert EmbeddingDisplay.from_estimator(clf, images, y).points.shape == (30, 2)
    X, y = payments
    pipe = make_pipeline(FunctionTransformer(), small(d_block=1, max_epochs=1))
    display = EmbeddingDisplay.from_estimator(pipe.fit(X, y), X, y)
    assert not display.points[:, 1].any()


def test_many_classes_look_different_and_the_legend_is_short():
    labels = np.repeat(np.arange(40), 3)
    display = EmbeddingDisplay(np.zeros((120, 2)), labels).plot()
    dots = display.ax_.collections
    look = {
        (*one.get_facecolor()[0], one.get_paths()[0].vertices.tobytes()) for one in dots
    }
    assert len(look) == len(dots) == 40
    legend = display.ax_.get_legend()
    assert len(legend.get_texts()) == 20
    assert legend.get_title().get_text() == "class (20 of 40)"


def test_wrong_input_is_one_sentence(fitted, payments):
    X, y = payments
    with pytest.raises(ValueError, match="method must be 'pca' or 'tsne', got 'umap'"):
        EmbeddingDisplay.from_estimator(fitted, X, y, method="umap")
    with pytest.raises(ValueError, match="max_rows must be an int of at least 1"):
        EmbeddingDisplay.from_estimator(fitted, X, y, max_rows=0)
    with pytest.raises(ValueError, match="inconsistent numbers of samples"):
        EmbeddingDisplay.from_estimator(fitted, X, y[1:])
    with pytest.raises(ValueError, match="needs at least 4 rows, got 3"):
        EmbeddingDisplay.from_estimator(fitted, X[:3], y[:3])
