"""Fork a process that has used threads, and fit and transform in the child.

Run ``python -m tests.fuzz.forks 100`` for 100 forks; a seed may follow. A child that does not
answer within a minute counts as a hang.
"""

import os
import pickle
import select
import signal
import sys
import time
import traceback
import warnings

import numpy as np
import torch

from .subjects import SUBJECTS, fitted

__all__ = ["fork_and_compare"]

MAX_SECONDS = 60.0
"""Longest time for the answer of a child, which usually takes a second."""

NAMES = [
    *("dense", "dense ordered", "dense variational", "dense quantized", "dense NaN", "conv"),
    *("conv signals", "detector", "detector of images", "sampler", "codec", "restorer"),
]
"""Configurations, by their names in `SUBJECTS`."""


def transform(name):
    """Use the estimator that the parent has fitted."""
    return _use(fitted(name), name)


def fit(name):
    """Fit an estimator, and use it."""
    X, _ = SUBJECTS[name].data.build()
    return _use(SUBJECTS[name].make().fit(X), name)


def _use(estimator, name):
    """Return the results of all methods of X as arrays."""
    X, _ = SUBJECTS[name].data.build()
    names = ("transform", "reconstruct", "score_samples", "predict", "code_lengths")
    methods = [getattr(estimator, method) for method in names if hasattr(estimator, method)]
    return [np.asarray(method(X)) for method in methods]


def _answer(call, name):
    """Call a function in a forked child.

    Returns
    -------
    answer : list of ndarray or None
        Results; None if the child does not answer, or fails.
    status : {"answer", "hang", "failure"}
        Outcome of the child.
    """
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            with os.fdopen(writer, "wb") as pipe:
                pickle.dump(call(name), pipe)
            os._exit(0)
        except BaseException:
            traceback.print_exc()
            os._exit(1)
    os.close(writer)
    content, end = b"", time.monotonic() + MAX_SECONDS
    with os.fdopen(reader, "rb", buffering=0) as pipe:
        while True:
            ready, _, _ = select.select([pipe], [], [], max(0, end - time.monotonic()))
            if not ready:
                os.kill(child, signal.SIGKILL)
                os.waitpid(child, 0)
                return None, "hang"
            chunk = pipe.read(2**16)
            if not chunk:
                break
            content += chunk
    _, status = os.waitpid(child, 0)
    if os.waitstatus_to_exitcode(status) != 0:
        return None, "failure"
    return pickle.loads(content), "answer"


def fork_and_compare(n_forks, first=0):
    """Fork by turns over configurations, and compare the results with those of the parent.

    Returns
    -------
    counts : dict of int
        Number of forks by outcome: "equal", "different", "hang" or "failure".
    """
    counts = dict.fromkeys(("equal", "different", "hang", "failure"), 0)
    torch.set_num_threads(2)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for number in range(first, first + n_forks):
            name = NAMES[number // 2 % len(NAMES)]
            call = (transform, fit)[number % 2]
            expected = call(name)
            torch.randn(400, 400) @ torch.randn(400, 400)  # starts the threads of the parent
            results, outcome = _answer(call, name)
            if outcome == "answer":
                outcome = "equal"
                for result, other in zip(results, expected, strict=True):
                    # a child computes in one thread, so that sums are in another order
                    if not np.allclose(result, other, rtol=1e-3, atol=1e-4):
                        outcome = "different"
            counts[outcome] += 1
            if outcome != "equal":
                print(f"{number}: {call.__name__} of {name}: {outcome}", flush=True)
    return counts


def main(n_forks, first=0):
    """Print the table of an attack, and return whether all children answered."""
    counts = fork_and_compare(n_forks, first)
    print(counts)
    return counts["equal"] == n_forks


if __name__ == "__main__":
    sys.exit(not main(*map(int, sys.argv[1:])))
