"""Encoders and decoders of the user: names, parameters, and building of the modules."""

import copy
import functools
import inspect

from torch import nn
from torch.nn.parameter import is_lazy

__all__ = [
    "build_module",
    "check_names",
    "copy_module",
    "module_name",
    "share_weights",
    "short_name",
]

ARGUMENTS = ("sample_shape", "n_components")
"""Arguments that a class or a function gets where its signature has them."""


def module_name(source):
    """Return the name of a class or a function, or of the class of an instance."""
    if isinstance(source, functools.partial):
        source = source.func
    if isinstance(source, nn.Module) or not hasattr(source, "__qualname__"):
        source = type(source)
    return f"{source.__module__}.{source.__qualname__}"


def short_name(source):
    """Return the name of a class or a function without its module."""
    return module_name(source).rpartition(".")[2]


def _signature(source):
    """Return the parameters of a class or a function, or None if they can't be read."""
    try:
        return inspect.signature(source)
    except (TypeError, ValueError):
        return None


def check_names(source, role, names):
    """Raise a ValueError for names that a class or a function does not have as parameters.

    Parameters
    ----------
    source : type, callable or torch.nn.Module
        Encoder or decoder as the user set it.
    role : {"encoder", "decoder"}
        Name of the parameter.
    names : iterable of str
        Names without the prefix ``encoder__`` or ``decoder__``.
    """
    names = list(names)
    if names and isinstance(source, nn.Module):
        raise ValueError(
            f"Got {role}__{names[0]} with an instance of {short_name(source)} as {role}, whose "
            f"parameters are those of its construction. Pass the class: {role}="
            f"{short_name(source)}."
        )
    signature = _signature(source)
    if signature is None:
        return
    parameters = signature.parameters
    if any(one.kind is one.VAR_KEYWORD for one in parameters.values()):
        return
    for name in names:
        if name not in parameters:
            raise ValueError(
                f"Got {role}__{name}, but {role} has no parameter {name!r}. Its signature is "
                f"{short_name(source)}{signature}."
            )


def build_module(source, role, sample_shape, n_components, parameters):
    """Build an encoder or a decoder.

    Parameters
    ----------
    source : type, callable or torch.nn.Module
        A class or a function is called with the parameters, and with `sample_shape` and
        `n_components` where its signature has them. A function may have two other names for them.
        An instance is copied.
    role : {"encoder", "decoder"}
        Name of the parameter.
    sample_shape : tuple of int
        Shape of one sample as the encoder gets it.
    n_components : int
        Number of latent dimensions.
    parameters : dict
        Keyword arguments.

    Returns
    -------
    module : torch.nn.Module
        A module that no other object refers to.

    Raises
    ------
    ValueError
        If the source can't be called with these parameters.
    TypeError
        If the result is no module.
    """
    check_names(source, role, parameters)
    if isinstance(source, nn.Module):
        return copy_module(source, role)
    signature = _signature(source)
    values = {"sample_shape": tuple(sample_shape), "n_components": n_components}
    positional, keywords = [], dict(parameters)
    if signature is None:
        positional = list(values.values())
    else:
        for name in ARGUMENTS:
            if name in signature.parameters:
                keywords.setdefault(name, values[name])
        if not isinstance(source, type):
            positional = _unnamed_values(signature, values, keywords)
        _check_binding(source, role, signature, positional, keywords)
    try:
        module = source(*positional, **keywords)
    except Exception as error:
        raise ValueError(
            f"Got {role}={short_name(source)}, which can't be built for samples of shape "
            f"({', '.join(map(str, sample_shape))}) and n_components={n_components}: {error}"
        ) from error
    if not isinstance(module, nn.Module):
        raise TypeError(
            f"Got {role}={short_name(source)}, which returned {type(module).__name__}, but "
            "expected a torch.nn.Module."
        )
    return module


def copy_module(module, role):
    """Return a copy of an instance.

    Raises
    ------
    ValueError
        If the instance is compiled, or has lazy buffers before their first forward pass, which
        torch can't copy.
    """
    if type(module).__name__ == "OptimizedModule":
        raise ValueError(
            f"Got {role}, which is a result of torch.compile. Pass the module itself, and set "
            "net_params={'compile': True}."
        )
    for name, buffer in module.named_buffers():
        if is_lazy(buffer):
            raise ValueError(
                f"Got {role}={short_name(module)}, whose lazy buffer {name} can't be copied before "
                "its first forward pass. Pass a function that returns the module, or call it with "
                "a batch first."
            )
    return copy.deepcopy(module)


def share_weights(encoder, decoder):
    """Return whether two instances have weights in common."""
    if not isinstance(encoder, nn.Module) or not isinstance(decoder, nn.Module):
        return False
    of_encoder = {id(weight) for weight in encoder.parameters()}
    return any(id(weight) in of_encoder for weight in decoder.parameters())


def _unnamed_values(signature, values, keywords):
    """Return the values for the first required parameters of a function that have other names."""
    rest = [value for name, value in values.items() if name not in keywords]
    required = []
    for name, parameter in signature.parameters.items():
        is_positional = parameter.kind in (
            parameter.POSITIONAL_ONLY,
            parameter.POSITIONAL_OR_KEYWORD,
        )
        if is_positional and parameter.default is parameter.empty and name not in keywords:
            required.append(name)
    return rest[: len(required)]


def _check_binding(source, role, signature, positional, keywords):
    """Raise a ValueError with the signature if a call lacks an argument."""
    try:
        signature.bind(*positional, **keywords)
    except TypeError as error:
        raise ValueError(
            f"Got {role}={short_name(source)}, which can't be built: {error}. Its signature is "
            f"{short_name(source)}{signature}. Set its parameters as {role}__NAME; sample_shape "
            "and n_components are passed where the signature has them."
        ) from error
