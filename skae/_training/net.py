"""The skorch net: training steps, epochs, and the learning rate of each step."""

import math

import torch
from skorch import NeuralNet
from skorch.callbacks import LRScheduler

from skae._input.batching import Batches
from skae._training.batch_inputs import prepare_batch, prepared_rows
from skae._training.batch_loss import BatchLoss, weighted_mean
from skae._training.checkpoints import NoCheckpoints
from skae._training.cuda_graphs import StepRecorder
from skae._training.history import EpochRecorderMixin
from skae._training.learning_rate import clip_gradients, has_diverged, set_learning_rate
from skae._training.net_params import has_batch_hooks
from skae._training.optimizers import check_groups, named_parameter_errors, named_step_errors
from skae._training.processes import NoProcesses
from skae.distributed._context import alone
from skae.networks.hidden_units import noise_from

__all__ = ["AutoencoderNet", "TrainingDiverged", "TrainingStopped", "make_net"]


class TrainingDiverged(ValueError):
    """The loss of an epoch is NaN or infinite."""


class TrainingStopped(Exception):
    """A callback ended the training."""


class AutoencoderNet(EpochRecorderMixin, NeuralNet):
    """A skorch net that reconstructs its input, without Python code for each sample or each batch.

    Batches are of type `skae._input.batching.Batch`. The loss is read from the device once an
    epoch. ``encode`` and ``decode`` are methods of the module, compiled if `compile` is set.

    Parameters
    ----------
    module : skae.networks.autoencoder.Autoencoder
        An instance, or a stack of copies. It is trained in place.
    optimizer : type, default=None
        None for a net that is not trained.
    precision : torch.dtype, default=torch.float32
        Dtype of matrix products: float32 or bfloat16.
    prepared : bool, default=False
        Whether the dataset is in the space of training. If not, each batch is prepared.
    corrupt : callable, default=None
        Corruption of centered inputs, ``(x, generator) -> (x, masked)``, where the mask may be
        None. Targets are not corrupted.
    augment : callable, default=None
        Augmentation of centered samples in training, ``(x, generator) -> x``, with their targets.
    generator : torch.Generator, default=None
        Source of augmentation, corruption and noise.
    warm_up : float or None, default=None
        Share of all steps in which the learning rate rises linearly from zero. Afterwards it
        decays to zero. None: the learning rate is constant.
    decay : {"linear", "cosine"}, default="linear"
        Shape of the decay.
    cycle_ends : tuple of int, default=None
        Epochs at whose end the learning rate is zero; it rises again afterwards. None: the last.
    clip : float, default=0.0
        The largest norm of a gradient, as a multiple of the usual norm. 0: gradients are not
        clipped.
    parts : int, default=1
        Number of chunks in which a batch is processed. Their gradients are added, so the step is
        the same and needs less memory. The number increases if the device has too little memory.
    static : bool, default=False
        Whether the operations of a step are fixed and draw no random numbers; see `StepRecorder`.
    monitor : callable, default=None
        Called with the net at the end of each epoch, before the callbacks. Its attribute ``done``
        ends the training.
    **kwargs
        Other parameters of skorch's net.
    """

    def __init__(
        self,
        module,
        criterion=BatchLoss,
        optimizer=None,
        *,
        precision=torch.float32,
        prepared=False,
        corrupt=None,
        augment=None,
        generator=None,
        warm_up=None,
        decay="linear",
        cycle_ends=None,
        clip=0.0,
        parts=1,
        static=False,
        monitor=None,
        iterator_train=Batches,
        iterator_valid=Batches,
        train_split=None,
        verbose=0,
        **kwargs,
    ):
        self.precision, self.prepared = precision, prepared
        self.corrupt = corrupt
        self.augment = augment
        self.generator = generator
        self.warm_up, self.decay, self.cycle_ends = warm_up, decay, cycle_ends
        self.clip = clip
        self.parts = parts
        self.static = static
        self.monitor = monitor
        self.average = None
        self.checkpoints, self.processes = NoCheckpoints(), NoProcesses()
        super().__init__(
            module,
            criterion,
            optimizer,
            iterator_train=iterator_train,
            iterator_valid=iterator_valid,
            train_split=train_split,
            verbose=verbose,
            **kwargs,
        )

    def initialize_optimizer(self, triggered_directly=None):
        """Create the optimizer, except for a net that is not trained."""
        if self.optimizer is None:
            return self
        with named_parameter_errors(self.optimizer):
            check_groups(self)
            return super().initialize_optimizer()

    @property
    def _default_callbacks(self):
        return []

    def torch_compile(self, module, name):
        """Compile the module in place: its type, the names of its weights and pickling stay."""
        if name != "module":
            return module
        self.encode, self.decode = module.encode, module.decode
        if self.compile:
            settings = self.get_params_for("compile")
            module.compile(**settings)
            self.encode = torch.compile(module.encode, **settings)
            self.decode = torch.compile(module.decode, **settings)
        return module

    def __getstate__(self):
        """Return the state without methods that may be compiled."""
        state = super().__getstate__()
        state.pop("encode", None)
        state.pop("decode", None)
        return state

    def __setstate__(self, state):
        super().__setstate__(state)
        if hasattr(self, "module_"):  # compiled functions belong to one process
            self.encode, self.decode = self.module_.encode, self.module_.decode

    def get_iterator(self, dataset, training=False):
        """Create skorch's iterator, and count the steps of the whole training."""
        iterator = super().get_iterator(dataset, training=training)
        if training:
            self.total_steps_ = len(iterator) * self.max_epochs
            ends = self.cycle_ends or (self.max_epochs,)
            self.cycle_end_steps_ = tuple(len(iterator) * end for end in ends)
            self.notifies_batches_ = has_batch_hooks(self.callbacks_)
            has_scheduler = any(isinstance(one, LRScheduler) for _, one in self.callbacks_)
            self.sets_learning_rate_ = self.warm_up is not None and not has_scheduler
            for group in self.optimizer_.param_groups:
                group.setdefault("initial_lr", group["lr"])
        return iterator

    def train(self, dataset, epochs):
        """Train for a number of epochs, or until a callback or Ctrl-C ends the training.

        Parameters
        ----------
        dataset : skae._input.batching.RowDataset
            Training samples.
        epochs : int
            The largest number of passes.

        Returns
        -------
        end : {"done", "stopped", "interrupted"}
            Whether all epochs were run, a callback stopped, or the user pressed Ctrl-C.
        """
        end = "done"
        self.max_epochs = epochs
        self.recorder_ = StepRecorder()
        self.set_progress(0, self.parts, math.inf, None)
        self.notify("on_train_begin", X=dataset, y=None)
        try:
            with self.checkpoints.recording(self) as n_done:
                self.fit_loop(dataset, epochs=epochs - n_done)
        except TrainingStopped:
            end = "stopped"
        except KeyboardInterrupt:
            end = "interrupted"
        finally:
            self.recorder_.release(self.optimizer_)
            # these refer to this net
            self.monitor, self.average = None, None
            self.checkpoints, self.processes = NoCheckpoints(), NoProcesses()
        self.notify("on_train_end", X=dataset, y=None)
        return end

    def set_progress(self, n_steps, parts, lowest_loss, usual_norm):
        """Set the values, beside weights and optimizer, that a training changes."""
        self.n_steps_, self.parts = n_steps, parts
        self.lowest_loss_, self.usual_norm_ = lowest_loss, usual_norm

    def double_parts(self):
        """Process batches in twice as many chunks, which need half of the memory."""
        self.parts *= 2

    def notify(self, method_name, **cb_kwargs):
        """Call a method of all callbacks.

        Callbacks of skorch stop a training by a KeyboardInterrupt at the end of an epoch. It is
        converted, because it is no Ctrl-C.
        """
        getattr(self, method_name)(self, **cb_kwargs)
        stops = False
        for _, callback in self.callbacks_:
            try:
                with alone():  # a callback may fit
                    getattr(callback, method_name)(self, **cb_kwargs)
            except KeyboardInterrupt:
                if method_name != "on_epoch_end":
                    raise
                stops = True
                break
        if method_name == "on_epoch_end":
            stops = stops or (self.monitor is not None and self.monitor.done)
            if self.processes.agree(self, stops):
                raise TrainingStopped
            self.checkpoints.after_epoch()

    def run_single_epoch(self, iterator, training, prefix, step_fn, **fit_params):
        """Run one pass over the data, and record its mean loss."""
        if iterator is None:
            return
        self._set_training(training)
        total_loss = torch.zeros((), device=self.device)
        total_weight = torch.zeros((), device=self.device)
        self.checkpoints.begin_epoch(iterator, total_loss, total_weight)
        with self.processes.epoch(self, len(iterator)):
            for batch in iterator:
                if self.notifies_batches_:
                    self.notify("on_batch_begin", batch=batch[:2], training=training)
                step = step_fn(batch, **fit_params)
                weight = self.processes.total_weight(batch)
                total_loss += step["loss"] * weight
                total_weight += weight
                if self.notifies_batches_:
                    self.notify("on_batch_end", batch=batch[:2], training=training, **step)
                self.checkpoints.after_step()
        self.processes.end_epoch(self, total_loss, total_weight)
        # this line waits for the device
        loss = float(total_loss / total_weight)
        if training and has_diverged(loss, self.optimizer_):
            raise TrainingDiverged
        # one entry for the epoch: some of skorch's callbacks read the last batch
        self.history.new_batch()
        self.history.record_batch(prefix + "_loss", loss)
        self.history.record(prefix + "_loss", loss)
        self.history.record(prefix + "_loss_best", loss < self.lowest_loss_)
        self.lowest_loss_ = min(loss, self.lowest_loss_)

    def train_step(self, batch, **fit_params):
        """Update the weights once.

        The optimizer gets no closure, so optimizers that evaluate several times are not supported.
        """
        if self.sets_learning_rate_:
            schedule = (self.cycle_end_steps_, self.warm_up, self.decay)
            set_learning_rate(self.optimizer_, self.n_steps_, *schedule)
        step = self.recorder_.run(self, batch)
        self.n_steps_ += 1
        if self.average is not None:
            self.average.update(self.n_steps_)
        return step

    def update_weights(self, batch):
        """Compute the gradients of a batch, and apply the optimizer."""
        step = self.processes.compute_gradients(self, batch)
        if self.clip:
            weights = self.module_.parameters()
            self.usual_norm_ = clip_gradients(weights, self.usual_norm_, self.clip)
        if self.notifies_batches_:
            parameters = list(self.get_all_learnable_params())
            self.notify("on_grad_computed", named_parameters=parameters, batch=batch[:2])
        with named_step_errors(self.optimizer):
            self.optimizer_.step()
        return step

    def backward(self, batch, share):
        """Add the gradients of a batch, or of a chunk that has this share of the batch's weight."""
        x, target, visible = prepare_batch(self, batch, self.generator)
        output, regularization = self._objective_terms(x, batch, self.generator)
        loss = self.criterion_(output.x_hat, target, batch.weights, visible=visible)
        if regularization is not None:
            if regularization.ndim > 0:
                regularization = weighted_mean(regularization, batch.weights)
            loss = loss + regularization
        loss = loss * share
        n_copies = batch.X.shape[:-2].numel()
        # the loss is a mean over copies of the network, and each copy needs its own gradient
        (loss * n_copies).backward()
        return {"loss": loss.detach(), "y_pred": output.x_hat.detach()}

    def forward_pass(self, x, generator):
        """Apply the network to prepared samples, in the precision of the net."""
        reduced = self.precision != torch.float32
        # no cache: within a block of the caller it would keep the weights of earlier steps
        autocast = torch.autocast(x.device.type, self.precision, reduced, cache_enabled=False)
        with autocast, noise_from(generator):
            return self.module_(x, generator)

    def evaluate(self, batch, generator):
        """Compute the objective of each sample of a batch, and its reconstruction term."""
        with torch.set_grad_enabled(self.criterion_.needs_input_gradient):
            x, target, visible = prepare_batch(self, batch, generator)
            output, regularization = self._objective_terms(x, batch, generator)
            losses = self.criterion_.sample_losses(
                output.x_hat, target, batch.weights, visible=visible
            ).detach()
            if regularization is None:
                return losses, losses
            return losses + regularization.detach(), losses

    def baseline(self, batch):
        """Compute the loss of each sample of a batch if all are reconstructed as the mean."""
        with torch.inference_mode():
            x = prepared_rows(self, batch)
            x_hat, target = self.module_.reconstruct_mean(x), self.module_.target(x)
            return self.criterion_.sample_losses(x_hat, target, batch.weights)

    def _objective_terms(self, x, batch, generator):
        """Apply the network, and compute the terms of the objective beside reconstruction."""
        x.requires_grad_(self.criterion_.needs_input_gradient)
        output = self.forward_pass(x, generator)
        regularization = self.criterion_.regularization(
            output, x, batch, self.module_, self.forward_pass, generator
        )
        return output, regularization


def make_net(network, device="cpu", **settings):
    """Create a net in evaluation mode: for inference, or for training with the given settings."""
    network = network.to(device)
    if network.channels_last:
        network = network.to(memory_format=torch.channels_last)
    net = AutoencoderNet(network, device=device, **settings)
    net.initialize()
    net.module_.eval()
    return net
