"""Parameters that users pass to the skorch net."""

import copy

import numpy as np
from sklearn.base import clone
from skorch.callbacks import Callback

from skae._parameter_names import advice

__all__ = [
    "compile_settings",
    "copy_parameter",
    "extra_settings",
    "has_batch_hooks",
    "own_settings",
]

OWN_KEYS = {
    "module": None,
    "criterion": "loss",
    "optimizer": "solver",
    "optimizer__lr": "learning_rate_init",
    "lr": "learning_rate_init",
    "max_epochs": "max_iter",
    "batch_size": "batch_size",
    "dataset": None,
    "train_split": "validation_fraction",
    "verbose": "verbose",
    "warm_start": "warm_start",
    "device": "device",
    "precision": "precision",
    "prepared": None,
    "warm_up": None,
    "decay": None,
    "cycle_ends": None,
    "clip": None,
    "monitor": None,
    "parts": None,
    "corrupt": None,
    "generator": None,
    "static": None,
}
"""Parameters that skae sets itself, and the parameter of the estimator that they follow, if any.

`net_params` can't contain them.
"""

BATCH_HOOKS = ("on_batch_begin", "on_batch_end", "on_grad_computed")
"""Methods of callbacks that are called for each batch."""

OWN_PREFIXES = ("iterator_train", "iterator_valid", "module", "criterion")
"""Prefixes of further parameters that skae sets itself."""


def compile_settings(net_params):
    """Return the parameters of compilation, which also concern a net that is not trained."""
    if net_params is None:
        return {}
    return {key: value for key, value in net_params.items() if key.split("__")[0] == "compile"}


def own_settings(net_params):
    """Copy `net_params`, so that later changes by the user have no effect.

    Values are deep copies, except for callbacks, which may refer to objects without a copy.
    """
    if net_params is None:
        return {}
    settings = {}
    for key, value in net_params.items():
        if key == "callbacks":
            settings[key] = copy.copy(value)
        else:
            settings[key] = copy.deepcopy(value)
    return settings


def extra_settings(estimator):
    """Validate `net_params`, and copy them for one training.

    Callbacks are copied, so that a training does not change those of the user. The copies are
    shallow: they share objects such as an open file, or a list of records.

    Parameters
    ----------
    estimator : estimator
        Its `net_params` are those of the user.

    Returns
    -------
    settings : dict
        Parameters of the skorch net.

    Raises
    ------
    TypeError
        If a key is no string, or if a callback is none of skorch's.
    ValueError
        If skae sets a parameter itself, or if `compile` is no bool.
    """
    settings = own_settings(estimator.net_params)
    callbacks = settings.get("callbacks")
    if callbacks is not None and callbacks != "disable":
        settings["callbacks"] = _copy_callbacks(callbacks)
    for key in settings:
        if not isinstance(key, str):
            raise TypeError(f"Got net_params with the key {key!r}, but expected strings.")
        _check_key(key, estimator)
    if not isinstance(settings.get("compile", False), (bool, np.bool_)):
        raise ValueError(
            f"Got net_params with compile={settings['compile']!r}, but expected True or False."
        )
    return settings


def _check_key(key, estimator):
    """Raise an error for a key that skae sets itself, and name the parameter to use instead."""
    if key == "callbacks":
        return
    parameters = type(estimator)._get_param_names()
    text = advice(key, parameters)
    is_own = key in OWN_KEYS or key.split("__")[0] in OWN_PREFIXES
    if OWN_KEYS.get(key) in parameters:
        text = f"Use {OWN_KEYS[key]} instead."
    elif key in parameters and key not in OWN_KEYS:
        text = f"{key} is a parameter of {type(estimator).__name__}: set it there."
    elif is_own and text is None:
        text = "skae sets it itself: remove the key."
    if text is not None:
        raise ValueError(f"Got net_params with the key {key!r}. {text}")


def has_batch_hooks(callbacks):
    """Return whether one of the pairs (name, callback) has a method that is called per batch."""
    for _, callback in callbacks:
        for name in BATCH_HOOKS:
            if getattr(type(callback), name) is not getattr(Callback, name):
                return True
    return False


def _copy_callbacks(callbacks):
    """Copy callbacks, which may be pairs (name, callback), and check their type."""
    listed = callbacks
    if not isinstance(callbacks, (list, tuple)):
        listed = [callbacks]
    copies = []
    for item in listed:
        is_pair = isinstance(item, (tuple, list)) and len(item) == 2 and isinstance(item[0], str)
        if is_pair:
            _check_callback(item[1], callbacks)
            copies.append((item[0], copy.copy(item[1])))
        else:
            _check_callback(item, callbacks)
            copies.append(copy.copy(item))
    return copies


def _check_callback(callback, callbacks):
    """Raise an error if a callback is neither None nor like skorch's."""
    if callback is not None and not hasattr(callback, "on_epoch_end"):
        raise TypeError(
            f"Got net_params with callbacks={callbacks!r}, but expected a list of skorch "
            "callbacks, or of pairs (name, callback)."
        )


def copy_parameter(value):
    """Return a copy of a parameter that does not change with the user's object."""
    if isinstance(value, dict):
        return own_settings(value)
    if hasattr(value, "get_params"):
        return clone(value)
    return value  # functions are compared by identity
