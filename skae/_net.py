"""The skorch net: one training step, one epoch, and the learning rate along the way."""

import math

import torch
from skorch import NeuralNet
from skorch.callbacks import Callback, LRScheduler

from skae._batches import Batches
from skae._objective import Objective
from skae._stored import slices
from skae._warning import advise
from skae.objectives import weighted_mean

__all__ = ["AutoencoderNet", "Diverged", "Stopped", "bare_net"]


class Diverged(ValueError):
    """The loss is no longer a number."""


class Stopped(Exception):
    """A callback asked to end the training."""


class AutoencoderNet(NeuralNet):
    """A skorch net that reconstructs its input, without work that is done per row or per batch in Python.

    Batches are those of `skae._batches.Batch`. The loss of an epoch is read from the device once. ``encode`` and ``decode`` are
    those of the module, compiled if skorch is told to compile.

    Parameters
    ----------
    module : skae.networks.autoencoder.Autoencoder
        An instance, perhaps a stack of copies; it is trained in place.
    optimizer : type, default=None
        None for a net that is not trained.
    precision : torch.dtype, default=torch.float32
        What matrix products are computed in: float32 or bfloat16.
    prepared : bool, default=False
        Whether the dataset holds rows in the space of training; if not, each batch of raw rows is prepared.
    corrupt : callable, default=None
        Damage that is done to centred rows that go in, never to what they are compared with: ``(x, generator) -> x``.
    generator : torch.Generator, default=None
        Where damage and noise come from.
    warm_up : float or None, default=None
        The share of all steps in which the learning rate rises from zero; then it falls to zero, both along straight lines.
        None keeps it constant.
    clip : float, default=0.0
        The largest norm of a gradient, as a multiple of what was usual lately; 0 for no bound.
    parts : int, default=1
        A batch is taken through the network in so many parts, whose gradients add up: the same step in less memory. More, where
        a device runs out of it.
    watcher : callable, default=None
        Called with the net at the end of every epoch, before the callbacks.
    **kwargs
        skorch's.
    """

    def __init__(
        self,
        module,
        criterion=Objective,
        optimizer=None,
        *,
        precision=torch.float32,
        prepared=False,
        corrupt=None,
        generator=None,
        warm_up=None,
        clip=0.0,
        parts=1,
        watcher=None,
        iterator_train=Batches,
        iterator_valid=Batches,
        train_split=None,
        verbose=0,
        **kwargs,
    ):
        self.precision = precision
        self.prepared = prepared
        self.corrupt = corrupt
        self.generator = generator
        self.warm_up = warm_up
        self.clip = clip
        self.parts = parts
        self.watcher = watcher
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
        """Make the optimizer, if there is one: a net that is only used needs none."""
        return self if self.optimizer is None else super().initialize_optimizer()

    @property
    def _default_callbacks(self):
        return []

    def torch_compile(self, module, name):
        """Compile in place, which leaves the type, the names of the weights and pickling as they are."""
        if name == "module":
            self.encode, self.decode = module.encode, module.decode
            if self.compile:
                settings = self.get_params_for("compile")
                module.compile(**settings)
                self.encode, self.decode = (torch.compile(function, **settings) for function in (module.encode, module.decode))
        return module

    def __getstate__(self):
        """Leave out what may be compiled."""
        return {name: value for name, value in super().__getstate__().items() if name not in ("encode", "decode")}

    def __setstate__(self, state):
        super().__setstate__(state)
        if hasattr(self, "module_"):
            self.encode, self.decode = self.module_.encode, self.module_.decode  # not compiled: that is of one process

    def train(self, dataset, epochs):
        """Train, and say how it ended.

        Parameters
        ----------
        dataset : skae._batches.Rows
            The rows to learn from.
        epochs : int
            The most passes over them.

        Returns
        -------
        end : {"done", "stopped", "interrupted"}
            All passes were made, a callback stopped, or someone pressed Ctrl-C.
        """
        end = "done"
        self.max_epochs = epochs
        self.n_steps_, self.lowest_, self.usual_ = 0, math.inf, None
        self.notify("on_train_begin", X=dataset, y=None)
        try:
            self.fit_loop(dataset, epochs=epochs)
        except Stopped:
            end = "stopped"
        except KeyboardInterrupt:
            end = "interrupted"
        self.notify("on_train_end", X=dataset, y=None)
        return end

    def notify(self, method_name, **cb_kwargs):
        """Tell the callbacks. One that stops the training, which skorch's do by a KeyboardInterrupt, isn't a Ctrl-C."""
        getattr(self, method_name)(self, **cb_kwargs)
        for _, callback in self.callbacks_:
            try:
                getattr(callback, method_name)(self, **cb_kwargs)
            except KeyboardInterrupt as stop:
                if method_name == "on_epoch_end":
                    raise Stopped from stop
                raise
        if method_name == "on_epoch_end" and self.watcher is not None and self.watcher.done:
            raise Stopped

    def on_epoch_end(self, net, **kwargs):
        """Let the watcher look at the weights, before the callbacks see what it recorded."""
        super().on_epoch_end(net, **kwargs)
        if self.watcher is not None:
            self.watcher(self)

    def get_iterator(self, dataset, training=False):
        """Give skorch's iterator, and note how many steps the whole training has."""
        iterator = super().get_iterator(dataset, training=training)
        if training:
            self.all_steps_ = len(iterator) * self.max_epochs
            quiet = (Callback.on_batch_begin, Callback.on_batch_end, Callback.on_grad_computed)
            self.tells_batches_ = any(
                getattr(type(callback), own.__name__) is not own for _, callback in self.callbacks_ for own in quiet
            )
            scheduled = any(isinstance(callback, LRScheduler) for _, callback in self.callbacks_)
            self.schedules_ = self.warm_up is not None and not scheduled
            for group in self.optimizer_.param_groups:
                group.setdefault("initial_lr", group["lr"])
        return iterator

    def learning_rate_share(self, step):
        """Say which share of its peak the learning rate has at a step: up along a line, and down along another."""
        done = step / self.all_steps_
        return min((done + 1 / self.all_steps_) / self.warm_up, (1 - done) / (1 - self.warm_up))

    def ready(self, batch, generator):
        """Give the rows of a batch in the space of training, damaged if they are to be, and what they should become.

        Where damage may leave gaps: also what of them it left. Rows that are prepared, and damaged, lie as they did.
        """
        module = self.module_
        with torch.no_grad():
            if self.corrupt is None:
                x = batch.X if self.prepared else module.prepare(batch.X)
                return x, module.target(x), None
            centred = batch.X if self.prepared else module.centre(batch.X)
            flat = centred.flatten(0, -2)
            damaged = module.damaged(flat, lambda x: self.corrupt(x, generator)).unflatten(0, centred.shape[:-1])
            x = module.arrange(damaged)
            return x, module.target(module.arrange(centred)), ~module.target(x).isnan() if module.allow_nan else None

    def passed(self, x, generator):
        """Take rows through the network in the space of training."""
        with torch.autocast(x.device.type, dtype=self.precision, enabled=self.precision != torch.float32):
            return self.module_(x, generator)

    def judge(self, batch, generator):
        """Compute for each row of a batch what training makes small, and the reconstruction's part of it."""
        with torch.set_grad_enabled(self.criterion_.penalty == "contraction"):
            x, target, seen = self.ready(batch, generator)
            passed, more = self._passed(x, batch, generator)
            rebuilt = self.criterion_(passed.x_hat, target, batch.weights, seen=seen, each=True).detach()
            return (rebuilt if more is None else rebuilt + more.detach()), rebuilt

    def null(self, batch):
        """Compute the loss of each row of a batch if all were reconstructed as the mean."""
        with torch.inference_mode():
            x = batch.X if self.prepared else self.module_.prepare(batch.X)
            return self.criterion_(self.module_.null(x), self.module_.target(x), batch.weights, each=True)

    def _passed(self, x, batch, generator):
        """Take rows through the network, and compute what is asked beside their reconstruction."""
        if self.criterion_.penalty == "contraction":
            x.requires_grad_()
        passed = self.passed(x, generator)
        return passed, self.criterion_.more(passed, x, self.module_, batch, generator)

    def _clip_gradients(self):
        """Shorten a gradient that is much longer than those of late: after one such step a loss may not come back."""
        weights = list(self.module_.parameters())
        norm = torch.nn.utils.get_total_norm([weight.grad for weight in weights if weight.grad is not None])
        usual = norm if self.usual_ is None else torch.minimum(0.95 * self.usual_ + 0.05 * norm, 1.05 * self.usual_)
        torch.nn.utils.clip_grads_with_norm_(weights, self.clip * usual, norm)
        self.usual_ = usual

    def train_step(self, batch, **fit_params):
        """Take one step; without skorch's closure, so optimizers that evaluate several times can't be used."""
        if self.schedules_:
            share = self.learning_rate_share(self.n_steps_)
            for group in self.optimizer_.param_groups:
                group["lr"] = group["initial_lr"] * share
        step = self._gradients(batch)
        if self.clip:
            self._clip_gradients()
        if self.tells_batches_:
            self.notify("on_grad_computed", named_parameters=list(self.get_all_learnable_params()), batch=batch[:2])
        self.optimizer_.step()
        self.n_steps_ += 1
        return step

    def _gradients(self, batch):
        """Compute loss and gradients of a batch, in as many parts as there is memory for."""
        while True:
            self.optimizer_.zero_grad(set_to_none=True)
            try:
                if self.parts == 1:
                    return self._backward(batch, 1.0)
                total = float(len(batch.X)) if batch.weights is None else batch.weights.sum()
                done = []  # with what was reconstructed only if a callback may ask for it
                for piece in slices(len(batch.X), math.ceil(len(batch.X) / self.parts)):
                    part = batch.part(piece)
                    share = (float(len(part.X)) if part.weights is None else part.weights.sum()) / total
                    step = self._backward(part, share)
                    done.append(step if self.tells_batches_ else {"loss": step["loss"]})
                x_hat = torch.cat([step["y_pred"] for step in done]) if self.tells_batches_ else None
                return {"loss": sum(step["loss"] for step in done), "y_pred": x_hat}
            except torch.OutOfMemoryError:
                if self.parts >= len(batch.X) or batch.X.ndim > 2:
                    raise
            self.parts *= 2
            advise(
                f"A batch of {len(batch.X)} rows does not fit into the memory of {self.device}: from here on it is taken in "
                f"{self.parts} parts, which gives the same steps.",
            )

    def _backward(self, batch, share):
        """Add the gradients of a batch, or of a part with this share of its weight."""
        x, target, seen = self.ready(batch, self.generator)
        passed, more = self._passed(x, batch, self.generator)
        loss = self.criterion_(passed.x_hat, target, batch.weights, seen=seen)
        if more is not None:
            loss = loss + (more if more.ndim == 0 else weighted_mean(more, batch.weights))
        loss = loss * share
        copies = len(batch.X) if batch.X.ndim > 2 else 1
        (loss * copies).backward()  # the mean is over copies, too, and each is to have its own gradient
        return {"loss": loss.detach(), "y_pred": passed.x_hat.detach()}

    def run_single_epoch(self, iterator, training, prefix, step_fn, **fit_params):
        """Make one pass, and record its mean loss."""
        if iterator is None:
            return
        self._set_training(training)
        total, count = torch.zeros((), device=self.device), torch.zeros((), device=self.device)
        for batch in iterator:
            if self.tells_batches_:
                self.notify("on_batch_begin", batch=batch[:2], training=training)
            step = step_fn(batch, **fit_params)
            weight = batch.X.shape[:-1].numel() if batch.weights is None else batch.weights.sum()
            total += step["loss"] * weight
            count += weight
            if self.tells_batches_:
                self.notify("on_batch_end", batch=batch[:2], training=training, **step)
        loss = float(total / count)  # the one moment of an epoch at which the device is waited for
        if training and not math.isfinite(loss):
            raise Diverged
        self.history.new_batch()  # one for the epoch: some of skorch's callbacks look for the last
        self.history.record_batch(prefix + "_loss", loss)
        self.history.record(prefix + "_loss", loss)
        self.history.record(prefix + "_loss_best", loss < self.lowest_)
        self.lowest_ = min(loss, self.lowest_)


def bare_net(network, device="cpu", **settings):
    """Wrap a network that is there to be used, or trained with `settings`."""
    network = network.to(device)
    if network.channels_last:
        network = network.to(memory_format=torch.channels_last)
    net = AutoencoderNet(network, device=device, **settings)
    net.initialize()
    net.module_.eval()
    return net
