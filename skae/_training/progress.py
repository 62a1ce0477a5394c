"""Callbacks of each epoch: those of scikit-learn, and the progress bar."""

from skae.distributed._context import alone

__all__ = ["EpochCallbacks", "NoEpochCallbacks"]


class EpochCallbacks:
    """Callback contexts of scikit-learn and a progress bar, as a context manager of a training.

    Parameters
    ----------
    estimator : estimator
        The estimator that is fitted.
    hooks : dict
        Arguments of its callbacks: `X`, `y`, and optional `metadata`.
    epochs : int
        The largest number of epochs.
    n_done : int, default=0
        Number of epochs that were trained before a checkpoint.
    snapshot : callable
        Function of the monitor of the training that returns the present fitted attributes as a
        dict. It is called if a callback reads them.
    verbose : bool
        Whether to show a progress bar with the losses and the remaining time.

    Attributes
    ----------
    fitted_attributes : dict
        The fitted attributes at the end of the training, for callbacks at the end of the fit. They
        have to be set within the context.
    """

    def __init__(self, estimator, hooks, *, epochs, snapshot, verbose, n_done=0):
        self.hooks = {"estimator": estimator, **hooks}
        self.remaining_epochs = epochs - n_done
        self.snapshot = snapshot
        self.fit_context = estimator._init_callback_context(max_subtasks=epochs)
        self.epoch_context = None
        self.fitted_attributes = {}
        self.bar = None
        if verbose:
            from tqdm.auto import tqdm

            name = type(estimator).__name__
            self.bar = tqdm(total=epochs, initial=n_done, desc=name, unit="epoch")

    @alone()  # users' callbacks may fit
    def __enter__(self):
        self.fit_context.call_on_fit_task_begin(**self.hooks)
        self._begin_epoch()
        return self

    def _begin_epoch(self):
        if self.remaining_epochs:
            self.epoch_context = self.fit_context.subcontext(task_name="epoch")
            self.epoch_context.call_on_fit_task_begin(**self.hooks)

    @alone()
    def __call__(self, monitor):
        """End an epoch; return whether a callback stops the training."""
        self.remaining_epochs -= 1
        if self.bar is not None:
            self._update_bar(monitor.net.history[-1])
        stop = self.epoch_context.call_on_fit_task_end(
            **self.hooks, reconstruction_attributes=lambda: self.snapshot(monitor)
        )
        if not stop:
            self._begin_epoch()
        return stop

    def _update_bar(self, record):
        """Show the losses of an epoch."""
        losses = {}
        for name in ("train_loss", "valid_loss"):
            if name in record:
                losses[name] = f"{record[name]:.4g}"
        self.bar.set_postfix(losses, refresh=False)
        self.bar.update()

    @alone()
    def __exit__(self, kind, error, trace):
        if self.bar is not None:
            self.bar.close()
        if kind is None:
            self.fit_context.call_on_fit_task_end(
                **self.hooks, reconstruction_attributes=lambda: self.fitted_attributes
            )
        self.snapshot = None  # it may refer to this object


class NoEpochCallbacks:
    """Callbacks of a process whose epochs another process shows; parameters are ignored."""

    def __init__(self, estimator, hooks, **settings):
        self.fitted_attributes = {}

    def __enter__(self):
        return self

    def __call__(self, monitor):
        """End an epoch; it does not stop the training."""
        return False

    def __exit__(self, kind, error, trace):
        pass
