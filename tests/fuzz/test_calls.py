"""Calls of public methods with array-likes and parameters of every kind."""

import pytest
import torch
from hypothesis import HealthCheck, Phase, given, settings

from .calls import check
from .strategies import Call, calls

N_CALLS = 3000
"""Calls; ``python -m tests.fuzz.calls 100000`` makes more."""


@pytest.fixture(autouse=True)
def one_thread():
    """Compute in one thread, since small products are slower in more."""
    n_threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(n_threads)


@settings(
    max_examples=N_CALLS,
    derandomize=True,
    database=None,
    deadline=None,
    phases=[Phase.generate],
    suppress_health_check=list(HealthCheck),
)
@given(calls())
def test_calls_have_documented_outcomes(call):
    """A call returns, or raises a documented exception and changes nothing."""
    outcome = check(call)
    assert not outcome.failures, f"{outcome.failures}\n{call}"


def test_a_reported_call_can_be_repeated():
    """The description of a call that a report prints is the call."""
    from .arrays import Data

    call = Call("dense", "transform", (Data((3, 4), "NaN"),))
    assert eval(repr(call)) == call
    assert check(call).text == "ValueError"
    assert not check(call).failures
