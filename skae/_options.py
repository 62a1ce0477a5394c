"""Options of estimators: an object holds a choice and its settings, a word stands for the default.

A module of options has an abstract class, its subclasses, and a dict from words to classes.
"""

from typing import Any, Self

from sklearn.base import BaseEstimator, clone

from skae._parameter_names import check_names

__all__ = ["Option", "OptionsMixin", "have_equal_architecture", "resolve_option"]


class Option(BaseEstimator):
    """Base class of losses, penalties, bottlenecks, corruptions and features.

    The constructor of a subclass stores its arguments, as in every scikit-learn estimator. Class
    attributes declare all properties that the rest of the package depends on. Options with equal
    parameters are equal.
    """

    _parameter_constraints: dict[str, list[Any]] = {}

    def __eq__(self, other: object) -> bool:
        if type(self) is not type(other):
            return NotImplemented
        others = other.get_params()
        return all(_is_equal(value, others[name]) for name, value in self.get_params().items())

    def __hash__(self) -> int:
        return hash(type(self))


def _is_equal(value, other):
    """Return whether two parameters are equal, also if they are arrays."""
    if type(value) is not type(other):
        return False
    if isinstance(value, (list, tuple)):
        return len(value) == len(other) and all(map(_is_equal, value, other))
    if isinstance(value, dict):
        return value.keys() == other.keys() and all(
            _is_equal(value[key], other[key]) for key in value
        )
    if hasattr(value, "shape"):
        return value.shape == other.shape and bool((value == other).all())
    return bool(value == other)


def resolve_option(value, base, words, parameter):
    """Return an option as an object that the caller may keep.

    Parameters
    ----------
    value : str or Option
        The user's parameter.
    base : type
        Base class of this kind of option.
    words : dict of str to type
        Class of each word.
    parameter : str
        Name of the parameter, for messages.

    Returns
    -------
    option : Option
        The default object of the word, or a clone of `value`. Its parameters are valid.

    Raises
    ------
    ValueError
        If the word is unknown, or a parameter of the option is invalid.
    TypeError
        If `value` is a class, or an object of another kind.
    """
    if isinstance(value, str):
        if value not in words:
            raise ValueError(
                f"Got {parameter}={value!r}, but expected one of {sorted(words)}, or an instance "
                f"of a subclass of {base.__module__}.{base.__name__}."
            )
        return words[value]()
    if isinstance(value, type):
        raise TypeError(
            f"Got {parameter}={value.__name__}, which is a class. Pass an instance: "
            f"{parameter}={value.__name__}()."
        )
    if not isinstance(value, base):
        raise TypeError(
            f"Got {parameter}={value!r}, but expected one of {sorted(words)}, or an instance of a "
            f"subclass of {base.__module__}.{base.__name__}."
        )
    option = clone(value)
    option._validate_params()
    return option


def have_equal_architecture(option, other):
    """Return whether two resolved options can share a network.

    Their parameter `weight` may differ, because it can change while a network is trained further.
    """
    if type(option) is not type(other):
        return False
    if option is None:
        return True
    parameters, others = option.get_params(), other.get_params()
    parameters.pop("weight", None)
    others.pop("weight", None)
    return _is_equal(parameters, others)


class OptionsMixin:
    """Mixin for estimators with options: `set_params` explains how a word gets parameters."""

    _option_words: dict[str, dict[str, type]] = {}

    def set_params(self, **params: Any) -> Self:
        """Set parameters of this estimator and of its options.

        Parameters
        ----------
        **params : dict
            Parameters by name; ``bottleneck__weight`` is the parameter `weight` of the option
            `bottleneck`.

        Returns
        -------
        self : object
            The estimator.

        Raises
        ------
        ValueError
            If the parameter of an option is set, and the option is a word, a function or None.
        """
        check_names(self, params)
        for key, value in params.items():
            name, _, inner = key.partition("__")
            if inner and name in self._option_words:
                option = params.get(name, getattr(self, name))
                if not isinstance(option, Option):
                    raise ValueError(self._explain_word(name, option, f"{inner}={value!r}"))
        return super().set_params(**params)  # type: ignore[misc]

    def _explain_word(self, name, option, setting):
        """Return the message for a parameter of an option that is not an object."""
        words = self._option_words[name]
        candidates = list(words.values())
        if isinstance(option, str) and option in words:
            candidates = [words[option]]
        parameter = setting.partition("=")[0]
        examples = [
            f"{name}={candidate.__name__}({setting})"
            for candidate in candidates
            if parameter in candidate._get_param_names()
        ]
        advice = f"{candidates[0].__name__}() has no parameter {parameter!r}, either."
        if examples:
            advice = f"Pass an object instead: {', or '.join(examples)}."
        return f"Got {setting} for {name}={option!r}, which has no parameters. {advice}"
