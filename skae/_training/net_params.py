"""Parameters that users pass to the skorch net."""

import copy

import numpy as np
from sklearn.base import clone
from skorch.callbacks import Callback

__all__ = [
    "compile_settings",
    "copy_parameter",
    "extra_settings",
    "has_batch_hooks",
    "own_settings",
]

OWN_KEYS = (
    "module",
    "criterion",
    "optimizer",
    "optimizer__lr",
    "lr",
    "max_epochs",
    "batch_size",
    "dataset",
    "train_split",
    "verbose",
    "warm_start",
    "device",
    "precision",
    "prepared",
    "warm_up",
    "clip",
    "monitor",
    "parts",
    "corrupt",
    "generator",
    "static",
)
"""Parameters that skae sets itself; `net_params` can't contain them."""

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


def extra_settings(net_params):
    """Validate `net_params`, and copy them for one training.

    Callbacks are copied, so that a training does not change those of the user. The copies are
    shallow: they share objects such as an open file, or a list of records.

    Parameters
    ----------
    net_params : dict or None
        As the user set them.

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
    settings = own_settings(net_params)
    callbacks = settings.get("callbacks")
    if callbacks is not None and callbacks != "disable":
        settings["callbacks"] = _copy_callbacks(callbacks)
    for key in settings:
        if not isinstance(key, str):
            raise TypeError(f"Got net_params with the key {key!r}, but expected strings.")
        if key in OWN_KEYS or key.split("__")[0] in OWN_PREFIXES:
            raise ValueError(
                f"Got net_params with the key {key!r}, but expected none of those that skae sets "
                f"itself: {', '.join(OWN_KEYS)}, and those of {', '.join(OWN_PREFIXES)}. Use the "
                "parameters of the estimator instead."
            )
    if not isinstance(settings.get("compile", False), (bool, np.bool_)):
        raise ValueError(
            f"Got net_params with compile={settings['compile']!r}, but expected True or False."
        )
    return settings


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
