"""Objectives against NumPy."""

import numpy as np
import pytest
import torch
from sklearn.metrics import log_loss as sklearn_log_loss

from skae import objectives
from skae._objective import Objective


def pair(*shape, seed=0):
    """Two tensors and their float64 arrays."""
    generator = torch.Generator().manual_seed(seed)
    x_hat, x = torch.randn(*shape, generator=generator), torch.rand(*shape, generator=generator)
    return (x_hat, x), (x_hat.double().numpy(), x.double().numpy())


@pytest.mark.parametrize("shape", [(5, 3), (1, 1), (4, 2, 3), (3, 2, 4, 5)])
@pytest.mark.parametrize(
    ("function", "expected"),
    [
        (objectives.squared_error, lambda a, b: np.square(a - b)),
        (objectives.absolute_error, lambda a, b: np.abs(a - b)),
        (objectives.log_loss, lambda a, b: np.log1p(np.exp(a)) - a * b),
    ],
)
def test_one_loss_per_row(shape, function, expected):
    """Each objective averages over everything but the first dimension."""
    tensors, arrays = pair(*shape)
    found = function(*tensors)
    assert found.shape == (shape[0],)
    np.testing.assert_allclose(found.numpy(), expected(*arrays).reshape(shape[0], -1).mean(1), rtol=1e-5)


def test_log_loss_of_binary_targets_is_that_of_scikit_learn():
    """For zeros and ones the cross-entropy of the sigmoid is scikit-learn's log_loss."""
    logits, target = torch.tensor([[-2.0, 0.5, 3.0, 0.0]]), torch.tensor([[0.0, 1.0, 1.0, 0.0]])
    expected = sklearn_log_loss(target[0].numpy(), logits[0].double().sigmoid().numpy())
    assert float(objectives.log_loss(logits, target)[0]) == pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize(("logit", "target", "expected"), [(200.0, 0, 200), (-200.0, 1, 200), (200.0, 1, 0), (1e30, 0, 1e30)])
def test_log_loss_of_large_logits_does_not_overflow(logit, target, expected):
    """A logit that no exponential holds costs what it should, and has a finite gradient."""
    x_hat = torch.tensor([[logit]], requires_grad=True)
    loss = objectives.log_loss(x_hat, torch.tensor([[float(target)]]))
    loss.sum().backward()
    assert float(loss.detach()) == pytest.approx(expected)
    assert torch.isfinite(x_hat.grad).all()


def test_overflow_shows():
    """A squared difference beyond float32 is infinity, not a wrong number; the absolute one is finite."""
    x_hat, x = torch.tensor([[1e30]]), torch.tensor([[-1e30]])
    assert torch.isinf(objectives.squared_error(x_hat, x)).all()
    assert float(objectives.absolute_error(x_hat, x)) == pytest.approx(2e30)


@pytest.mark.parametrize("function", [objectives.squared_error, objectives.absolute_error, objectives.log_loss])
def test_gradients(function):
    """Gradients agree with differences."""
    generator = torch.Generator().manual_seed(1)
    x_hat = torch.randn(3, 4, dtype=torch.float64, generator=generator, requires_grad=True)
    x = torch.rand(3, 4, dtype=torch.float64, generator=generator)
    assert torch.autograd.gradcheck(lambda a: function(a, x), x_hat)


def test_weighted_mean():
    """A weight says how often a row counts; without weights all count once."""
    losses = torch.tensor([1.0, 2.0, 6.0])
    assert float(objectives.weighted_mean(losses)) == 3
    assert float(objectives.weighted_mean(losses, torch.tensor([1.0, 3.0, 0.0]))) == pytest.approx(7 / 4)
    assert float(objectives.weighted_mean(losses, torch.tensor([2.0, 2.0, 2.0]))) == pytest.approx(3)


def test_criterion_takes_rows_of_copies():
    """Rows that lie along two dimensions, of copies of a network, are judged as one pile, or each for itself."""
    (x_hat, x), (a, b) = pair(2, 5, 3)
    weights = torch.rand(2, 5)
    each = np.square(a - b).mean(2)
    criterion = Objective(objectives.squared_error)
    np.testing.assert_allclose(criterion(x_hat, x, weights, each=True).numpy(), each, rtol=1e-5)
    expected = np.average(each, weights=weights.numpy())
    assert float(criterion(x_hat, x, weights)) == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize(
    ("function", "expected", "padding", "n_working"),
    [
        (objectives.squared_error, lambda a, b: np.square(a - b), 0, 5),
        (objectives.squared_error, lambda a, b: np.square(a - b), 4, 9),
        (objectives.absolute_error, lambda a, b: np.abs(a - b), 0, 5),
        (objectives.absolute_error, lambda a, b: np.abs(a - b), 4, 9),
        (objectives.log_loss, lambda a, b: np.log1p(np.exp(a)) - a * b, 0, 5),
        # of images whose sizes are filled up, numbers between 0 and 1 are compared without what they are filled up with
        (objectives.log_loss, lambda a, b: np.log1p(np.exp(a)) - a * b, 0, 9),
    ],
)
def test_gaps_are_left_out_of_the_mean(function, expected, padding, n_working):
    """A row's loss is the mean over what is there of it, and gaps have no gradient; what images are padded with is nothing."""
    (x_hat, x), (a, b) = pair(6, 5)
    gone = torch.rand(6, 5, generator=torch.Generator().manual_seed(2)) < 0.4
    gone[0], gone[1] = True, False
    x[gone], b[gone.numpy()] = torch.nan, np.nan
    x_hat, x = (torch.nn.functional.pad(part, (0, padding)) for part in (x_hat, x))
    x_hat.requires_grad_()
    criterion = Objective(function, n_features=5, n_working=n_working, allow_nan=True)
    found = criterion(x_hat, x, each=True)
    share = 5 / (5 + padding) if padding else 1.0
    wanted = np.array([np.nanmean(row) if np.isfinite(row).any() else 0 for row in expected(a, b)]) * share
    np.testing.assert_allclose(found.detach().numpy(), wanted, rtol=1e-5, atol=1e-6)
    found.sum().backward()
    assert (x_hat.grad[:, :5][gone] == 0).all()


@pytest.mark.parametrize("padding", [0, 3])
def test_what_damage_hid_is_nine_tenths_of_the_loss(padding):
    """A row's loss weighs two means, over what is seen and what is not, or is the one that there is; also for copies."""
    (x_hat, x), (a, b) = pair(6, 5)
    gone = torch.rand(6, 5, generator=torch.Generator().manual_seed(2)) < 0.3
    seen = torch.rand(6, 5, generator=torch.Generator().manual_seed(3)) < 0.6
    gone[0], seen[1], seen[2], gone[1:3] = True, True, False, False
    x[gone], seen = torch.nan, seen & ~gone
    squares, known, seen_too = np.square(a - b), ~gone.numpy(), seen.numpy()
    wanted = []
    for row, there, visible in zip(squares, known, seen_too, strict=True):
        parts = [(some, share) for some, share in ((there & visible, 0.1), (there & ~visible, 0.9)) if some.any()]
        wanted.append(np.average([row[some].mean() for some, _ in parts], weights=[w for _, w in parts]) if parts else 0.0)
    x_hat, x = (torch.nn.functional.pad(part, (0, padding)) for part in (x_hat, x))
    seen = torch.nn.functional.pad(seen, (0, padding), value=True)
    criterion = Objective(n_features=5, n_working=5 + padding, allow_nan=True)
    wanted = np.array(wanted) * 5 / (5 + padding)
    np.testing.assert_allclose(criterion(x_hat, x, seen=seen, each=True).numpy(), wanted, rtol=1e-5)
    copies = [part.unflatten(0, (2, 3)) for part in (x_hat, x, seen)]
    assert float(criterion(copies[0], copies[1], seen=copies[2])) == pytest.approx(wanted.mean(), rel=1e-5)
