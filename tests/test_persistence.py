"""Restored estimators keep no options of a compiler that can run commands."""

import copy
import os
import pickle

import numpy as np
import pytest
import skops.io
from sklearn.base import clone
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from skae import DenseAutoencoder, LatentSampler

from .cases import low_rank

TABLE = low_rank(40, 4)


def with_compiler_options(folder):
    """Return `net_params` with options that would run a command."""
    command = f"x -wrapper /bin/sh,-c,'touch {folder}/RAN'"
    return {
        "compile": False,
        "compile__backend": "inductor",
        "compile__options": {"cpp.march": command},
        "optimizer__weight_decay": 0.1,
    }


def by_pickle(estimator):
    """Restore an estimator from a pickle."""
    return pickle.loads(pickle.dumps(estimator))


def by_skops(estimator):
    """Restore an estimator from a skops file, all types of which are trusted."""
    data = skops.io.dumps(estimator)
    return skops.io.loads(data, trusted=skops.io.get_untrusted_types(data=data))


@pytest.mark.parametrize("restore", [by_pickle, by_skops])
def test_options_of_the_compiler_are_dropped(tmp_path, restore):
    """Options of torch.compile are dropped with a warning: fitted, unfitted and in a pipeline."""
    fitted = DenseAutoencoder(2, max_iter=1, random_state=0).fit(TABLE)
    fitted.set_params(net_params=with_compiler_options(tmp_path), max_iter=2)
    pipeline = make_pipeline(StandardScaler(), fitted)
    for estimator in (fitted, clone(fitted), pipeline, LatentSampler(clone(fitted))):
        with pytest.warns(UserWarning, match=r"compile__backend, compile__options in net_params"):
            restored = restore(estimator)
        values = restored.get_params()
        values = {key.split("__", 1)[-1]: value for key, value in values.items()}
        net_params = restored.get_params().get("net_params", values.get("net_params"))
        assert net_params == {"compile": False, "optimizer__weight_decay": 0.1}
    assert fitted.net_params == with_compiler_options(tmp_path)
    assert not os.listdir(tmp_path)


@pytest.mark.parametrize(
    "net_params",
    [
        {"compile": False, "compile__mode": "max-autotune", "compile__dynamic": None},
        {"compile__fullgraph": True, "compile__disable": True},
        {"optimizer__betas": (0.8, 0.9)},
        None,
    ],
)
def test_plain_settings_are_kept(net_params):
    """Modes and switches of torch.compile, and parameters of the optimizer, are kept."""
    estimator = DenseAutoencoder(2, net_params=net_params)
    assert by_pickle(estimator).net_params == net_params


@pytest.mark.parametrize(
    "net_params", [{"compile": "x"}, {"compile__mode": "x"}, {"compile__x": True}, {"compile": []}]
)
def test_other_settings_are_dropped(net_params):
    """Settings of torch.compile with other names or values are dropped."""
    with pytest.warns(UserWarning, match="which is dropped"):
        assert by_pickle(DenseAutoencoder(2, net_params=net_params)).net_params == {}


def test_deep_copies_keep_all_settings(tmp_path):
    """A deep copy is not read from a file: it keeps options of torch.compile and equal weights."""
    fitted = DenseAutoencoder(2, max_iter=1, random_state=0).fit(TABLE)
    options = {"compile": False, "compile__options": {"cpp.march": "native"}}
    fitted.set_params(net_params=options)
    copied = copy.deepcopy(fitted)
    assert copied.net_params == options
    assert copied.net_params is not fitted.net_params
    assert copied.net_ is not fitted.net_
    np.testing.assert_array_equal(copied.transform(TABLE), fitted.transform(TABLE))
    assert copy.deepcopy([fitted, fitted])[0] is not fitted
    first, second = copy.deepcopy([fitted, fitted])
    assert first is second
