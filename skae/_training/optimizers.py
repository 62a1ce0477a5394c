"""Optimizers of the `solver` parameter."""

import inspect

import torch

__all__ = ["resolve_optimizer"]

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
