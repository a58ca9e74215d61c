"""compile=: passes become programs, give the same networks, or it is said why not."""

from functools import partial

import numpy as np
import pytest
import torch
from helpers.packs import PLAIN, fixed_table, same_bits, weights
from helpers.pairs import SMALL, STRATEGIES
from sklearn.model_selection import GridSearchCV

import sklimb
from sklimb import ImageResNetClassifier, TabularMLPClassifier, TabularResNetClassifier
from sklimb.model_selection import PackedSearchCV
from sklimb.training import compiled

X, Y = fixed_table()
EXACT = {**PLAIN, "dtype": "float64", "max_epochs": 2}
COMPILE = torch.compile


class Backend:
    """Runs what torch has traced as it is, and counts programs and calls."""

    def __init__(self):
        self.programs, self.calls = 0, 0

    def __call__(self, graph, inputs, **kwargs):
        self.programs += 1

        def run(*args):
            self.calls += 1
            return graph.forward(*args)

        return run


@pytest.fixture
def backend(monkeypatch):
    torch._dynamo.reset()
    compiled.check_compiler("cpu")  # its program is not counted
    backend = Backend()
    monkeypatch.setattr(torch, "compile", partial(COMPILE, backend=backend))
    yield backend
    torch._dynamo.reset()


@pytest.fixture
def fresh():
    compiled.check_compiler.cache_clear()
    yield
    compiled.check_compiler.cache_clear()


def fit(cls=TabularMLPClassifier, **params):
    names = cls._get_param_names()
    own = {name: value for name, value in EXACT.items() if name in names}
    return cls(**{**own, **params}).fit(X, Y)


def assert_close(a, b, data=X):
    # Fused sums are rounded otherwise, in float64.
    np.testing.assert_allclose(
        a.predict_proba(data), b.predict_proba(data), rtol=0, atol=1e-10
    )
    for name, w in weights(a).items():
        np.testing.assert_allclose(w, weights(b)[name], rtol=0, atol=1e-10)


@pytest.mark.parametrize(
    "params",
    [
        {"sam_asymmetric_rho": 0.05, "n_members": 2, "dropout": 0.2},
        pytest.param(
            {"num_embeddings": "plr", "d_embedding": 4, "joint_ssl": "vicreg"},
            marks=pytest.mark.slow,
        ),
        {"metabalance_sampler": "balanced", "metabalance_steps": 2},
    ],
    ids=str,
)
def test_compiled_training_is_training(params):
    assert_close(fit(compile=True, **params), fit(**params))


def test_a_pass_is_one_program_and_the_last_batch_none(backend):
    clf = TabularMLPClassifier(**{**EXACT, "batch_size": 64})
    assert len(Y) % 64
    clf.set_params(compile=True).fit(X, Y)
    assert (backend.programs, backend.calls) == (1, 2 * (len(Y) // 64))
    assert same_bits(clf, TabularMLPClassifier(**clf.get_params()).fit(X, Y))
    # Another fit of the same shapes takes the program that is there.
    assert (backend.programs, backend.calls) == (1, 4 * (len(Y) // 64))


def test_off_compiles_nothing(backend):
    fit()
    assert backend.programs == 0


@pytest.mark.parametrize("n_members", [1, 3])
@pytest.mark.parametrize("dropout", [0.0, 0.2])
def test_networks_that_are_stacked_by_vmap(backend, n_members, dropout):
    params = {
        "cls": TabularResNetClassifier,
        "n_members": n_members,
        "dropout1": dropout,
        "sam_asymmetric_rho": 0.05,
    }
    clf = fit(compile=True, **params)
    assert_close(clf, fit(**params))
    # SAM's second pass leaves the running statistics alone: a program of its own.
    assert backend.programs == 2
    for name, b in clf.net_.module_.named_buffers():
        if "running_mean" in name:
            assert (b != 0).any()


def test_images(backend):
    pixels = np.random.default_rng(0).integers(0, 255, (96, 8, 8), dtype=np.uint8)
    y = np.arange(96) % 3
    params = {"backbone": "resnet8", "batch_size": 32, "max_epochs": 2}
    params |= {"dtype": "float64", "early_stopping": False, "random_state": 0}
    plain = ImageResNetClassifier(**params).fit(pixels, y)
    clf = ImageResNetClassifier(**params, compile=True).fit(pixels, y)
    assert (backend.programs, backend.calls) == (1, 6)
    assert_close(clf, plain, pixels)


@pytest.mark.parametrize(("n_members", "n_programs"), [(1, 1), (2, 0)])
def test_auto_compiles_one_network_of_convolutions(backend, n_members, n_programs):
    pixels = np.random.default_rng(0).integers(0, 255, (32, 8, 8), dtype=np.uint8)
    params = {"backbone": "resnet8", "max_epochs": 1, "early_stopping": False}
    clf = ImageResNetClassifier(**params, n_members=n_members, compile="auto")
    clf.fit(pixels, np.arange(32) % 2)
    assert backend.programs == n_programs


def test_auto_compiles_no_mlp(backend):
    fit(compile="auto")
    assert backend.programs == 0


def test_members_that_are_done_leave_when_most_are(backend):
    settings = [{"lr": 0.1}, {"lr": 0.03}, {"lr": 1e-2}, {"lr": 1e-3}]
    params = {
        "portfolio": settings,
        "lr": "auto",
        "early_stopping": True,
        "n_iter_no_change": 2,
        "max_epochs": 12,
    }
    clf = fit(compile=True, **params)
    assert_close(clf, fit(**params))
    assert len(set(clf.best_epoch_)) > 1
    assert backend.programs <= 3  # packs of 4, at most 1, never of 3


@pytest.mark.filterwarnings("ignore:sampler='smote':UserWarning")
@pytest.mark.filterwarnings("ignore:m2m translated no row:UserWarning")
@pytest.mark.parametrize("strategy", STRATEGIES, ids=str)
def test_every_strategy_compiles_or_is_refused(backend, strategy):
    params = {**SMALL, **strategy, "dtype": strategy.get("dtype", "float64")}
    if "portfolio" in params:
        params["early_stopping"] = "auto"
    clf = TabularMLPClassifier(**params, compile=True)
    if "row_weighting" in strategy or "metabalance_second_order" in strategy:
        with pytest.raises(ValueError, match=r"compile=True cannot be combined: .*Set"):
            clf.fit(X, Y)
        assert backend.programs == 0
        return
    plain = TabularMLPClassifier(**params).fit(X, Y).predict_proba(X)
    gap = np.abs(clf.fit(X, Y).predict_proba(X) - plain).max()
    # The traced operations are the same ones.
    assert gap <= 1e-10
    assert backend.calls > 0


def test_a_mode_with_cuda_graphs_refuses_gradients_that_wait():
    with pytest.raises(ValueError, match=r"would be overwritten.*compile=True"):
        fit(compile="reduce-overhead", metabalance_sampler="balanced")


def test_a_mode_reaches_torch_and_steps_are_marked(backend, monkeypatch):
    seen, marks = [], []
    monkeypatch.setattr(
        torch,
        "compile",
        lambda f, mode=None, **k: seen.append(mode) or COMPILE(f, backend=backend),
    )
    monkeypatch.setattr(
        torch.compiler, "cudagraph_mark_step_begin", lambda: marks.append(1)
    )
    clf = fit(compile="reduce-overhead", max_epochs=1)
    assert set(seen) == {"reduce-overhead"} and len(marks) == -(-len(Y) // 32)
    assert same_bits(clf, fit(max_epochs=1))


def test_no_compiler_is_said_before_training(fresh, monkeypatch):
    def missing(*args, **kwargs):
        raise RuntimeError("No working C++ compiler found\nlong traceback")

    monkeypatch.setattr(torch, "compile", lambda *a, **k: missing)
    clf = TabularMLPClassifier(**PLAIN, compile=True)
    with pytest.raises(ValueError, match=r"needs a C\+\+ compiler.*No working.*False"):
        clf.fit(X, Y)
    assert not hasattr(clf, "net_")
    with pytest.raises(ValueError, match=r"needs a C\+\+ compiler"):
        clf.partial_fit(X, Y)


def test_a_network_that_cannot_be_compiled_trains_without(backend, monkeypatch):
    def fails(graph, inputs, **kwargs):
        raise NotImplementedError("no such kernel")

    monkeypatch.setattr(torch, "compile", partial(COMPILE, backend=fails))
    with pytest.warns(RuntimeWarning, match=r"cannot compile.*no such kernel"):
        clf = fit(compile=True)
    assert same_bits(clf, fit())


def test_a_fitted_classifier_holds_no_program(backend, tmp_path):
    clf = fit(compile=True)
    assert clf.net_.criterion_.compiled is None
    clf.save(tmp_path / "m")
    again = sklimb.load(tmp_path / "m")
    np.testing.assert_array_equal(again.predict_proba(X), clf.predict_proba(X))
    assert again.compile is True


def test_searches_compile_their_packs(backend):
    clf = TabularMLPClassifier(**EXACT, compile=True)
    grid = {"lr": [1e-3, 1e-2]}
    packed = PackedSearchCV(clf, grid, cv=2, scoring="roc_auc", max_members=4).fit(X, Y)
    assert backend.programs == 2  # the pack, and the refit
    single = GridSearchCV(clf, grid, cv=2, scoring="roc_auc").fit(X, Y)
    for name in ("mean_test_score", "split1_test_score"):
        # The same networks but for rounding.
        np.testing.assert_allclose(
            packed.cv_results_[name], single.cv_results_[name], atol=1e-6
        )


@pytest.mark.parametrize("value", ["default", 2, None])
def test_other_values_are_refused(value):
    with pytest.raises(ValueError, match="compile"):
        TabularMLPClassifier(**PLAIN, compile=value).fit(X, Y)
