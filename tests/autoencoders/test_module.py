"""Autoencoders of a user's own modules."""

import copy
import functools
import pickle
import warnings

import numpy as np
import pytest
import skops.io
import torch
from sklearn.base import clone
from sklearn.decomposition import PCA
from sklearn.model_selection import GridSearchCV
from sklearn.utils.estimator_checks import parametrize_with_checks
from skorch.callbacks import Callback
from torch import nn

from skae import (
    AutoencoderImputer,
    LatentCodec,
    LatentDisplay,
    LatentSampler,
    ModuleAutoencoder,
    ReconstructionDetector,
    ReconstructionDisplay,
    TrainingDisplay,
    TraversalDisplay,
)
from skae._input import streaming
from skae._training.defaults import make_plan
from skae.export import load, save

from ..cases import color_images, curve, gray_images, low_rank
from ..own_modules import (
    ConvDecoder,
    ConvEncoder,
    DenseDecoder,
    DenseEncoder,
    LazyDecoder,
    LazyEncoder,
    NormalEncoder,
    SigmoidDecoder,
    TokenEncoder,
    TutorialDecoder,
    TutorialEncoder,
    make_decoder,
    make_encoder,
)
from ..sklearn_checks import run_checks

FAST = {"max_iter": 2, "early_stopping": False, "random_state": 0}

CHECKED = [
    ModuleAutoencoder(DenseEncoder, DenseDecoder, 2, encoder__hidden=5, max_iter=3),
    ModuleAutoencoder(LazyEncoder, LazyDecoder, 3, allow_nan=True, target_weight=1.0, **FAST),
    ModuleAutoencoder(
        NormalEncoder,
        DenseDecoder,
        2,
        residual=None,
        standardize=False,
        bottleneck="variational",
        **FAST,
    ),
]

EXPECTED_TO_FAIL = {
    "check_sample_weight_equivalence_on_dense_data": "minibatches are drawn from rows"
}

X = low_rank(80, 6)


def dense(n_components=2, **parameters):
    """Return an autoencoder of tables with dropout and batch normalization."""
    modules = {"encoder": DenseEncoder, "decoder": DenseDecoder}
    return ModuleAutoencoder(n_components=n_components, **{**modules, **FAST, **parameters})


def tensors(estimator):
    """Return the weights of encoder and decoder by name."""
    state = estimator.net_.module_.state_dict()
    return {name: one for name, one in state.items() if name.startswith(("encoder.", "decoder."))}


@parametrize_with_checks(
    CHECKED, expected_failed_checks=lambda _: EXPECTED_TO_FAIL, xfail_strict=True
)
def test_scikit_learns_checks(estimator, check):
    """Every check of scikit-learn's check_estimator passes."""
    check(estimator)


def test_scikit_learns_checks_with_functions():
    """Every check passes with functions, whose repr has an address."""
    estimator = ModuleAutoencoder(
        make_encoder, make_decoder, 2, residual=None, decoder__hidden=5, **FAST
    )
    assert run_checks(estimator, EXPECTED_TO_FAIL) > 40


# --------------------------------------------------------------------------------- parameters


def test_parameters_of_modules_are_parameters_of_the_estimator():
    """get_params, set_params, clone and repr have them, and a copy does not share them."""
    estimator = dense(encoder__hidden=5)
    assert estimator.get_params()["encoder__hidden"] == 5
    assert clone(estimator).get_params() == estimator.get_params()
    other = copy.copy(estimator).set_params(encoder__hidden=6, decoder__hidden=7)
    assert estimator.get_params()["encoder__hidden"] == 5
    assert "encoder__hidden=6" in repr(other)
    assert "decoder__hidden" in other._repr_html_()
    weights = tensors(other.fit(X))
    assert weights["encoder.layers.1.weight"].shape == (6, 6)
    assert weights["decoder.layers.0.weight"].shape == (7, 2)


def test_a_search_compares_widths():
    """Two candidates of a grid have different layer widths."""
    grid = {"encoder__hidden": [3, 9]}
    search = GridSearchCV(dense(residual=None), grid, cv=2, error_score="raise").fit(X)
    width = search.best_params_["encoder__hidden"]
    assert tensors(search.best_estimator_)["encoder.layers.1.weight"].shape == (width, 6)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            lambda: dense().set_params(encoder__width=3),
            r"no parameter 'width'. Its signature is DenseEncoder\(sample_shape, n_components, "
            r"hidden=16, dropout=0.1\)",
        ),
        (lambda: dense(decoder__width=3).fit(X), r"'width'. Its signature is DenseDecoder\("),
        (lambda: dense(encoder=DenseEncoder((6,), 2), encoder__hidden=3).fit(X), "an instance"),
        (lambda: dense().set_params(width=3), "Invalid parameter 'width'"),
        (
            lambda: ModuleAutoencoder(nn.Linear, DenseDecoder, 2).fit(X),
            r"can't be built: missing a required argument: 'in_features'. Its signature is Linear",
        ),
        (lambda: dense(encoder__hidden=-1).fit(X), "can't be built for samples of shape"),
        (lambda: dense(sample_shape=(2, 4)).fit(X), "which has 8 values, but one sample"),
        (lambda: dense(sample_shape=(0, 6)).fit(X), "a tuple of int >= 1"),
        (lambda: dense(corruption="patches").fit(X), r"requires images \(C, H, W\)"),
        (lambda: dense(encoder=NormalEncoder).fit(X), "Set bottleneck='variational'"),
        (lambda: in_units(loss="log_loss").fit(X), "Set standardize=True"),
        (lambda: dense(loss=nn.MSELoss()).fit(X), "With a loss of torch.nn, return"),
        (lambda: dense(encoder=DenseEncoder((6,), 2).double()).fit(X), r"float64, .* \.float\(\)"),
        (lambda: dense(encoder=TwoInputs).fit(X), "Pass a mask or a second input as further"),
        (lambda: dense(encoder=nn.Linear(5, 2)).fit(X), "Set in_features=6 in the layer"),
        (
            lambda: dense(encoder=nn.Linear(6, 2), sample_shape=(2, 3)).fit(X),
            r"Put nn.Flatten\(\) before the layer",
        ),
        (lambda: dense(encoder=OptimizedModule(6, 2)).fit(X), "a result of torch.compile"),
        (
            lambda: dense(encoder=LazyEncoder(2)).fit(X),
            "lazy buffer 1.running_mean can't be copied",
        ),
        (
            lambda: dense(net_params={"optimizer__param_groups": [("encodr.*", {})]}).fit(X),
            r"Got the pattern 'encodr.\*' .* matches no weight. Names of weights are",
        ),
    ],
    ids=range(19),
)
def test_invalid_parameters_are_value_errors(change, message):
    """Messages have the signature, or the shapes."""
    with pytest.raises(ValueError, match=message):
        change()


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("max_epochs", "Use max_iter instead"),
        ("bottleneck__weight", r".*such as bottleneck=Variational\(weight=0.3\)"),
        ("X_val", "Pass X_val to fit"),
        ("validation_data", "Pass X_val to fit"),
        ("encoder_params", "Parameters of the modules begin with encoder__"),
    ],
)
def test_unknown_keywords_are_type_errors_in_fit(name, message):
    """A keyword without encoder__ or decoder__ is not ignored, and the message has an advice."""
    with pytest.raises(TypeError, match=f"unexpected keyword argument '{name}'. {message}"):
        dense(**{name: 3}).fit(X)


def test_shared_weights_are_a_warning():
    """Encoder and decoder are copied one by one, so that tied weights would be two."""
    encoder = nn.Linear(6, 6)
    with pytest.warns(UserWarning, match="the trained modules share none"):
        ModuleAutoencoder(encoder, nn.Sequential(nn.Tanh(), encoder), **FAST).fit(X)


def test_a_function_that_returns_no_module_is_a_type_error():
    """The message has the type of the result."""
    with pytest.raises(TypeError, match=r"which returned int, but expected a torch.nn.Module"):
        ModuleAutoencoder(lambda shape, k: k, DenseDecoder, 2).fit(X)


def test_partials_and_functions_without_arguments():
    """A partial of a class, and a function without arguments, build modules as well."""
    estimator = ModuleAutoencoder(
        functools.partial(DenseEncoder, hidden=4), lambda: make_decoder((6,), 2), 2, **FAST
    )
    assert tensors(estimator.fit(X))["encoder.layers.1.weight"].shape == (4, 6)


class OptimizedModule(nn.Linear):
    """A class with the name of the results of torch.compile."""


class TwoInputs(nn.Linear):
    """An encoder that also requires a mask."""

    def __init__(self, n_components):
        super().__init__(6, n_components)

    def forward(self, x, mask):
        """Encode samples."""
        return super().forward(x * mask)


# -------------------------------------------------------------------------------------- shapes


def failing_layer(sample_shape=(3, 8, 8), **parameters):
    """Fit the networks of a tutorial to samples of a shape."""
    estimator = ModuleAutoencoder(TutorialEncoder, TutorialDecoder, **{**FAST, **parameters})
    return estimator.fit(np.zeros((9, *sample_shape)) + np.arange(9).reshape(9, 1, 1, 1))


def test_networks_of_a_tutorial_work_where_their_shapes_do():
    """The latent vector is a feature map of 2 x 2 x 2 values."""
    estimator = failing_layer()
    assert estimator.n_components_ == 8
    assert estimator.sample_shape_ == (3, 8, 8)
    assert estimator.channel_axis_ == 1


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        (
            {"decoder__padding": 1},
            r"has shape \(3, 6, 6\), but expected that of a sample, \(3, 8, 8\): 2 too few in axis "
            r"2, 2 too few in axis 3. Outputs of its layers: 0 ConvTranspose2d \(6, 4, 4\)",
        ),
        (
            {"sample_shape": (1, 8, 24)},
            r"in its layer 0, Conv2d\(3, 6, .*tensor of shape \(5, 1, 8, 24\)",
        ),
        ({"n_components": 4}, r"which are 8 latent dimensions, but n_components=4. Set n_compo"),
    ],
    ids=["decoder", "encoder", "code"],
)
def test_shapes_that_do_not_fit_name_the_layer(parameters, message):
    """Messages have the layer, and the difference to the expected shape."""
    with pytest.raises(ValueError, match=message):
        failing_layer(**parameters)


def test_grayscale_images_need_an_axis_of_channels():
    """The message names `sample_shape`, with which the same X works."""
    images = gray_images(20, 8, 8)
    with pytest.raises(ValueError, match=r"set sample_shape=\(1, H, W\)"):
        ModuleAutoencoder(ConvEncoder((1, 8, 8), 3), ConvDecoder, 3, **FAST).fit(images)
    estimator = ModuleAutoencoder(ConvEncoder, ConvDecoder, 3, sample_shape=(1, 8, 8), **FAST)
    assert estimator.fit(images).reconstruct(images).shape == images.shape
    rows = images.reshape(20, -1)
    np.testing.assert_array_equal(estimator.transform(rows), estimator.transform(images))


class Recorder(nn.Module):
    """An encoder that keeps the last samples that it got."""

    def __init__(self):
        super().__init__()
        self.scale = nn.Parameter(torch.ones(()))

    def forward(self, x):
        """Return two values of each sample."""
        self.last = x
        return x.flatten(1)[:, :2] * self.scale


@pytest.mark.parametrize(
    ("move", "channel_axis"),
    [((3, 3), "auto"), ((3, 1), "auto"), ((3, 1), 1), ((3, 2), 2), ((3, 2), -2), ((3, 3), -1)],
    ids=str,
)
def test_modules_get_standardized_images_with_channels_first(move, channel_axis):
    """Wherever the channels are, the modules get (b, 3, 6, 5), and X keeps its axes."""
    images = color_images(30, 6, 5)
    moved = np.moveaxis(images, *move)
    estimator = ModuleAutoencoder(Recorder, DenseDecoder, channel_axis=channel_axis, **FAST)
    estimator.fit(moved)
    assert estimator.reconstruct(moved).shape == moved.shape
    estimator.transform(moved)
    expected = (images - images.mean(0)) / np.sqrt(images.var(0).mean())
    np.testing.assert_allclose(
        estimator.net_.module_.encoder.last[:30], np.moveaxis(expected, 3, 1), atol=1e-5
    )


def test_an_encoder_of_random_outputs_is_a_warning():
    """Latent vectors that change from call to call are announced."""

    class Noisy(Recorder):
        def forward(self, x):
            z = super().forward(x)
            return z + torch.randn(z.shape)

    with pytest.warns(UserWarning, match="differ from call to call"):
        ModuleAutoencoder(Noisy, DenseDecoder, **FAST).fit(X)


# ------------------------------------------------------------------------------------ training


def test_the_network_starts_as_pca():
    """Before the first step reconstructions are those of PCA, and latent vectors its scores."""
    estimator = dense(learning_rate_init=1e-20, max_iter=1).fit(X)
    pca = PCA(2, svd_solver="full").fit(X)
    np.testing.assert_allclose(
        estimator.reconstruct(X), pca.inverse_transform(pca.transform(X)), rtol=1e-4, atol=1e-4
    )
    np.testing.assert_allclose(estimator.transform(X), pca.transform(X), rtol=1e-3, atol=1e-3)


def test_modules_gain_over_pca_on_a_curve():
    """On a curve the modules are kept, and on a plane they are not."""
    rows = curve(400)
    parameters = {"early_stopping": True, "max_iter": 60, "encoder__dropout": 0.0}
    estimator = dense(1, **parameters).fit(rows)
    assert estimator.best_iter_ > 0
    assert estimator.score(rows) > PCA(1).fit(rows).explained_variance_ratio_.sum() + 0.02
    rng = np.random.default_rng(0)
    plane = rng.normal(size=(400, 2)) @ rng.normal(size=(2, 5)) + rng.normal(size=(400, 5))
    assert dense(**parameters).fit(plane).best_iter_ == 0


def test_modules_alone_are_the_modules():
    """Without the linear part, transform is the encoder, and inverse_transform the decoder."""
    estimator = dense(residual=None).fit(X)
    network = estimator.net_.module_
    x = torch.from_numpy(((X - X.mean(0)) / np.sqrt(X.var(0).mean())).astype(np.float32))
    with torch.no_grad():
        z = network.encoder(x)
        x_hat = network.decoder(z).numpy() * np.sqrt(X.var(0).mean()) + X.mean(0)
    np.testing.assert_allclose(estimator.transform(X), z.numpy(), atol=1e-5)
    np.testing.assert_allclose(estimator.reconstruct(X), x_hat, atol=1e-4)
    assert {name.partition(".")[0] for name, _ in network.named_parameters()} == {
        "encoder",
        "decoder",
    }


def in_units(encoder=DenseEncoder, decoder=SigmoidDecoder, **parameters):
    """Return an autoencoder whose modules get samples in the units of X."""
    parameters = {"residual": None, **FAST, **parameters}
    return ModuleAutoencoder(encoder, decoder, 2, standardize=False, **parameters)


def test_modules_in_the_units_of_X(tmp_path):
    """With standardize=False, modules alone are transform and reconstruct without any scaling."""
    rows = low_rank(80, 6, low=0, high=1)
    estimator = in_units(max_iter=30, learning_rate_init=0.01).fit(rows)
    network = estimator.net_.module_
    with torch.no_grad():
        z = network.encoder(torch.from_numpy(rows.astype(np.float32)))
        x_hat = network.decoder(z)
    np.testing.assert_allclose(estimator.transform(rows), z.numpy(), atol=1e-6)
    np.testing.assert_allclose(estimator.reconstruct(rows), x_hat.numpy(), atol=1e-6)
    assert estimator.score(rows) > 0.2
    save(estimator, tmp_path / "x")
    loaded = load(tmp_path / "x", modules={"encoder": DenseEncoder, "decoder": SigmoidDecoder})
    np.testing.assert_array_equal(loaded.transform(rows), estimator.transform(rows))


def test_modules_in_the_units_of_X_start_as_pca():
    """The gates are zero, so that the units of the modules do not matter."""
    estimator = in_units(residual="pca", learning_rate_init=1e-20, max_iter=1)
    pca = PCA(2, svd_solver="full").fit(X)
    with pytest.warns(UserWarning, match="no negative outputs|outputs in"):
        estimator.fit(np.tile(X, (4, 4)))
    estimator.set_params(decoder=DenseDecoder).fit(X)
    np.testing.assert_allclose(
        estimator.reconstruct(X), pca.inverse_transform(pca.transform(X)), rtol=1e-4, atol=1e-4
    )


def test_integers_are_embedded(tmp_path):
    """An encoder of integers gets them as they are, also where a fitted one is built again."""
    tokens = np.random.default_rng(0).integers(0, 30000, (60, 9))
    estimator = in_units(TokenEncoder, DenseDecoder, encoder__n_tokens=30000).fit(tokens)
    expected = estimator.transform(tokens)
    with torch.no_grad():
        z = estimator.net_.module_.encoder(torch.from_numpy(tokens))
    np.testing.assert_allclose(expected, z.numpy(), atol=1e-6)
    save(estimator, tmp_path / "x")
    modules = {"encoder": TokenEncoder, "decoder": DenseDecoder}
    for other in (
        pickle.loads(pickle.dumps(estimator)),
        load(tmp_path / "x", modules=modules),
        clone(estimator).fit(tokens),
    ):
        np.testing.assert_array_equal(other.transform(tokens), expected)


@pytest.mark.parametrize(
    ("standardize", "factor", "message"),
    [
        (True, 1, r"no negative outputs, .* set standardize=False"),
        (False, 255, r"outputs in \[0, 1\], .* or divide X by its maximum"),
        (False, 1, None),
    ],
    ids=str,
)
def test_a_decoder_of_another_range_is_a_warning(standardize, factor, message):
    """A sigmoid can't return centered samples, or pixels up to 255."""
    images = factor * gray_images(30, 8, 8)[:, None]
    estimator = ModuleAutoencoder(
        ConvEncoder, SigmoidDecoder, 3, residual=None, standardize=standardize, **FAST
    )
    if message is None:
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            estimator.fit(images)
        return
    with pytest.warns(UserWarning, match=message):
        estimator.fit(images)


def test_a_bias_is_no_range():
    """A linear layer can return all values, also where its bias is large before the training."""
    decoder = nn.Sequential(nn.Linear(2, 128))
    nn.init.constant_(decoder[0].bias, 3.0)
    rows = np.random.default_rng(0).normal(size=(60, 128))
    estimator = ModuleAutoencoder(nn.Linear(128, 2), decoder, **FAST)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        estimator.fit(rows)


def test_random_numbers_of_modules_depend_on_random_state_alone():
    """Initial weights and dropout are the same for any state of torch's generator."""
    fits = []
    for seed in (0, 1):
        torch.manual_seed(seed)
        fits.append(dense(residual=None, encoder__dropout=0.5).fit(X))
    np.testing.assert_array_equal(fits[0].transform(X), fits[1].transform(X))
    assert fits[0].loss_curve_ != clone(fits[0]).set_params(encoder__dropout=0.0).fit(X).loss_curve_


def test_instances_are_copied():
    """A fit does not change the user's module, and later changes of it do not change the fit."""
    encoder, decoder = DenseEncoder((6,), 2), DenseDecoder((6,), 2)
    before = copy.deepcopy(encoder.state_dict())
    estimator = ModuleAutoencoder(encoder, decoder, residual=None, **FAST).fit(X)
    for name, value in encoder.state_dict().items():
        assert torch.equal(value, before[name])
    Z = estimator.transform(X)
    np.testing.assert_array_equal(clone(estimator).fit(X).transform(X), Z)
    encoder.layers.append(nn.Linear(2, 9))
    for other in (copy.deepcopy(estimator), pickle.loads(pickle.dumps(estimator))):
        np.testing.assert_array_equal(other.transform(X), Z)


class Snapshots(Callback):
    """Callback of skorch that keeps the running mean after each epoch."""

    def __init__(self):
        self.means = []

    def on_epoch_end(self, net, **kwargs):
        """Keep the running mean of the encoder."""
        self.means.append(net.module_.encoder.layers[2].running_mean.clone())


def test_selected_weights_have_their_running_statistics():
    """The buffers of the fitted network are those of the selected epoch."""
    snapshots = Snapshots()
    estimator = dense(
        residual=None,
        early_stopping=True,
        max_iter=12,
        learning_rate_init=0.1,
        net_params={"callbacks": [snapshots]},
    ).fit(X)
    assert 0 < estimator.best_iter_ < estimator.n_iter_
    fitted = estimator.net_.module_.encoder.layers[2].running_mean
    assert torch.equal(fitted, snapshots.means[estimator.best_iter_ - 1])
    assert not torch.equal(fitted, snapshots.means[-1])


@pytest.mark.parametrize("batch_size", [79, 1])
def test_batches_of_one_row(batch_size):
    """Batch normalization works with a remainder of one row, and with batches of one."""
    assert np.isfinite(dense(batch_size=batch_size).fit(X).transform(X)).all()


def test_frozen_modules_do_not_change():
    """Weights without gradients, and their running statistics, are those of the user."""
    encoder = DenseEncoder((6,), 2).requires_grad_(False)
    before = copy.deepcopy(encoder.state_dict())
    estimator = ModuleAutoencoder(encoder, DenseDecoder, residual=None, **FAST).fit(X)
    for name, value in tensors(estimator).items():
        if name.startswith("encoder."):
            assert torch.equal(value, before[name.removeprefix("encoder.")])
    assert not estimator.net_.module_.encoder.layers[1].weight.requires_grad
    n_trained = sum(one.numel() for one in estimator.net_.module_.decoder.parameters())
    assert f"{n_trained} trainable" in estimator.summary()
    restored = pickle.loads(pickle.dumps(estimator))
    assert not restored.net_.module_.encoder.layers[1].weight.requires_grad


def test_groups_of_weights_have_rates_of_their_own():
    """A group of `net_params` with a rate of zero does not change."""
    groups = [("encoder.*", {"lr": 0.0})]
    parameters = {"residual": None, "encoder__dropout": 0.0}
    slow = dense(**parameters, net_params={"optimizer__param_groups": groups}).fit(X)
    fast = dense(**parameters).fit(X)
    initial = dense(**parameters, learning_rate_init=1e-20).fit(X)
    name = "encoder.layers.1.weight"
    assert torch.equal(tensors(slow)[name], tensors(initial)[name])
    assert not torch.equal(tensors(fast)[name], tensors(initial)[name])
    name = "decoder.layers.0.weight"
    assert not torch.equal(tensors(slow)[name], tensors(initial)[name])


def test_the_log_variance_of_an_encoder_is_used():
    """The cost is the divergence of the encoder's own distribution."""
    estimator = ModuleAutoencoder(
        NormalEncoder, DenseDecoder, 2, bottleneck="variational", residual=None, **FAST
    ).fit(X)
    network = estimator.net_.module_
    x = network.prepare(torch.from_numpy(X))
    mean, log_variance = network.encoder(x)
    cost = network(x, torch.Generator().manual_seed(0)).bottleneck_cost
    expected = (mean.square() + log_variance.exp() - 1 - log_variance).sum(1) / 2
    torch.testing.assert_close(cost, expected)
    assert not any(weight.requires_grad for weight in network.bottleneck.parameters())


def test_streamed_rows_and_partial_fit(tmp_path, monkeypatch):
    """Memory maps are streamed, and passes continue a fit."""
    monkeypatch.setattr(streaming, "STREAMED_BYTES", 0)
    np.save(tmp_path / "X.npy", gray_images(70, 8, 8)[:, None])
    rows = np.load(tmp_path / "X.npy", mmap_mode="r")
    estimator = ModuleAutoencoder(ConvEncoder, ConvDecoder, 3, batch_size=32, **FAST)
    estimator.fit(rows).partial_fit(rows[:40])
    assert estimator.n_iter_ == 3
    assert estimator.reconstruct(rows).shape == rows.shape


def test_a_resumed_fit_needs_the_same_modules():
    """warm_start refuses other modules, and other parameters of the modules."""
    estimator = dense(warm_start=True).fit(X)
    before = estimator.transform(X)
    estimator.fit(X)
    assert not np.array_equal(estimator.transform(X), before)
    with pytest.raises(ValueError, match=r"Got module_params=.*'encoder__hidden': 3"):
        copy.deepcopy(estimator).set_params(encoder__hidden=3).fit(X)
    with pytest.raises(ValueError, match=r"but the network was built with .*DenseEncoder"):
        estimator.set_params(encoder=make_encoder).fit(X)


@pytest.mark.parametrize(
    "modules",
    [
        (DenseEncoder, DenseDecoder),
        (make_encoder, LazyDecoder),
        (DenseEncoder((6,), 2), make_decoder((6,), 2)),
    ],
    ids=["classes", "function", "modules"],
)
def test_checkpoints(tmp_path, modules):
    """A finished fit is found again, and another learning rate is another fit."""
    estimator = ModuleAutoencoder(*modules, 2, checkpoint_dir=tmp_path, **FAST).fit(X)
    again = clone(estimator).fit(X)
    expected = clone(estimator).set_params(checkpoint_dir=None).fit(X)
    np.testing.assert_array_equal(again.transform(X), expected.transform(X))
    assert len(list(tmp_path.iterdir())) == 1
    clone(estimator).set_params(learning_rate_init=0.1).fit(X)
    assert len(list(tmp_path.iterdir())) == 2


def test_the_default_rules_are_those_of_the_guide():
    """Learning rate, epochs and required gain of own modules."""
    settings = {
        "batch_size": "auto",
        "max_iter": "auto",
        "learning_rate_init": "auto",
        "early_stopping": True,
        "cross_validation": False,
        "convolutional": False,
    }
    usual = make_plan(1000, 8, 1, **settings)
    own = make_plan(1000, 8, 1, **settings, own_modules=True, epochs_factor=3)
    alone = make_plan(1000, 8, 1, **settings, own_modules=True, has_linear_part=False)
    assert own.learning_rate == 0.003 < usual.learning_rate
    assert (usual.min_gain_in_standard_errors, own.min_gain_in_standard_errors) == (2.0, 3.0)
    assert alone.min_gain_in_standard_errors is None
    estimator = dense(max_iter="auto").fit(X)
    assert estimator.max_iter_ == pytest.approx(3 * make_plan(80, 6, 1, **settings).epochs, abs=2)


# --------------------------------------------------------------------------------------- files


def test_files_need_the_modules(tmp_path):
    """`load` builds the modules that it is given, and refuses others."""
    estimator = dense(encoder__hidden=4).fit(X)
    save(estimator, tmp_path / "x")
    modules = {"encoder": DenseEncoder, "decoder": DenseDecoder}
    loaded = load(tmp_path / "x", modules=modules)
    np.testing.assert_array_equal(loaded.transform(X), estimator.transform(X))
    with pytest.raises(ValueError, match=r"encoder 'tests.own_modules.DenseEncoder', a module"):
        load(tmp_path / "x")
    with pytest.raises(ValueError, match=r"but expected decoder.layers"):
        load(tmp_path / "x", modules={**modules, "decoder": DenseEncoder})
    with pytest.raises(ValueError, match="no parameter 'hidden'"):
        load(tmp_path / "x", modules={**modules, "encoder": LazyEncoder})
    for wrong in ("DenseEncoder", {"Encoder": DenseEncoder}, {"encoder": "DenseEncoder"}):
        with pytest.raises(TypeError, match="Got modules="):
            load(tmp_path / "x", modules=wrong)


def test_save_refuses_what_load_could_not_read(tmp_path):
    """Modules that were changed after fit, and parameters that are objects, are errors."""
    estimator = dense().fit(X).set_params(encoder=make_encoder)
    with pytest.raises(TypeError, match="a file has only one encoder"):
        save(estimator, tmp_path / "x")
    estimator = dense().fit(X).set_params(decoder__hidden=object())
    with pytest.raises(TypeError, match="decoder__hidden"):
        save(estimator, tmp_path / "x")


def test_weights_with_results_that_are_not_finite_are_refused(tmp_path):
    """A file with a negative running variance is not loaded."""
    estimator = dense(residual=None).fit(X)
    estimator.net_.module_.encoder.layers[2].running_var.fill_(-1)
    with pytest.raises(ValueError, match="weights with finite results"):
        save(estimator, tmp_path / "x")


def test_skops_refuses_instances():
    """Skops can't read instances of modules, so it does not write them."""
    estimator = ModuleAutoencoder(make_encoder((6,), 2), make_decoder, 2, **FAST).fit(X)
    with pytest.raises(TypeError, match=r"which skops can't save. Pass its class"):
        skops.io.dumps(estimator)


# ---------------------------------------------------------------------------------------- uses


def images_estimator(**parameters):
    """Return an autoencoder of color images."""
    return ModuleAutoencoder(ConvEncoder, ConvDecoder, 3, **{**FAST, **parameters})


USES = {
    "detector": lambda images: (
        ReconstructionDetector(images_estimator()).fit(images).predict(images)
    ),
    "imputer": lambda images: AutoencoderImputer(images_estimator(allow_nan=True)).fit_transform(
        np.where(images > 0.9 * images.max(), np.nan, images)
    ),
    "sampler": lambda images: LatentSampler(images_estimator()).fit(images).sample(5),
    "reconstructions": lambda images: ReconstructionDisplay.from_estimator(
        images_estimator().fit(images), images
    ),
    "latents": lambda images: LatentDisplay.from_estimator(images_estimator().fit(images), images),
    "traversal": lambda images: TraversalDisplay.from_estimator(
        images_estimator().fit(images), images
    ),
    "training": lambda images: TrainingDisplay.from_estimator(
        images_estimator(early_stopping=True).fit(images)
    ),
}


@pytest.mark.parametrize("use", USES)
def test_uses_take_own_modules(use, closed_figures):
    """Detectors, imputers, samplers and displays work with own modules and color images."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        result = USES[use](np.moveaxis(color_images(40, 6, 6), 3, 1))
    assert result is not None


def test_codec_with_own_modules():
    """Messages are decompressed to the reconstructions of quantized latent vectors."""
    codec = LatentCodec(dense(penalty="rate"), random_state=0).fit(X)
    found = codec.decompress(codec.compress(X))
    assert found.shape == X.shape
    assert np.isfinite(found).all()
