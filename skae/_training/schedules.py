"""Schedules of the `learning_rate` parameter: words, and classes of torch."""

import inspect

from skorch.callbacks import Callback, LRScheduler
from torch.optim.lr_scheduler import ReduceLROnPlateau

__all__ = ["SCHEDULES", "TorchSchedule", "schedule_settings"]

SCHEDULES = ("auto", "constant", "cosine")
"""Words of the parameter: linear warm-up and linear decay, no change, and cosine decay."""


def schedule_settings(setup, *, has_schedule):
    """Return the settings of the net for a schedule.

    Parameters
    ----------
    setup : FitSetup
        Its estimator has the parameter `learning_rate`, and its plan the share of the warm-up.
    has_schedule : bool
        Whether the learning rate changes, unlike that of ``partial_fit``.

    Returns
    -------
    settings : dict
        Parameters of the skorch net.

    Raises
    ------
    ValueError
        If the callbacks of the user contain another schedule.
    """
    learning_rate = setup.estimator.learning_rate
    if not has_schedule:
        return {"warm_up": None}
    if learning_rate == "auto":
        return {"warm_up": setup.plan.warm_up, "cycle_ends": setup.plan.cycle_ends}
    callbacks = _user_callbacks(setup.extra)
    if any(isinstance(one, LRScheduler) or _is_named_scheduler(one) for one in callbacks):
        raise ValueError(
            f"Got learning_rate={learning_rate!r} and an LRScheduler in net_params, but expected "
            "one of the two. Set learning_rate='auto'."
        )
    if learning_rate == "constant":
        return {"warm_up": None}
    if learning_rate == "cosine":
        cycles = {"warm_up": setup.plan.warm_up, "cycle_ends": setup.plan.cycle_ends}
        return {**cycles, "decay": "cosine"}
    schedule = ("learning_rate", TorchSchedule(learning_rate))
    return {"warm_up": None, "callbacks": [*callbacks, schedule]}


def _is_named_scheduler(callback):
    """Return whether a callback is a pair of a name and a schedule of skorch."""
    return isinstance(callback, tuple) and isinstance(callback[1], LRScheduler)


def _user_callbacks(extra):
    """Return the callbacks of `net_params` as a list, without names."""
    callbacks = extra.get("callbacks")
    if callbacks in (None, "disable"):
        return []
    return list(callbacks)


class TorchSchedule(Callback):
    """Callback that steps a scheduler of torch after each epoch.

    Parameters
    ----------
    factory : callable
        Class, ``functools.partial`` or function that returns a scheduler of an optimizer.
    """

    def __init__(self, factory):
        self.factory = factory

    def on_train_begin(self, net, **kwargs):
        """Create the scheduler."""
        self.scheduler_ = _create_scheduler(self.factory, net)

    def on_epoch_end(self, net, **kwargs):
        """Set the learning rate of the next epoch."""
        if isinstance(self.scheduler_, ReduceLROnPlateau):
            self.scheduler_.step(net.history[-1, "train_loss"])
        else:
            self.scheduler_.step()

    def state_dict(self):
        """Return the state of the scheduler."""
        return self.scheduler_.state_dict()

    def load_state_dict(self, state):
        """Load the state of the scheduler."""
        self.scheduler_.load_state_dict(state)


def _create_scheduler(factory, net):
    """Call a factory; the numbers of epochs and the peak are added if they are parameters of it."""
    values = {"T_max": net.max_epochs, "total_steps": net.max_epochs, "max_lr": net.lr}
    settings = {}
    for name, parameter in inspect.signature(factory).parameters.items():
        if name in values and parameter.default in (None, inspect.Parameter.empty):
            settings[name] = values[name]
    try:
        scheduler = factory(net.optimizer_, **settings)
    except (TypeError, ValueError) as error:
        raise ValueError(
            f"Got learning_rate={factory!r}, which fails for an optimizer: {error}. Set its "
            "parameters by functools.partial."
        ) from error
    if not hasattr(scheduler, "step") or not hasattr(scheduler, "state_dict"):
        raise ValueError(
            f"Got {scheduler!r} from learning_rate={factory!r}, but expected a scheduler as those "
            "of torch.optim.lr_scheduler."
        )
    return scheduler
