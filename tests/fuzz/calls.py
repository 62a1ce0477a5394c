"""Call public methods with array-likes and parameters of every kind, and count wrong outcomes.

Run ``python -m tests.fuzz.calls 100000`` for 100,000 calls; a seed may follow. Each failure is
printed with its call, which `check` repeats.
"""

import collections
import copy
import faulthandler
import multiprocessing
import pickle
import re
import sys
import time
import traceback
import warnings
from dataclasses import dataclass

import numpy as np
import torch
from hypothesis import HealthCheck, Phase, given, seed, settings
from sklearn.base import clone
from sklearn.exceptions import NotFittedError

from ..process_settings import process_settings
from .arrays import Data
from .digests import digest
from .strategies import PARAMETERS, calls
from .subjects import SUBJECTS, fitted, message

__all__ = ["Outcome", "attack", "check"]

MAX_SECONDS = 20.0
"""Of the processor for one call; most calls take a millisecond, and fits 100."""

HANG_SECONDS = 180.0
"""After this time a process prints its stacks and ends."""

BLOCK = 500
"""Calls with one seed of hypothesis."""

DOCUMENTED = (ValueError, TypeError, NotFittedError)
RAISERS = ("skae", "sklearn")


@dataclass
class Outcome:
    """Outcome of a call.

    Attributes
    ----------
    text : str
        "result", or the name of the exception.
    failures : list of str
        Descriptions of everything that must not occur.
    notes : list of str
        Exceptions and warnings that a library below skae has raised.
    """

    text: str
    failures: list
    notes: list


def _message(spec, name):
    """Return a message of a codec, changed as described."""
    _, kind, place, value = spec
    whole = message(name)
    place = place % (len(whole) + 1)
    if kind == "changed":
        return whole[:place] + bytes([value]) + whole[place + 1 :]
    if kind == "cut":
        return whole[:place]
    if kind == "longer":
        return whole + bytes([value]) * (1 + place)
    if kind == "list":
        return [whole] * (value % 3)
    return whole


def _build(value, name):
    """Return an argument and whether it is finite."""
    if isinstance(value, Data):
        return value.build()
    if isinstance(value, tuple) and value[:1] == ("message",):
        return _message(value, name), True
    return value, True


def _invoke(estimator, call, arguments, keywords):
    """Call a method, or one of `strategies.OTHERS`."""
    others = {
        "repr": lambda: repr(estimator),
        "html": lambda: estimator._repr_html_(),
        "pickle": lambda: pickle.loads(pickle.dumps(estimator)),
        "deepcopy": lambda: copy.deepcopy(estimator),
        "clone": lambda: clone(estimator),
        "set_output": lambda: copy.copy(estimator).set_output(transform="pandas"),
        "params": lambda: estimator.get_params(),
    }
    if call.method in others:
        if call.method == "set_output" and not hasattr(estimator, "set_output"):
            return None
        return others[call.method]()
    return getattr(estimator, call.method)(*arguments, **keywords)


def _arrays(result):
    """Return the float arrays of a result."""
    if isinstance(result, torch.Tensor):
        result = result.detach()
        return [result.numpy()] if result.is_floating_point() else []
    if isinstance(result, (tuple, list)):
        return [array for item in result for array in _arrays(item)]
    if isinstance(result, (np.ndarray, float, np.floating)):
        array = np.asarray(result)
        return [array] if array.dtype.kind == "f" else []
    return []


def _is_finite(result):
    return all(np.isfinite(array).all() for array in _arrays(result))


def _raiser(error):
    """Return the package whose code raised an error."""
    if error is None:
        return ""
    frame = traceback.extract_tb(error.__traceback__)[-1]
    for package in ("skae", "sklearn", "torch", "numpy", "pandas", "polars", "skorch", "scipy"):
        if f"/{package}/" in frame.filename:
            return package
    return frame.filename


def _use_after_fit(estimator, X):
    """Use a new fit on its own data, and return the results."""
    for method in ("reconstruct", "score_samples", "predict", "code_lengths"):
        if hasattr(estimator, method):
            return getattr(estimator, method)(X)
    return None


def check(call):
    """Perform a call, and compare everything that must stay.

    Parameters
    ----------
    call : Call
        Plain values.

    Returns
    -------
    outcome : Outcome
        Without failures if all is well.
    """
    failures, notes = [], []
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        estimator = fitted(call.subject)
    is_fit = call.method in ("fit", "partial_fit", "fit_transform", "fit_predict")
    if is_fit:
        estimator = SUBJECTS[call.subject].make() if call.is_new else copy.deepcopy(estimator)
        kind = type(estimator).__name__
        for parameter, index in call.parameters:
            estimator.set_params(**{parameter: copy.deepcopy(PARAMETERS[kind][parameter][index])})
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        pairs = [_build(value, call.subject) for value in call.arguments]
        named = {key: _build(value, call.subject) for key, value in call.keywords.items()}
    arguments = [value for value, _ in pairs]
    keywords = {key: value for key, (value, _) in named.items()}
    given_finite = all(finite for _, finite in [*pairs, *named.values()])
    before = digest(estimator)
    inputs = [digest(value) for value in (*arguments, *keywords.values())]
    process = process_settings()
    text, result, error = "result", None, None
    start = time.process_time()
    faulthandler.dump_traceback_later(HANG_SECONDS, exit=True)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            result = _invoke(estimator, call, arguments, keywords)
        except Exception as exception:
            error, text = exception, type(exception).__name__
        if time.process_time() - start > MAX_SECONDS:
            failures.append("slow")
        if is_fit and error is None:
            try:
                result = _use_after_fit(estimator, arguments[0])
            except DOCUMENTED as exception:
                notes.append(f"use after fit: {exception!r:.300}")
            except Exception as exception:
                failures.append(f"use after fit: {exception!r:.300} {_place(exception)}")
    faulthandler.cancel_dump_traceback_later()
    has_folder = any(name == "checkpoint_dir" for name, _ in call.parameters)
    # an autoencoder of another library may raise its own errors
    is_foreign = "PCA" in call.subject or "frozen" in call.subject or call.parameters
    is_foreign = is_foreign and "scipy" in _raiser(error)
    if error is not None and not is_foreign:
        if not isinstance(error, DOCUMENTED) and not (has_folder and isinstance(error, OSError)):
            failures.append(f"undocumented {error!r:.300} {_place(error)}")
        elif _raiser(error) not in RAISERS:
            notes.append(f"{_raiser(error)} raised {error!r:.300} {_place(error)}")
    elif given_finite and not caught and not _is_finite(result):
        failures.append("NaN or infinity in silence")
    notes += [
        f"{one.category.__name__} {one.message!s:.150} {one.filename}:{one.lineno}"
        for one in caught
        if issubclass(one.category, RuntimeWarning) or "/torch/" in one.filename
    ]
    # documented: the last good weights are kept
    has_diverged = "The loss was NaN" in str(error) and hasattr(estimator, "partial_fit")
    keeps_state = not is_fit or (error is not None and not has_diverged)
    if keeps_state and digest(estimator) != before:
        failures.append(f"changed state after {text} {error!s:.100}")
    if [digest(value) for value in (*arguments, *keywords.values())] != inputs:
        failures.append("changed arguments")
    if process_settings() != process:
        failures.append("changed settings or random states")
    return Outcome(text, failures, notes)


def _place(error):
    """Return the innermost lines of skae, and the innermost line, of an error."""
    frames = traceback.extract_tb(error.__traceback__)
    own = [frame for frame in frames if "/skae/" in frame.filename][-1:]
    return " < ".join(
        f"{frame.filename.rpartition('/')[2]}:{frame.lineno} {frame.name}"
        for frame in [frames[-1], *own]
    )


def perform(n_calls, first_seed, report):
    """Perform calls in blocks, and call `report` before and after each one.

    Parameters
    ----------
    n_calls : int
        Number of calls.
    first_seed : int
        Seed of the first block.
    report : callable
        Function of (seed, call, outcome); the outcome is None before the call.
    """
    n_blocks = -(-n_calls // BLOCK)
    for block in range(first_seed, first_seed + n_blocks):
        n = min(BLOCK, n_calls - (block - first_seed) * BLOCK)
        _perform_block(n, block, report)


def _perform_block(n_calls, block, report):
    """Perform the calls of one seed."""

    @seed(block)
    @settings(
        max_examples=n_calls,
        database=None,
        deadline=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(calls())
    def perform_all(call):
        report(block, call, None)
        try:
            outcome = check(call)
        except Exception as error:  # of the check itself
            outcome = Outcome("no check", [f"no check: {error!r:.200} {_place(error)}"], [])
        report(block, call, outcome)

    perform_all()


def _work(n_calls, first_seed, connection):
    """Perform calls in a process, and send their outcomes."""

    def report(block, call, outcome):
        if outcome is None:
            connection.send(("start", block, repr(call)))
        else:
            connection.send(
                ("end", block, call.subject, call.method, vars(outcome), time.process_time())
            )

    torch.set_num_threads(1)
    perform(n_calls, first_seed, report)
    connection.send(("done",))


def attack(n_calls, first_seed=0):
    """Perform calls in a process of its own, which is started again after a crash.

    Returns
    -------
    table : collections.Counter
        Number of calls by class, method and outcome.
    failures, notes : dict of (int, str)
        Number of calls, and the first seed and call, of each failure, and of each exception or
        warning of another library.
    """
    table, failures, notes = collections.Counter(), {}, {}
    context = multiprocessing.get_context("spawn")
    waiting = n_calls
    while waiting > 0:
        here, there = context.Pipe()
        process = context.Process(target=_work, args=(waiting, first_seed, there))
        process.start()
        there.close()
        last = ("start", first_seed, "")
        try:
            while last[0] != "done":
                received = here.recv()
                if received[0] == "end":
                    _, block, subject, method, outcome, _ = received
                    kind = type(SUBJECTS[subject].make()).__name__
                    table[kind, method, outcome["text"]] += 1
                    example = f"seed {block}: {last[2]}"
                    if table.total() % BLOCK == 0:
                        print(f"{table.total()} calls", file=sys.stderr, flush=True)
                    for failure in outcome["failures"]:
                        _count(failures, f"{kind}.{method} {failure}", example, is_shown=True)
                    for note in outcome["notes"]:
                        _count(notes, note, example)
                last = received if received[0] != "end" else ("start", received[1], last[2])
        except EOFError:
            _count(failures, "crash or hang", f"seed {last[1]}: {last[2]}", is_shown=True)
        process.join()
        if last[0] == "done":
            break
        waiting -= (last[1] - first_seed + 1) * BLOCK
        first_seed = last[1] + 1
    return table, failures, notes


def _count(counts, text, example, *, is_shown=False):
    """Count a text, and keep its first example; numbers in the text don't matter."""
    text = re.sub(r"\d+", "N", text)
    number, first = counts.get(text, (0, example))
    counts[text] = (number + 1, first)
    if is_shown and number == 0:
        print(f"{text}\n    {example}", flush=True)


def main(n_calls, first_seed=0):
    """Print the table of an attack, and return whether it found nothing."""
    table, failures, notes = attack(n_calls, first_seed)
    for title, counts in (("note", notes), ("failure", failures)):
        for text, (count, example) in sorted(counts.items(), key=lambda item: item[1][0]):
            print(f"{title}, {count} times: {text}\n    {example}")
    by_method, by_error = collections.Counter(), collections.Counter()
    for (kind, method, text), count in table.items():
        by_method[f"{kind}.{method}"] += count
        by_error[text] += count
    for counter in (by_method, by_error):
        for name, count in sorted(counter.items()):
            print(f"{count:8} {name}")
        print()
    print(f"{sum(table.values())} calls, {sum(n for n, _ in failures.values())} failures")
    return not failures


if __name__ == "__main__":
    sys.exit(not main(*map(int, sys.argv[1:])))
