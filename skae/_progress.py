"""Tell of each epoch: scikit-learn's callbacks, and the progress bar."""

__all__ = ["Epochs"]


class Epochs:
    """Open and close scikit-learn's callback contexts, and move the progress bar, as a context manager around a training.

    Parameters
    ----------
    estimator : estimator
        Which is fitted.
    hooks : dict
        What its callbacks are given: `X`, `y`, and `metadata` where there is some.
    epochs : int
        How many there will be at the most.
    snapshot : callable
        Gives the fitted attributes of this moment as a dict, for callbacks that ask.
    verbose : bool
        Whether to show a bar with the loss and the time left.
    """

    def __init__(self, estimator, hooks, *, epochs, snapshot, verbose):
        self.hooks = {"estimator": estimator, **hooks}
        self.left = epochs
        self.snapshot = snapshot
        self.root = estimator._init_callback_context(max_subtasks=epochs)
        self.task = self.bar = None
        if verbose:
            from tqdm.auto import tqdm

            self.bar = tqdm(total=epochs, desc=type(estimator).__name__, unit="epoch")

    def __enter__(self):
        self.root.call_on_fit_task_begin(**self.hooks)
        self._begin()
        return self

    def _begin(self):
        if self.left:
            self.task = self.root.subcontext(task_name="epoch")
            self.task.call_on_fit_task_begin(**self.hooks)

    def __call__(self, watcher):
        """End an epoch; true if a callback asks to stop."""
        self.left -= 1
        if self.bar is not None:
            last = watcher.net.history[-1]
            losses = {name: f"{last[name]:.4g}" for name in ("train_loss", "valid_loss") if name in last}
            self.bar.set_postfix(losses, refresh=False)
            self.bar.update()
        stop = self.task.call_on_fit_task_end(**self.hooks, reconstruction_attributes=lambda: self.snapshot(watcher))
        if not stop:
            self._begin()
        return stop

    def __exit__(self, kind, error, trace):
        if self.bar is not None:
            self.bar.close()
        if kind is None:
            self.root.call_on_fit_task_end(**self.hooks, reconstruction_attributes={})
