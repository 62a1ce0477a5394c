"""What users tell the net: the solver, and more by `net_params`."""

import copy
import inspect

import torch

__all__ = ["compile_settings", "extra_settings", "find_solver", "own_settings"]

SOLVERS = {
    "adamw": (torch.optim.AdamW, {"betas": (0.85, 0.98), "weight_decay": 0.0, "fused": True}, 1.0),
    "adam": (torch.optim.Adam, {"betas": (0.85, 0.98), "fused": True}, 1.0),
    "rmsprop": (torch.optim.RMSprop, {}, 0.1),
    "sgd": (torch.optim.SGD, {"momentum": 0.9, "nesterov": True, "fused": True}, 8.0),
}
"""Class, settings, and by how much its learning rate is larger than that of AdamW."""

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
    "watcher",
    "parts",
    "corrupt",
    "generator",
)
"""What skae tells skorch itself, and `net_params` can't."""


def find_solver(solver):
    """Find the optimizer that a parameter names, or is.

    Parameters
    ----------
    solver : str or callable
        A key of `SOLVERS`; or a class of optimizers, or a ``functools.partial`` of one.

    Returns
    -------
    optimizer : callable
        What makes it.
    settings : dict
        Its keywords; of one of the user's none.
    factor : float
        By how much its automatic learning rate is larger than that of AdamW.
    """
    if isinstance(solver, str):
        return SOLVERS[solver]
    class_ = getattr(solver, "func", solver)
    step = getattr(class_, "step", None)
    if step is None:
        raise ValueError(
            f"Got solver={solver!r}, but expected one of {', '.join(SOLVERS)}, or a class like those of torch.optim."
        )
    closure = inspect.signature(step).parameters.get("closure")
    if closure is not None and closure.default is inspect.Parameter.empty:
        raise ValueError(f"Got solver={class_.__name__}, but expected an optimizer that takes a step without a closure.")
    return solver, {}, 1.0


def compile_settings(net_params):
    """Give of what the user tells skorch what is about compilation, which matters for a net that is only used, too."""
    return {key: value for key, value in (net_params or {}).items() if key.split("__")[0] == "compile"}


def own_settings(net_params):
    """Copy what the user tells skorch, so that later changes don't count; callbacks may hold what can't be copied."""
    return {key: (copy.copy if key == "callbacks" else copy.deepcopy)(value) for key, value in (net_params or {}).items()}


def extra_settings(net_params):
    """Prepare what the user tells skorch for one training, and refuse what skae says itself.

    Callbacks are copied, so that those of the user stay as they were, but what they refer to is shared: an open file, or a list
    in which they note something.
    """
    extra = own_settings(net_params)
    given = extra.get("callbacks")
    if given is not None and given != "disable":
        listed = given if isinstance(given, (list, tuple)) else [given]
        extra["callbacks"] = [_own_callback(one, given) for one in listed]
    for key in extra:
        if not isinstance(key, str):
            raise TypeError(f"Got net_params with the key {key!r}, but expected strings.")
        if key in OWN_KEYS or key.split("__")[0] in ("iterator_train", "iterator_valid", "module", "criterion"):
            raise ValueError(
                f"Got net_params with the key {key!r}, but expected none that skae sets itself, which are "
                f"{', '.join(OWN_KEYS)}, and those of module, criterion, iterator_train and iterator_valid. The parameters of "
                "the estimator say the same."
            )
    return extra


def _own_callback(one, given):
    """Copy a callback, perhaps in a pair with its name; refuse what is none, and show what was given."""
    named = isinstance(one, (tuple, list)) and len(one) == 2 and isinstance(one[0], str)
    callback = one[1] if named else one
    if callback is not None and not hasattr(callback, "on_epoch_end"):
        raise TypeError(
            f"Got net_params with callbacks={given!r}, but expected a list of skorch callbacks, or of pairs (name, callback)."
        )
    return (one[0], copy.copy(callback)) if named else copy.copy(callback)
