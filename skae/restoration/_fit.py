"""Fitting of a restorer: validated training images, random crops, network and training."""

import copy
import math
from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
import torch

from skae._devices import has_bfloat16, resolve_device
from skae._input.dtypes import dtype_name
from skae._input.image_layout import warn_if_one_image
from skae._input.validation import resolve_seed
from skae._training.agreement import agree_on_fit
from skae._training.divided_steps import divided_training
from skae._training.fitted import FittedSpec
from skae._training.group_checkpoints import open_checkpoints
from skae._training.net import AutoencoderNet, TrainingDiverged, make_net
from skae._training.net_params import compile_settings, extra_settings
from skae._training.objective import is_static_loss
from skae._training.optimizers import resolve_optimizer
from skae._training.process_sums import sum_of_processes
from skae._training.progress import EpochCallbacks
from skae._warnings import is_nested_call, warn_user
from skae.corruptions import IMAGE_CORRUPTIONS, resolve_corruption
from skae.losses import resolve_loss
from skae.networks.config import UNetConfig
from skae.restoration._crops import RandomCrops
from skae.restoration._validation import (
    check_identity_link,
    check_images,
    check_masked_regions,
    check_no_masked_weight,
    resolve_data_range,
    resolve_fill_value,
    restorer_corruption,
    warn_if_channels_first,
    warn_unused_parameters,
)

__all__ = ["fit_restorer"]

BATCH_PIXELS = 2**16
"""Pixels in a batch with batch_size="auto", at most: 16 crops of 64 x 64 pixels."""

MAX_BATCH_SIZE = 256
"""Crops in a batch with batch_size="auto", at most: crops of a few pixels need not fill it."""

MIN_BATCHES = 16
"""Training steps in an epoch with batch_size="auto", about: small image sets need small batches."""

TRAINING_PIXELS = 2**26
"""Pixels in all epochs with max_iter="auto", about: 16,384 crops of 64 x 64 pixels."""

MAX_EPOCHS = 100
"""Epochs with max_iter="auto", at most: small image sets don't need `TRAINING_PIXELS`."""

MIN_BFLOAT16_FILTERS = 16
"""Filters from which precision="auto" is bfloat16: with fewer, bfloat16 saves no time."""


@dataclass
class TrainingImages:
    """Validated training images, and the parameters that were resolved from them.

    Attributes
    ----------
    clean : ndarray of shape (n, height, width, channels)
        Clean images.
    corrupted : ndarray of shape (n, height, width, channels) or None
        Corrupted images, if `fit` got pairs.
    data_range : tuple of float
        The values that are scaled to 0 and 1.
    fill_value : float
        Value of masked pixels, in units of X.
    corrupt : callable or None
        Function ``(x, generator) -> corrupted x``, if `fit` got clean images only.
    """

    clean: np.ndarray
    corrupted: np.ndarray | None
    data_range: tuple
    fill_value: float
    corrupt: Callable | None = None

    @property
    def scaled_fill_value(self):
        """Value of masked pixels, in [0, 1]."""
        low, high = self.data_range
        return (self.fill_value - low) / (high - low)


@dataclass
class RestorerFit:
    """One fit of a restorer: its network, and the values that become fitted attributes.

    It is the monitor of its net: after each epoch it runs scikit-learn's callbacks.

    Attributes
    ----------
    images : TrainingImages
        The training images.
    config : UNetConfig
        Configuration of the network.
    network : UNet
        The network in training.
    net : AutoencoderNet
        The net that trains the network.
    loss_unit : float
        One unit of the training loss, in (squared) units of X.
    compile_settings : dict
        Settings of torch.compile for the fitted net.
    callbacks : EpochCallbacks or None
        Called after each epoch. A true result ends the training.
    done : bool
        Whether to end the training.
    """

    images: TrainingImages
    config: UNetConfig
    network: torch.nn.Module
    net: AutoencoderNet
    loss_unit: float
    compile_settings: dict
    callbacks: EpochCallbacks | None = None
    done: bool = False

    def __call__(self, net):
        """Run the callbacks at the end of an epoch."""
        self.done = bool(self.callbacks(self))

    def snapshot(self, _):
        """Return the fitted attributes of this moment, with a copy of the network."""
        return self.fitted_attributes(copy.deepcopy(self.network))

    def fitted_attributes(self, network):
        """Return the fitted attributes by name, with `network` as the fitted network."""
        history = self.net.history
        fitted_net = make_net(network, self.net.device, **self.compile_settings)
        fitted_net.history = history
        losses_by_epoch = [epoch["train_loss"] for epoch in history if "train_loss" in epoch]
        loss_curve = [loss * self.loss_unit for loss in losses_by_epoch]
        return {
            "n_channels_": self.images.clean.shape[-1],
            "data_range_": self.images.data_range,
            "fill_value_": self.images.fill_value,
            "net_": fitted_net,
            "n_iter_": len(loss_curve),
            "loss_curve_": loss_curve,
            "_spec": FittedSpec(network=self.config, dtype=dtype_name(self.images.clean)),
        }


def fit_restorer(restorer, X, y):
    """Train a network, and return the fitted attributes.

    Parameters
    ----------
    restorer : ImageRestorer
        Restorer with valid parameters; it is not changed.
    X, y : array-like
        Arguments of `fit`.

    Returns
    -------
    attributes : dict
        The fitted attributes by name.
    """
    check_identity_link(resolve_loss(restorer.loss))
    images = _check_training_images(restorer, X, y)
    seed = resolve_seed(restorer.random_state)
    data = {"clean": images.clean, "corrupted": images.corrupted}
    agree_on_fit(restorer, lambda: data, seed, lambda: None)
    with open_checkpoints(restorer, seed, lambda: data, lambda: None) as checkpoints:
        return _fit_images(restorer, images, seed, {"X": X, "y": y}, checkpoints)


def _fit_images(restorer, images, seed, hooks, checkpoints):
    """Train a network on validated images, from the last checkpoint if there is one."""
    loss = resolve_loss(restorer.loss)
    generator = torch.Generator().manual_seed(seed)
    device = resolve_device(restorer.device)
    extra = extra_settings(restorer)
    crops = _make_crops(restorer, images, generator, device)
    config = _network_config(restorer, images, crops.crop)
    network = restorer._build(config)
    network.initialize(generator)
    processes = divided_training(images.clean)
    net = _make_training_net(restorer, loss, network, crops, processes.settings(extra))
    net.processes = processes
    processes.begin(net)
    low, high = images.data_range
    loss_unit = (high - low) ** loss.scale_power
    fit = RestorerFit(images, config, network, net, loss_unit, compile_settings(extra))

    epochs = _resolve_max_iter(restorer.max_iter, crops)
    n_done = checkpoints.load(net, generator, dataset=crops)
    fit.callbacks = processes.epoch_callbacks(
        restorer,
        hooks,
        epochs=epochs,
        n_done=n_done,
        snapshot=fit.snapshot,
        verbose=restorer.verbose,
    )
    net.monitor, net.checkpoints = fit, checkpoints
    try:
        with fit.callbacks:
            end = net.train(crops, epochs)
    except TrainingDiverged as error:
        raise ValueError(
            "Training loss became NaN or infinite, or weights too large, with "
            f"learning_rate_init={restorer.learning_rate_init!r}, a learning rate of {net.lr:.3g}. "
            "Decrease learning_rate_init."
        ) from error
    if end == "interrupted":
        if is_nested_call(restorer):
            raise KeyboardInterrupt
        warn_user(
            "Training interrupted by user. The restorer has the weights of the last training step."
        )
    else:
        checkpoints.finish()
    n_with_nan = sum_of_processes([float(crops.contains_nan)])[0]
    if crops.detect_nan and n_with_nan == 0:
        warn_user(
            "Got allow_nan=True, but no corrupted crop had NaN in training, so inpainting was not "
            "learned. Use a corruption that masks pixels with NaN, or set allow_nan=False."
        )
    return fit.fitted_attributes(network)


def _check_training_images(restorer, X, y):
    """Validate the images given to `fit`, and resolve the parameters that depend on them.

    Parameters
    ----------
    restorer : ImageRestorer
        Restorer with valid parameters.
    X, y : array-like
        Arguments of `fit`: clean images and None, or corrupted and clean images.

    Returns
    -------
    images : TrainingImages
        The images, data range, fill value and corruption.
    """
    if y is None:
        clean = check_images(restorer, X, "X")
        corrupted = None
    else:
        clean = check_images(restorer, y, "y")
        corrupted = check_images(restorer, X, "X", allow_nan=restorer.allow_nan)
        if corrupted.shape != clean.shape:
            raise ValueError(
                f"Got X of shape {np.shape(X)} and y of shape {np.shape(y)}, but expected images "
                "of equal shape."
            )
    warn_if_one_image(X)
    warn_if_channels_first(clean)
    data_range = resolve_data_range(restorer.data_range, clean)
    fill_value = resolve_fill_value(restorer.fill_value, data_range, clean.dtype)
    images = TrainingImages(clean, corrupted, data_range, fill_value)
    corruption = resolve_corruption(restorer.corruption, IMAGE_CORRUPTIONS)
    check_no_masked_weight(corruption)
    if restorer.allow_nan:
        check_masked_regions(corruption, corrupted)
    warn_unused_parameters(restorer, images, corruption)
    if y is None:
        fill = images.scaled_fill_value
        if restorer.allow_nan:
            fill = math.nan
        images.corrupt = restorer_corruption(corruption, fill)
    return images


def _make_crops(restorer, images, generator, device):
    """Create the dataset of random crops."""
    height, width = images.clean.shape[1:3]
    crop = (min(height, restorer.patch_size), min(width, restorer.patch_size))
    augment = restorer.augment
    if augment == "auto":
        augment = crop != (height, width)
    return RandomCrops(
        images.clean,
        images.corrupted,
        crop=crop,
        augment=augment,
        data_range=images.data_range,
        corrupt=images.corrupt,
        generator=generator,
        device=device,
        detect_nan=restorer.allow_nan,
    )


def _network_config(restorer, images, crop):
    """Return the configuration of the network."""
    config = UNetConfig(
        n_channels=images.clean.shape[-1], n_filters=int(restorer.n_filters), crop=crop
    )
    if not restorer.allow_nan:
        return config
    has_pairs = images.corrupted is not None
    corruption = resolve_corruption(restorer.corruption, IMAGE_CORRUPTIONS)
    return replace(
        config,
        allow_nan=True,
        fill=images.scaled_fill_value,
        masked_only=not has_pairs and corruption.masks,
    )


def _make_training_net(restorer, loss, network, crops, extra):
    """Create the skorch net that trains a network.

    Parameters
    ----------
    restorer : ImageRestorer
        Restorer with valid parameters.
    loss : Loss
        Training loss.
    network : UNet
        The initialized network.
    crops : RandomCrops
        The training data.
    extra : dict
        Settings of the net from `net_params`.

    Returns
    -------
    net : AutoencoderNet
        The initialized net.
    """
    precision = torch.float32
    if _uses_bfloat16(restorer, crops.device):
        precision = torch.bfloat16
    learning_rate = restorer.learning_rate_init
    if learning_rate == "auto":
        learning_rate = 0.004 * math.sqrt(32 / restorer.n_filters)
    optimizer, settings, _ = resolve_optimizer("adamw")
    optimizer_settings = {f"optimizer__{name}": value for name, value in settings.items()}
    return make_net(
        network,
        crops.device,
        criterion__loss=loss,
        optimizer=optimizer,
        **optimizer_settings,
        lr=learning_rate,
        batch_size=_resolve_batch_size(restorer.batch_size, crops),
        warm_up=0.15,
        clip=2.0,
        precision=precision,
        static=is_static_loss(loss) and not restorer.allow_nan,
        iterator_train__shuffle=True,
        iterator_train__generator=crops.generator,
        **extra,
    )


def _uses_bfloat16(restorer, device):
    """Return whether training uses bfloat16."""
    if restorer.precision == "auto":
        return has_bfloat16(device) and restorer.n_filters >= MIN_BFLOAT16_FILTERS
    return restorer.precision == "bfloat16"


def _resolve_batch_size(batch_size, crops):
    """Return the number of crops in a batch."""
    if batch_size != "auto":
        if batch_size > len(crops):
            warn_user(
                f"Got batch_size={batch_size}, but an epoch has {len(crops)} crops: the batch size "
                f"is {len(crops)}. Decrease batch_size, or set batch_size='auto'."
            )
        return batch_size
    max_for_steps = max(4, len(crops) // MIN_BATCHES)
    max_for_pixels = BATCH_PIXELS // math.prod(crops.crop)
    return max(1, min(MAX_BATCH_SIZE, max_for_steps, max_for_pixels))


def _resolve_max_iter(max_iter, crops):
    """Return the number of epochs."""
    if max_iter != "auto":
        return max_iter
    epoch_pixels = len(crops) * math.prod(crops.crop)
    return min(MAX_EPOCHS, math.ceil(TRAINING_PIXELS / epoch_pixels))
