"""Strategies on images: views, pre-training, M2m, second stages, unlabelled images."""

import copy

import numpy as np
import pytest
import torch
from helpers.images import SMALL, X, Y, fit, same
from PIL import Image
from sklearn.base import clone
from sklearn.frozen import FrozenEstimator
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer
from sklearn.utils.estimator_checks import parametrize_with_checks

import sklimb
from sklimb import ImageResNetClassifier, TabularMLPClassifier
from sklimb.model_selection import PackedSearchCV
from sklimb.selfsup import SelfSupervisedPretrainer
from sklimb.semisup import PseudoLabelClassifier
from sklimb.training.balanced_rows import balanced_batch
from sklimb.training.batches import Draw
from sklimb.training.m2m import M2m, Translation
from sklimb.training.moco import make_pretraining_term
from sklimb.training.terms import SCARF, MoCo, Rotation, SimCLR, VICReg
from sklimb.training.views.columns import Pool
from sklimb.training.views.images import ImageViews, turned
from sklimb.two_stage import ClassifierRetrainer
from sklimb.two_stage._first_stage import Backbone

TERMS = ["vicreg", "simclr", "rotation"]
# Ten twos: chances of 0.999^50 would leave few images.
M2M = M2m(start=0.5, beta=0.9, gamma=0.2, n_steps=4)
EXACT = {"dtype": "float64", "early_stopping": False, "batch_size": 18}


def probabilities(clf, rows=X):
    return clf.predict_proba_members(rows)


def check_members(**params):
    """Every member is the fit with its seed, but for sums in another order."""
    many = fit(**EXACT, **params, n_members=2)
    for k, seed in enumerate(many.member_seeds_):
        one = fit(**{**EXACT, **params, "random_state": int(seed)})
        np.testing.assert_allclose(
            probabilities(many)[k], probabilities(one)[0], atol=1e-10
        )
    return many


# --- views --------------------------------------------------------------------------


def make(views, rows, left=None, seed=0, draws_rows=False, size=8):
    """Views of rows (n, columns) of one draw."""
    pool = Pool(rows.numpy(), np.ones(len(rows)), draws_rows)
    draw = Draw(0, None, seed, 0, pool)
    generators = views.start([draw], 1, "cpu")
    left = [len(rows) if left is None else left]
    return [v[0] for v in views.make(rows[None], [draw], generators, left, rows, size)]


@pytest.mark.parametrize("shape", [(1, 8, 8), (3, 9, 16), (1, 1, 30), (1, 1, 1)])
def test_two_views_are_two_changes_of_the_same_images(shape):
    rng = np.random.default_rng(0)
    rows = torch.from_numpy(
        rng.integers(0, 256, (50, int(np.prod(shape))), dtype=np.uint8)
    )
    views = ImageViews(shape, torch.float64)
    a, b = make(views, rows)
    assert a.dtype == torch.float64 and a.shape == b.shape == rows.shape
    for view in (a, b):
        assert 0 <= view.min() <= view.max() <= 1
    if np.prod(shape) > 1:
        assert not a.equal(b) and not a.equal(rows / 255)
    # The same bytes as numbers, the same draws: the same views.
    again = make(views, rows.double() / 255)
    assert a.equal(again[0]) and b.equal(again[1])
    assert not a.equal(make(views, rows, seed=1)[0]) or np.prod(shape) == 1
    # Padding gets nothing, and takes no draws from the rows before it.
    padded, _ = make(views, torch.cat([rows, rows]), left=50)
    assert padded[:50].equal(a) and not padded[50:].any()


def test_rows_are_drawn_from_the_pool():
    rows = torch.arange(40).view(40, 1).expand(40, 64).to(torch.uint8)
    (view,) = make(
        ImageViews((1, 8, 8), torch.float64, turned=True), rows, draws_rows=True
    )
    drawn = view.max(1).values.mul(255).round().int()
    assert len(drawn.unique()) < 40 and not drawn.equal(rows[:, 0].int())


@pytest.mark.parametrize("size", [8, 10])
def test_a_quarter_of_each_batch_is_turned_each_way(size):
    """An image whose corner tells how far it was turned, whatever crop and flip do."""
    image = torch.zeros(1, 16, 16)
    image[:, :8] = 1.0  # bright above: a flip does not change it
    rows = image.flatten().expand(40, -1)
    (view,) = make(ImageViews((1, 16, 16), torch.float64, turned=True), rows, size=size)
    view = view.view(40, 16, 16)
    for i, got in enumerate(view):
        # The middle is out of reach of the crop's margin of two pixels.
        middle = np.rot90(image[0].numpy(), i % size % 4)[3:-3, 3:-3]
        changed = got[3:-3, 3:-3].numpy() != middle
        assert changed.mean() < 0.5, i
    twice = turned(
        turned(rows.view(40, 1, 16, 16), torch.full((40,), 2)), torch.ones(40)
    )
    np.testing.assert_array_equal(twice[0, 0], np.rot90(image[0], 3))


def test_rotation_is_the_cross_entropy_of_the_turns():
    rng = np.random.default_rng(0)
    logits, real = rng.normal(size=(2, 7, 4)), np.arange(7) < [[7], [5]]
    got = Rotation()(torch.from_numpy(logits), torch.from_numpy(real))
    for k, n in enumerate((7, 5)):
        wanted = 0.0
        for i in range(n):
            p = np.exp(logits[k, i]) / np.exp(logits[k, i]).sum()
            wanted -= np.log(p[i % 4]) / n
        np.testing.assert_allclose(got[k], wanted, rtol=1e-12)
    nobody = Rotation()(torch.from_numpy(logits), torch.zeros(2, 7, dtype=torch.bool))
    assert not nobody.any()


def test_bytes_beside_floats_are_the_same_pixels():
    parts = [np.array([[0, 255]], dtype=np.uint8), np.array([[0.5, 1]])]
    pool = Pool.joined(parts, [np.ones(1), np.ones(1)])
    np.testing.assert_allclose(pool.X, [[0, 1], [0.5, 1]])
    assert Pool.joined(parts[:1], [np.ones(1)]).X.dtype == np.uint8


# --- joint_ssl ----------------------------------------------------------------------


@pytest.mark.parametrize("term", TERMS)
def test_a_joint_term_trains_members_as_alone(term):
    clf = check_members(joint_ssl=term)
    assert not np.allclose(probabilities(clf)[0], fit(**EXACT).predict_proba(X))
    # Weight 0 is plain training: neither weights nor running statistics see the views.
    off = fit(joint_ssl=term, joint_ssl_weight=0.0)
    assert same(off, fit())


def test_without_a_term_no_view_is_made(monkeypatch):
    monkeypatch.setattr(ImageViews, "__init__", None)
    fit()
    with pytest.raises(TypeError):
        fit(joint_ssl="simclr")


@pytest.mark.parametrize(
    ("images", "params", "message"),
    [
        (X, {"joint_ssl": "scarf"}, "which pixels are not. Use one of"),
        (X, {"joint_ssl": SCARF()}, "which pixels are not"),
        (X, {"joint_ssl": Rotation}, r"Write Rotation\(\)"),
        (X[:, :7], {"joint_ssl": "rotation"}, "square images.*7 x 8"),
        (X, {"joint_ssl": "vicreg", "freeze": "backbone"}, "stays as it is"),
        (X, {"pretrained": SelfSupervisedPretrainer()}, "pretrained's method='scarf'"),
    ],
)
def test_refusals(images, params, message):
    with pytest.raises(ValueError, match=message):
        fit(images, **params)


def test_tables_do_not_turn():
    rows = X.reshape(len(X), -1)
    with pytest.raises(ValueError, match=r"a table has none\. Use one of .*'scarf'"):
        TabularMLPClassifier(joint_ssl="rotation").fit(rows, Y)
    with pytest.raises(ValueError, match="method='rotation' turns images"):
        SelfSupervisedPretrainer(method="rotation").fit(rows)


def test_unlabelled_images_join_in():
    clf = ImageResNetClassifier(**SMALL, joint_ssl=VICReg(d_projector=16))
    plain = clone(clf).fit(X[::2], Y[::2])
    more = clone(clf).fit(X[::2], Y[::2], X_unlabeled=X[1::2])
    pictures = clone(clf).fit(
        X[::2], Y[::2], X_unlabeled=[Image.fromarray(image) for image in X[1::2]]
    )
    assert not same(plain, more) and same(more, pictures)
    with pytest.raises(ValueError, match=r"X_unlabeled cannot be read: .*64 features"):
        clone(clf).fit(X, Y, X_unlabeled=X[:, :7])
    sizes = [Image.fromarray(np.pad(image, i % 3)) for i, image in enumerate(X)]
    clf.set_params(image_shape=(8, 8)).fit(sizes[::2], Y[::2], X_unlabeled=sizes[1::2])


# --- pre-training -------------------------------------------------------------------


def pretrainer(method="simclr", estimator=None, **params):
    base = ImageResNetClassifier(**SMALL) if estimator is None else estimator
    own = {"max_epochs": 2, "batch_size": 32, "random_state": 0}
    return SelfSupervisedPretrainer(base, method, **{**own, **params})


@pytest.mark.filterwarnings("ignore:Each row of X has .* no grey square")
@parametrize_with_checks(
    [
        SelfSupervisedPretrainer(
            ImageResNetClassifier(backbone="resnet8"), "simclr", max_epochs=1
        ),
        ImageResNetClassifier(
            backbone="resnet8",
            max_epochs=20,
            lr=0.05,
            joint_ssl=SimCLR(views="color"),
        ),
    ]
)
def test_estimator_checks(estimator, check):
    check(estimator)


@pytest.mark.parametrize("method", [*TERMS, "moco"])
def test_a_probe_keeps_what_was_learned_without_labels(method):
    model = pretrainer(method, max_epochs=6).fit(X)
    losses = [row["valid_loss"] for row in model.history_]
    assert model.best_score_ == min(losses) < losses[0]
    h = model.transform(X)
    assert h.shape == (len(X), 64)
    # Running statistics are those of the views, not the initial ones.
    buffers = dict(model.estimator_.net_.module_.named_buffers())
    means = [b for name, b in buffers.items() if name.endswith("running_mean")]
    assert all(mean.abs().sum() > 0 for mean in means)
    frozen = FrozenEstimator(model)
    probe = fit(pretrained=frozen, freeze="backbone")
    np.testing.assert_array_equal(probe.embed(X), h)
    tuned = fit(pretrained=frozen)
    assert not np.allclose(tuned.embed(X), h) and not same(tuned, fit())


def test_inside_a_classifier_it_is_the_same_pretraining():
    alone = ImageResNetClassifier(**{**SMALL, **EXACT})
    model = pretrainer("rotation", alone).fit(X)
    probe = fit(**EXACT, pretrained=pretrainer("rotation"), freeze="backbone")
    # The same weights, of images in blocks of other neighbours.
    np.testing.assert_allclose(probe.embed(X), model.transform(X), atol=1e-10)


@pytest.mark.parametrize("method", ["simclr", "moco"])
def test_pretraining_goes_on(method):
    once = pretrainer(method, warm_start=True).fit(X)
    before = once.transform(X)
    assert once.fit(X).n_iter_ == 4 and len(once.history_) == 4
    assert not np.array_equal(once.transform(X), before)
    warm = fit(pretrained=FrozenEstimator(once), warm_start=True)
    assert warm.fit(X, Y).n_iter_ == 4


def test_pretrained_networks_must_fit():
    frozen = FrozenEstimator(pretrainer(max_epochs=1).fit(X))
    with pytest.raises(ValueError, match=r"of the shape .* \(1, 8, 8\), got \(1, 4"):
        fit(X.reshape(-1, 4, 16), pretrained=frozen)
    with pytest.raises(ValueError, match="backbone='resnet20' does not agree"):
        fit(pretrained=frozen, backbone="resnet20")
    with pytest.raises(ValueError, match="8 x 8 pixels, got"):
        frozen.transform(X.reshape(-1, 4, 16))


class Plain(torch.nn.Module):
    """A linear network with a running statistic."""

    mean: torch.Tensor

    def __init__(self):
        super().__init__()
        self.weight = torch.nn.Parameter(torch.randn(2, 5, 3, dtype=torch.float64))
        self.register_buffer("mean", torch.zeros(2, 3, dtype=torch.float64))

    def embed(self, x, masks=None):
        return x @ self.weight - self.mean.unsqueeze(1)


def test_moco_is_its_formula():
    """Two members, four rows, five keys: two steps, by loops."""
    settings = MoCo(temperature=0.5, momentum=0.75, n_keys=5, d_projector=2)
    with torch.random.fork_rng():
        torch.manual_seed(0)
        module = Plain()
        term = make_pretraining_term(settings, module, 3, [0, 1], 100).double()
        steps = torch.randn(2, 2, 8, 5, dtype=torch.float64)
    assert term.queue.shape == (2, 5, 2)
    assert make_pretraining_term(settings, module, 3, [0], 12).queue.shape[1] == 3
    queue, slow_weight = term.queue.clone(), module.weight.detach().clone()
    slow_layers = [copy.deepcopy(layer) for layer in term.layers]
    slow_mean = module.mean.clone()
    for x in steps:
        with torch.no_grad():  # what an optimiser and BatchNorm would do
            module.weight += 0.1
            module.mean.add_(0.2)
            term.layers[1].weight.data.add_(0.3)
        slow_weight = 0.75 * slow_weight + 0.25 * module.weight.detach()
        slow_mean = 0.75 * slow_mean + 0.25 * module.mean
        slow_layers[1].weight.data.lerp_(term.layers[1].weight.data, 0.25)
        got = term.judge(module, {"X": x, "real": None}, None)
        a, b = x[:, :4], x[:, 4:]
        q = through(a @ module.weight - module.mean[:, None], term.layers)
        k = through(b @ slow_weight - slow_mean[:, None], slow_layers)
        for member in range(2):
            losses = []
            for i in range(4):
                s = [float(q[member, i] @ k[member, i])]
                s += [float(q[member, i] @ key) for key in queue[member]]
                e = np.exp(np.array(s) / 0.5)
                losses.append(-np.log(e[0] / e.sum()))
            np.testing.assert_allclose(got[member].item(), np.mean(losses))
        queue = torch.cat([queue, k], 1)[:, 4:]  # nine keys, the oldest leave
        torch.testing.assert_close(term.queue, queue)
    assert got.requires_grad
    kept = term.queue.clone(), term.slow.weight.clone()
    module.eval()
    term.judge(module, {"X": steps[0], "real": None}, None)  # held-out rows teach none
    assert kept[0].equal(term.queue) and kept[1].equal(term.slow.weight)


def through(h, layers):
    z = layers[1](torch.relu(layers[0](h))).detach()
    return z / z.norm(dim=-1, keepdim=True)


def test_moco_is_for_pretraining_alone():
    with pytest.raises(ValueError, match="joint_ssl"):
        fit(joint_ssl="moco")
    table = SelfSupervisedPretrainer(TabularMLPClassifier(d_block=8), "moco")
    rows = X.reshape(len(X), -1)
    assert table.set_params(max_epochs=2).fit(rows).transform(rows).shape == (105, 8)


# --- M2m ----------------------------------------------------------------------------


class Linear(torch.nn.Module):
    """Logits whose gradient is known."""

    def __init__(self, weight):
        super().__init__()
        self.weight = torch.nn.Parameter(weight)

    def forward(self, x):
        return x @ self.weight


def test_lengths_on_images_are_euclidean():
    generator = torch.Generator().manual_seed(0)
    weight = torch.randn(1, 64, 2, generator=generator, dtype=torch.float64)
    one = torch.ones(1, 1, 64, dtype=torch.float64)
    settings = M2m(step_size=0.1, n_steps=1, noise=0.0, lam=0.0)
    models = Linear(weight), Linear(weight)
    bounds = one.bool(), 0 * one, one
    x = torch.full((1, 3, 64), 0.5, dtype=torch.float64)
    target, origin = torch.ones(1, 3).long(), torch.zeros(1, 3).long()
    own = Translation(settings, *models, [[50, 5]], *bounds, euclidean=True)
    moved, _ = own._moved(x, target, origin, torch.zeros_like(x))
    away = weight[0, :, 1] - weight[0, :, 0]
    wanted = 0.5 + 0.1 * away / away.norm()
    torch.testing.assert_close(moved[0, 0], wanted)
    table = Translation(settings, *models, [[50, 5]], *bounds)
    moved, _ = table._moved(x, target, origin, torch.zeros_like(x))
    assert (moved - x).norm(dim=-1).allclose(0.1 * 8 * one[..., 0])


def test_m2m_moves_pixels_between_black_and_white(monkeypatch):
    seen = []

    def spy(self, x, target, origin, noise):
        assert self.low.unique().tolist() == [0] and self.high.unique().tolist() == [1]
        assert self.free.all() and x.dtype == torch.float64
        moved, p = whole(self, x, target, origin, noise)
        seen.append((x.min().item(), x.max().item()))
        assert (moved - x).norm(dim=-1).max() <= 0.5 + 4 * 0.1 + 1e-9
        return moved, p

    whole = Translation._moved
    monkeypatch.setattr(Translation, "_moved", spy)
    many = check_members(m2m=M2M, max_epochs=5)
    assert max(row.get("translated", 0) for row in many.history_) > 0
    fit(X / 255, m2m=M2M, **EXACT)
    low, high = map(np.array, zip(*seen, strict=True))
    assert low.min() == 0 and 0.5 < high.min() <= high.max() <= 1


# --- other steps --------------------------------------------------------------------


@pytest.mark.parametrize(
    "params",
    [
        {"row_weighting": "l2rw"},
        {"row_weighting": "meta_weight_net", "augment": "crop"},
        {"metabalance_sampler": "balanced", "metabalance_steps": 2},
        # Slowly: logits of 30 times a cosine make an lr of 0.005 * (1 + 1e-15) matter.
        {"loss": "ldam", "drw_start": 0.5, "lr": 0.0005},
    ],
    ids=str,
)
def test_other_steps_train_members_as_alone(params):
    clf = check_members(row_weighting_rows=3, max_epochs=3, **params)
    assert clf.score(X, Y) > np.bincount(Y).max() / len(Y)


def test_the_rows_that_judge_are_pixels_as_the_network_reads_them():
    rows = torch.tensor([[0, 51], [255, 0]], dtype=torch.uint8)
    targets = torch.eye(2, dtype=torch.float64).unsqueeze(0)
    index = torch.tensor([[1, 0]])
    batch = balanced_batch(rows, torch.tensor([0, 1]), targets, index)
    wanted = torch.tensor([[[1.0, 0.0], [0.0, 0.2]]], dtype=torch.float64)
    torch.testing.assert_close(batch["X"], wanted)
    assert batch["weight"].tolist() == [[0.5, 0.5]]


# --- second stages ------------------------------------------------------------------


@pytest.fixture(scope="module", params=["ce", "ldam"])
def first_stage(request):
    return fit(loss=request.param, max_epochs=8)


@pytest.mark.parametrize("method", ["crt", "tau", "lws", "ncm", "mislas", "oltr"])
def test_every_second_stage_reads_images(first_stage, method):
    frozen = FrozenEstimator(first_stage)
    params = {"method": method, "n_epochs": 3, "random_state": 0}
    clf = ClassifierRetrainer(frozen, **params).fit(X, Y)
    # What is right with bytes in [0, 255] is right for the network alone.
    assert clf.score(X, Y) > 0.95
    np.testing.assert_allclose(
        clf.predict_proba(X).mean(0), np.bincount(Y) / len(Y), atol=1e-5
    )
    shifted = ClassifierRetrainer(frozen, **params, shift_statistics=True).fit(X, Y)
    assert not same(clf, shifted)


def test_a_second_stage_begins_where_the_first_one_ended(first_stage):
    backbone = Backbone.of(first_stage)
    weight, bias = backbone.last_layer()
    rows = first_stage._encode(X)
    assert rows.dtype == torch.uint8
    logits = backbone(rows) @ weight + bias
    loss = first_stage.net_.criterion_.loss_function
    scale = getattr(getattr(loss, "unbound", loss), "s", 1.0)
    whole = first_stage.net_.module_(rows[None]) * scale
    # float32: cosines are multiplied by 30 before or after a sum of 64 products.
    torch.testing.assert_close(logits, whole, atol=1e-4, rtol=1e-4)


def test_statistics_of_a_frozen_backbone_drift_too():
    """`freeze` is for the first stage; `shift_statistics` asks for the drift."""
    probe = FrozenEstimator(fit(freeze="backbone"))
    params = {"method": "crt", "n_epochs": 3, "random_state": 0}
    clf = ClassifierRetrainer(probe, **params).fit(X, Y)
    shifted = ClassifierRetrainer(probe, **params, shift_statistics=True).fit(X, Y)
    assert not same(clf, shifted)


def test_mislas_trains_both_stages_on_pictures():
    pictures = [Image.fromarray(image) for image in X]
    base = ImageResNetClassifier(**{**SMALL, "mix": "mixup", "n_members": 2})
    clf = ClassifierRetrainer(base, "mislas", shift_statistics=True, n_epochs=2)
    clf.fit(pictures, Y)
    np.testing.assert_array_equal(clf.predict_proba(pictures), clf.predict_proba(X))


# --- unlabelled images --------------------------------------------------------------


def test_pseudo_labels_are_the_same_however_images_are_given():
    given = {
        "arrays": X,
        "channels": X[..., None],
        "rows": X.reshape(len(X), -1),
        "pictures": [Image.fromarray(image) for image in X],
    }
    counts, p = {}, {}
    for name, images in given.items():
        parts = [[images[i] for i in range(b, len(X), 2)] for b in (0, 1)]
        if name != "pictures":
            parts = [np.stack(part) for part in parts]
        base = ImageResNetClassifier(**{**SMALL, "max_epochs": 5})
        clf = PseudoLabelClassifier(base, omega=0.5, threshold=0.4)
        clf.fit(parts[0], Y[::2], X_unlabeled=parts[1])
        counts[name] = clf.pseudo_label_counts_.tolist()
        p[name] = clf.predict_proba(images)
    assert sum(counts["arrays"][0]) > 40
    for name in given:
        assert counts[name] == counts["arrays"]
        np.testing.assert_array_equal(p[name], p["arrays"])
    with pytest.raises(ValueError, match="images of shape"):
        clone(clf).fit(X, Y, X_unlabeled=X[:, :7])


# --- where they are used ------------------------------------------------------------


@pytest.mark.parametrize(
    "params",
    [{"joint_ssl": "rotation"}, {"m2m": M2m(start=0.5, gamma=0.0, n_steps=2)}],
    ids=["joint_ssl", "m2m"],
)
def test_searches_agree_and_files_hold_it(params, tmp_path):
    own = {**SMALL, **params, "dtype": "float64", "early_stopping": False}
    clf = ImageResNetClassifier(**own)
    grid = {"lr": [0.01, 0.1]}
    a = PackedSearchCV(clf, grid, cv=2, scoring="neg_log_loss").fit(X, Y)
    b = GridSearchCV(clf, grid, cv=2, scoring="neg_log_loss").fit(X, Y)
    # Sums in another order.
    np.testing.assert_allclose(
        a.cv_results_["mean_test_score"], b.cv_results_["mean_test_score"], atol=1e-8
    )
    pipe = make_pipeline(FunctionTransformer(), clone(clf)).fit(X, Y)
    pipe[-1].save(tmp_path / "images.safetensors")
    assert same(pipe[-1], sklimb.load(tmp_path / "images.safetensors"))
