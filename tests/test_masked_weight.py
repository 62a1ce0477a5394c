"""The weight of masked values in the loss: values, gradients, and combinations that are errors."""

import math
from functools import partial

import numpy as np
import pytest
import torch
from sklearn.base import clone

from skae import ConvAutoencoder, DenseAutoencoder, ImageRestorer
from skae import ModuleAutoencoder as Module
from skae._input.batching import Batch
from skae._training.batch_inputs import prepare_batch
from skae.corruptions import Masking, Patches
from skae.penalties import Spread

from . import own_modules as own
from .cases import color_images, gray_images, low_rank

ELEMENTWISE = {
    "squared_error": lambda a, b: np.square(a - b),
    "absolute_error": lambda a, b: np.abs(a - b),
    "huber": lambda a, b: np.where(abs(a - b) < 1, (a - b) ** 2, 2 * abs(a - b) - 1),
    "log_loss": lambda a, b: np.logaddexp(0, a) - a * b,
}

Dense = partial(DenseAutoencoder, 3, random_state=0)
Conv = partial(ConvAutoencoder, 3, n_filters=2, random_state=0)
DenseModule = partial(Module, own.make_encoder, own.make_decoder, 3, random_state=0)
ConvModule = partial(Module, own.ConvEncoder, own.ConvDecoder, 3, channel_axis=-1, random_state=0)

TABLE = low_rank(40, 9, low=0, high=1)
GRAY = gray_images(40, 9, 11)
COLOR = color_images(40, 8, 6)


def scaled(X):
    """Return X scaled to [0, 1]."""
    return (X - X.min()) / (X.max() - X.min())


def generator(seed=5):
    """Return a generator."""
    return torch.Generator().manual_seed(seed)


def as_rows(X):
    """Return samples as a tensor of rows, float32."""
    return torch.from_numpy(X.reshape(len(X), -1)).float()


def training_net(estimator, X):
    """Return the net of one training step, with loss and corruption."""
    return clone(estimator).set_params(batch_size=40).partial_fit(X).net_


def masked_rows(net, corruption, X):
    """Return the mask of rows that the generator draws."""
    corruption = clone(corruption).set_params(fill_value=math.nan)
    samples = net.module_.to_samples(net.module_.centre(as_rows(X)))
    return net.module_.to_rows(corruption(samples, generator())).isnan()


CASES = {
    "dense": (Dense, "squared_error", Masking, TABLE),
    "dense-logits": (Dense, "log_loss", Masking, scaled(TABLE)),
    "gray": (Conv, "squared_error", Patches, GRAY),  # patches with padding
    "gray-huber": (Conv, "huber", Masking, GRAY),
    "gray-logits": (Conv, "log_loss", Patches, scaled(GRAY)),
    "color": (Conv, "absolute_error", Patches, COLOR),
    "module": (DenseModule, "squared_error", Masking, TABLE),
    "module-color": (ConvModule, "squared_error", Patches, COLOR),
}


@pytest.mark.parametrize("weight", [1.0, 0.7, 0.0])
@pytest.mark.parametrize("name", CASES)
def test_the_loss_weighs_masked_and_visible_values(name, weight):
    """The loss weighs the means over masked and visible values, also in validation."""
    make, loss, corruption, X = CASES[name]
    corruption = corruption((0.1, 0.5), masked_weight=weight)
    net = training_net(make(loss=loss, corruption=corruption), X)
    module = net.module_.eval()
    x, target, visible = prepare_batch(net, Batch(as_rows(X), None), generator())
    x_hat = module(x).x_hat.detach().requires_grad_()
    losses = net.criterion_.sample_losses(x_hat, target, visible=visible)
    losses.sum().backward()
    evaluated = net.evaluate(Batch(as_rows(X), None), generator())
    assert all(torch.equal(one, losses) for one in evaluated)

    def rows(values):
        if module.output == "sigmoid":
            return values.detach()
        return module.from_training_space(values.detach())

    masked = masked_rows(net, corruption, X).numpy()
    values = ELEMENTWISE[loss](rows(x_hat).numpy(), rows(target).numpy())
    expected = np.zeros(len(X))
    for i, its_masked in enumerate(masked):
        parts = ((its_masked, weight), (~its_masked, 1 - weight))
        parts = [(values[i][mask].mean(), share) for mask, share in parts if mask.any()]
        if sum(share for _, share in parts) > 0:
            expected[i] = np.average([mean for mean, _ in parts], weights=[w for _, w in parts])
    padded = module.n_features / net.criterion_.n_training_features
    np.testing.assert_allclose(losses.detach().numpy(), expected * padded, rtol=2e-4)
    gradient = rows(x_hat.grad).numpy()
    for mask, its_weight in ((masked, weight), (~masked, 1 - weight)):
        assert (gradient[mask] != 0).any() == (its_weight > 0)


@pytest.mark.parametrize("name", ["dense", "gray", "module-color"])
def test_the_weight_does_not_change_the_masks(name):
    """Equal seeds mask the same values for each weight, and equal fits have equal bits."""
    make, loss, corruption, X = CASES[name]
    inputs = []
    for weight in ("auto", 1.0):
        estimator = make(loss=loss, corruption=corruption(0.3, masked_weight=weight), max_iter=2)
        net = training_net(estimator, X)
        x, _, visible = prepare_batch(net, Batch(as_rows(X), None), generator())
        assert (visible is None) == (weight == "auto")
        inputs.append(net.module_.from_training_space(x))
    torch.testing.assert_close(inputs[0], inputs[1], rtol=1e-4, atol=1e-4)
    codes = [clone(estimator).fit(X).transform(X) for _ in range(2)]
    np.testing.assert_array_equal(codes[0], codes[1])


def test_the_weight_of_equal_values_is_the_share_of_masked_values():
    """A weight equal to the share of masked values has the same losses as "auto"."""
    curves = []
    for weight in ("auto", 36 / 99):
        corruption = Patches(36 / 99, masked_weight=weight)
        model = Conv(corruption=corruption, max_iter=3, early_stopping=False).fit(GRAY)
        curves.append(model.loss_curve_)
    np.testing.assert_allclose(curves[0], curves[1], rtol=1e-4)


@pytest.mark.parametrize("make", [Dense, Conv])
def test_missing_values_have_the_weight_of_imputation(make):
    """With `allow_nan`, the weight 0.9 is "auto", and another weight has another result."""
    X = TABLE if make is Dense else GRAY
    X = X.copy()
    X.flat[::7] = np.nan
    codes = [
        make(
            corruption=Masking(0.3, masked_weight=weight),
            allow_nan=True,
            max_iter=2,
            early_stopping=False,
        )
        .fit(X)
        .transform(X)
        for weight in ("auto", 0.9, 0.5)
    ]
    np.testing.assert_array_equal(codes[0], codes[1])
    assert not np.array_equal(codes[0], codes[2])


def test_combinations_without_a_weight_of_masked_values_are_errors():
    """Losses of whole samples, restorers, views, and networks in PCA space have no such weight."""
    corruption = Masking(0.3, masked_weight=1.0)
    with pytest.raises(ValueError, match=r"masked_weight=1\.0.*not computed for each value"):
        Dense(corruption=corruption, loss=lambda x_hat, x: (x_hat - x).square().mean(1)).fit(TABLE)
    with pytest.raises(ValueError, match=r"masked_weight=1\.0.*a restorer has no weight"):
        ImageRestorer(corruption, n_filters=2, max_iter=1).fit(GRAY)
    with pytest.raises(ValueError, match=r"views=Masking.*have no reconstruction loss"):
        Dense(penalty=Spread(views=corruption)).fit(TABLE)
    with pytest.raises(ValueError, match=r"masked_weight.*in the range"):
        Dense(corruption=Masking(masked_weight=1.5)).fit(TABLE)
    model = Dense(warm_start=True, max_iter=1, early_stopping=False).fit(TABLE)
    with pytest.raises(ValueError, match="trained on principal coordinates"):
        model.set_params(corruption=corruption).fit(TABLE)
    model = Dense(corruption=corruption, warm_start=True, max_iter=1, early_stopping=False)
    assert model.fit(TABLE).set_params(corruption=None).fit(TABLE).n_iter_ == 1
