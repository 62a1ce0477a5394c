"""Early stopping: validation losses during a training, and the weights that are kept in the end.

A small validation set selects by chance. On small data, therefore, one copy of the network for each
fold is trained without the validation samples of the fold, side by side with one more that is
trained on all samples. Every sample is then a validation sample of one copy. Together the copies
decide after how many epochs to stop, and how far to go from PCA towards the trained weights. The
weights of the copy with all samples are kept. On large data one network has one validation set.
"""

from contextlib import contextmanager
from dataclasses import dataclass, field, replace

import numpy as np
import torch

from skae._training.checkpoint_values import check_fields, check_tensors
from skae._training.learning_rate import position_in_cycle
from skae._training.weight_average import WeightAverage
from skae.networks.layers import trained_tensors

__all__ = ["Checkpoint", "EarlyStopping"]


@dataclass
class Checkpoint:
    """Weights of the network after some epoch, and their validation losses.

    Attributes
    ----------
    epoch : int
        The number of epochs; 0 is the initial network.
    losses : ndarray of shape (n_validation_samples,)
        One weighted loss for each validation sample.
    weights : dict of str to torch.Tensor
        The weights of the network, or of the stack of copies.
    reconstruction_loss : float
        The mean of the losses without the terms for bottleneck, penalty and targets.
    """

    epoch: int
    losses: np.ndarray
    weights: dict = field(repr=False)
    reconstruction_loss: float = 0.0

    @property
    def loss(self):
        """Mean of the validation losses."""
        return float(self.losses.mean())

    def to(self, device):
        """Return the same with weights on a device."""
        weights = {name: weight.to(device) for name, weight in self.weights.items()}
        return replace(self, weights=weights)

    def is_better_than(self, other, min_gain_in_standard_errors):
        """Return whether the loss is lower by more than this many standard errors."""
        with np.errstate(invalid="ignore"):
            gains = other.losses - self.losses
        if len(gains) < 2 or not np.isfinite(gains).all():
            return False  # one sample has no standard error, and neither have infinite losses
        standard_error = float(gains.std(ddof=1)) / np.sqrt(len(gains))
        return float(gains.mean()) > min_gain_in_standard_errors * standard_error


MAX_SET_UP_DIFFERENCE = 0.01
"""Largest relative difference of initial weights, between two processes that set up one fit.

It is 0 on one machine. Others round differently, for example in PCA.
"""

STATE_FIELDS = {
    "epoch": int,
    "done": bool,
    "initial": dict,
    "reference": (dict, type(None)),
    "best": (dict, type(None)),
    "average": (dict, type(None)),
    "evaluated_epochs": list,
    "losses": list,
    "reconstruction_losses": list,
    "baseline": float,
}
CHECKPOINT_FIELDS = {
    "epoch": int,
    "losses": np.ndarray,
    "weights": dict,
    "reconstruction_loss": float,
}


class EarlyStopping:
    """Compute validation losses during a training, and keep the best weights.

    The epochs that are evaluated are spread evenly over the training.

    Parameters
    ----------
    net : AutoencoderNet
        Initialized, and not yet trained.
    validation_batches : iterable of Batch
        Validation samples and their weights. Empty: the last weights are kept.
    plan : TrainingPlan
        Epochs, evaluations, interpolation weights and the gain that is required.
    on_epoch : callable, default=None
        Called after each epoch with this object. True ends the training.

    Attributes
    ----------
    initial, best : Checkpoint
        Before the first epoch, and the best of all.
    reference : Checkpoint
        The one that later ones must be better than: the initial one in the first cycle of the
        learning rate, and afterwards the best of the earlier cycles.
    losses, reconstruction_losses : list of float
        Validation losses of the initial network and of the trained weights at each evaluation: the
        whole objective, and its reconstruction term.
    evaluated_epochs : list of int
        The epochs of these losses.
    baseline : float
        The validation loss of reconstructing every sample as the mean.
    done : bool
        Whether to end the training: `on_epoch` returned True, or nothing was gained.
    """

    def __init__(self, net, validation_batches, plan, on_epoch=None):
        self.net = net
        self.validation_batches = validation_batches
        self.plan = plan
        self.on_epoch = on_epoch
        self.epoch, self.epochs = 0, plan.epochs
        self.done = False
        self.epochs_to_evaluate = set()
        if validation_batches:
            self.epochs_to_evaluate = plan.epochs_to_evaluate
        # only these layers differ between PCA and the trained network as a function
        self.output_weights = [
            weight
            for name, weight in net.module_.named_parameters()
            if "_linear." in name or "_last." in name
        ]
        self.initial_output_weights = [weight.detach().clone() for weight in self.output_weights]
        self.average = None
        if plan.averages_weights and validation_batches:
            self.average = WeightAverage(net.module_)
        losses, reconstruction = self.evaluate()
        self.initial = Checkpoint(0, losses, self.weights(), float(reconstruction.mean()))
        self.reference = self.best = self.initial
        self.evaluated_epochs = [0]
        self.losses = [self.initial.loss]
        self.reconstruction_losses = [self.initial.reconstruction_loss]
        self.baseline = 0.0
        if validation_batches:
            self.baseline = float(self._for_each_sample(net.baseline).mean())

    def __call__(self, net):
        """Evaluate the weights after an epoch."""
        self.epoch += 1
        if not self.validation_batches:
            self.best = Checkpoint(self.epoch, np.zeros(1), self.weights())
        if self.epoch in self.epochs_to_evaluate:
            self._update_best()
            self.done = self._should_stop()
            if self.epoch in self.plan.cycle_ends[:-1]:
                self.reference = self.best = self.best_or_initial()
        if self.validation_batches:
            net.history.record("valid_loss", self.losses[-1])
            net.history.record("valid_loss_best", self.losses[-1] <= min(self.losses))
        net.record_seconds()
        if self.on_epoch is not None and self.on_epoch(self):
            self.done = True

    def state_dict(self):
        """Return the state at the end of an epoch.

        `reference` is None if it is the initial one, and `best` if it is the reference.
        """
        reference = best = None
        if self.reference is not self.initial:
            reference = vars(self.reference)
        if self.best is not self.reference:
            best = vars(self.best)
        average = None
        if self.average is not None:
            average = self.average.weights
        return {
            "epoch": self.epoch,
            "done": self.done,
            "initial": vars(self.initial),
            "reference": reference,
            "best": best,
            "average": average,
            "evaluated_epochs": list(self.evaluated_epochs),
            "losses": list(self.losses),
            "reconstruction_losses": list(self.reconstruction_losses),
            "baseline": self.baseline,
        }

    def check_state_dict(self, state):
        """Raise a ValueError if a state does not suit this training."""
        check_fields(state, STATE_FIELDS, "early stopping")
        for checkpoint in (state["initial"], state["reference"], state["best"]):
            if checkpoint is None:
                continue
            check_fields(checkpoint, CHECKPOINT_FIELDS, "best weights")
            check_tensors(checkpoint["weights"], self.initial.weights)
            if checkpoint["losses"].shape != self.initial.losses.shape:
                raise ValueError("Got losses of other validation samples.")
        if (state["average"] is None) != (self.average is None):
            raise ValueError("Got an average of weights of another training.")
        if self.average is not None:
            check_tensors(state["average"], self.initial.weights)
        for name, weight in self.initial.weights.items():
            if weight.numel() == 0:
                continue
            weight = weight.cpu().double()
            difference = state["initial"]["weights"][name].double() - weight
            bound = MAX_SET_UP_DIFFERENCE * float(weight.abs().max())
            if float(difference.abs().max()) > bound:
                raise ValueError(f"Got another initial network: {name} differs.")
        n = len(state["evaluated_epochs"])
        if len(state["losses"]) != n or len(state["reconstruction_losses"]) != n:
            raise ValueError("Got losses without their epochs.")

    def load_state_dict(self, state):
        """Load a checked state."""
        self.epoch, self.done = state["epoch"], state["done"]
        self.initial = self.reference = Checkpoint(**state["initial"]).to(self.net.device)
        if state["reference"] is not None:
            self.reference = Checkpoint(**state["reference"]).to(self.net.device)
        self.best = self.reference
        if state["best"] is not None:
            self.best = Checkpoint(**state["best"]).to(self.net.device)
        if self.average is not None:
            for name, weight in self.average.weights.items():
                weight.copy_(state["average"][name])
        self.evaluated_epochs = state["evaluated_epochs"]
        self.losses = state["losses"]
        self.reconstruction_losses = state["reconstruction_losses"]
        self.baseline = state["baseline"]

    def _update_best(self):
        """Compute the losses of all interpolation weights, and keep the best weights."""
        if self.average is not None:
            with self.average.applied():
                self._evaluate_candidate()
        for weight in self.plan.interpolation_weights:  # the last is 1: the trained network itself
            with self.interpolated(weight):
                losses, reconstruction = self._evaluate_candidate()
        self.evaluated_epochs.append(self.epoch)
        self.losses.append(float(losses.mean()))
        self.reconstruction_losses.append(float(reconstruction.mean()))

    def _evaluate_candidate(self):
        """Evaluate the present weights, and keep them if they are the best so far."""
        losses, reconstruction = self.evaluate()
        if losses.mean() < self.best.loss:
            reconstruction_loss = float(reconstruction.mean())
            self.best = Checkpoint(self.epoch, losses, self.weights(), reconstruction_loss)
        return losses, reconstruction

    def _should_stop(self):
        """Return whether a fifth of the epochs gained nothing, or two fifths too little.

        Afterwards a training ends at an evaluation without a better candidate. With several cycles
        of the learning rate, the first one does not end the training: its best weights are kept,
        which are the result of a training of one cycle. Each further cycle runs to its end, and
        ends the training if it gained nothing.
        """
        if not self.plan.stops_early or self.plan.n_folds < 2:
            return False
        position, length = position_in_cycle(self.epoch - 1, self.plan.cycle_ends)
        start, done = self.epoch - 1 - position, (position + 1) / length
        if start > 0:
            return done == 1 and not (self.best.epoch > start and self._is_significant(self.best))
        if done < 0.2 or done == 1 or not self._gains_nothing(done):
            return False
        if length < self.epochs:
            self.reference = self.best = self.best_or_initial()
            return False
        return True

    def _gains_nothing(self, done):
        """Return whether the first cycle is to end after this share of its epochs."""
        if done < 0.4:
            return self.best is self.initial
        if done < 0.6 and not self._is_significant(self.best):
            return True
        return self.best.epoch < self.epoch

    def _is_significant(self, checkpoint):
        if self.plan.min_gain_in_standard_errors is None:
            return True
        return checkpoint.is_better_than(self.reference, self.plan.min_gain_in_standard_errors)

    def evaluate(self):
        """Compute objective and reconstruction loss of each validation sample, with fixed noise."""
        if not self.validation_batches:
            return np.zeros(1), np.zeros(1)
        self.net.module_.eval()
        noise = torch.Generator().manual_seed(0)
        losses = self._for_each_sample(
            lambda batch: torch.stack(self.net.evaluate(batch, noise)), noise
        )
        return tuple(losses)

    def _for_each_sample(self, function, generator=None):
        """Apply a function to each validation batch, and weight its values."""
        processes = self.net.processes
        values = processes.for_each_sample(self.validation_batches, function, generator)
        return values.numpy()

    def weights(self):
        """Copy the weights of the network, or of the stack of copies."""
        weights = trained_tensors(self.net.module_)
        return {name: weight.detach().clone() for name, weight in weights.items()}

    def fitted_weights(self, weights):
        """Return the weights that the user gets: of a stack of copies, those of the last."""
        fitted = {}
        for name, weight in weights.items():
            if self.plan.n_folds > 1:
                weight = weight[-1]
            fitted[name] = weight
        return fitted

    @contextmanager
    def interpolated(self, weight):
        """Use weights between the initial (0) and the trained ones (1) within a block."""
        trained = [tensor.detach().clone() for tensor in self.output_weights]
        with torch.no_grad():
            for tensor, initial in zip(
                self.output_weights, self.initial_output_weights, strict=True
            ):
                tensor.lerp_(initial, 1 - weight)
            try:
                yield
            finally:
                for tensor, original in zip(self.output_weights, trained, strict=True):
                    tensor.copy_(original)

    def best_or_initial(self):
        """Return the best checkpoint if its gain is significant, else the best of earlier cycles.

        In the first cycle this is the initial one. Without a validation set it is the last one.
        """
        if not self.validation_batches or self._is_significant(self.best):
            return self.best
        return self.reference
