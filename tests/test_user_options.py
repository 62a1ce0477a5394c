"""Classes and functions of users as options: fit, files, displays, ONNX and uses."""

import inspect
import sys

import joblib
import matplotlib.pyplot as plt
import numpy as np
import onnxruntime
import pytest
import torch
from sklearn.base import clone
from sklearn.ensemble import BaggingRegressor
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import Ridge
from sklearn.pipeline import make_pipeline

from skae import (
    ConvAutoencoder,
    DenseAutoencoder,
    ImageRestorer,
    LatentCodec,
    LatentDisplay,
    LatentSampler,
    ReconstructionDetector,
    ReconstructionDisplay,
    SpectrumDisplay,
    TrainingDisplay,
    TraversalDisplay,
)
from skae._training.objective import resolve_objective
from skae.bottlenecks import Bottleneck, BottleneckModule
from skae.corruptions import Corruption, Gaussian, Masking
from skae.export import load, save, to_onnx
from skae.losses import Loss
from skae.penalties import Penalty

from . import user_options
from .cases import BY_NAME, CASES, gray_images
from .user_options import (
    Channel,
    LogCosh,
    NoisyChannel,
    Speckle,
    ViewAgreement,
    largest_error,
    shrink,
)

USER_CASES = [case for case in CASES if case.has_user_options]

user_cases = pytest.mark.parametrize("case", USER_CASES, indirect=True, ids=lambda case: case.name)

FAST = {"max_iter": 2, "early_stopping": False, "random_state": 0}


def test_the_classes_are_short():
    """Each class of a user, with its module and docstrings, takes at most 40 lines."""
    for class_ in (LogCosh, ViewAgreement, Channel, Speckle):
        assert len(inspect.getsource(class_).splitlines()) <= 40
    assert len(inspect.getsource(user_options).splitlines()) < 180


@user_cases
def test_partial_fit(case, fitted):
    """Passes of `partial_fit` reduce the loss of one pass."""
    estimator = clone(fitted).set_params(learning_rate_init=1e-3)
    for _ in range(8):
        estimator.partial_fit(case.X)
    assert estimator.loss_curve_[-1] < estimator.loss_curve_[0]
    assert np.isfinite(estimator.transform(case.X)).all()


def test_fits_in_other_processes():
    """Fits in two other processes have the results of this one."""
    jobs = [joblib.delayed(clone(case.estimator).fit)(case.X) for case in USER_CASES]
    for case, fitted in zip(USER_CASES, joblib.Parallel(n_jobs=2)(jobs), strict=True):
        expected = clone(case.estimator).fit(case.X).transform(case.X)
        np.testing.assert_allclose(fitted.transform(case.X), expected, rtol=1e-3, atol=1e-3)


def test_missing_values(rows):
    """Classes of users are trained with missing values, and impute better than the mean."""
    X = rows.copy()
    is_missing = np.random.default_rng(0).uniform(size=X.shape) < 0.1
    X[is_missing] = np.nan
    means = np.broadcast_to(np.nanmean(X, 0), X.shape)
    for options in (
        {"loss": LogCosh(), "penalty": ViewAgreement(), "corruption": Speckle()},
        {"loss": LogCosh(), "bottleneck": Channel(), "corruption": shrink},
    ):
        estimator = DenseAutoencoder(3, allow_nan=True, **options, **FAST).fit(X)
        X_hat = estimator.partial_fit(X).reconstruct(X)
        error, error_of_means = (np.abs(one - rows)[is_missing].mean() for one in (X_hat, means))
        assert error < error_of_means


def test_sample_weights_and_targets(rows):
    """Classes of users are trained with sample weights and with targets."""
    y, weights = np.arange(60) % 3, np.linspace(0.1, 2, 60)
    options = {"loss": LogCosh(), "penalty": ViewAgreement(), "corruption": Speckle()}
    estimator = DenseAutoencoder(3, target_weight=1.0, **options, **FAST)
    codes = [estimator.fit(rows, y, w).transform(rows) for w in (None, weights)]
    assert np.isfinite(codes).all()
    assert not np.array_equal(*codes)


@user_cases
def test_displays(case, fitted, closed_figures):
    """All displays show an autoencoder with options of the user."""
    TrainingDisplay.from_estimator(fitted)
    LatentDisplay.from_estimator(fitted, case.X)
    ReconstructionDisplay.from_estimator(fitted, case.X, n_samples=2)
    SpectrumDisplay.from_estimator([fitted], case.X)
    TraversalDisplay.from_estimator(fitted, case.X)
    assert plt.get_fignums()


@user_cases
def test_html_names_the_classes(case, fitted):
    """HTML and repr of a fitted estimator have the names of the user's classes."""
    objective = resolve_objective(case.estimator)
    options = vars(objective).values()
    names = [type(one).__name__ for one in options if type(one).__module__ == user_options.__name__]
    if "functions" in case.name:
        names = ["largest_error", "shrink"]
    assert names
    for name in names:
        assert name in repr(fitted)
        assert name in fitted._repr_html_()


def assert_onnx_model_is_equal(case, fitted, method, tmp_path):
    """Compare the output of an ONNX model with the method of the estimator."""
    to_onnx(fitted, tmp_path / "x.onnx", method=method)
    session = onnxruntime.InferenceSession(tmp_path / "x.onnx")
    X = case.X.astype(np.float32)
    if method == "inverse_transform":
        X = fitted.transform(case.X)
    (found,) = session.run(None, {"X": X})
    expected = getattr(fitted, method)(X)
    np.testing.assert_allclose(found, expected, atol=1e-4 * np.abs(expected).max())


@user_cases
def test_onnx_reconstructions(case, fitted, tmp_path):
    """ONNX models of autoencoders with options of the user have the results of the estimator."""
    assert_onnx_model_is_equal(case, fitted, "reconstruct", tmp_path)


SEPARATE_CASES = ("dense-user-bottleneck", "dense-user-penalty", "conv-user-loss-and-bottleneck")
"""Configurations with a module of the user in the network, or with convolutions."""


@pytest.mark.parametrize(
    "case", [BY_NAME[name] for name in SEPARATE_CASES], indirect=True, ids=lambda case: case.name
)
@pytest.mark.parametrize("method", ["transform", "inverse_transform"])
def test_onnx_encoder_and_decoder(case, fitted, method, tmp_path):
    """With a module of the user, encoder and decoder are exported separately as well."""
    assert_onnx_model_is_equal(case, fitted, method, tmp_path)


@user_cases
def test_skae_files_are_refused_before_they_are_written(case, fitted, tmp_path):
    """`save` names the class or function that `load` could not build, and writes no file."""
    path = tmp_path / "x.safetensors"
    path.write_bytes(b"earlier")
    with pytest.raises(
        TypeError, match=r"LogCosh|ViewAgreement|Channel|RowMeans|Speckle|largest_error"
    ):
        save(fitted, path)
    with pytest.raises(
        TypeError, match=r"LogCosh|ViewAgreement|Channel|RowMeans|Speckle|largest_error"
    ):
        save(LatentSampler(FrozenEstimator(fitted)).fit(case.X), path)
    assert path.read_bytes() == b"earlier"
    assert list(tmp_path.iterdir()) == [path]


def test_skae_files_hold_options_of_skae(rows, tmp_path):
    """The same estimators with options of skae are saved and loaded."""
    estimator = DenseAutoencoder(3, loss="huber", penalty="sparsity", **FAST).fit(rows)
    save(estimator, tmp_path / "x")
    assert load(tmp_path / "x").get_params() == estimator.get_params()


@pytest.mark.parametrize("name", ["LogCosh", "Channel"])
def test_a_class_that_is_gone_is_an_error(name, rows, monkeypatch, tmp_path):
    """A pickle without the module of the user's class can't be read; the error names the class."""
    options = {"LogCosh": {"loss": LogCosh()}, "Channel": {"bottleneck": Channel()}}[name]
    joblib.dump(DenseAutoencoder(2, **options, **FAST).fit(rows), tmp_path / "x")
    monkeypatch.delattr(sys.modules[user_options.__name__], name)
    with pytest.raises(AttributeError, match=name):
        joblib.load(tmp_path / "x")


def test_uses_of_the_autoencoder(rows):
    """Detectors, samplers, codecs and ensembles take autoencoders with options of the user."""
    first = DenseAutoencoder(2, loss=LogCosh(), penalty=ViewAgreement(), **FAST)
    second = DenseAutoencoder(2, bottleneck=Channel(), corruption=shrink, **FAST)
    for autoencoder in (first, second):
        scores = ReconstructionDetector(autoencoder, random_state=0).fit(rows).score_samples(rows)
        assert np.isfinite(scores).all()
        assert LatentSampler(autoencoder, random_state=0).fit(rows).sample(3).shape == (3, 8)
        codec = LatentCodec(autoencoder, random_state=0).fit(rows)
        assert np.isfinite(codec.decompress(codec.compress(rows))).all()
        bagging = BaggingRegressor(make_pipeline(autoencoder, Ridge()), 2, random_state=0)
        assert np.isfinite(bagging.fit(rows, rows[:, 0]).predict(rows)).all()


def test_restorers_take_losses_and_corruptions_of_users():
    """A restorer trains with a loss, a corruption and functions of the user."""
    X = gray_images(12, 16, 17)
    for loss, corruption in ((LogCosh(), Speckle(0.2)), (largest_error, shrink)):
        model = ImageRestorer(corruption, loss=loss, n_filters=2, max_iter=2, random_state=0)
        assert np.isfinite(model.fit(X).predict(X)).all()
        assert model.get_params()["loss"] is loss


def test_the_penalty_sees_samples_and_encodes_views():
    """Samples of a penalty have the shape (b, C, H, W), and are encoded to the latent vectors."""
    X = gray_images(20, 7, 13)
    seen = []

    class Recorder(Penalty):
        """A penalty that records its inputs."""

        def __call__(self, inputs):
            z = inputs.encode(inputs.samples)
            seen.append((inputs.samples.shape, float((z - inputs.z).abs().max()), z.requires_grad))
            return z.square().mean()

    ConvAutoencoder(3, n_filters=2, penalty=Recorder(), **FAST).fit(X)
    shapes, deviations, gradients = zip(*seen, strict=True)
    assert set(shapes) == {(20, 1, 7, 13)}
    assert max(deviations) < 1e-5
    assert all(gradients)


def test_parameters_of_a_penalty_are_trained(rows):
    """The projector of a penalty changes in training, and is the same in two fits with one seed."""
    weights = []
    for max_iter in (1, 5, 5):
        estimator = DenseAutoencoder(3, penalty=ViewAgreement(), **FAST | {"max_iter": max_iter})
        module = estimator.fit(rows).net_.module_
        weights.append(module.penalty.linear.weight.detach().numpy())
    assert not np.allclose(weights[0], weights[1])
    np.testing.assert_array_equal(weights[1], weights[2])


def test_a_larger_weight_of_a_users_penalty_has_an_effect(rows):
    """Views agree more with a larger weight of the penalty."""
    deviations = []
    for weight in (0.0, 10.0):
        estimator = DenseAutoencoder(
            3, penalty=ViewAgreement(weight, noise=0.5), **FAST | {"max_iter": 60}
        ).fit(rows)
        module = estimator.net_.module_
        noise = 0.5 * rows.std() * np.random.default_rng(0).normal(size=rows.shape)
        codes = [estimator.transform(X) for X in (rows, rows + noise)]
        units = module.code_units.numpy()
        linear = module.penalty.linear
        weight_, bias = linear.weight.detach().numpy(), linear.bias.detach().numpy()
        a, b = (code / units @ weight_.T + bias for code in codes)
        norms = np.linalg.norm(a, axis=1) * np.linalg.norm(b, axis=1)
        deviations.append(1 - ((a * b).sum(1) / norms).mean())
    assert deviations[1] < 0.5 * deviations[0]


@pytest.mark.parametrize(
    ("option", "base", "message"),
    [
        ("loss", Loss, "Empty does not implement elementwise"),
        ("penalty", Penalty, "Empty does not implement __call__"),
        ("bottleneck", Bottleneck, "Empty does not implement make_module"),
        ("corruption", Corruption, "Empty does not implement __call__"),
    ],
)
def test_incomplete_classes_are_errors(option, base, message, rows):
    """A class without its method is an error with the class and the method."""
    empty = type("Empty", (base,), {})()
    with pytest.raises(NotImplementedError, match=message):
        DenseAutoencoder(2, **{option: empty}, **FAST).fit(rows)


# ---------------------------------------------------------------------- mistakes in users' classes


class InPlace(Corruption):
    """A corruption that changes its input."""

    def __call__(self, x, generator):
        """Return x itself, with half of its columns set to zero."""
        x[:, ::2] = 0
        return x


class OutOfPlace(Corruption):
    """The same corruption of a copy."""

    def __call__(self, x, generator):
        """Return a copy with half of its columns set to zero."""
        return InPlace()(x.clone(), generator)


def test_a_corruption_may_work_in_place(rows):
    """Targets are the samples before corruption, also if a user's corruption changes its input."""
    first, second = (
        DenseAutoencoder(2, max_iter=2, random_state=0, corruption=corruption).fit(rows)
        for corruption in (InPlace(), OutOfPlace())
    )
    assert first.loss_curve_ == second.loss_curve_


class Then(Corruption):
    """Two corruptions, one after the other."""

    def __init__(self, first, second):
        self.first = first
        self.second = second

    def __call__(self, x, generator):
        """Return samples with both corruptions."""
        return self.second(self.first(x, generator), generator)


def test_corruptions_may_be_parameters_of_a_corruption(rows):
    """The levels of both are resolved and validated."""
    both = Then(Gaussian(), Masking())
    assert np.isfinite(DenseAutoencoder(2, max_iter=1, corruption=both).fit(rows).score(rows))
    with pytest.raises(ValueError, match="Got level=2"):
        DenseAutoencoder(2, corruption=Then(Gaussian(), Masking(2))).fit(rows)


class WithTable(Penalty):
    """A penalty with an array as parameter."""

    def __init__(self, table, weight=0.1):
        self.table = table
        self.weight = weight

    def __call__(self, inputs):
        """Return the weighted squares of latent vectors."""
        return (inputs.z.square() * torch.as_tensor(self.table)).mean(1)


def test_arrays_may_be_parameters_of_an_option(rows):
    """Training continues with equal arrays, and not with others."""
    table = np.ones(2, np.float32)
    estimator = DenseAutoencoder(2, penalty=WithTable(table), random_state=0)
    estimator.partial_fit(rows).partial_fit(rows)
    assert estimator.penalty == WithTable(table.copy())
    assert estimator.penalty != WithTable(np.ones(3, np.float32))
    estimator.set_params(penalty=WithTable(2 * table))
    with pytest.raises(ValueError, match="Got penalty="):
        estimator.partial_fit(rows)


class OnlyCall(Loss):
    """A loss that does not declare that it has no loss of each value."""

    def __call__(self, x_hat, x):
        """Return the root of the mean square."""
        return (x_hat - x).square().mean(1).sqrt()


class OfShape(Penalty):
    """A penalty with a result of the wrong shape."""

    def __call__(self, inputs):
        """Return one number for each value."""
        return inputs.z.square()


class NotFinite(Penalty):
    """A penalty that is NaN."""

    def __call__(self, inputs):
        """Return NaN for each sample."""
        return inputs.z.sum(1) * torch.nan


class WithoutWeight(Bottleneck):
    """A bottleneck with a cost, and without a weight."""

    has_cost = True

    def make_module(self, n_components, n_hidden):
        """Build a module."""
        return NoisyChannel(0.1)


class Undeclared(WithoutWeight):
    """A bottleneck that does not declare its cost."""

    has_cost = False


class OtherModule(Bottleneck):
    """A bottleneck with a module of another kind."""

    def make_module(self, n_components, n_hidden):
        """Build a module of torch."""
        return torch.nn.Identity()


class Overwrites(Penalty):
    """A penalty that would replace the network."""

    def __call__(self, inputs):
        """Return the squares of latent vectors."""
        return inputs.z.square().mean(1)

    def fitted_attributes(self, network):
        """Return the name of an attribute that autoencoders have."""
        return {"net_": 1}


MISTAKES = [
    ({"loss": OnlyCall()}, TypeError, "is_elementwise = False"),
    ({"penalty": OfShape()}, ValueError, r"OfShape\(\) with a result of shape"),
    ({"penalty": NotFinite()}, ValueError, r"Check that penalty=NotFinite\(\) is finite"),
    ({"bottleneck": WithoutWeight()}, TypeError, "no parameter weight"),
    ({"bottleneck": Undeclared()}, ValueError, "has_cost"),
    ({"bottleneck": OtherModule()}, TypeError, "subclass of skae.bottlenecks.BottleneckModule"),
    ({"penalty": Overwrites()}, ValueError, "Got the fitted attribute 'net_'"),
    ({"bottleneck": Channel}, TypeError, r"Pass an instance: bottleneck=Channel\(\)"),
    ({"penalty": OfShape}, TypeError, r"Pass an instance: penalty=OfShape\(\)"),
    ({"corruption": Masking(fill_value=np.nan)}, ValueError, "fill_value"),
]


@pytest.mark.parametrize(("parameters", "error", "message"), MISTAKES, ids=str)
def test_mistakes_in_classes_of_users_are_named(rows, parameters, error, message):
    """The error names the class and the change that is needed."""
    with pytest.raises(error, match=message):
        DenseAutoencoder(2, max_iter=2, random_state=0, **parameters).fit(rows)


class WrongModule(BottleneckModule):
    """A module whose results are those of the test."""

    def __init__(self, output, quantized):
        super().__init__()
        self.output = output
        self.quantized = quantized

    def forward(self, z, hidden, generator):
        """Return the wrong result of training."""
        return self.output(z)

    def quantize(self, z):
        """Return the wrong result of inference."""
        return self.quantized(z)


class Wrong(Bottleneck):
    """A bottleneck with wrong results, and optionally with a cost."""

    has_cost = False

    def __init__(self, output=lambda z: (z, None), quantized=lambda z: z, weight=0.1):
        self.output = output
        self.quantized = quantized
        self.weight = weight

    def make_module(self, n_components, n_hidden):
        """Build the module."""
        return WrongModule(self.output, self.quantized)


class WrongCost(Wrong):
    """A bottleneck that declares a cost."""

    has_cost = True


WRONG_RESULTS = [
    (Wrong(lambda z: z), r"shape \(\d+, 2\) from WrongModule.forward.*tuple"),
    (Wrong(lambda z: None), "type NoneType from WrongModule.forward.*tuple"),
    (Wrong(lambda z: (z[:, :1], None)), r"of shape \(\d+, 1\) from WrongModule.*the shape of z"),
    (Wrong(lambda z: (1.0, None)), "of type float from WrongModule.*the shape of z"),
    (WrongCost(lambda z: (z, z)), r"cost of shape \(\d+, 2\) from WrongModule.*one number per sam"),
    (WrongCost(lambda z: (z, 0.0)), "cost of type float from WrongModule"),
    (WrongCost(), "no cost from WrongModule.forward.*has_cost = True"),
    (Wrong(quantized=lambda z: z[:, :1]), r"of shape \(\d+, 1\) from WrongModule.quantize"),
    (Wrong(quantized=lambda z: None), "of type NoneType from WrongModule.quantize"),
]


@pytest.mark.parametrize(("bottleneck", "message"), WRONG_RESULTS)
@pytest.mark.parametrize("kind", ["dense", "conv"])
def test_wrong_results_of_a_bottleneck_are_named(rows, bottleneck, message, kind):
    """The error names the class of the module, the shape, and the expected shape."""
    estimator = DenseAutoencoder(2, max_iter=2, random_state=0, bottleneck=bottleneck)
    if kind == "conv":
        parameters = {"n_filters": 2, "max_iter": 2, "random_state": 0}
        estimator = ConvAutoencoder(2, signals=True, bottleneck=bottleneck, **parameters)
    with pytest.raises(ValueError, match=f"(?s){message}"):
        estimator.fit(rows).transform(rows)
