"""Losses against NumPy and scikit-learn."""

import numpy as np
import pytest
import torch
from sklearn.metrics import log_loss as sklearn_log_loss

from skae._training.batch_loss import BatchLoss, weighted_mean
from skae.losses import AbsoluteError, Huber, LogLoss, SquaredError

from .cases import label


def huber(x_hat, x, delta):
    """Return the Huber loss of each value: squared up to delta, and linear with the same slope."""
    deviation = np.abs(x_hat - x)
    return np.where(deviation <= delta, np.square(deviation), delta * (2 * deviation - delta))


EXPECTED = [
    (SquaredError(), lambda a, b: np.square(a - b)),
    (AbsoluteError(), lambda a, b: np.abs(a - b)),
    (Huber(), lambda a, b: huber(a, b, 1.0)),
    (Huber(0.3), lambda a, b: huber(a, b, 0.3)),
    (LogLoss(), lambda a, b: np.log1p(np.exp(a)) - a * b),
]
"""Losses, and the loss of each value in NumPy."""


def pair(*shape, seed=0):
    """Return reconstructions and inputs as tensors, and as float64 arrays."""
    generator = torch.Generator().manual_seed(seed)
    x_hat, x = torch.randn(*shape, generator=generator), torch.rand(*shape, generator=generator)
    return (x_hat, x), (x_hat.double().numpy(), x.double().numpy())


@pytest.mark.parametrize("shape", [(5, 3), (1, 1), (4, 2, 3), (3, 2, 4, 5)])
@pytest.mark.parametrize(("function", "expected"), EXPECTED, ids=label)
def test_one_loss_per_sample(shape, function, expected):
    """Each loss is the mean over all dimensions but the first."""
    tensors, arrays = pair(*shape)
    loss = function(*tensors)
    assert function.elementwise(*tensors).shape == shape
    assert loss.shape == (shape[0],)
    means = expected(*arrays).reshape(shape[0], -1).mean(1)
    np.testing.assert_allclose(loss.numpy(), means, rtol=1e-5)


def test_log_loss_of_binary_targets_agrees_with_scikit_learn():
    """For targets 0 and 1 the loss is scikit-learn's log_loss of the sigmoid."""
    logits, target = torch.tensor([[-2.0, 0.5, 3.0, 0.0]]), torch.tensor([[0.0, 1.0, 1.0, 0.0]])
    expected = sklearn_log_loss(target[0].numpy(), logits[0].double().sigmoid().numpy())
    assert float(LogLoss()(logits, target)[0]) == pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize(
    ("logit", "target", "expected"),
    [(200.0, 0, 200), (-200.0, 1, 200), (200.0, 1, 0), (1e30, 0, 1e30)],
)
def test_log_loss_of_large_logits_does_not_overflow(logit, target, expected):
    """The loss of a logit with an infinite exponential is exact, and its gradient is finite."""
    x_hat = torch.tensor([[logit]], requires_grad=True)
    loss = LogLoss()(x_hat, torch.tensor([[float(target)]]))
    loss.sum().backward()
    assert float(loss.detach()) == pytest.approx(expected)
    assert torch.isfinite(x_hat.grad).all()


def test_overflow_is_infinity():
    """A squared error beyond float32 is infinity; the absolute error is finite."""
    x_hat, x = torch.tensor([[1e30]]), torch.tensor([[-1e30]])
    assert torch.isinf(SquaredError()(x_hat, x)).all()
    assert float(AbsoluteError()(x_hat, x)) == pytest.approx(2e30)


@pytest.mark.parametrize(
    "function", [SquaredError(), AbsoluteError(), Huber(), Huber(0.3), LogLoss()], ids=label
)
def test_gradients(function):
    """Gradients agree with finite differences."""
    generator = torch.Generator().manual_seed(1)
    x_hat = torch.randn(3, 4, dtype=torch.float64, generator=generator, requires_grad=True)
    x = torch.rand(3, 4, dtype=torch.float64, generator=generator)
    assert torch.autograd.gradcheck(lambda a: function(a, x), x_hat)


def test_weighted_mean():
    """Weights are sample weights; without them the mean is unweighted."""
    values = torch.tensor([1.0, 2.0, 6.0])
    assert float(weighted_mean(values)) == 3
    assert float(weighted_mean(values, torch.tensor([1.0, 3.0, 0.0]))) == pytest.approx(7 / 4)
    assert float(weighted_mean(values, torch.tensor([2.0, 2.0, 2.0]))) == pytest.approx(3)


def test_batch_loss_of_stacked_networks():
    """Samples along two dimensions, of stacked networks, have one loss in all, or one each."""
    (x_hat, x), (a, b) = pair(2, 5, 3)
    weights = torch.rand(2, 5)
    each = np.square(a - b).mean(2)
    criterion = BatchLoss(SquaredError())
    np.testing.assert_allclose(criterion.sample_losses(x_hat, x, weights).numpy(), each, rtol=1e-5)
    expected = np.average(each, weights=weights.numpy())
    assert float(criterion(x_hat, x, weights)) == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize(
    ("function", "expected", "padding", "n_training_features"),
    [
        *[(function, expected, 0, 5) for function, expected in EXPECTED],
        *[(function, expected, 4, 9) for function, expected in EXPECTED[:4]],
        (*EXPECTED[4], 0, 9),  # padding of images is left out of the log loss
    ],
    ids=label,
)
def test_missing_values_are_left_out_of_the_mean(function, expected, padding, n_training_features):
    """A loss is the mean over observed features; missing values and padding do not count."""
    (x_hat, x), (a, b) = pair(6, 5)
    missing = torch.rand(6, 5, generator=torch.Generator().manual_seed(2)) < 0.4
    missing[0], missing[1] = True, False
    x[missing], b[missing.numpy()] = torch.nan, np.nan
    x_hat, x = (torch.nn.functional.pad(values, (0, padding)) for values in (x_hat, x))
    x_hat.requires_grad_()
    criterion = BatchLoss(
        function, n_features=5, n_training_features=n_training_features, allow_nan=True
    )
    loss = criterion.sample_losses(x_hat, x)
    observed = np.isfinite(b)
    n_observed = np.maximum(observed.sum(1), 1)
    means = np.where(observed, expected(a, b), 0).sum(1) / n_observed * 5 / (5 + padding)
    np.testing.assert_allclose(loss.detach().numpy(), means, rtol=1e-5, atol=1e-6)
    loss.sum().backward()
    assert (x_hat.grad[:, :5][missing] == 0).all()


@pytest.mark.parametrize("padding", [0, 3])
def test_hidden_values_are_nine_tenths_of_the_loss(padding):
    """A loss weighs the means over visible and hidden values, or is the only mean that exists."""
    (x_hat, x), (a, b) = pair(6, 5)
    missing = torch.rand(6, 5, generator=torch.Generator().manual_seed(2)) < 0.3
    seen = torch.rand(6, 5, generator=torch.Generator().manual_seed(3)) < 0.6
    missing[0], seen[1], seen[2], missing[1:3] = True, True, False, False
    x[missing], seen = torch.nan, seen & ~missing
    squares, observed, visible = np.square(a - b), ~missing.numpy(), seen.numpy()
    expected = np.zeros(6)
    for i in range(6):
        means, weights = [], []
        for mask, weight in ((visible[i], 0.1), (observed[i] & ~visible[i], 0.9)):
            if mask.any():
                means.append(squares[i][mask].mean())
                weights.append(weight)
        if means:
            expected[i] = np.average(means, weights=weights)
    expected = expected * 5 / (5 + padding)
    x_hat, x = (torch.nn.functional.pad(values, (0, padding)) for values in (x_hat, x))
    seen = torch.nn.functional.pad(seen, (0, padding), value=True)
    criterion = BatchLoss(
        SquaredError(), n_features=5, n_training_features=5 + padding, allow_nan=True
    )
    losses = criterion.sample_losses(x_hat, x, visible=seen).numpy()
    np.testing.assert_allclose(losses, expected, rtol=1e-5)
    stacked = [values.unflatten(0, (2, 3)) for values in (x_hat, x, seen)]
    loss = float(criterion(stacked[0], stacked[1], visible=stacked[2]))
    assert loss == pytest.approx(expected.mean(), rel=1e-5)
