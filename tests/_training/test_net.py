"""Tests of training with skorch: learning rates, callbacks, interruption and divergence."""

import copy
import pickle
import warnings

import numpy as np
import pytest
import skorch
import torch
from sklearn.linear_model import LinearRegression
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.pipeline import make_pipeline
from skorch.callbacks import (
    Callback,
    Checkpoint,
    EarlyStopping,
    EpochScoring,
    GradientNormClipping,
    LRScheduler,
)
from torch.optim.lr_scheduler import StepLR

from skae import ConvAutoencoder, DenseAutoencoder, ReconstructionDetector

FAST = {
    "n_components": 2,
    "max_iter": 4,
    "early_stopping": False,
    "random_state": 0,
    "batch_size": 20,
}


def dense(**parameters):
    """Create a small dense autoencoder."""
    return DenseAutoencoder(**{**FAST, "hidden_layer_sizes": (8,), **parameters})


def conv(**parameters):
    """Create a small convolutional autoencoder."""
    return ConvAutoencoder(**{**FAST, "n_filters": 2, **parameters})


makers = pytest.mark.parametrize("make", [dense, conv])


class Recorder(Callback):
    """Records the calls of its methods in a list that copies of the callback share."""

    def __init__(self, calls):
        self.calls = calls

    def __deepcopy__(self, memo):
        return Recorder(self.calls)

    def on_train_begin(self, net, **kwargs):
        self.calls.append("train begin")

    def on_train_end(self, net, **kwargs):
        self.calls.append("train end")

    def on_epoch_begin(self, net, **kwargs):
        self.calls.append("epoch begin")

    def on_epoch_end(self, net, **kwargs):
        self.calls.append("epoch end")

    def on_batch_end(self, net, batch, training, loss, **kwargs):
        assert training
        assert torch.isfinite(loss)
        self.calls.append("batch end")

    def on_grad_computed(self, net, named_parameters, **kwargs):
        assert any(parameter.grad is not None for _, parameter in named_parameters)
        self.calls.append(f"rate {net.optimizer_.param_groups[0]['lr']:.12f}")


@makers
def test_the_net_is_skorchs(make, rows):
    """net_ is a skorch.NeuralNet with a torch module."""
    estimator = make().fit(rows)
    assert isinstance(estimator.net_, skorch.NeuralNet)
    assert isinstance(estimator.net_.module_, torch.nn.Module)
    assert not estimator.net_.module_.training
    assert len(estimator.net_.history) == 4


@makers
def test_callbacks_are_called_in_order(make, rows):
    """Methods for training, epochs and batches are called in the order of skorch."""
    calls = []
    make(net_params={"callbacks": [Recorder(calls)]}).fit(rows)
    kinds = [call for call in calls if not call.startswith("rate")]
    assert kinds == [
        "train begin",
        *(["epoch begin", *["batch end"] * 3, "epoch end"] * 4),
        "train end",
    ]


@makers
def test_linear_warm_up_and_decay(make, rows):
    """The learning rate rises linearly for a quarter of all steps, then decays linearly to zero."""
    calls = []
    make(net_params={"callbacks": [Recorder(calls)]}, learning_rate_init=0.01).fit(rows)
    rates = np.array([float(call.split()[1]) for call in calls if call.startswith("rate")])
    assert len(rates) == 12
    assert rates.max() == pytest.approx(0.01)
    assert rates.argmax() in (2, 3)
    np.testing.assert_allclose(np.diff(rates[:3]), np.diff(rates[:3])[0])
    np.testing.assert_allclose(np.diff(rates[3:]), np.diff(rates[3:])[0], rtol=1e-5)
    assert (rates > 0).all()
    assert rates[-1] < 0.002


@makers
@pytest.mark.parametrize("solver", ["adamw", "adam", "rmsprop", "sgd"])
def test_learning_rate_init_is_the_peak_for_every_solver(make, solver, rows):
    """The peak of the learning rate is learning_rate_init for every solver."""
    calls = []
    net_params = {"callbacks": [Recorder(calls)]}
    make(solver=solver, net_params=net_params, learning_rate_init=1e-3).fit(rows)
    rates = [float(call.split()[1]) for call in calls if call.startswith("rate")]
    assert max(rates) == pytest.approx(1e-3)


@makers
def test_learning_rate_scheduler_of_the_user(make, rows):
    """With skorch's LRScheduler among the callbacks, the learning rate is that of the scheduler."""
    calls = []
    callbacks = [LRScheduler(StepLR, step_size=1, gamma=0.5), Recorder(calls)]
    make(net_params={"callbacks": callbacks}, learning_rate_init=0.008).fit(rows)
    rates = [float(call.split()[1]) for call in calls if call.startswith("rate")]
    np.testing.assert_allclose(rates, np.repeat([0.008, 0.004, 0.002, 0.001], 3))


@makers
def test_early_stopping_of_skorch_emits_no_warning(make, rows):
    """A callback that stops the training ends it without a warning, and the estimator is fitted."""
    stop = EarlyStopping(
        monitor="train_loss", patience=2, threshold=1e9, threshold_mode="abs", sink=lambda _: None
    )
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        estimator = make(net_params={"callbacks": [stop]}, max_iter=30).fit(rows)
    assert 1 <= estimator.n_iter_ <= 4
    assert len(estimator.loss_curve_) == estimator.n_iter_
    assert np.isfinite(estimator.transform(rows)).all()


@makers
@pytest.mark.parametrize("early_stopping", [True, False])
def test_history_has_the_validation_loss(make, early_stopping, rows):
    """The history has a valid_loss if there is a validation set, for skorch's callbacks."""
    stop = EarlyStopping(
        monitor="valid_loss" if early_stopping else "train_loss", patience=50, sink=lambda _: None
    )
    estimator = make(early_stopping=early_stopping, net_params={"callbacks": [stop]}).fit(rows)
    assert ("valid_loss" in estimator.net_.history[-1]) == early_stopping
    assert "train_loss" in estimator.net_.history[-1]


@makers
def test_a_keyboard_interrupt_out_of_a_callback_is_a_stop(make, rows):
    """A KeyboardInterrupt raised in on_epoch_end stops the training without a warning."""

    class Stop(Callback):
        def on_epoch_end(self, net, **kwargs):
            if len(net.history) == 2:
                raise KeyboardInterrupt

    with warnings.catch_warnings():
        warnings.simplefilter("error")
        estimator = make(net_params={"callbacks": [Stop()]}).fit(rows)
    assert estimator.n_iter_ == 2


@makers
def test_checkpoint(make, rows, tmp_path):
    """Skorch's Checkpoint writes the weights of the best epoch."""
    checkpoint = Checkpoint(
        monitor="train_loss_best", dirname=str(tmp_path), f_optimizer=None, f_history=None
    )
    estimator = make(net_params={"callbacks": [checkpoint]}).fit(rows)
    saved = torch.load(tmp_path / "params.pt", weights_only=True)
    assert saved.keys() == estimator.net_.module_.state_dict().keys()


@makers
def test_clipping_of_gradients(make, rows):
    """GradientNormClipping, which acts on each batch, changes the trained weights."""
    tiny = make(solver="sgd", net_params={"callbacks": [GradientNormClipping(1e-12)]}).fit(rows)
    free = make(solver="sgd").fit(rows)
    start = make(solver="sgd", learning_rate_init=1e-12).fit(rows)
    np.testing.assert_allclose(tiny.transform(rows), start.transform(rows), atol=1e-4)
    assert np.abs(free.transform(rows) - start.transform(rows)).max() > 1e-3


class Norms(Callback):
    """Records the norm of the gradient of each step in a list that copies share."""

    def __init__(self, calls):
        self.calls = calls

    def __deepcopy__(self, memo):
        return Norms(self.calls)

    def on_grad_computed(self, net, named_parameters, **kwargs):
        gradients = [
            parameter.grad for _, parameter in named_parameters if parameter.grad is not None
        ]
        self.calls.append(float(torch.cat([gradient.flatten() for gradient in gradients]).norm()))


@makers
def test_gradients_of_convolutions_are_clipped(make, rows):
    """With convolutions no gradient is longer than twice a running norm, which rises by at most 5% per step."""
    norms, few = [], rows[:20].copy()
    few[7] += 1000 * np.random.default_rng(0).normal(
        size=8
    )  # the batch of this row has a gradient far longer than usual
    make(batch_size=2, net_params={"callbacks": [Norms(norms)]}).fit(few)
    usual, bounds = norms[0], []
    for norm in norms:
        usual = min(0.95 * usual + 0.05 * norm, 1.05 * usual)
        bounds.append(2 * usual)
    norms, bounds = np.array(norms), np.array(bounds)
    assert len(norms) == 40
    if make is dense:
        assert (norms > 3 * bounds).any()
    else:
        assert (norms <= 1.0001 * bounds).all()
        assert np.isclose(norms, bounds, rtol=1e-4).any()
        assert (norms < 0.99 * bounds).any()


@makers
def test_optimizer_parameters_reach_torch(make, rows):
    """Keys with the prefix optimizer__ are passed to the optimizer, such as weight_decay."""

    def size(estimator):
        weights = estimator.fit(rows).net_.module_.state_dict()
        return sum(
            float(weight.square().sum()) for name, weight in weights.items() if "hidden" in name
        )

    plain = make(learning_rate_init=0.05)
    assert size(
        make(learning_rate_init=0.05, net_params={"optimizer__weight_decay": 5.0})
    ) < 0.6 * size(plain)


@makers
def test_weights_do_not_decay_by_default(make, rows):
    """Training with the default solver equals training with a weight decay of zero."""
    plain = make(learning_rate_init=0.05).fit(rows)
    without = make(learning_rate_init=0.05, net_params={"optimizer__weight_decay": 0.0}).fit(rows)
    np.testing.assert_array_equal(plain.transform(rows), without.transform(rows))


@pytest.mark.parametrize("solver", [torch.optim.Adagrad, torch.optim.SGD, torch.optim.NAdam])
@makers
def test_any_optimizer_class(make, solver, rows):
    """A class of torch is used as the optimizer, and decreases the loss."""
    estimator = make(solver=solver, learning_rate_init=0.01, max_iter=10).fit(rows)
    assert estimator.loss_curve_[-1] < estimator.loss_curve_[0]


def test_net_params_are_copied(rows):
    """Fit changes neither the dictionary that the user gave nor the callbacks in it."""
    callback = EpochScoring(lambda net, X, y: 0.0, name="zero", on_train=True)
    given = {"callbacks": [("zero", callback)], "optimizer__weight_decay": 0.1}
    before = copy.copy(given)
    estimator = dense(net_params=given)
    state = set(vars(callback))
    estimator.fit(rows)
    assert given == before
    assert estimator.net_params is given
    assert set(vars(callback)) == state


@makers
def test_fitted_estimator_holds_no_training_state(make, rows):
    """A pickle holds no optimizer, callback or training data: its size does not grow with X."""
    small = make(net_params={"callbacks": []}, max_iter=1).fit(rows)
    large = make(net_params={"callbacks": []}, max_iter=1).fit(np.tile(rows, (20, 1)))
    assert len(pickle.dumps(large)) < len(pickle.dumps(small)) + 2000
    assert not hasattr(small.net_, "optimizer_")


# ----------------------------------------------------------------------------------------------------- Ctrl-C and NaN


class Interrupt(Callback):
    """Raises KeyboardInterrupt in the middle of an epoch."""

    def __init__(self, epoch=3):
        self.epoch = epoch

    def on_batch_begin(self, net, batch, training, **kwargs):
        if len(net.history) == self.epoch:
            raise KeyboardInterrupt


@makers
@pytest.mark.parametrize("early_stopping", [True, False])
def test_ctrl_c_keeps_the_weights_and_warns(make, early_stopping, rows):
    """Ctrl-C ends a training with a warning, and the best weights so far are kept."""
    estimator = make(
        early_stopping=early_stopping, max_iter=10, net_params={"callbacks": [Interrupt()]}
    )
    with pytest.warns(UserWarning, match="(?i)interrupted"):
        estimator.fit(rows)
    assert estimator.n_iter_ == 2
    assert len(estimator.loss_curve_) == 2
    assert np.isfinite(estimator.transform(rows)).all()
    assert estimator.score(rows) > 0.5
    pickle.loads(pickle.dumps(estimator)).transform(rows)


def test_ctrl_c_in_the_first_epoch_gives_pca(rows):
    """After Ctrl-C in the first epoch the initial network is kept."""
    with pytest.warns(UserWarning, match="(?i)interrupted"):
        estimator = dense(early_stopping=True, net_params={"callbacks": [Interrupt(1)]}).fit(rows)
    assert estimator.n_iter_ == 0
    assert estimator.transform(rows).shape == (60, 2)


@makers
def test_ctrl_c_ends_the_caller_of_fit(make, rows):
    """Ctrl-C ends the whole search, cross-validation, pipeline or detector."""
    estimator = make(max_iter=10, net_params={"callbacks": [Interrupt()]})
    for run in (
        lambda: GridSearchCV(estimator, {"n_components": [1, 2]}, cv=2).fit(rows),
        lambda: cross_val_score(estimator, rows, cv=2),
        lambda: make_pipeline(estimator, LinearRegression()).fit(rows, rows[:, 0]),
        lambda: ReconstructionDetector(estimator).fit(rows),
    ):
        with pytest.raises(KeyboardInterrupt):
            run()
    assert np.isfinite(estimator.transform(rows)).all()  # the pipeline's, with its best weights


@makers
@pytest.mark.parametrize("early_stopping", [True, False])
def test_nan_loss_raises_an_error(make, early_stopping, rows):
    """The error names learning_rate_init and its value, and the last good weights are kept."""
    estimator = make(solver="sgd", learning_rate_init=1e30, early_stopping=early_stopping)
    with pytest.raises(ValueError, match=r"learning_rate_init=1e\+30.*decrease"):
        estimator.fit(rows)
    Z = estimator.transform(rows)
    assert np.isfinite(Z).all()
    assert estimator.score(rows) > 0.5
    assert np.isfinite(estimator.loss_curve_).all()
    np.testing.assert_array_equal(pickle.loads(pickle.dumps(estimator)).transform(rows), Z)
    estimator.set_params(learning_rate_init=1e-3).fit(rows)
    assert np.isfinite(estimator.transform(rows)).all()


@makers
def test_later_nan_loss_keeps_the_last_finite_weights(make, rows):
    """Weights from the last epoch with a finite loss are kept."""

    class Spoil(Callback):
        def on_epoch_begin(self, net, **kwargs):
            if len(net.history) == 3:
                for parameter in net.module_.parameters():
                    parameter.data.fill_(float("nan"))

    estimator = make(net_params={"callbacks": [Spoil()]})
    with pytest.raises(ValueError, match="learning_rate_init"):
        estimator.fit(rows)
    assert estimator.n_iter_ == 2
    assert np.isfinite(estimator.transform(rows)).all()
    assert estimator.score(rows) > 0.5


@makers
def test_partial_fit_with_nan_loss_keeps_the_weights(make, rows):
    """A pass with a NaN loss leaves the weights unchanged."""
    estimator = make(solver="sgd", learning_rate_init=1e-3).partial_fit(rows)
    before = estimator.transform(rows)
    broken = make(solver="sgd", learning_rate_init=1e30)
    with pytest.raises(ValueError, match="learning_rate_init"):
        broken.partial_fit(rows)
    assert np.isfinite(broken.transform(rows)).all()
    np.testing.assert_array_equal(estimator.transform(rows), before)


@makers
@pytest.mark.parametrize("weighted", [False, True])
def test_chunks_of_a_batch_do_not_change_the_steps(make, weighted, images):
    """A batch that is processed in chunks leads to the same weights up to rounding."""
    rows = images.reshape(len(images), -1)
    weights = np.linspace(0.5, 2, len(rows)) if weighted else None

    def trained(parts):
        autoencoder = make(solver="sgd", **({"image_shape": (6, 5)} if make is conv else {}))
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr("skae._training.setup.MAX_BATCH_NUMBERS", 20 * 30 / 2 / parts)
            autoencoder.fit(rows, sample_weight=weights)
        assert autoencoder.net_.history[-1]["train_loss"] > 0
        return autoencoder.transform(rows)

    np.testing.assert_allclose(trained(3), trained(1), rtol=1e-3, atol=1e-4)


def test_a_batch_too_large_for_the_device_is_halved(rows, monkeypatch):
    """Without enough memory batches are halved, with a warning, and the result is the same."""
    expected = dense().fit(rows).transform(rows)
    forward, seen = DenseAutoencoder._network_class.forward, []

    def forward_with_little_memory(self, x, generator=None):
        if len(x) > 6 and torch.is_grad_enabled():
            raise torch.OutOfMemoryError("out of memory")
        seen.append(len(x))
        return forward(self, x, generator)

    monkeypatch.setattr(DenseAutoencoder._network_class, "forward", forward_with_little_memory)
    with pytest.warns(
        UserWarning, match="A batch of 20 samples does not fit into the memory of cpu.* 4 parts"
    ) as caught:
        codes = dense().fit(rows).transform(rows)
    assert (
        len([w for w in caught if "does not fit" in str(w.message)]) == 2
    )  # to 2 parts, and then to 4
    assert max(seen) <= 6
    np.testing.assert_allclose(codes, expected, rtol=1e-3, atol=1e-4)


def test_a_sample_too_large_for_the_device_is_an_error(rows, monkeypatch):
    """If a single sample does not fit into memory, the device's error is raised."""

    def forward(self, x, generator=None):
        raise torch.OutOfMemoryError("out of memory")

    monkeypatch.setattr(DenseAutoencoder._network_class, "forward", forward)
    with pytest.raises(torch.OutOfMemoryError), pytest.warns(UserWarning, match="does not fit"):
        dense().fit(rows)
