"""Digest of a fit: a short name for its parameters, its data and its start."""

import hashlib
import inspect
import types

import numpy as np
import torch
from sklearn.base import BaseEstimator

from skae._input.rows import row_chunks
from skae._input.sparse_rows import SparseRows
from skae._input.streaming import StreamedRows
from skae._training.objective import resolve_objective
from skae._version import __version__

__all__ = ["NotDigestible", "digest_fit", "digest_rows"]

LIBRARIES = ("builtins", "functools", "numpy", "skae", "sklearn", "skorch", "torch")
"""Packages with functions and classes that count by name. Others count by their code as well."""

IGNORED_PARAMETERS = ("checkpoint_dir", "device", "verbose")
"""Parameters that have no part in the result of a fit, up to rounding."""

OPTIONS = ("bottleneck", "corruption", "loss", "penalty")
"""Parameters that count as objects: a word is the same as the object that it stands for."""

DIGEST_BYTES = 16

MAX_DEPTH = 50
"""Nesting depth of a parameter from which it is regarded as cyclic."""


class NotDigestible(TypeError):
    """A value has no digest that is the same in another process."""


def digest_fit(estimator, seed, data, start):
    """Compute the digest of a fit.

    Parameters
    ----------
    estimator : estimator
        With valid parameters.
    seed : int
        Seed of the fit, from its `random_state`.
    data : dict
        Rows, arrays and plain values by name.
    start : object
        State that the training begins with.

    Returns
    -------
    digest : str
        32 hexadecimal digits.

    Raises
    ------
    NotDigestible
        If a parameter can't be digested. The message names it.
    """
    digest = Digest()
    digest.add((__version__, torch.__version__, np.__version__, type(estimator), seed))
    parameters = estimator.get_params(deep=False)
    for name in (*IGNORED_PARAMETERS, "random_state"):
        parameters.pop(name, None)
    if set(OPTIONS) <= set(parameters):
        objective = resolve_objective(estimator)
        parameters |= {name: getattr(objective, name) for name in OPTIONS}
        if "features" in parameters:
            parameters["features"] = objective.features
        if "augmentation" in parameters:
            parameters["augmentation"] = objective.augmentation
    for name, value in parameters.items():
        try:
            digest.add((name, value))
        except NotDigestible as error:
            value = getattr(estimator, name)
            raise NotDigestible(f"{name}={value!r:.200}: {error}") from error
    for name, value in data.items():
        digest.add(name)
        digest.add_rows(value)
    digest.add(start)
    return digest.hexdigest()


def digest_rows(rows):
    """Return the digest of rows."""
    digest = Digest()
    digest.add_rows(rows)
    return digest.hexdigest()


class Digest:
    """Digest of values of any type that can be named in another process."""

    def __init__(self):
        self._hash = hashlib.blake2b(digest_size=DIGEST_BYTES)
        self._depth = 0

    def hexdigest(self):
        """Return the digest of all values that were added."""
        return self._hash.hexdigest()

    def _add_bytes(self, kind, content):
        self._hash.update(f"{kind} {len(content)}:".encode())
        self._hash.update(content)

    def add_rows(self, rows):
        """Add all bytes of rows, chunk by chunk, or a value that is no rows."""
        if isinstance(rows, SparseRows):
            self._add_sparse(rows.matrix)
            return
        if not isinstance(rows, (np.ndarray, torch.Tensor, StreamedRows)) or len(rows.shape) < 2:
            self.add(rows)
            return
        self.add((isinstance(rows, StreamedRows), str(rows.dtype), tuple(rows.shape)))
        if isinstance(rows, StreamedRows):
            self.add(rows.block_size)
        width = int(np.prod(rows.shape[1:]))
        for chunk in row_chunks(len(rows), width):
            self._hash.update(_array_bytes(rows[chunk]))

    def _add_sparse(self, matrix):
        """Add a matrix without duplicates; the dtype of its indices does not count."""
        self.add(("sparse", matrix.shape, matrix.data))
        for indices in (matrix.indices, matrix.indptr):
            for chunk in row_chunks(len(indices), 1):
                self._hash.update(_array_bytes(indices[chunk].astype(np.int64)))

    def add(self, value):
        """Add a value."""
        self._depth += 1
        if self._depth > MAX_DEPTH:
            raise NotDigestible("it contains itself, or is nested too deeply")
        self._add(value)
        self._depth -= 1

    def _add(self, value):
        if value is None or isinstance(value, (bool, int, float, complex, str, np.generic)):
            self._add_bytes(type(value).__name__, repr(value).encode())
        elif isinstance(value, (bytes, bytearray)):
            self._add_bytes("bytes", value)
        elif isinstance(value, (list, tuple)):
            self._add_all(type(value).__name__, value)
        elif isinstance(value, dict):
            self._add_all("dict", value.items())
        elif isinstance(value, (set, frozenset)):
            self._add_all("set", sorted(value, key=repr))
        elif isinstance(value, torch.Tensor) or (
            isinstance(value, np.ndarray) and value.dtype != object
        ):
            self.add((str(value.dtype), tuple(value.shape)))
            try:
                content = _array_bytes(value)
            except (RuntimeError, TypeError, ValueError) as error:  # sparse tensors, and texts
                raise NotDigestible(f"{type(value).__name__} of {value.dtype}: {error}") from error
            self._add_bytes("array", content)
        elif isinstance(value, torch.Generator):
            self.add(value.get_state())
        elif isinstance(value, (torch.dtype, torch.device, np.dtype)):
            self._add_bytes("torch", str(value).encode())
        elif isinstance(value, type):
            self._add_class(value)
        elif isinstance(value, (types.FunctionType, types.BuiltinFunctionType)):
            self._add_function(value)
        elif isinstance(value, BaseEstimator):
            self.add((type(value), value.get_params(deep=False)))
        else:
            self._add_object(value)

    def _add_all(self, kind, values):
        values = list(values)
        self._add_bytes(kind, str(len(values)).encode())
        for value in values:
            self.add(value)

    def _add_object(self, value):
        """Add an object by the parts that a pickle would have."""
        try:
            reduced = value.__reduce_ex__(4)
        except Exception as error:  # classes raise their own ones
            raise NotDigestible(f"{type(value).__name__} can't be read") from error
        if isinstance(reduced, str):
            self._add_bytes("global", f"{type(value).__module__}.{reduced}".encode())
            return
        self._add_bytes("object", str(len(reduced)).encode())
        for part in reduced:
            if part is not None and hasattr(part, "__next__"):
                part = list(part)
            self.add(part)

    def _add_name(self, value):
        name = f"{value.__module__}.{value.__qualname__}"
        if "<" in name:
            raise NotDigestible(
                f"{value.__qualname__} has no name in its module. Define it at the top level"
            )
        self._add_bytes("name", name.encode())

    def _add_function(self, function):
        self._add_name(function)
        owner = getattr(function, "__self__", None)
        if owner is not None and not isinstance(owner, (type, types.ModuleType)):
            self.add(owner)  # a method of an object
        if isinstance(function, types.FunctionType) and not _is_of_library(function):
            self._add_code(function)

    def _add_class(self, cls):
        """Add the name of a class, and the code and the constants of a class of the user."""
        self._add_name(cls)
        for base in cls.__mro__:
            if _is_of_library(base):
                continue
            for name, value in sorted(vars(base).items()):
                function = inspect.unwrap(getattr(value, "fget", getattr(value, "__func__", value)))
                if isinstance(function, types.FunctionType):
                    self.add(name)
                    self._add_code(function)
                elif _is_constant(value) and not name.startswith("_"):
                    self.add((name, value))

    def _add_code(self, function):
        """Add the code of a function of the user, so that a changed function is another one."""
        self.add((function.__defaults__, function.__kwdefaults__))
        self._add_code_object(function.__code__)
        for name in function.__code__.co_names:
            value = function.__globals__.get(name)
            if _is_constant(value):
                self.add((name, value))

    def _add_code_object(self, code):
        self.add((code.co_code, code.co_names, code.co_varnames))
        for constant in code.co_consts:
            if isinstance(constant, types.CodeType):
                self._add_code_object(constant)
            else:
                self.add(constant)


def _is_constant(value):
    """Return whether a value that code of the user reads is part of the digest."""
    kinds = (bool, int, float, str, tuple, list, dict, np.ndarray, torch.Tensor)
    return isinstance(value, kinds)


def _is_of_library(value):
    """Return whether a function or a class belongs to a library with a version in the digest."""
    return (value.__module__ or "builtins").partition(".")[0] in LIBRARIES


def _array_bytes(array):
    """Return the bytes of an array or tensor in the order of its indices."""
    if isinstance(array, torch.Tensor):
        array = array.detach().cpu().contiguous()
        return array.reshape(-1).view(torch.uint8).numpy().data
    return np.ascontiguousarray(array).reshape(-1).view(np.uint8).data
