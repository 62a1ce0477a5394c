"""Recorded training steps, with a substitute of CUDA graphs on the CPU."""

import numpy as np
import pytest
import torch

from skae import ConvAutoencoder, DenseAutoencoder, ImageRestorer
from skae._training import cuda_graphs
from skae._training.net import AutoencoderNet
from skae.corruptions import Gaussian
from skae.networks.dense import DenseNetwork

from ..cases import label

N_STEPS = 80


class EagerGraph:
    """A graph that runs its function again: like a recording, it reads the same tensors each time."""

    graphs: list["EagerGraph"] = []

    def __init__(self, device):
        self.n_warm_up, self.n_replays = 0, 0
        self.graphs.append(self)

    def warm_up(self, function):
        self.n_warm_up += 1
        return function()

    def record(self, function):
        self.function = function

    def replay(self):
        self.n_replays += 1
        return self.function()

    def release(self):
        self.is_released = True


@pytest.fixture
def graphs(monkeypatch):
    """Record steps on the CPU; return the list of all graphs."""
    monkeypatch.setitem(cuda_graphs.GRAPHS, "cpu", EagerGraph)
    monkeypatch.setattr(EagerGraph, "graphs", [])
    return EagerGraph.graphs


def rows(n_samples=130):
    """Generate rows on a curved surface."""
    Z = np.random.default_rng(0).normal(size=(n_samples, 2))
    return np.c_[Z, np.sin(2 * Z), Z**2, Z[:, :1] * Z[:, 1:]].astype(np.float32)


def images(n_samples=130):
    """Generate images of 8 x 8 pixels."""
    return np.random.default_rng(0).integers(0, 256, (n_samples, 8, 8), dtype=np.uint8)


def dense(**parameters):
    """Create a small dense autoencoder with batches of 16, the last one of 2."""
    parameters = {"batch_size": 16, "max_iter": 10, "early_stopping": False, **parameters}
    return DenseAutoencoder(2, hidden_layer_sizes=(8,), random_state=0, **parameters)


def fit_eagerly(estimator, X, monkeypatch, **fit_parameters):
    """Fit without graphs."""
    with monkeypatch.context() as patch:
        patch.setattr(cuda_graphs, "USE_CUDA_GRAPHS", False)
        return estimator.fit(X, **fit_parameters)


def conv():
    """Create a small convolutional autoencoder, whose gradients are clipped."""
    return ConvAutoencoder(
        2, n_filters=2, batch_size=16, max_iter=10, early_stopping=False, random_state=0
    )


@pytest.mark.parametrize(
    ("make", "X"),
    [
        (dense, rows()),
        (lambda: dense(early_stopping=True, batch_size=8), rows()),
        (lambda: dense(precision="bfloat16"), rows()),
        (lambda: dense(solver="adam", loss="huber"), rows()),
        (conv, images()),
    ],
    ids=["dense", "folds", "bfloat16", "adam", "conv"],
)
def test_recorded_steps_are_the_same(make, X, graphs, monkeypatch):
    """A fit with a recorded step has the weights of a fit without one."""
    expected = fit_eagerly(make(), X, monkeypatch)
    assert not graphs
    fitted = make().fit(X)
    assert len(graphs) == 1
    assert graphs[0].n_warm_up == cuda_graphs.N_EAGER_STEPS
    assert graphs[0].n_replays >= cuda_graphs.MIN_STEPS
    # the learning rate in a tensor is rounded to float32
    np.testing.assert_allclose(fitted.loss_curve_, expected.loss_curve_, rtol=1e-5)
    np.testing.assert_allclose(
        fitted.reconstruct(X), expected.reconstruct(X), rtol=1e-3, atol=1e-3 * np.abs(X).max()
    )


def test_sample_weights_are_copied(graphs, monkeypatch):
    """The weights of each batch take part in a recorded step."""
    weights = np.random.default_rng(1).uniform(0, 2, 130)
    expected = fit_eagerly(dense(), rows(), monkeypatch, sample_weight=weights)
    fitted = dense().fit(rows(), sample_weight=weights)
    assert len(graphs) == 1
    np.testing.assert_allclose(fitted.loss_curve_, expected.loss_curve_, rtol=1e-5)


def test_other_batches_run_as_usual(graphs):
    """The last batch of each epoch has another shape, and is not recorded."""
    dense().fit(rows())
    # 10 epochs of 8 batches of 16 rows, and one of 2 rows
    assert graphs[0].n_warm_up + graphs[0].n_replays == N_STEPS


def test_the_shape_of_the_first_batch_is_recorded(graphs):
    """The fourth batch is the last of an epoch, and smaller than the others."""
    dense(batch_size=40, max_iter=20).fit(rows())
    # 20 epochs of 3 batches of 40 rows, and one of 10 rows, of which the first epoch runs as usual
    assert graphs[0].n_warm_up == 3
    assert graphs[0].n_replays == 19 * 3


def test_a_restorer_is_recorded(graphs, monkeypatch):
    """The steps of a restorer draw their noise outside of the recording."""
    X = np.random.default_rng(0).random((16, 16, 16)).astype(np.float32)

    def make():
        return ImageRestorer(
            Gaussian(0.1), n_filters=4, batch_size=4, max_iter=15, random_state=0, patch_size=16
        )

    expected = fit_eagerly(make(), X, monkeypatch)
    fitted = make().fit(X)
    assert len(graphs) == 1
    np.testing.assert_allclose(fitted.loss_curve_, expected.loss_curve_, rtol=1e-4)


@pytest.mark.parametrize(
    "parameters",
    [
        {"bottleneck": "variational"},
        {"bottleneck": "ordered"},
        {"corruption": "gaussian"},
        {"penalty": "contraction"},
        {"loss": lambda x_hat, x: (x_hat - x).square().mean(1)},
        {"solver": "rmsprop"},
        {"solver": torch.optim.SGD},
        {"allow_nan": True},
        {"max_iter": 2},
    ],
    ids=label,
)
def test_other_steps_are_not_recorded(parameters, graphs):
    """Steps with random numbers, functions of the user or other optimizers are not recorded."""
    dense(**parameters).fit(rows())
    assert not graphs


def test_networks_of_users_are_not_recorded(graphs, monkeypatch):
    """A network with modules of the user may draw random numbers, or wait for the device."""
    monkeypatch.setattr(DenseNetwork, "is_static", False)
    dense().fit(rows())
    assert not graphs


def test_checkpointed_trainings_are_not_recorded(graphs, tmp_path):
    """A training with checkpoints is not recorded, since it could not be resumed elsewhere."""
    dense(checkpoint_dir=tmp_path).fit(rows())
    assert not graphs


def test_the_optimizer_is_restored(graphs):
    """After partial_fit the optimizer has its own settings, and no graph is left."""
    X = rows(1000)
    autoencoder = dense().partial_fit(X)
    assert len(graphs) == 1
    net = autoencoder.net_
    group = net.optimizer_.param_groups[0]
    assert group["lr"] == net.lr
    assert group["capturable"] is False
    assert net.recorder_.graph is None
    assert graphs[0].is_released
    assert net.recorder_.batch is None
    assert all(weight.grad is None for weight in net.module_.parameters())
    autoencoder.partial_fit(X)
    assert len(graphs) == 2


@pytest.mark.parametrize("error", [RuntimeError, torch.OutOfMemoryError])
def test_a_failed_recording_does_not_end_the_training(error, graphs, monkeypatch):
    """The training goes on without a recording, with the same steps and in the same parts."""

    class FailingGraph(EagerGraph):
        def record(self, function):
            with monkeypatch.context() as patch:
                patch.setattr(AutoencoderNet, "backward", fail)
                function()

    def fail(*args):
        raise error("too much.")

    monkeypatch.setitem(cuda_graphs.GRAPHS, "cpu", FailingGraph)
    expected = fit_eagerly(dense(), rows(), monkeypatch)
    with pytest.warns(UserWarning, match="could not be recorded as a CUDA graph: too much"):
        fitted = dense().fit(rows())
    assert len(graphs) == 1
    assert graphs[0].n_replays == 0
    np.testing.assert_allclose(fitted.loss_curve_, expected.loss_curve_, rtol=1e-5)


def test_trainings_share_streams(monkeypatch):
    """Trainings one after another use one stream, and trainings at the same time use two."""

    class Stream:
        def __init__(self, device):
            self.device = device

        def wait_stream(self, stream):
            pass

    class Graph:
        def reset(self):
            pass

    monkeypatch.setattr(cuda_graphs, "free_streams", {})
    monkeypatch.setattr(torch.cuda, "Stream", Stream)
    monkeypatch.setattr(torch.cuda, "CUDAGraph", Graph)
    monkeypatch.setattr(torch.cuda, "current_stream", Stream)
    first, other = (cuda_graphs.CudaGraph(torch.device("cuda", 0)) for _ in range(2))
    assert first.stream is not other.stream
    stream = first.stream
    first.release()
    elsewhere = cuda_graphs.CudaGraph(torch.device("cuda", 1))
    assert elsewhere.stream.device == torch.device("cuda", 1)
    assert cuda_graphs.CudaGraph(torch.device("cuda", 0)).stream is stream


def test_the_default_records_nothing_on_the_cpu():
    """No step is recorded on the CPU."""
    assert "cpu" not in cuda_graphs.GRAPHS
    assert dense().fit(rows()).net_.device.type == "cpu"
