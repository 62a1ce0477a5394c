"""Warnings, each where the user's own code leads to it and not again and again; and whether that code called fit."""

import sys
import warnings

from sklearn.base import BaseEstimator

__all__ = ["advise", "called_by_another"]

SAID: set[tuple[str, str, int]] = set()
"""What was said, and where, for the whole process, as Python's own records of warnings are. These forget everything whenever
filters change, which they do in every fit of a search."""

ONCE = ("default", "module", "once")
"""What filters can say that doesn't ask for every repetition."""

OTHERS = ("skae", "sklearn", "skorch", "skops", "joblib", "torch", "pickle", "copy")
"""Packages whose lines are not the user's; the last two build an estimator again for joblib, and for copies."""

DECORATORS = ("sklearn.base", "sklearn.callback", "sklearn.utils")
"""Parts of scikit-learn that stand around every fit, whoever called it."""


def advise(text, category=UserWarning):
    """Warn of something as Python does by default, once for each line of the user's that leads here.

    That is the line that called a search, not one within scikit-learn, so that all fits of a search say the same text once.
    Filters have their way: one that asks for every warning, or for errors, gets them.

    Parameters
    ----------
    text : str
        What is wrong, and what to change.
    category : type, default=UserWarning
        Of warning.
    """
    frame = sys._getframe(1)
    while frame.f_back is not None and str(frame.f_globals.get("__name__")).split(".")[0] in OTHERS:
        frame = frame.f_back
    module, line, file = str(frame.f_globals.get("__name__")), frame.f_lineno, frame.f_code.co_filename
    if _action(text, category, module, line) in ONCE:
        if (text, file, line) in SAID:
            return
        SAID.add((text, file, line))
    warnings.warn_explicit(text, category, file, line, module)


def called_by_another(estimator):
    """Say whether a search, a pipeline, a detector or the like called the fit of this estimator, and not the user's own code.

    Then Ctrl-C is meant for all that it does, and is not to end the one fit that happens to run.
    """
    frame = sys._getframe(1)
    while frame is not None:
        module, owner = str(frame.f_globals.get("__name__")), frame.f_locals.get("self")
        if module.startswith("sklearn.") and not module.startswith(DECORATORS):
            return True
        if module.startswith("skae.") and isinstance(owner, BaseEstimator) and owner is not estimator:
            return True
        frame = frame.f_back
    return False


def _action(text, category, module, line):
    """Find what the user's filters say of a warning: the first that fits decides."""
    # from Python 3.14 on a context, such as that of a thread, may have filters of its own
    filters = getattr(warnings, "_get_filters", lambda: warnings.filters)()
    for action, pattern, kind, place, number in filters:
        here = place is None or (place == module if isinstance(place, str) else place.match(module))
        if here and number in (0, line) and issubclass(category, kind) and (pattern is None or pattern.match(text)):
            return action
    return warnings.defaultaction
