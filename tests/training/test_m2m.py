"""M2m: the formula row by row, what must not move, and plain where it is off."""

import numpy as np
import pandas as pd
import pytest
import torch
from helpers.packs import PLAIN, fixed_table, same_bits, weights
from helpers.searches import assert_same_results, both, tiny, uneven_table
from sklearn.model_selection import GridSearchCV, train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

import sklimb
from sklimb import (
    FTTransformerClassifier,
    TabularMLPClassifier,
    TabularResNetClassifier,
)
from sklimb.fitting.jobs import make_job
from sklimb.fitting.pack import Pack
from sklimb.fitting.prepare import prepare
from sklimb.fitting.train import _train_guides
from sklimb.model_selection import PackedSearchCV
from sklimb.nn import PackedLinear
from sklimb.training.batches import Batches
from sklimb.training.callbacks import Deferred
from sklimb.training.m2m import M2m, Translation, translate

X, Y = fixed_table()
# The table's rare class is 60 rows: chances of 0.999^240 would leave few rows.
ON = M2m(start=0.4, beta=0.9, gamma=0.5)
# Where guides of few epochs must agree to something.
EASY = M2m(start=0.4, beta=0.9, gamma=0.2)


def fit(X=X, Y=Y, **params):
    return TabularMLPClassifier(**{**PLAIN, **params}).fit(X, Y)


class Linear(torch.nn.Module):
    """A linear model that a formula can be written for."""

    def __init__(self, n_members, seed):
        super().__init__()
        self.head = PackedLinear(n_members, 4, 3)
        for k in range(n_members):
            self.head.reset_member(k, torch.Generator().manual_seed(seed + k))
        self.double()
        with torch.no_grad():
            self.head.weight *= 4

    def forward(self, x):
        return self.head(x.flatten(2))


# The formula


def softmax(z):
    p = np.exp(z - z.max())
    return p / p.sum()


def unit(v):
    length = np.sqrt((v**2).sum())
    return v / length if length > 0 else v


def one_row(x, k, k0, g, f, noise, movable, low, high, settings):
    """A translated row and the guide's probability of class k, in plain loops."""
    (Wg, bg), (Wf, _) = g, f
    root = np.sqrt(3)  # of the four columns three may move
    x = x + settings.noise * root * unit(noise * movable)
    x = np.where(movable, np.clip(x, low, high), x)
    for _ in range(settings.n_steps):
        error = softmax(x @ Wg + bg) - np.eye(3)[k]
        gradient = Wg @ error + settings.lam * Wf[:, k0]
        x = x - settings.step_size * root * unit(gradient * movable)
        x = np.where(movable, np.clip(x, low, high), x)
    return x, softmax(x @ Wg + bg)[k]


def test_a_batch_is_the_formula():
    """Two members, three classes, a padded row; column 3 flags column 0 as missing."""
    rng = np.random.default_rng(0)
    settings = M2m(beta=0.95, gamma=0.6, step_size=0.3, n_steps=4, noise=0.4)
    guide, model = Linear(2, 0), Linear(2, 10)
    counts = np.array([[20.0, 60.0, 8.0], [50.0, 50.0, 10.0]])
    n, padded = 40, [33, 40]
    x = rng.normal(size=(2, n, 4))
    x[..., 3] = rng.random((2, n)) < 0.3
    x[..., 0] *= x[..., 3] == 0
    y = rng.integers(0, 3, (2, n))
    u, noise = rng.random((2, n, 3)), rng.random((2, n, 4)) - 0.5
    low = np.array([[-1.0, -0.5, -1.5, -np.inf], [-0.9, -1.1, -2.0, -np.inf]])
    high = np.array([[1.0, 0.6, 1.5, np.inf], [0.9, 1.1, 2.0, np.inf]])
    free = np.array([[True, True, True, False]] * 2)
    x[..., :3] = x[..., :3].clip(low[:, None, :3], high[:, None, :3])
    real = np.arange(n) < np.array(padded)[:, None]
    translation = Translation(
        settings,
        guide,
        model,
        counts,
        *(torch.from_numpy(a[:, None]) for a in (free, low, high)),
        flags=torch.tensor([3]),
        owners=torch.tensor([0]),
    )
    tensors = (torch.from_numpy(a) for a in (x, y, real, u, noise))
    got, _, replaced = translation(*tensors)
    n_replaced = 0
    for m in range(2):
        g, f = (
            [p[m].detach().numpy() for p in (net.head.weight, net.head.bias[:, 0])]
            for net in (guide, model)
        )
        for i in range(n):
            want = x[m, i]
            k = y[m, i]
            odds = [
                (1 - 0.95 ** max(counts[m, c] - counts[m, k], 0)) * real[m, j]
                for j, c in enumerate(y[m])
            ]
            fine = real[m, i] and u[m, i, 0] < 1 - counts[m, k] / counts[m].max()
            if fine and sum(odds) > 0:
                seed = int((np.cumsum(odds) <= u[m, i, 1] * sum(odds)).sum())
                movable = free[m] & np.array([x[m, seed, 3] == 0, True, True, True])
                moved, p = one_row(
                    x[m, seed],
                    k,
                    y[m, seed],
                    g,
                    f,
                    noise[m, i],
                    movable,
                    low[m],
                    high[m],
                    settings,
                )
                fine = p >= settings.gamma and u[m, i, 2] < odds[seed]
                want = moved if fine else want
                assert bool(replaced[m, i]) == fine
                n_replaced += fine
            else:
                assert not replaced[m, i]
            # Sums in another order, four steps.
            np.testing.assert_allclose(got[m, i], want, atol=1e-12)
    assert 10 < n_replaced < 60


def test_pixels_are_rows_of_another_shape():
    rng = np.random.default_rng(1)
    guide, model = Linear(1, 0), Linear(1, 5)
    flat = torch.from_numpy(rng.random((1, 6, 4)))
    noise = torch.from_numpy(rng.random((1, 6, 4)) * 0.1)
    classes = torch.tensor([[0, 1, 2, 0, 1, 2]]), torch.tensor([[1, 2, 0, 2, 0, 1]])
    how = {"n_steps": 3, "lam": 0.5, "low": torch.zeros(1), "high": torch.ones(1)}
    step = torch.full((1, 1, 4), 0.2, dtype=torch.float64)
    a, p = translate(flat, *classes, guide, model, noise=noise, step=step, **how)
    shape = (1, 6, 1, 2, 2)
    b, q = translate(
        flat.view(shape),
        *classes,
        guide,
        model,
        noise=noise.view(shape),
        step=step.view(1, 1, 1, 2, 2),
        **how,
    )
    torch.testing.assert_close(a, b.flatten(2))
    torch.testing.assert_close(p, q)
    assert float(a.min()) >= 0 and float(a.max()) <= 1
    assert float((a - flat).abs().max()) > 0.1


# Off is plain


def test_no_chance_is_deferred_balanced_sampling():
    """beta=1 goes through all of the code and takes no row."""
    late = {"drw_start": 0.4, "sampler": "balanced", "max_epochs": 8}
    off = fit(m2m=M2m(start=0.4, beta=1.0), max_epochs=8)
    assert same_bits(off, fit(**late))
    assert off.history_[-1]["tried"] == off.history_[-1]["translated"] == 0.0
    np.testing.assert_array_equal(off.prior_shift_, fit(**late).prior_shift_)
    on = fit(m2m=ON, max_epochs=8)
    assert np.abs(on.predict_proba(X) - off.predict_proba(X)).max() > 1e-2


def test_plain_until_the_start():
    plain, on = fit(), fit(m2m=ON)
    for before, row in zip(plain.history_[:2], on.history_[:2], strict=True):
        assert before["train_loss"] == row["train_loss"]
        assert "translated" not in row
    assert all(row["translated"] > 0 for row in on.history_[2:])


@pytest.mark.parametrize(
    "change",
    [
        {"start": 0.6},
        {"beta": 0.99},
        {"lam": 2.0},
        {"gamma": 0.8},
        {"step_size": 0.5},
        {"n_steps": 2},
        {"noise": 0.0},
    ],
)
def test_every_knob_does_something(change):
    base = {"lr": 2e-2, "max_epochs": 6}
    changed = M2m(**{**vars(ON), **change})
    a, b = fit(m2m=ON, **base), fit(m2m=changed, **base)
    assert np.abs(a.predict_proba(X) - b.predict_proba(X)).max() > 1e-3


# What is translated


def late_batches(estimator, X, y):
    """The pack of a fit after its guide, and the batches that it ends with."""
    job = make_job(estimator, prepare(estimator, X, y))
    _train_guides([job], alone=True)
    pack = Pack([job])
    found = [c for _, c in pack.net.callbacks_ if isinstance(c, Deferred)]
    return job, pack, found[0].batches


def mixed_table():
    X, y = fixed_table(800)
    frame = pd.DataFrame(X, columns=list("abcdef"))
    frame.loc[::5, "c"] = np.nan
    frame["still"] = 3.0
    frame["kind"] = pd.Categorical(np.where(X[:, 1] > 0, "u", "v"))
    return frame, y


@pytest.mark.parametrize("num_embeddings", [None, "plr"])
def test_only_numbers_move_within_their_ranges_to_where_the_guide_agrees(
    num_embeddings,
):
    frame, y = mixed_table()
    clf = TabularMLPClassifier(
        **{**PLAIN, "num_embeddings": num_embeddings, "numeric_transform": "quantile"},
        m2m=ON,
    ).set_params(max_epochs=30)
    job, pack, late = late_batches(clf, frame, y)
    counts = np.bincount(job.plan.y)
    plain = list(late.batches)
    late.batches.epoch = 0
    n_moved = 0
    train = torch.from_numpy(job.plan.X)
    for before, after in zip(plain, late, strict=True):
        for name in ("y", "weight", "target"):
            torch.testing.assert_close(before[name], after[name], rtol=0, atol=0)
        moved = (before["X"] != after["X"]).any(-1)[0]
        rows, labels = after["X"][0, moved], after["y"][0, moved]
        n_moved += len(rows)
        assert (labels == int(counts.argmin())).all()
        p = torch.softmax(late.translation.guide(rows.unsqueeze(0)), -1)[0, :, 1]
        assert (p >= ON.gamma - 1e-6).all()  # products of another shape
        n = job.layout.n_numeric
        assert (rows[:, :n] >= train[:, :n].amin(0)).all()
        assert (rows[:, :n] <= train[:, :n].amax(0)).all()
        assert (rows[:, 6] == 0).all()  # the column that never varies
        missing = rows[:, n] == 1
        assert (rows[missing, 2] == 0).all()
        # Flags and codes are together those of a frequent row.
        frequent = before["X"][0, before["y"][0] == 0, n:].unique(dim=0)
        assert (rows[:, None, n:] == frequent).all(-1).any(1).all()
    n_rows = late.batches.n_rows[0]
    tried, share = late.shares[:, 0].tolist()
    assert share == pytest.approx(n_moved / n_rows)
    assert share < tried < 0.5
    assert 0.05 < n_moved / n_rows < 0.5 * (1 - counts.min() / counts.max())
    assert pack.module.training


def test_the_guide_is_a_plain_fit_of_the_same_rows():
    a, b, ya, yb = train_test_split(X, Y, stratify=Y, random_state=0)
    params = {**PLAIN, "early_stopping": True, "n_iter_no_change": 2, "n_members": 2}
    strategies = {
        "smoothing_eps": 0.2,
        "loss": "ldam",
        "class_weight": "balanced",
        "sam_asymmetric_rho": 0.1,
    }
    clf = TabularMLPClassifier(**params, **strategies, m2m=ON)
    rows = prepare(clf, a, ya, X_val=b, y_val=yb)
    job = make_job(clf, rows)
    _train_guides([job], alone=True)
    plain = TabularMLPClassifier(**params).fit(a, ya, X_val=b, y_val=yb)
    for name, p in job.guide.module.named_parameters():
        np.testing.assert_array_equal(p.detach().numpy(), weights(plain)[name])


def test_running_statistics_are_those_of_the_training_rows():
    net = TabularResNetClassifier(d_block=8, max_epochs=3, random_state=0, m2m=ON)
    _, pack, late = late_batches(net, *mixed_table())
    before = [b.clone() for b in pack.module.buffers()]
    pack.module.train()
    for _ in late:
        pass
    for kept, now in zip(before, pack.module.buffers(), strict=True):
        assert torch.equal(kept, now)
    assert float(late.shares[1, 0]) > 0 and pack.module.training


def test_rows_that_the_guide_doubts_are_repeated_less():
    """Translated rows lie where the guide is sure; repetitions lie anywhere."""
    params = {"max_epochs": 20, "target_prior": None, "lr": 1e-2}
    off = fit(m2m=M2m(start=0.4, beta=1.0), **params)
    on = fit(m2m=ON, **params)
    doubted = (Y == 1) & (fit(target_prior=None).predict_proba(X)[:, 1] < ON.gamma)
    assert doubted.sum() > 10
    p_off, p_on = (clf.predict_proba(X)[doubted, 1].mean() for clf in (off, on))
    assert p_on < p_off - 0.02


def test_probabilities_keep_the_base_rate():
    clf = fit(m2m=ON, max_epochs=20)
    assert clf.predict_proba(X)[:, 1].mean() == pytest.approx(Y.mean(), rel=1e-6)
    assert clf.prior_shift_[1] > 2


# Members, folds and searches


@pytest.mark.parametrize(
    "params",
    [
        {"dropout": 0.2},
        {"sam_asymmetric_rho": 0.05, "smoothing_eps": 0.05, "num_embeddings": "plr"},
        {"loss": "ldam", "class_weight": "balanced"},
    ],
)
def test_members_equal_single_fits(params):
    params = {"m2m": EASY, "dtype": "float64", **params}
    many = fit(**params, n_members=3)
    assert min(many.history_[-1]["translated_members"]) > 0
    for k, seed in enumerate(many.member_seeds_):
        one = fit(**params, random_state=int(seed))
        for name, w in weights(many).items():
            np.testing.assert_allclose(w[k], weights(one)[name][0], atol=1e-10)


def test_members_that_leave_take_their_guides_along():
    a, b, ya, yb = train_test_split(X, Y, stratify=Y, random_state=0)
    params = {**PLAIN, "m2m": EASY, "dtype": "float64", "early_stopping": True}
    params |= {"n_iter_no_change": 2, "max_epochs": 30, "dropout": 0.2}
    params.pop("lr")
    rates = [{"lr": lr} for lr in (1e-1, 3e-2, 3e-3)]
    many = TabularMLPClassifier(**params, portfolio=rates).fit(a, ya, X_val=b, y_val=yb)
    there = [np.isfinite(r["translated_members"]).sum() for r in many.history_[12:]]
    assert there[0] == 3 and there[-1] < 3 and len(many.history_) > 14
    assert (many.best_epoch_ > 12).all()  # what was before the start is forgotten
    for k, seed in enumerate(many.member_seeds_):
        one = TabularMLPClassifier(**{**params, **rates[k], "random_state": int(seed)})
        one.fit(a, ya, X_val=b, y_val=yb)
        got = many.predict_proba_members(X)[k]
        np.testing.assert_allclose(got, one.predict_proba(X), atol=1e-10)


def test_packed_search_equals_grid_search_on_folds_that_encode_differently():
    m2m = M2m(start=0.25, beta=0.9, gamma=0.1)
    grid = {"lr": [3e-3, 1e-2], "dropout": [0.0, 0.2], "m2m": [None, m2m]}
    both(tiny(), grid, *uneven_table())
    both(tiny(m2m=m2m), {"lr": [3e-3, 1e-2]}, *uneven_table(3))


def test_works_inside_grid_search_and_pipelines():
    clf = TabularMLPClassifier(**{**PLAIN, "max_epochs": 6, "m2m": ON})
    pipe = make_pipeline(StandardScaler(), clf)
    other = M2m(start=0.4, beta=0.9, gamma=0.1)
    grid = {"tabularmlpclassifier__m2m": [None, other, EASY]}
    search = GridSearchCV(pipe, grid, cv=2, scoring="roc_auc", n_jobs=1).fit(X, Y)
    assert len(set(search.cv_results_["mean_test_score"])) == 3


def test_folds_portfolios_and_other_networks():
    for params in (
        {"validation_folds": 2, "n_members": 2, "early_stopping": "auto"},
        {"portfolio": "default", "num_embeddings": "plr-lite", "lr": "auto"},
        {"num_embeddings": "ple", "loss": "vs"},
        {"loss": "focal", "ema_decay": 0.9, "clip_norm": 1.0, "dtype": "bfloat16"},
    ):
        params = {"dropout": "auto", **params} if "portfolio" in params else params
        clf = fit(m2m=ON, **params)
        assert np.isfinite(clf.predict_proba(X)).all()
        assert clf.history_[-1]["translated"] > 0
    for network in (
        TabularResNetClassifier(d_block=8, n_members=2),
        FTTransformerClassifier(d_block=8, n_blocks=1),
    ):
        network.set_params(max_epochs=3, m2m=M2m(start=0.3, beta=0.9, gamma=0.1))
        frame, y = mixed_table()
        clf = network.set_params(random_state=0).fit(frame, y)
        assert clf.history_[-1]["translated"] > 0


def test_weights_are_repetitions():
    weight = np.where(Y == 1, 3, 1)
    index = np.repeat(np.arange(len(Y)), weight)
    frame, _ = mixed_table()
    rows = frame.iloc[: len(Y)]
    clf = TabularMLPClassifier(**PLAIN, m2m=EASY)
    a = clf.fit(rows, Y, sample_weight=weight).predict_proba(rows)
    b = clf.fit(rows.iloc[index], Y[index]).predict_proba(rows)
    np.testing.assert_array_equal(a, b)


def test_nothing_translated_is_said():
    with pytest.warns(UserWarning, match=r"translated no row: .*gamma=1\.0, so"):
        fit(m2m=M2m(gamma=1.0))


def test_files_keep_predictions_and_settings(tmp_path):
    clf = fit(m2m=ON, n_members=2)
    clf.save(tmp_path / "m")
    again = sklimb.load(tmp_path / "m")
    np.testing.assert_array_equal(again.predict_proba(X), clf.predict_proba(X))
    assert again.m2m == ON
    assert again.history_ == clf.history_


@pytest.mark.parametrize("kind", ["mixup", "cutmix"])
@pytest.mark.parametrize("loss", ["ce", "ldam"])
def test_mixed_after_the_translation(kind, loss, monkeypatch):
    seen = []

    def mixed(batches, batch):
        before = dict(batch)
        after = of_batches(batches, batch)
        seen.append((before, after))
        return after

    of_batches = Batches.mixed
    monkeypatch.setattr(Batches, "mixed", mixed)
    clf = fit(m2m=EASY, mix=kind, loss=loss)
    assert clf.history_[-1]["translated"] > 0
    n_late = sum("translated" in row for row in clf.history_)
    assert len(seen) >= n_late > 0  # each late epoch has a step at least
    assert len(seen) % n_late == 0
    n_numbers = clf.encoder_.n_numeric_ + clf.encoder_.n_indicators_
    for before, after in seen:
        partner, share, keep = before["mixing"]
        rows = before["X"][0]
        expected = torch.where(keep[0], rows, rows[partner[0]])
        if kind == "mixup":
            part = share[0].unsqueeze(-1)
            numbers = part * rows + (1 - part) * rows[partner[0]]
            expected[:, :n_numbers] = numbers[:, :n_numbers]
        torch.testing.assert_close(after["X"][0], expected)
        assert (after["other"] is None) == (loss == "ce")


@pytest.mark.parametrize("loss", ["ce", "ldam"])
def test_a_mixed_pack_is_its_members(loss):
    params = {"m2m": EASY, "mix": "mixup", "loss": loss, "dtype": "float64"}
    pack, alone = fit(n_members=2, **params), fit(**params)
    np.testing.assert_allclose(  # products of other sizes
        pack.predict_proba_members(X)[0], alone.predict_proba(X), atol=1e-10
    )


# Refusals


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({"sampler": "over"}, r"sampler='over' and m2m=.*draws classes equally"),
        ({"drw_start": 0.5}, r"M2m\(start=\.\.\.\) sets that"),
        ({"metabalance_sampler": "under"}, "each chooses the rows"),
        ({"warm_start": True}, "begin anew"),
        ({"m2m": "on"}, "m2m"),
        ({"m2m": True}, "m2m"),
    ],
)
def test_refusals(params, message):
    with pytest.raises(ValueError, match=message):
        fit(**{"m2m": ON, **params})


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("start", 1.0),
        ("beta", 1.5),
        ("lam", -0.1),
        ("gamma", np.nan),
        ("step_size", "0.1"),
        ("n_steps", 0),
        ("n_steps", 2.5),
        ("noise", np.inf),
    ],
)
def test_settings_out_of_range(name, value):
    with pytest.raises(ValueError, match=f"{name} of M2m must be .*, got"):
        M2m(**{name: value})


def test_tables_without_numbers_are_refused():
    frame, y = mixed_table()
    for columns in (["kind"], ["kind", "still"]):
        with pytest.raises(ValueError, match="m2m translates numbers, and no numeric"):
            fit(frame[columns], y, m2m=ON)


def test_partial_fit_is_refused():
    clf = TabularMLPClassifier(**PLAIN, m2m=ON)
    assert not hasattr(clf, "partial_fit")
    with pytest.raises(AttributeError, match="no attribute 'partial_fit'") as error:
        clf.partial_fit(X, Y)
    assert "m2m=None" in str(error.value.__cause__)
    assert hasattr(clf.set_params(m2m=None), "partial_fit")


def test_a_guide_that_learns_nothing_is_said():
    clf = TabularMLPClassifier(**{**PLAIN, "optimizer": "sgd", "lr": 1e30}, m2m=ON)
    with pytest.raises(ValueError, match="Lower lr"):
        clf.fit(X, Y)
    assert not hasattr(clf, "net_")


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.FitFailedWarning")
@pytest.mark.filterwarnings("ignore:One or more of the test scores:UserWarning")
def test_a_candidate_whose_guide_fails_fails_alone():
    grid = {"lr": [1e-2, 1e30], "optimizer": ["sgd"]}
    clf = tiny(m2m=M2m(start=0.5, beta=0.9, gamma=0.1))
    frame, y = uneven_table()
    settings = {"cv": 2, "scoring": "neg_log_loss", "refit": False}
    packed = PackedSearchCV(clf, grid, **settings).fit(frame, y)
    one = GridSearchCV(clf, grid, **settings).fit(frame, y)
    assert np.isnan(packed.cv_results_["mean_test_score"]).tolist() == [False, True]
    assert_same_results(packed, one)


def test_an_interrupted_guide_leaves_nothing(monkeypatch):
    def interrupt(*args, **kwargs):
        raise KeyboardInterrupt

    monkeypatch.setattr("sklimb.training.net._Net.train_step", interrupt)
    clf = TabularMLPClassifier(**PLAIN, m2m=ON)
    with pytest.raises(KeyboardInterrupt, match="nothing was fitted"):
        clf.fit(X, Y)
    assert not hasattr(clf, "net_")
