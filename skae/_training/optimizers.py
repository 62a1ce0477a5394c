"""Optimizers of the `solver` parameter."""

import fnmatch
import inspect
from contextlib import contextmanager

import torch

__all__ = ["check_groups", "named_parameter_errors", "named_step_errors", "resolve_optimizer"]

MAX_SHOWN_NAMES = 5
"""Most names of weights in a message."""

SOLVERS = {
    "adamw": (torch.optim.AdamW, {"betas": (0.85, 0.98), "weight_decay": 0.0, "fused": True}, 1.0),
    "adam": (torch.optim.Adam, {"betas": (0.85, 0.98), "fused": True}, 1.0),
    "rmsprop": (torch.optim.RMSprop, {}, 0.1),
    "sgd": (torch.optim.SGD, {"momentum": 0.9, "nesterov": True, "fused": True}, 8.0),
}
"""Class, keyword arguments, and the factor of the default learning rate relative to AdamW."""


def resolve_optimizer(solver):
    """Resolve the `solver` parameter.

    Parameters
    ----------
    solver : str or callable
        A key of `SOLVERS`, a class of optimizers, or a ``functools.partial`` of one.

    Returns
    -------
    optimizer : callable
        The class, or the partial.
    settings : dict
        Keyword arguments of the optimizer; empty for a class of the user.
    factor : float
        Default learning rate relative to that of AdamW.

    Raises
    ------
    ValueError
        If the solver is no optimizer, or if its ``step`` requires a closure.
    """
    if isinstance(solver, str):
        return SOLVERS[solver]
    optimizer_class = getattr(solver, "func", solver)
    step = getattr(optimizer_class, "step", None)
    if step is None:
        raise ValueError(
            f"Got solver={solver!r}, but expected one of {', '.join(SOLVERS)}, or a class like "
            "those of torch.optim."
        )
    closure = inspect.signature(step).parameters.get("closure")
    if closure is not None and closure.default is inspect.Parameter.empty:
        raise ValueError(
            f"Got solver={optimizer_class.__name__}, but expected an optimizer with a "
            "step that requires no closure."
        )
    return solver, {}, 1.0


def _name(optimizer):
    """Return the name of the class of an optimizer, which may be in a partial."""
    optimizer_class = getattr(optimizer, "func", optimizer)
    return getattr(optimizer_class, "__name__", repr(optimizer_class))


@contextmanager
def named_parameter_errors(optimizer):
    """Name the optimizer, and the parameters of the estimator, in errors of its constructor."""
    try:
        yield
    except (TypeError, ValueError) as error:
        raise type(error)(
            f"The optimizer {_name(optimizer)} refuses its parameters: {error}. Check solver, and "
            "the keys of net_params that begin with optimizer__."
        ) from error


def check_groups(net):
    """Raise a ValueError for a pattern of optimizer__param_groups that matches no weight."""
    groups = net.get_params_for("optimizer").get("param_groups", [])
    if not groups:
        return
    names = [name for name, _ in net.get_all_learnable_params()]
    for pattern, _ in groups:
        if not fnmatch.filter(names, pattern):
            raise ValueError(
                f"Got the pattern {pattern!r} in optimizer__param_groups, which matches no weight. "
                f"Names of weights are {', '.join(names[:MAX_SHOWN_NAMES])}, ..."
            )


@contextmanager
def named_step_errors(optimizer):
    """Name the optimizer in the error of an optimizer of sparse gradients, as a ValueError."""
    try:
        yield
    except RuntimeError as error:
        if "dense gradients" not in str(error):
            raise
        raise ValueError(
            f"The step of the optimizer {_name(optimizer)} failed: {error}. Set solver to an "
            "optimizer of dense gradients, such as 'adamw'."
        ) from error
