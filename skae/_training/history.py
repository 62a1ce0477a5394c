"""History of a training: losses, time and learning rate of each epoch, as arrays."""

import math
import time

import numpy as np

__all__ = ["HISTORY_COLUMNS", "EpochRecorderMixin", "append_history", "training_history"]

HISTORY_COLUMNS = ("epoch", "train_loss", "validation_loss", "seconds", "learning_rate")
"""Keys of a history, in this order."""


class EpochRecorderMixin:
    """Mixin for a skorch net with a monitor: the history has time and learning rate of each epoch.

    The keys are ``dur``, as in skorch's ``EpochTimer``, and ``lr``.
    """

    def on_epoch_begin(self, net, **kwargs):
        """Begin an epoch, and note the time."""
        super().on_epoch_begin(net, **kwargs)
        self.epoch_start_ = time.perf_counter()

    def on_epoch_end(self, net, **kwargs):
        """Record the time and the learning rate of the last step, and call the monitor."""
        super().on_epoch_end(net, **kwargs)
        self.history.record("lr", float(self.optimizer_.param_groups[0]["lr"]))
        self.record_seconds()
        if self.monitor is not None:  # before the callbacks, which read the losses it records
            self.monitor(self)

    def record_seconds(self):
        """Record the time since the epoch began; a later call replaces the value."""
        self.history.record("dur", time.perf_counter() - self.epoch_start_)


def training_history(spec, records, validation_losses=None):
    """Return the history of a training.

    Parameters
    ----------
    spec : FittedSpec
        Converts losses to units of X.
    records : list of dict
        Complete epochs of a skorch history.
    validation_losses : dict of int to float, default=None
        Validation losses in the space of training, by epoch; 0 is the initial network.

    Returns
    -------
    history : dict of str to ndarray of shape (n_rows,)
        Arrays of float64 with the keys `HISTORY_COLUMNS`. The initial network has a row if it has
        a validation loss. Unknown values are NaN.
    """
    validation_losses = validation_losses or {}
    rows = []
    if 0 in validation_losses:
        rows.append([0, math.nan, validation_losses[0], 0.0, math.nan])
    for epoch, record in enumerate(records, 1):
        validation_loss = validation_losses.get(epoch, math.nan)
        seconds, rate = record.get("dur", math.nan), record.get("lr", math.nan)
        rows.append([epoch, record["train_loss"], validation_loss, seconds, rate])
    table = np.array(rows, dtype=np.float64).reshape(len(rows), len(HISTORY_COLUMNS))
    history = {}
    for name, values in zip(HISTORY_COLUMNS, table.T, strict=True):
        if name.endswith("loss"):
            values = spec.loss_in_units(values)
        history[name] = values.copy()
    return history


def append_history(earlier, later):
    """Return a history with the rows of a later one; its epochs are counted on.

    Parameters
    ----------
    earlier : dict or None
        None is no history.
    later : dict
        History of `training_history`.
    """
    if earlier is None:
        return later
    n_done = max(earlier["epoch"], default=0.0)
    counted = {**later, "epoch": later["epoch"] + n_done}
    return {name: np.concatenate([earlier[name], counted[name]]) for name in HISTORY_COLUMNS}
