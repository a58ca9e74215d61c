"""to_module: what leaves is the classifier, and other libraries take it as it is."""

import copy

import numpy as np
import pandas as pd
import pytest
import torch
from sklearn.exceptions import NotFittedError

from sklimb import (
    FTTransformerClassifier,
    ImageResNetClassifier,
    TabularMLPClassifier,
    TabularResNetClassifier,
)
from sklimb.datasets import make_transactions
from sklimb.two_stage import ClassifierRetrainer

DATA = make_transactions(400, fraud_rate=0.15, random_state=0)
SMALL = {"max_epochs": 2, "random_state": 0}
TINY = {**SMALL, "n_blocks": 1, "d_block": 16}
IMAGES = np.random.default_rng(0).integers(0, 256, (48, 8, 8, 3), dtype=np.uint8)
LABELS = np.arange(48) % 3

# Float32: products of other shapes differ in the last digits.
CASES = {
    "mlp": (TabularMLPClassifier, {}),
    "mlp, temperature and balanced draws": (
        TabularMLPClassifier,
        {"temperature_scaling": True, "sampler": "balanced", "n_members": 3},
    ),
    "mlp, folds with columns of their own": (
        TabularMLPClassifier,
        {"validation_folds": 2, "num_embeddings": "ple", "loss": "focal"},
    ),
    "mlp, cosines": (
        TabularMLPClassifier,
        {"loss": "ldam", "n_members": 2, "num_embeddings": None},
    ),
    "mlp, numbers beside their waves": (
        TabularMLPClassifier,
        {"num_embeddings": "plr-dense", "n_members": 2},
    ),
    "mlp, a portfolio": (
        TabularMLPClassifier,
        {"portfolio": [{"lr": 0.1}, {"lr": 1e-5}], "num_embeddings": "plr-lite"},
    ),
    "mlp, float64": (
        TabularMLPClassifier,
        {"dtype": "float64", "loss": "vs", "n_members": 2},
    ),
    "resnet": (TabularResNetClassifier, {**TINY, "n_members": 2}),
    "ft-transformer": (FTTransformerClassifier, {**TINY, "attention_n_heads": 2}),
}


@pytest.fixture(scope="module")
def fitted():
    made = {}

    def get(name):
        if name not in made:
            cls, parameters = CASES[name]
            made[name] = cls(**{**SMALL, **parameters}).fit(DATA.X, DATA.y)
        return made[name]

    return get


def encoded(clf, X=DATA.X):
    return torch.from_numpy(clf.encoder_.transform(X))


@pytest.mark.parametrize("name", CASES)
def test_the_module_predicts_what_the_classifier_does(fitted, name):
    clf = fitted(name)
    found = clf.to_module()(encoded(clf))
    wanted = clf.predict_proba(DATA.X)
    double = clf.dtype_ == "float64"
    assert found.dtype == (torch.float64 if double else torch.float32)
    assert found.shape == wanted.shape and np.ptp(wanted[:, 1]) > 1e-3
    np.testing.assert_allclose(
        found.detach().numpy(), wanted, rtol=0, atol=1e-6 if double else 1e-5
    )


def test_weights_of_a_portfolio_count(fitted):
    clf = copy.copy(fitted("mlp, a portfolio"))
    clf.member_weights_ = np.array([0.75, 0.25])
    found = clf.to_module()(encoded(clf)).detach().numpy()
    np.testing.assert_allclose(found, clf.predict_proba(DATA.X), rtol=0, atol=1e-5)
    clf.member_weights_ = np.array([0.0, 1.0])
    module = clf.to_module()
    assert len(module.members) == 1
    found = module(encoded(clf)).detach().numpy()
    np.testing.assert_allclose(found, clf.predict_proba(DATA.X), rtol=0, atol=1e-5)


@pytest.mark.parametrize("flips", [False, True])
def test_images_come_flat_or_with_axes_as_bytes_or_floats(flips):
    clf = ImageResNetClassifier(
        backbone="resnet8", test_time_flips=flips, n_members=2, **SMALL
    )
    wanted = clf.fit(IMAGES, LABELS).predict_proba(IMAGES)
    module = clf.to_module()
    pixels = torch.from_numpy(IMAGES).permute(0, 3, 1, 2)
    for x in (pixels, pixels.flatten(1), pixels.float() / 255):
        found = module(x).detach().numpy()
        np.testing.assert_allclose(found, wanted, rtol=0, atol=1e-5)


@pytest.mark.parametrize("method", ["crt", "tau", "ncm", "oltr"])
def test_second_stages(method):
    clf = ClassifierRetrainer(
        TabularMLPClassifier(n_members=2, **SMALL), method=method, n_epochs=1
    ).fit(DATA.X, DATA.y)
    x = encoded(clf.estimator_)
    found = clf.to_module()(x).detach().numpy()
    np.testing.assert_allclose(found, clf.predict_proba(DATA.X), rtol=0, atol=1e-5)


def test_a_second_stage_on_cosines():
    clf = ClassifierRetrainer(TabularMLPClassifier(loss="ldam", **SMALL), n_epochs=1)
    clf.fit(DATA.X, DATA.y)
    found = clf.to_module()(encoded(clf.estimator_)).detach().numpy()
    np.testing.assert_allclose(found, clf.predict_proba(DATA.X), rtol=0, atol=1e-5)


def test_it_is_a_copy_in_evaluation_mode(fitted):
    clf = fitted("resnet")
    before = clf.predict_proba(DATA.X)
    module = clf.to_module()
    assert not any(part.training for part in module.modules())
    with torch.no_grad():
        for tensor in [*module.parameters(), *module.buffers()]:
            if tensor.is_floating_point():
                tensor += 1
    assert (clf.predict_proba(DATA.X) == before).all()


def test_it_moves_as_a_whole(fitted):
    """A bound loss keeps its class statistics in a list."""
    clf = fitted("mlp, cosines")
    module = clf.to_module()
    kept = {name for name, _ in module.named_buffers()}
    assert "posterior.statistic_0" in kept and "posterior.shift" in kept
    found = module.double()(encoded(clf).double())
    assert found.dtype == torch.float64
    np.testing.assert_allclose(
        found.detach().numpy(), clf.predict_proba(DATA.X), rtol=0, atol=1e-5
    )


def test_gradients_reach_the_numbers(fitted):
    clf = fitted("mlp")
    x = encoded(clf).requires_grad_()
    clf.to_module()(x)[:, 1].sum().backward()
    n = clf.encoder_.n_numeric_
    assert (x.grad[:, :n].abs().amax(0) > 0).all()
    assert (x.grad[:, -1] == 0).all()  # codes have none


def test_without_a_fit_there_is_none():
    with pytest.raises(NotFittedError):
        TabularMLPClassifier().to_module()


@pytest.mark.parametrize("name", ["mlp", "mlp, cosines", "resnet", "ft-transformer"])
def test_torch_export_with_any_number_of_rows(fitted, name):
    clf = fitted(name)
    module, x = clf.to_module(), encoded(clf)
    rows = {0: torch.export.Dim("rows")}
    program = torch.export.export(module, (x[:3],), dynamic_shapes=(rows,))
    many = torch.cat([x] * 4)  # packed layers take another product from 1,024 rows on
    for part in (x[:1], x[:7], many):
        found = program.module()(part)
        torch.testing.assert_close(found, module(part), rtol=0, atol=1e-5)


def test_torch_export_of_images():
    clf = ImageResNetClassifier(backbone="resnet8", **SMALL).fit(IMAGES, LABELS)
    x = torch.from_numpy(IMAGES).permute(0, 3, 1, 2).contiguous()
    rows = {0: torch.export.Dim("rows")}
    module = clf.to_module()
    program = torch.export.export(module, (x[:3],), dynamic_shapes=(rows,))
    torch.testing.assert_close(program.module()(x), module(x), rtol=0, atol=1e-5)


@pytest.mark.interop
@pytest.mark.parametrize("name", ["mlp, float64", "resnet", "ft-transformer"])
def test_integrated_gradients_of_captum(fitted, name):
    from captum.attr import IntegratedGradients

    clf = fitted(name)
    module, x = clf.to_module(), encoded(clf)[:6]
    start = x[:1].clone()  # of the same categories, which have no gradient
    x[:, clf.encoder_.n_numeric_ :] = start[:, clf.encoder_.n_numeric_ :]
    found = IntegratedGradients(module).attribute(
        x, start.expand_as(x), target=1, n_steps=1000
    )
    gap = module(x)[:, 1] - module(start)[:, 1]
    # A sum of gradients in the place of an integral: 200 miss by .0017 where a count
    # that is mostly 0 is embedded by short waves, 1,000 by .0003.
    torch.testing.assert_close(found.sum(1), gap, rtol=0, atol=1e-3, check_dtype=False)
    assert found.abs().max() > 1e-3


@pytest.mark.interop
# shap warns, when it is imported, of what it asks of matplotlib.
@pytest.mark.filterwarnings("ignore:The set_.* function:PendingDeprecationWarning")
def test_gradient_explainer_of_shap(fitted):
    import shap

    clf = fitted("mlp")
    module, x = clf.to_module(), encoded(clf)
    explainer = shap.GradientExplainer(module, x[:50])
    found = explainer.shap_values(x[:4], nsamples=50, rseed=0)
    assert np.shape(found) == (4, x.shape[1], 2)
    # Contributions to both probabilities, which add up to 1, cancel.
    np.testing.assert_allclose(found.sum(-1), 0, atol=1e-4)
    assert np.abs(found).max() > 1e-4


def test_frames_of_the_encoder_are_what_the_module_reads(fitted):
    clf = fitted("mlp")
    names = clf.encoder_.get_feature_names_out()
    frame = pd.DataFrame(clf.encoder_.transform(DATA.X), columns=names)
    x = torch.tensor(frame.to_numpy())
    np.testing.assert_allclose(
        clf.to_module()(x).detach().numpy(),
        clf.predict_proba(DATA.X),
        rtol=0,
        atol=1e-5,
    )
