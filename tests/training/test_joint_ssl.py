"""Joint self-supervision: terms against slow formulas, views from the marginals, and a
classifier that trains as it does without where the term is off."""

import numpy as np
import pytest
import torch
from helpers.packs import PLAIN, fit_pack, fixed_table, same_bits, weights
from helpers.views import make_views, mixed_table, same_encoder
from sklearn.model_selection import GridSearchCV, train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

import sklimb
from sklimb import (
    FTTransformerClassifier,
    TabularMLPClassifier,
    TabularResNetClassifier,
)
from sklimb.model_selection import PackedSearchCV
from sklimb.nn.join import Layout
from sklimb.training.batches import Draw
from sklimb.training.objective import Objective
from sklimb.training.samplers import UniformOrder
from sklimb.training.terms import SCARF, TERMS, JointTerm, SimCLR, VICReg
from sklimb.training.views.columns import Pool, Views, views_of_columns

X, Y = fixed_table()
NAMES = ["vicreg", "simclr", "scarf"]
DOUBLE = {"dtype": "float64", "dropout": 0.2}


def fit(X_unlabeled=None, **params):
    clf = TabularMLPClassifier(**{**PLAIN, **params})
    return clf.fit(X, Y, X_unlabeled=X_unlabeled)


# --- formulas ---------------------------------------------------------------------


def slow_vicreg(a, b, term):
    n, d = a.shape
    inv = sum((a[i, j] - b[i, j]) ** 2 for i in range(n) for j in range(d)) / (n * d)
    var = cov = 0.0
    for z in (a, b):
        C = np.zeros((d, d))
        for i in range(n):
            C += np.outer(z[i] - z.mean(0), z[i] - z.mean(0)) / (n - 1)
        for j in range(d):
            var += max(0.0, 1 - np.sqrt(C[j, j] + 1e-4)) / d / 2
            cov += sum(C[j, k] ** 2 for k in range(d) if k != j) / d
    return term.sim * inv + term.std * var + term.cov * cov


def cosine(u, v):
    return u @ v / np.sqrt((u @ u) * (v @ v))


def slow_simclr(a, b, term):
    z, n, total = [*a, *b], len(a), 0.0
    for i in range(2 * n):
        s = [np.exp(cosine(z[i], v) / term.temperature) for v in z]
        total -= np.log(s[(i + n) % (2 * n)] / (sum(s) - s[i]))
    return total / (2 * n)


def slow_scarf(a, b, term):
    total = 0.0
    for i in range(len(a)):
        s = [np.exp(cosine(a[i], v) / term.temperature) for v in b]
        total -= np.log(s[i] / np.mean(s))
    return total / len(a)


SLOW = {VICReg: slow_vicreg, SimCLR: slow_simclr, SCARF: slow_scarf}


@pytest.mark.parametrize(
    "term",
    [
        *(TERMS[name] for name in NAMES),
        VICReg(sim=3.0, std=5.0, cov=7.0),
        SimCLR(temperature=0.2),
        SCARF(temperature=0.2),
    ],
    ids=str,
)
def test_terms_are_the_formulas_and_padding_does_not_enter(term):
    rng = np.random.default_rng(0)
    a, b = rng.normal(size=(2, 3, 7, 4)) * 0.7
    real = np.ones((3, 7), dtype=bool)
    real[1, 5:], real[2, 1:] = False, False
    tensors = [torch.from_numpy(v).requires_grad_() for v in (a, b)]
    got = term(*tensors, torch.from_numpy(real))
    whole = term(torch.from_numpy(a), torch.from_numpy(b))
    for k, n in enumerate((7, 5)):
        wanted = SLOW[type(term)](a[k, :n], b[k, :n], term)
        # Sums of 100 float64 numbers in another order, and 1e-12 in a square root.
        assert got[k].item() == pytest.approx(wanted, rel=1e-10)
    assert whole[0].item() == pytest.approx(got[0].item(), rel=1e-14)
    assert got[2].item() == 0.0  # one row
    got.sum().backward()
    for t in tensors:
        assert t.grad.isfinite().all()
        assert (t.grad[1, 5:] == 0).all() and (t.grad[2] == 0).all()
    nobody = term(*tensors, torch.zeros(3, 7, dtype=torch.bool))
    assert (nobody == 0).all()


@pytest.mark.parametrize("name", NAMES)
def test_gradients_of_terms(name):
    generator = torch.Generator().manual_seed(0)
    a, b = torch.randn(2, 2, 5, 3, generator=generator, dtype=torch.float64) * 0.5
    pair = a.requires_grad_(), b.requires_grad_()
    assert torch.autograd.gradcheck(TERMS[name], pair)
    assert torch.autograd.gradgradcheck(TERMS[name], pair)


def test_known_values():
    a = torch.tensor([[[2.0, 0.0], [-2.0, 0.0], [0.0, 2.0], [0.0, -2.0]]])
    assert float(VICReg()(a, a)) == 0.0  # spread out, uncorrelated, and equal
    # Collapsed: a standard deviation of sqrt(1e-4), so a hinge of 0.99.
    collapsed = torch.ones(1, 4, 2)
    assert float(VICReg()(collapsed, collapsed)) == pytest.approx(25 * 0.99)
    assert float(SimCLR()(collapsed, collapsed)) == pytest.approx(np.log(7))
    assert float(SCARF()(collapsed, collapsed)) == pytest.approx(0.0, abs=1e-6)


# --- views ------------------------------------------------------------------------


def test_cells_come_from_the_weighted_marginals():
    table = np.array([[0.0, 10.0], [1.0, 11.0], [2.0, 12.0], [3.0, 13.0]])
    weight, n, rate = np.array([1.0, 1.0, 2.0, 4.0]), 40_000, 0.6
    rows, (clean, view) = make_views((0.0, rate), table, weight, n, [0, 1])
    assert torch.equal(clean, rows)
    first = rows[:, 0] == 0
    share = np.bincount(view[first, 0].long(), minlength=4) / int(first.sum())
    wanted = rate * weight / weight.sum()
    wanted[0] += 1 - rate
    # 10,000 draws: a standard error of 0.005.
    np.testing.assert_allclose(share, wanted, atol=0.02)
    # Columns are corrupted, and drawn, apart.
    changed = (view != rows)[first].double()
    # A standard error of 0.01.
    assert abs(np.corrcoef(changed.T.numpy())[0, 1]) < 0.04


def test_a_number_goes_with_its_indicator_and_categories_stay_categories():
    frame, y = mixed_table()
    clf = TabularMLPClassifier(max_epochs=1, d_block=8, random_state=0).fit(frame, y)
    encoder = clf.encoder_
    term = SCARF(corruption=0.5)
    views = views_of_columns(encoder.numeric_columns_, term, Layout.of(encoder))
    assert views.groups.tolist() == [0, 1, 2, 1, 2, 3]
    table = encoder.transform(frame).astype(np.float64)
    groups = views.groups.tolist()
    rows, pair = make_views((0.5, 0.5), table, np.ones(len(table)), 240, groups)
    for view in pair:
        for flag, number in ((3, 1), (4, 2)):
            seen = set(zip(table[:, number], table[:, flag], strict=True))
            got = zip(view[:, number].tolist(), view[:, flag].tolist(), strict=True)
            assert set(got) <= seen
        assert set(view[:, 5].tolist()) <= set(table[:, 5])
    changed = (pair[0] != rows).double().mean(0)
    assert changed[[0, 1, 2, 4, 5]].min() > 0.1 and not torch.equal(*pair)


def test_draws_that_share_nothing_but_the_seed_get_the_same_views():
    """A pack asks for the chunk of its longest member, a fit for its own."""
    table = np.random.default_rng(0).normal(size=(30, 3))
    pools = [Pool(table, np.ones(30)), Pool(table, np.arange(1.0, 31))]
    draws = [Draw(0, UniformOrder(30), seed, 0, p) for seed, p in enumerate(pools)]
    views, cpu = Views((0.3, 0.6), [0, 1, 2]), torch.device("cpu")
    rows = torch.from_numpy(table).unsqueeze(0)
    many = views.make(
        rows.expand(2, -1, -1),
        draws,
        views.start(draws, 3, cpu),
        [30, 20],
        torch.from_numpy(table),
    )
    for d, n in enumerate((30, 20)):
        own = [draws[d]]
        one = views.make(
            rows[:, :n], own, views.start(own, 3, cpu), [n], torch.from_numpy(table)
        )
        for a, b in zip(many, one, strict=True):
            assert torch.equal(a[d, :n], b[0])
            assert torch.equal(a[d, n:], rows[0, n:])  # nothing drawn for padding


# --- the knob ---------------------------------------------------------------------


@pytest.mark.parametrize("name", NAMES)
def test_weight_zero_is_plain_training(name):
    for params in ({}, {"dropout": 0.2}, {"mix": "mixup"}, {"sampler": "balanced"}):
        on = fit(**params, joint_ssl=name, joint_ssl_weight=0.0)
        assert same_bits(fit(**params), on)


def test_equal_views_have_nothing_to_learn():
    """Without corruption and dropout the invariance is 0, and so is its gradient."""
    term = VICReg(std=0.0, cov=0.0, corruption=0.0)
    assert same_bits(fit(), fit(joint_ssl=term, joint_ssl_weight=3.0))


def test_an_off_member_has_the_bits_that_it_has_among_off_members():
    def pair(a, b):
        settings = [{"joint_ssl_weight": w} for w in (a, b)]
        return weights(fit_pack(settings, joint_ssl="vicreg"))

    off, on = pair(0.0, 0.0), pair(0.0, 0.5)
    for name, w in off.items():
        assert np.array_equal(w[0], on[name][0])
    assert any(np.abs(w[1] - on[name][1]).max() > 1e-3 for name, w in off.items())


@pytest.mark.parametrize("name", NAMES)
def test_on_makes_features_that_know_a_row_by_a_part_of_it(name):
    """The retrieval of rows from corrupted ones improves; predictions change."""
    rows, (_, view) = make_views(
        (0.0, 0.3), X.astype(float), np.ones(400), 400, range(6)
    )

    def found(clf):
        a, b = (torch.from_numpy(clf.embed(v.numpy())) for v in (rows, view))
        a, b = (z / z.norm(dim=1, keepdim=True).clamp_min(1e-9) for z in (a, b))
        s = a @ b.T
        return float((s > s.diagonal().unsqueeze(1)).double().sum(1).mean())

    off = fit(max_epochs=20)
    on = fit(max_epochs=20, joint_ssl=name, joint_ssl_weight=1.0)
    assert found(on) < 0.9 * found(off)  # rank of the own row, 0 is best
    assert np.abs(on.predict_proba(X) - off.predict_proba(X)).max() > 1e-3


@pytest.mark.parametrize(
    ("a", "b"),
    [
        (VICReg(), VICReg(sim=1.0)),
        (VICReg(), VICReg(std=1.0)),
        (VICReg(), VICReg(cov=25.0)),
        (SCARF(), SCARF(temperature=0.2)),
        (SimCLR(), SimCLR(temperature=0.1)),
        (SCARF(), SCARF(corruption=0.1)),
        (SCARF(), SCARF(d_projector=8)),
        ("scarf", "simclr"),
    ],
)
def test_every_setting_does_something(a, b):
    p, q = (fit(joint_ssl=t, joint_ssl_weight=1.0).predict_proba(X) for t in (a, b))
    assert np.abs(p - q).max() > 1e-3


def test_objective_is_the_sum_and_projectors_are_trained():
    clf = TabularMLPClassifier(**PLAIN, joint_ssl="simclr", joint_ssl_weight=0.7)
    seen = {}

    class Look(sklimb.training.callbacks.Callback):
        def on_train_begin(self, net, **kwargs):
            seen["before"] = [p.clone() for p in net.criterion_.term.parameters()]
            plain = Objective(net.module_, net.criterion_.loss_function)
            batch = next(iter(net.batches_))
            z = net.module_.embed(batch["views"]["X"])
            with torch.no_grad():
                value = net.criterion_.term(z)
                seen["sum"] = net.criterion_(batch), plain(batch) + value[0]
            a, b = net.criterion_.term.layers[0](z).relu().chunk(2, 1)
            a, b = (
                net.criterion_.term.layers[1](v)[0].detach().numpy() for v in (a, b)
            )
            seen["term"] = float(value), 0.7 * slow_simclr(a, b, SimCLR())

        def on_train_end(self, net, **kwargs):
            seen["after"] = [p.clone() for p in net.criterion_.term.parameters()]

    clf.set_params(callbacks=[Look()]).fit(X, Y)
    assert torch.equal(*seen["sum"])
    assert seen["term"][0] == pytest.approx(seen["term"][1], rel=1e-5)  # float32
    pairs = zip(seen["before"], seen["after"], strict=True)
    assert all((a - b).abs().max() > 1e-3 for a, b in pairs)
    assert clf.net_.criterion_.term is None
    assert not any("term" in name for name, _ in clf.net_.module_.named_parameters())


def test_the_first_view_looks_for_the_second():
    """SCARF's clean rows look for their corrupted selves, not the other way round."""
    scarf = SCARF(temperature=0.1, d_projector=4)
    term = JointTerm(scarf, 1.0, 3, [0]).double()
    generator = torch.Generator().manual_seed(0)
    h = torch.randn(1, 10, 3, generator=generator, dtype=torch.float64)
    a, b = (term._project(part, term.layers) for part in h.split(5, 1))
    torch.testing.assert_close(term(h), scarf(a, b))
    assert (scarf(a, b) - scarf(b, a)).abs().item() > 1e-3


# --- together with the rest -------------------------------------------------------


@pytest.mark.parametrize(
    "params",
    [
        {"joint_ssl": "vicreg"},
        {"joint_ssl": "simclr", "sam_asymmetric_rho": 0.05},
        {"joint_ssl": "scarf", "ema_decay": 0.9, "clip_norm": 0.1},
        {"joint_ssl": "scarf", "metabalance_sampler": "sqrt", "metabalance_steps": 2},
        {"joint_ssl": "vicreg", "loss": "ldam", "mix": None, "smoothing_eps": 0.1},
        {
            "joint_ssl": "simclr",
            "mix": "cutmix",
            "drw_start": 0.5,
            "sampler": "balanced",
        },
    ],
)
def test_members_equal_single_fits(params):
    unlabeled = X[:90] + 0.5
    many = fit(**DOUBLE, **params, n_members=3, X_unlabeled=unlabeled)
    for k, seed in enumerate(many.member_seeds_):
        one = fit(**DOUBLE, **params, random_state=int(seed), X_unlabeled=unlabeled)
        for name, w in weights(many).items():
            # float64 sums in another order over five epochs.
            np.testing.assert_allclose(w[k], weights(one)[name][0], atol=1e-10)


@pytest.mark.parametrize("cls", [TabularResNetClassifier, FTTransformerClassifier])
def test_other_networks(cls):
    own = {"d_block": 8, "n_blocks": 1, "max_epochs": 3, "dtype": "float64"}
    if cls is FTTransformerClassifier:
        own["attention_n_heads"] = 2
    own |= {"early_stopping": False, "batch_size": 64, "random_state": 0, "lr": 1e-2}

    def fitted(**params):
        return cls(**{**own, **params}).fit(X, Y)

    off = fitted()
    same = fitted(joint_ssl="vicreg", joint_ssl_weight=0.0)
    np.testing.assert_array_equal(off.predict_proba(X), same.predict_proba(X))
    many = fitted(joint_ssl="scarf", n_members=2, joint_ssl_weight=1.0)
    for k, seed in enumerate(many.member_seeds_):
        one = fitted(joint_ssl="scarf", joint_ssl_weight=1.0, random_state=int(seed))
        got = many.predict_proba_members(X)[k]
        np.testing.assert_allclose(got, one.predict_proba(X), atol=1e-10)
    assert np.abs(many.predict_proba_members(X)[0] - off.predict_proba(X)).max() > 1e-3


def test_members_that_leave_do_not_change_the_others():
    a, b, ya, yb = train_test_split(X, Y, stratify=Y, random_state=0)
    params = {**PLAIN, **DOUBLE, "early_stopping": True, "joint_ssl": "vicreg"}
    params |= {"n_iter_no_change": 2, "max_epochs": 40, "ema_decay": 0.5}
    params.pop("lr")
    rates = [{"lr": lr} for lr in (1e-1, 3e-2, 3e-3)]
    many = TabularMLPClassifier(**params, portfolio=rates).fit(a, ya, X_val=b, y_val=yb)
    there = [np.isfinite(r["train_loss_members"]).sum() for r in many.history_]
    assert there[-1] < 3
    for k, seed in enumerate(many.member_seeds_):
        one = TabularMLPClassifier(**{**params, **rates[k], "random_state": int(seed)})
        one.fit(a, ya, X_val=b, y_val=yb)
        got = many.predict_proba_members(X)[k]
        np.testing.assert_allclose(got, one.predict_proba(X), atol=1e-10)


def test_sam_climbs_and_descends_on_the_same_views():
    own = {"joint_ssl": "scarf", "joint_ssl_weight": 100.0, "sam_scale": "uniform"}
    clf = TabularMLPClassifier(**PLAIN, **own, sam_asymmetric_rho=0.05)
    seen = []

    class Look(sklimb.training.callbacks.Callback):
        def on_train_begin(self, net, **kwargs):
            term, call = net.criterion_.term, net.criterion_.term.forward

            def spied(features, real):
                value = call(features, real)
                seen.append((value.item(), term.layers[0].weight.detach().clone()))
                return value

            term.forward = spied

    clf.set_params(callbacks=[Look()], max_epochs=1).fit(X, Y)
    first, second = seen[0], seen[1]
    assert second[0] > first[0]  # it has climbed
    assert not torch.equal(first[1], second[1])  # projectors too
    # So small a step moves no weight, and SAM is plain.
    tiny = fit(**own, sam_asymmetric_rho=1e-300, dtype="float64")
    plain = fit(**own, dtype="float64")
    np.testing.assert_allclose(
        tiny.predict_proba(X), plain.predict_proba(X), atol=1e-12
    )


def test_metabalance_second_order_goes_through_the_term():
    params = {"metabalance_sampler": "balanced", "metabalance_steps": 2}
    params |= {"joint_ssl": "vicreg", "metabalance_inner_lr": 0.02, "lr": 2e-2}
    a, b = (
        fit(**params, metabalance_second_order=s).predict_proba(X)
        for s in (False, True)
    )
    assert np.isfinite(b).all() and np.abs(a - b).max() > 1e-4


def test_partial_fit_goes_on_with_projectors_and_moments():
    params = {**PLAIN, "joint_ssl": "scarf", "joint_ssl_weight": 1.0, "max_epochs": 3}
    whole = TabularMLPClassifier(**params).fit(X, Y)
    parts = TabularMLPClassifier(**params)
    for _ in range(3):
        parts.partial_fit(X, Y)
    for name, w in weights(whole).items():
        np.testing.assert_array_equal(w, weights(parts)[name])
    parts.set_params(joint_ssl=SCARF(d_projector=8)).partial_fit(X, Y)
    parts.set_params(joint_ssl=None).partial_fit(X, Y)


def test_batches_of_one_row_and_tiny_tables():
    for name in NAMES:
        clf = TabularMLPClassifier(**{**PLAIN, "batch_size": 3}, joint_ssl=name)
        rows = [*range(9), int(np.flatnonzero(Y)[0])]
        assert len(rows) % 3 == 1
        assert np.isfinite(clf.fit(X[rows], Y[rows]).predict_proba(X)).all()


def test_searches_and_pipelines():
    frame, y = mixed_table(250)  # folds of unequal rows: padding
    clf = TabularMLPClassifier(
        d_block=8, max_epochs=3, batch_size=32, dtype="float64", random_state=0
    )
    grid = {"joint_ssl": [None, "vicreg", SCARF(corruption=0.4)]}
    grid |= {"joint_ssl_weight": [0.1, 1.0]}
    params = {"cv": 3, "scoring": "neg_log_loss"}
    a = PackedSearchCV(clf, grid, max_members=9, **params).fit(frame, y).cv_results_
    b = GridSearchCV(clf, grid, **params).fit(frame, y).cv_results_
    for split in range(3):
        name = f"split{split}_test_score"
        # Sums in another order; and folds differ in their indicators.
        np.testing.assert_allclose(a[name], b[name], atol=1e-8)
    clf.set_params(joint_ssl="scarf")
    a = PackedSearchCV(clf, {"lr": [1e-3, 1e-2]}, **params, max_members=6)
    a.fit(frame, y, X_unlabeled=frame.iloc[:50])
    b = GridSearchCV(clf, {"lr": [1e-3, 1e-2]}, **params)
    b.fit(frame, y, X_unlabeled=frame.iloc[:50])
    c = GridSearchCV(clf, {"lr": [1e-3, 1e-2]}, **params).fit(frame, y)
    scores = [s.cv_results_["mean_test_score"] for s in (a, b, c)]
    np.testing.assert_allclose(scores[0], scores[1], atol=1e-8)
    assert np.abs(scores[1] - scores[2]).max() > 1e-6
    pipe = make_pipeline(StandardScaler(), TabularMLPClassifier(**PLAIN))
    pipe.set_params(tabularmlpclassifier__joint_ssl="vicreg").fit(X, Y)


def test_folds_and_bfloat16():
    fit(joint_ssl="vicreg", validation_folds=3, early_stopping="auto")
    clf = fit(joint_ssl="simclr", dtype="bfloat16", sam_asymmetric_rho=0.05)
    assert np.isfinite(clf.predict_proba(X)).all()


def test_save_and_load(tmp_path):
    clf = fit(joint_ssl=SCARF(temperature=0.3))
    clf.save(tmp_path / "a")
    again = sklimb.load(tmp_path / "a")
    np.testing.assert_array_equal(again.predict_proba(X), clf.predict_proba(X))
    assert again.joint_ssl == SCARF(temperature=0.3)


# --- rows without labels ----------------------------------------------------------


@pytest.mark.filterwarnings("ignore:X_unlabeled has columns of which training")
def test_unlabeled_rows_enter_the_term_alone():
    frame, y = mixed_table()
    params = {**PLAIN, "numeric_transform": "quantile", "joint_ssl": "scarf"}

    def fitted(extra, weight=0.0, **own):
        clf = TabularMLPClassifier(**params, joint_ssl_weight=weight, **own)
        return clf.fit(frame, y, X_unlabeled=extra)

    extra = mixed_table(100, seed=1)[0]
    extra["job"] = "nobody"
    assert same_encoder(fitted(None), fitted(extra))
    p = [fitted(e).predict_proba(frame) for e in (None, extra)]
    np.testing.assert_array_equal(*p)
    p = [fitted(e, 1.0).predict_proba(frame) for e in (None, extra)]
    assert np.abs(p[0] - p[1]).max() > 1e-3
    turned = fitted(extra.iloc[::-1], 1.0)
    np.testing.assert_array_equal(turned.predict_proba(frame), p[1])


def test_views_are_drawn_from_all_rows():
    """A step's view rows are training and unlabelled rows, by their number."""
    table = np.repeat([[0.0], [1.0]], [25, 75], axis=0)
    _, (view, _) = make_views((0.0, 0.0), table, np.ones(100), 10_000, [0], True)
    assert float(view.mean()) == pytest.approx(0.75, abs=0.02)  # standard error 0.004


@pytest.mark.parametrize("n_unlabeled", [0, 800])
def test_a_fit_draws_its_views_from_all_rows(n_unlabeled):
    seen = []

    class Look(sklimb.training.callbacks.Callback):
        def on_train_begin(self, net, **kwargs):
            seen.extend(b["views"]["X"][0].numpy() for b in net.batches_)

    extra = np.random.default_rng(0).normal(size=(800, X.shape[1]))
    clf = TabularMLPClassifier(
        **PLAIN, joint_ssl=VICReg(corruption=0.0), callbacks=[Look()]
    )
    clf.fit(X, Y, X_unlabeled=extra[:n_unlabeled] if n_unlabeled else None)
    own = {row.tobytes() for row in clf._encode(X).numpy()}
    drawn = np.concatenate(seen)
    share = np.mean([row.tobytes() not in own for row in drawn])
    # 400 draws: a standard error of 0.024.
    assert share == pytest.approx(n_unlabeled / (400 + n_unlabeled), abs=0.1)


def test_columns_of_unlabeled_rows():
    frame, y = mixed_table()
    clf = TabularMLPClassifier(**PLAIN, joint_ssl="scarf")
    other = frame.rename(columns={"b": "wage"})
    with pytest.raises(ValueError, match=r"lacks \['b'\] and has \['wage'\]"):
        clf.fit(frame, y, X_unlabeled=other)
    with pytest.raises(ValueError, match="in their order"):
        clf.fit(frame, y, X_unlabeled=frame[["b", "a", "c", "job"]])
    assert not hasattr(clf, "net_")
    with pytest.raises(ValueError, match="6 columns of X, got 5"):
        clf.fit(X, Y, X_unlabeled=X[:, :5])
    with pytest.raises(ValueError, match="nothing learns from rows without labels"):
        fit(X_unlabeled=X)


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ("rotation", "joint_ssl"),
        (SCARF, r"Write SCARF\(\)"),
        (SCARF(corruption=1.5), "rates"),
        (SimCLR(d_projector=0), "d_projector"),
        (lambda a, b, real: a, "rates"),
        (SimCLR(temperature=0.0), "one finite value a member"),
    ],
)
def test_refusals(value, message):
    with pytest.raises(ValueError, match=message):
        fit(joint_ssl=value)


def test_projectors_have_their_own_stream():
    terms = [JointTerm(SCARF(), 1.0, 5, seeds) for seeds in ([1, 2], [2])]
    for a, b in zip(terms[0].parameters(), terms[1].parameters(), strict=True):
        assert torch.equal(a[1], b[0]) and not torch.equal(a[0], a[1])
