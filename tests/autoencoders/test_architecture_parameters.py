"""Hidden units, widths, filters and kernels of networks, and schedules of the learning rate."""

import functools
import pickle

import numpy as np
import pytest
import torch
from sklearn.base import clone
from sklearn.datasets import load_digits
from sklearn.decomposition import PCA
from sklearn.model_selection import GridSearchCV
from torch.optim import lr_scheduler

from skae import ConvAutoencoder, DenseAutoencoder
from skae._training.learning_rate import learning_rate_factor
from skae.bottlenecks import Ordered
from skae.export import load, save
from skae.networks.hidden_units import Dropout, HiddenUnits, noise_from
from skae.networks.layers import Conv2d, LayerNorm, Linear, stack_networks

FAST = {"n_components": 3, "max_iter": 3, "random_state": 0}


def dense(**parameters):
    """Return a small autoencoder of tables."""
    return DenseAutoencoder(**{**FAST, "hidden_layer_sizes": (8,), **parameters})


def conv(**parameters):
    """Return a small autoencoder of images."""
    return ConvAutoencoder(**{**FAST, "n_filters": 2, **parameters})


class Swish(torch.nn.Module):
    """An activation of a user."""

    def forward(self, x):  # noqa: D102
        return x * torch.sigmoid(x)


class Columns(torch.nn.Module):
    """An activation that depends on the other units of a layer."""

    def forward(self, x):  # noqa: D102
        return x.softmax(1)


class Scaled(torch.nn.Module):
    """An activation with a random weight, and a buffer that is in no state_dict."""

    def __init__(self):
        super().__init__()
        self.weight = torch.nn.Parameter(torch.rand(1))
        self.register_buffer("offset", torch.full((1,), 0.5), persistent=False)

    def forward(self, x):  # noqa: D102
        return torch.relu(self.weight * x + self.offset)


# ------------------------------------------------------------------------------------ activations


@pytest.mark.parametrize("make", [dense, conv])
def test_a_class_equals_its_word(make, images):
    """torch.nn.ReLU gives the bits of "relu", with folds."""
    X = images.reshape(len(images), -1) if make is dense else images
    word = make(activation="relu").fit(X)
    by_class = make(activation=torch.nn.ReLU).fit(X)
    assert by_class.n_folds_ == word.n_folds_ == 5
    np.testing.assert_array_equal(by_class.transform(X), word.transform(X))


@pytest.mark.parametrize(
    ("activation", "n_folds"),
    [(Swish, 5), (torch.nn.Mish, 5), (torch.nn.PReLU, 1), (Columns, 1), (Scaled, 1)],
)
def test_classes_of_modules(activation, n_folds, rows):
    """Networks of activations with weights, or that mix units, are not stacked; state is kept."""
    fitted = dense(activation=activation).fit(rows)
    assert fitted.n_folds_ == n_folds
    np.testing.assert_array_equal(clone(fitted).fit(rows).transform(rows), fitted.transform(rows))
    back = pickle.loads(pickle.dumps(fitted))
    np.testing.assert_array_equal(back.reconstruct(rows), fitted.reconstruct(rows))
    assert sum(type(one) is activation for one in fitted.net_.module_.modules()) == 2


def test_weights_of_an_activation_are_seeded_and_trained(rows):
    """The random state of the caller has no effect, and does not change."""
    torch.manual_seed(1)
    before = torch.get_rng_state()
    first = dense(activation=Scaled, early_stopping=False, max_iter=1).fit(rows)
    assert torch.equal(torch.get_rng_state(), before)
    torch.manual_seed(2)
    longer = dense(activation=Scaled, early_stopping=False, max_iter=9).fit(rows)
    again = dense(activation=Scaled, early_stopping=False, max_iter=1).fit(rows)
    names = [name for name in first.net_.module_.state_dict() if name.endswith("act.weight")]
    assert names
    for name in names:
        weights = [one.net_.module_.state_dict()[name] for one in (first, again, longer)]
        assert torch.equal(weights[0], weights[1])
        assert not torch.equal(weights[0], weights[2])


BAD_ACTIVATIONS = [
    (torch.nn.ReLU(), "is an object. Pass the class, activation=ReLU"),
    (torch.relu, "but expected one of .*'gelu'.*or a class of modules"),
    (dict, "but expected one of .*'gelu'"),
    (torch.nn.Threshold, "activation=Threshold, but expected a class without required arguments"),
    (torch.nn.GLU, r"returns a result of shape .*6.* for \(2, 12\)"),
    (torch.nn.Dropout, "Use the parameter dropout"),
    (torch.nn.RReLU, "expected a deterministic function"),
    (torch.nn.MultiheadAttention, "without required arguments"),
    (torch.nn.Module, r"fails for a tensor of shape \(2, 12\)"),
]


@pytest.mark.parametrize(("activation", "message"), BAD_ACTIVATIONS)
def test_bad_activations(activation, message, rows):
    """Objects, functions, and modules that do not map each unit are errors."""
    estimator = dense(activation=activation)
    with pytest.raises((TypeError, ValueError), match=message):
        estimator.fit(rows)


def test_activations_of_maps(images):
    """An activation of images maps all values of feature maps."""
    with pytest.raises(ValueError, match=r"Flatten, which returns .* for \(2, 3, 4, 5\)"):
        conv(activation=torch.nn.Flatten).fit(images)


# --------------------------------------------------------------------------------------- dropout


def test_dropout_zeroes_units_in_training_alone():
    """The share and the scale of units are right, maps are dropped as a whole, and seeds count."""
    layer = Dropout(0.25)
    x = torch.ones(400, 50)
    assert torch.equal(layer(x), x)  # no generator
    with noise_from(torch.Generator().manual_seed(0)):
        dropped = layer(x)
        other = layer(x)
    with noise_from(torch.Generator().manual_seed(0)):
        assert torch.equal(layer(x), dropped)
        assert torch.equal(layer.eval()(x), x)
    assert not torch.equal(dropped, other)
    assert set(dropped.unique().tolist()) == {0.0, float(torch.tensor(1 / 0.75))}
    assert abs(float((dropped == 0).float().mean()) - 0.25) < 0.02
    with noise_from(torch.Generator().manual_seed(0)):
        maps = Dropout(0.5, of_maps=True)(torch.ones(8, 30, 4, 5))
    assert torch.equal(maps, maps[..., :1, :1].expand_as(maps))
    assert 0 < float((maps == 0).float().mean()) < 1


@pytest.mark.parametrize("make", [dense, conv])
def test_dropout_changes_training_and_not_inference(make, images):
    """Every hidden layer has dropout; results are deterministic, and independent of global seeds."""
    X = images.reshape(len(images), -1) if make is dense else images
    plain = make(early_stopping=False).fit(X)
    fitted = make(early_stopping=False, dropout=0.3).fit(X)
    torch.manual_seed(3)
    again = make(early_stopping=False, dropout=0.3).fit(X)
    assert not np.array_equal(fitted.transform(X), plain.transform(X))
    np.testing.assert_array_equal(fitted.transform(X), again.transform(X))
    np.testing.assert_array_equal(fitted.transform(X), fitted.transform(X))
    n_layers = sum(isinstance(one, Dropout) for one in fitted.net_.module_.modules())
    assert n_layers == (2 if make is dense else 5)


@pytest.mark.parametrize("parameters", [{"dropout": 0.5}, {"normalization": "layer"}], ids=str)
def test_never_worse_than_pca(parameters):
    """Linear data leave the result at PCA, also with folds."""
    rng = np.random.default_rng(0)
    X = rng.normal(size=(200, 3)) @ rng.normal(size=(3, 10)) + 0.1 * rng.normal(size=(200, 10))
    fitted = dense(max_iter=30, **parameters).fit(X[:150])
    pca = PCA(3).fit(X[:150])
    assert fitted.n_folds_ == 5
    error = np.square(fitted.reconstruct(X[150:]) - X[150:]).mean()
    pca_error = np.square(pca.inverse_transform(pca.transform(X[150:])) - X[150:]).mean()
    assert error <= 1.001 * pca_error


@pytest.mark.parametrize(
    "parameters",
    [
        {"bottleneck": "variational"},
        {"bottleneck": Ordered(), "n_components": 0.9},
        {"penalty": "contraction"},
        {"penalty": "sparsity"},
        {"corruption": "masking"},
        {"target_weight": 1.0},
        {"allow_nan": True},
        {"loss": "log_loss"},
        {"precision": "bfloat16"},
    ],
    ids=str,
)
def test_hidden_units_with_other_objectives(parameters, rows):
    """Dropout and normalization work with every other option."""
    X = (rows - rows.min()) / np.ptp(rows)
    make = functools.partial(dense, dropout=0.2, normalization="layer", **parameters)
    first, second = (make().fit(X, np.arange(60) % 3) for _ in range(2))
    np.testing.assert_array_equal(first.transform(X), second.transform(X))
    assert np.isfinite(first.reconstruct(X)).all()


# --------------------------------------------------------------------------------- normalization


@pytest.mark.parametrize("shape", [(7, 6), (7, 6, 3, 4)])
def test_layer_norm_of_one_and_of_stacked_networks(shape):
    """Each sample has mean 0 and variance 1, as with torch, and stacked weights are those of each."""
    of_maps = len(shape) == 4
    layers = [LayerNorm(6, of_maps), LayerNorm(6, of_maps)]
    generator = torch.Generator().manual_seed(0)
    for layer in layers:
        torch.nn.init.normal_(layer.weight, generator=generator)
        torch.nn.init.normal_(layer.bias, generator=generator)
    x = torch.randn(2, *shape, generator=generator) * 3 + 5
    expected = torch.nn.GroupNorm(1, 6)
    expected.load_state_dict(layers[0].state_dict())
    torch.testing.assert_close(layers[0](x[0]), expected(x[0]))
    stacked = stack_networks(layers)(x)
    for layer, one, result in zip(layers, x, stacked, strict=True):
        torch.testing.assert_close(result, layer(one))


def test_each_hidden_layer_is_normalized(rows, images):
    """Encoder and decoder have a normalization before each activation."""
    fitted = dense(hidden_layer_sizes=(8, 6), normalization="layer").fit(rows)
    norms = [one for one in fitted.net_.module_.modules() if isinstance(one, LayerNorm)]
    assert sorted(len(norm.weight) for norm in norms) == [6, 6, 8, 8]
    fitted = conv(normalization="layer").fit(images)
    norms = [one for one in fitted.net_.module_.modules() if isinstance(one, LayerNorm)]
    assert sum(norm.of_maps for norm in norms) == 2
    assert "LayerNorm" in fitted.summary()


def test_a_linear_autoencoder_warns_of_hidden_units(rows):
    """Dropout without hidden layers has no effect; a decoder with hidden layers has them."""
    with pytest.warns(UserWarning, match=r"dropout=0.5 with hidden_layer_sizes=\(\)"):
        dense(hidden_layer_sizes=(), dropout=0.5).fit(rows)
    fitted = dense(hidden_layer_sizes=(), decoder_hidden_layer_sizes=(5,), dropout=0.5).fit(rows)
    assert fitted.net_.module_.trunk.encoder_hidden is None


# ------------------------------------------------------------------------------ widths and filters


def linear_widths(layers):
    """Return the widths of linear layers."""
    return [len(one.weight) for one in layers.modules() if isinstance(one, Linear)]


@pytest.mark.parametrize(
    ("parameters", "encoder", "decoder"),
    [
        ({"hidden_layer_sizes": (9, 7)}, [9, 7], [7, 9]),
        ({"hidden_layer_sizes": (9, 7), "decoder_hidden_layer_sizes": (5, 6)}, [9, 7], [5, 6]),
        ({"hidden_layer_sizes": 9, "decoder_hidden_layer_sizes": np.array([4])}, [9], [4]),
        ({"hidden_layer_sizes": "auto", "decoder_hidden_layer_sizes": 6}, [128], [6]),
    ],
    ids=str,
)
def test_widths_of_encoder_and_decoder(parameters, encoder, decoder, rows):
    """The decoder mirrors the encoder, or has widths of its own in the order of its layers."""
    trunk = dense(**parameters).fit(rows).net_.module_.trunk
    assert linear_widths(trunk.encoder_hidden) == encoder
    assert linear_widths(trunk.decoder_hidden) == decoder


@pytest.mark.parametrize("sizes", [(0,), (1.5,), "wide", None, ("a",)])
def test_bad_decoder_widths(sizes, rows):
    """The message names the parameter."""
    with pytest.raises((TypeError, ValueError), match="decoder_hidden_layer_sizes"):
        dense(decoder_hidden_layer_sizes=sizes).fit(rows)


def encoder_shapes(**parameters):
    """Return the shapes of the encoder's kernels for images of 16 x 16 pixels."""
    X = np.random.default_rng(0).random((20, 16, 16))
    fitted = conv(early_stopping=False, **parameters).fit(X)
    layers = fitted.net_.module_.encoder_convolutions
    return [tuple(one.weight.shape) for one in layers if isinstance(one, Conv2d)]


@pytest.mark.parametrize(
    ("parameters", "shapes"),
    [
        ({"n_filters": 4}, [(4, 4, 3, 3)]),
        ({"n_filters": (3, 5, 7)}, [(3, 4, 3, 3), (5, 3, 3, 3), (7, 5, 3, 3)]),
        ({"n_filters": np.array([6])}, [(6, 4, 3, 3)]),
        ({"n_filters": 2, "n_stages": 4}, [(2, 4, 3, 3), (4, 2, 3, 3), (8, 4, 3, 3), (8, 8, 3, 3)]),
        ({"n_filters": 2, "kernel_size": 5}, [(2, 4, 5, 5)]),
        ({"n_filters": (2, 3), "n_stages": 2, "kernel_size": 99}, [(2, 4, 15, 15), (3, 2, 7, 7)]),
    ],
    ids=str,
)
def test_filters_stages_and_kernels(parameters, shapes):
    """The grid of 8 x 8 patches is halved once; further stages keep it, and kernels fit into it."""
    assert encoder_shapes(**parameters) == shapes


BAD_CONV = [
    ({"n_filters": (2, 3), "n_stages": 3}, "one number for each stage"),
    ({"n_filters": ()}, "one number for each stage"),
    ({"n_filters": (2, 0)}, "n_filters"),
    ({"n_filters": (2.5,)}, "n_filters"),
    ({"n_stages": 0}, "n_stages"),
    ({"n_stages": 101}, "n_stages"),
    ({"kernel_size": 4}, "kernel_size=4, but expected an odd number"),
    ({"kernel_size": -1}, "kernel_size"),
    ({"normalization": "batch"}, "normalization.*'layer'"),
    ({"dropout": 1.0}, "dropout"),
    ({"dropout": -0.1}, "dropout"),
]


@pytest.mark.parametrize(("parameters", "message"), BAD_CONV, ids=str)
def test_bad_parameters_of_convolutions(parameters, message, images):
    """Errors name the parameter and the expected values."""
    with pytest.raises((TypeError, ValueError), match=message):
        conv(**parameters).fit(images)


def test_signals_have_kernels_along_time():
    """An explicit kernel of signals has a height of 1, like the grid."""
    X = np.random.default_rng(0).random((30, 64, 2))
    fitted = conv(signals=True, kernel_size=5, early_stopping=False).fit(X)
    kernels = {
        tuple(one.kernel_size) for one in fitted.net_.module_.modules() if isinstance(one, Conv2d)
    }
    assert {height for height, _ in kernels} == {1}
    assert {width for _, width in kernels} <= {3, 5}


# --------------------------------------------------------------------------------- learning rates


def rates(schedule, rows, **parameters):
    """Return the learning rate of each epoch as a share of the peak."""
    fitted = dense(
        learning_rate=schedule,
        early_stopping=False,
        max_iter=8,
        learning_rate_init=0.01,
        **parameters,
    ).fit(rows)
    return fitted.history_["learning_rate"] / 0.01


SCHEDULERS = {
    "constant": ("constant", np.ones(8)),
    "cosine": ("cosine", [learning_rate_factor(step, 8, 0.25, "cosine") for step in range(8)]),
    "class": (lr_scheduler.CosineAnnealingLR, (1 + np.cos(np.pi * np.arange(8) / 8)) / 2),
    "partial": (
        functools.partial(lr_scheduler.StepLR, step_size=3),
        [1, 1, 1, 0.1, 0.1, 0.1, 0.01, 0.01],
    ),
    "function": (lambda optimizer: lr_scheduler.ExponentialLR(optimizer, 0.5), 0.5 ** np.arange(8)),
}


@pytest.mark.parametrize("name", SCHEDULERS)
def test_schedules(name, rows):
    """Words and classes of torch set the learning rate; T_max is the number of epochs."""
    schedule, expected = SCHEDULERS[name]
    np.testing.assert_allclose(rates(schedule, rows), expected, rtol=1e-6, atol=1e-12)


def test_cosine_has_a_warm_up_and_ends_near_zero():
    """The factor rises to 1 in a quarter of the steps, and falls as a half cosine."""
    factors = np.array([learning_rate_factor(step, 400, 0.25, "cosine") for step in range(400)])
    assert factors.argmax() in (99, 100)
    assert factors[-1] < 1e-4
    np.testing.assert_allclose(factors[250], 0.5, atol=1e-3)
    linear = np.array([learning_rate_factor(step, 400, 0.25) for step in range(400)])
    np.testing.assert_array_equal(factors[:100], linear[:100])


def test_one_cycle_and_plateau(rows):
    """The peak and the number of epochs are filled in, and a plateau of the training loss counts."""
    one_cycle = rates(lr_scheduler.OneCycleLR, rows)
    assert one_cycle.max() <= 1 + 1e-6
    assert one_cycle[0] < 0.5
    assert one_cycle[-1] < 0.01
    plateau = functools.partial(
        lr_scheduler.ReduceLROnPlateau, patience=0, threshold=1e9, threshold_mode="abs", factor=0.5
    )
    np.testing.assert_allclose(rates(plateau, rows), 0.5 ** np.maximum(np.arange(8) - 1, 0))


BAD_SCHEDULES = [
    (0.001, ValueError, "Use learning_rate_init for the number"),
    ("warm", ValueError, "(?s)'learning_rate'.*cosine"),
    (lr_scheduler.StepLR, ValueError, "step_size.*functools.partial"),
    (len, ValueError, "which fails for an optimizer"),
    (lambda optimizer: 3, ValueError, "expected a scheduler"),
]


@pytest.mark.parametrize(("schedule", "kind", "message"), BAD_SCHEDULES)
def test_bad_schedules(schedule, kind, message, rows):
    """Numbers, and classes with other required arguments, are errors that say what to do."""
    with pytest.raises(kind, match=message):
        dense(learning_rate=schedule).fit(rows)


def test_two_schedules_are_an_error(rows):
    """A scheduler of skorch among the callbacks excludes the parameter."""
    from skorch.callbacks import LRScheduler

    scheduler = LRScheduler(lr_scheduler.ExponentialLR, gamma=0.5)
    for callbacks in ([scheduler], [("mine", scheduler)], scheduler):
        with pytest.raises(ValueError, match="expected one of the two"):
            dense(learning_rate="cosine", net_params={"callbacks": callbacks}).fit(rows)


def test_partial_fit_has_a_constant_rate(rows):
    """Schedules are those of fit."""
    passes = dense(learning_rate=lr_scheduler.CosineAnnealingLR)
    for _ in range(3):
        passes.partial_fit(rows)
    np.testing.assert_allclose(passes.history_["learning_rate"], passes.learning_rate_init_)


# ------------------------------------------------------------------------------ state and searches

SAVED = {
    "activation": torch.nn.PReLU,
    "normalization": "layer",
    "dropout": 0.25,
    "learning_rate": lr_scheduler.CosineAnnealingLR,
}


@pytest.mark.parametrize("make", [dense, conv])
def test_files_have_classes_of_torch(make, images, tmp_path):
    """skae.export keeps activations and schedules of torch, and all new parameters."""
    own = {"decoder_hidden_layer_sizes": (5, 6)}
    if make is conv:
        own = {"n_filters": (3, 4), "kernel_size": 5, "n_stages": 2}
    X = images.reshape(len(images), -1) if make is dense else images
    fitted = make(**SAVED, **own).fit(X)
    save(fitted, tmp_path / "x")
    back = load(tmp_path / "x")
    assert back.get_params() == fitted.get_params()
    np.testing.assert_array_equal(back.reconstruct(X), fitted.reconstruct(X))


@pytest.mark.parametrize(
    ("name", "value"),
    [("activation", Swish), ("learning_rate", functools.partial(lr_scheduler.StepLR, step_size=2))],
)
def test_files_refuse_other_classes(name, value, rows, tmp_path):
    """A class of the user, and a function, cannot be loaded without running code."""
    fitted = dense(**{name: value}).fit(rows)
    with pytest.raises(TypeError, match=f"Got {name}=.*running code"):
        save(fitted, tmp_path / "x")


def test_onnx_of_all_hidden_units(images, tmp_path):
    """Activation classes, normalization and dropout are exported to ONNX."""
    onnxruntime = pytest.importorskip("onnxruntime")
    from skae.export import to_onnx

    parameters = {"activation": Swish, "normalization": "layer", "dropout": 0.25}
    fitted = conv(**parameters, kernel_size=5).fit(images)
    to_onnx(fitted, tmp_path / "x.onnx", method="reconstruct")
    session = onnxruntime.InferenceSession(tmp_path / "x.onnx")
    (result,) = session.run(None, {"X": images.astype(np.float32)})
    np.testing.assert_allclose(result, fitted.reconstruct(images), atol=1e-4)


def test_a_warm_start_keeps_the_architecture(rows):
    """Hidden units and widths cannot change when a fit continues; the schedule can."""
    fitted = dense(warm_start=True, dropout=0.1).fit(rows)
    fitted.set_params(learning_rate="cosine").fit(rows)
    for name, value in {
        "dropout": 0.2,
        "normalization": "layer",
        "activation": torch.nn.ReLU,
        "decoder_hidden_layer_sizes": (3,),
    }.items():
        before = getattr(fitted, name)
        with pytest.raises(ValueError, match=f"Got {name}="):
            fitted.set_params(**{name: value}).fit(rows)
        fitted.set_params(**{name: before})


def test_checkpoints_of_schedules_and_dropout(rows, tmp_path):
    """A fit with dropout and a scheduler of torch is resumed with the bits of one without a stop."""
    from skae._training import checkpoints
    from skae._training.net import AutoencoderNet

    parameters = {
        "dropout": 0.3,
        "normalization": "layer",
        "activation": torch.nn.PReLU,
        "learning_rate": lr_scheduler.CosineAnnealingLR,
        "max_iter": 8,
    }
    expected = dense(**parameters).fit(rows)
    step, n_left = AutoencoderNet.train_step, [5]

    def stop(net, batch):
        n_left[0] -= 1
        if n_left[0] < 0:
            raise KeyError("stopped")
        return step(net, batch)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(checkpoints, "MIN_SECONDS", 0.0)
        patch.setattr(checkpoints, "MAX_WRITES", 1e9)
        patch.setattr(AutoencoderNet, "train_step", stop)
        with pytest.raises(KeyError, match="stopped"):
            dense(**parameters, checkpoint_dir=tmp_path).fit(rows)
    resumed = dense(**parameters, checkpoint_dir=tmp_path).fit(rows)
    np.testing.assert_array_equal(resumed.transform(rows), expected.transform(rows))
    assert resumed.loss_curve_ == expected.loss_curve_
    rate = "learning_rate"
    np.testing.assert_array_equal(resumed.history_[rate], expected.history_[rate])


def test_a_search_over_hidden_units():
    """A grid mixes words and classes, numbers and tuples."""
    X = load_digits().data[:120]
    grid = {
        "activation": ["gelu", torch.nn.ELU],
        "dropout": [0.0, 0.2],
        "decoder_hidden_layer_sizes": ["auto", (6, 7)],
    }
    search = GridSearchCV(dense(max_iter=1, early_stopping=False), grid, cv=2).fit(X)
    assert len(np.unique(search.cv_results_["mean_test_score"])) == 8


def test_compiled_networks_have_dropout(rows):
    """torch.compile of a network with dropout leaves the noise to Python."""
    import torch._dynamo

    settings = {"compile": True, "compile__backend": "eager"}
    compiled = dense(dropout=0.3, early_stopping=False, net_params=settings).fit(rows)
    plain = dense(dropout=0.3, early_stopping=False).fit(rows)
    np.testing.assert_allclose(
        compiled.transform(rows), plain.transform(rows), rtol=1e-4, atol=1e-5
    )
    torch._dynamo.reset()


def test_hidden_units_without_options_are_the_activation():
    """The default has no further module, so that names of weights stay."""
    assert type(HiddenUnits().make(3)) is torch.nn.GELU
    units = HiddenUnits("relu", "layer", 0.1).make(3)
    assert [type(one) for one in units] == [LayerNorm, torch.nn.ReLU, Dropout]
