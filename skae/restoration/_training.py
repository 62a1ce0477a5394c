"""One fit of a restorer from beginning to end."""

import copy
import math

import numpy as np
import torch

from skae import _validation as check
from skae import objectives
from skae._defaults import has_bfloat16
from skae._layout import warn_if_one_image
from skae._net import Diverged, bare_net
from skae._progress import Epochs
from skae._settings import compile_settings, extra_settings, find_solver
from skae._warning import advise, called_by_another
from skae.restoration._checks import (
    GAP_MAKERS,
    check_gaps,
    check_images,
    find_corruption,
    find_fill,
    find_range,
    warn_if_channels_first,
)
from skae.restoration._pieces import Pieces

__all__ = ["trained"]

BATCH_PIXELS = 2**16
"""About how many pixels are in a batch."""

FIT_PIXELS = 2**26
"""About how many pixels are learned from, counting each as often as it is seen."""

LEAST_FILTERS = 16
"""For fewer, bfloat16 saves no time."""

MOST_PASSES = 100
"""Small collections are seen no more often than this."""


class Watcher:
    """What a net calls at the end of every epoch.

    Attributes
    ----------
    net : AutoencoderNet
        The one that is trained.
    on_epoch : skae._progress.Epochs
        Called with this; true ends the training.
    done : bool
        Whether to end it.
    """

    def __init__(self, net):
        self.net, self.on_epoch, self.done = net, None, False

    def __call__(self, net):
        """Tell of an epoch."""
        self.done = bool(self.on_epoch(self))


def trained(restorer, X, y):
    """Train a network.

    Parameters
    ----------
    restorer : ImageRestorer
        With valid parameters; it is not changed.
    X, y : array-like
        As `fit` got them.

    Returns
    -------
    fitted : dict
        The fitted attributes.
    """
    clean = check_images(restorer, X if y is None else y, "X" if y is None else "y")
    damaged = None if y is None else check_images(restorer, X, "X", gaps=restorer.allow_nan)
    if damaged is not None and damaged.shape != clean.shape:
        raise ValueError(f"Got X of shape {np.shape(X)} and y of shape {np.shape(y)}, but expected images of equal shape.")
    warn_if_one_image(X)
    warn_if_channels_first(clean)
    low, high = find_range(restorer.data_range, clean)
    fill = find_fill(restorer.fill_value, (low, high), clean.dtype)
    filled, corrupt = (fill - low) / (high - low), None
    if restorer.allow_nan:
        check_gaps(restorer.corruption, damaged)
    if y is None:
        corrupt = find_corruption(restorer.corruption, restorer.corruption_level, math.nan if restorer.allow_nan else filled)
    generator = torch.Generator().manual_seed(check.seeded(restorer.random_state))
    device, extra = check.resolve_device(restorer.device), extra_settings(restorer.net_params)
    _, height, width, channels = clean.shape
    crop = min(height, restorer.patch_size), min(width, restorer.patch_size)
    pieces = Pieces(
        clean,
        damaged,
        crop=crop,
        augment=crop != (height, width) if restorer.augment == "auto" else restorer.augment,
        data_range=(low, high),
        corrupt=corrupt,
        generator=generator,
        device=device,
    )
    spec = {"n_channels": channels, "n_filters": int(restorer.n_filters), "crop": crop}
    if restorer.allow_nan:
        pieces.gaps = False
        spec |= {"allow_nan": True, "fill": filled, "only_gaps": y is None and restorer.corruption in GAP_MAKERS}
    network = restorer._build(spec)
    network.start(generator)
    net = _net(restorer, network, len(pieces), device, generator, extra)
    unit = (high - low) ** (2 if restorer.loss == "squared_error" else 1)

    def records(network):
        final = bare_net(network, device, **compile_settings(extra))
        final.history = net.history
        curve = [epoch["train_loss"] * unit for epoch in net.history if "train_loss" in epoch]
        return {
            "n_channels_": channels,
            "data_range_": (low, high),
            "fill_value_": fill,
            "net_": final,
            "n_iter_": len(curve),
            "loss_curve_": curve,
            "_spec": {"network": spec},
        }

    epochs = restorer.max_iter
    if epochs == "auto":
        epochs = min(MOST_PASSES, math.ceil(FIT_PIXELS / (len(pieces) * math.prod(crop))))

    def snapshot(watcher):
        return records(copy.deepcopy(network))

    following = Epochs(restorer, {"X": X, "y": y}, epochs=epochs, snapshot=snapshot, verbose=restorer.verbose)
    net.watcher = Watcher(net)
    net.watcher.on_epoch = following
    with following:
        try:
            end = net.train(pieces, epochs)
        except Diverged as error:
            raise ValueError(
                f"The loss was no longer a number. Got learning_rate_init={restorer.learning_rate_init!r}, which is "
                f"{net.lr:.3g} here: lower it."
            ) from error
    if end == "interrupted":
        if called_by_another(restorer):
            raise KeyboardInterrupt
        advise("Training interrupted by user; what was learned so far is kept.")
    if pieces.gaps is False:
        advise(
            "No gap was seen in training with allow_nan=True, so what is put into gaps was not learned. Make damage with NaN."
        )
    return records(network)


def _net(restorer, network, n_pieces, device, generator, extra):
    """Make a net that is ready to be trained."""
    batch, rate = restorer.batch_size, restorer.learning_rate_init
    if batch == "auto":
        few = max(4, n_pieces // 16)  # of few pieces, small batches: steps are what is learned by
        batch = max(1, min(256, few, BATCH_PIXELS // math.prod(network.size[1:])))
    if rate == "auto":
        rate = 0.004 * math.sqrt(32 / restorer.n_filters)
    narrow = restorer.precision == "bfloat16"
    if restorer.precision == "auto":
        narrow = has_bfloat16(device) and restorer.n_filters >= LEAST_FILTERS
    solver, settings, _ = find_solver("adamw")
    return bare_net(
        network,
        device,
        criterion__function=getattr(objectives, restorer.loss),
        optimizer=solver,
        **{f"optimizer__{name}": value for name, value in settings.items()},
        lr=rate,
        batch_size=batch,
        warm_up=0.15,
        clip=2.0,
        precision=torch.bfloat16 if narrow else torch.float32,
        iterator_train__shuffle=True,
        iterator_train__generator=generator,
        **extra,
    )
