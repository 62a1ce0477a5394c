"""Parameter names of other libraries: errors name the parameter of skae."""

import inspect

import numpy as np
import pytest
import torch
from sklearn.base import clone

from skae import ConvAutoencoder, DenseAutoencoder, ImageRestorer
from skae._parameter_names import KNOWN
from skae._training.net_params import OWN_KEYS

PRIVATE = ("prepared", "warm_up", "clip", "monitor", "parts", "corrupt", "static")

CONSTRUCTOR = {
    "lr": "Use learning_rate_init",
    "max_epochs": "Use max_iter",
    "epochs": "Use max_iter",
    "latent_dim": "Use n_components",
    "encoding_dim": "Use n_components",
    "hidden_dims": "Use hidden_layer_sizes",
    "optimizer": "Use solver",
    "criterion": "Use loss",
    "seed": "Use random_state",
    "use_cuda": "Use device",
    "weight_decay": "optimizer__weight_decay",
    "callbacks": "net_params=.'callbacks'",
    "input_dim": "shape of samples is that of X",
}


@pytest.mark.parametrize("name", CONSTRUCTOR)
def test_the_constructor_names_the_parameter(name):
    """A name of Keras, PyTorch, skorch, Pythae or PyOD is an error that says what to use."""
    message = f"Got {name}, but DenseAutoencoder has no parameter {name}.*{CONSTRUCTOR[name]}"
    with pytest.raises(TypeError, match=message):
        DenseAutoencoder(**{name: 3})
    with pytest.raises(ValueError, match=f"Got {name}.*{CONSTRUCTOR[name]}"):
        DenseAutoencoder().set_params(**{name: 3})


def test_advice_depends_on_the_class():
    """Hidden layers belong to tables, and filters to images; other names are Python's errors."""
    with pytest.raises(TypeError, match="Use n_filters"):
        ConvAutoencoder(filters=8)
    with pytest.raises(TypeError, match="unexpected keyword argument 'filters'"):
        DenseAutoencoder(filters=8)
    with pytest.raises(TypeError, match="unexpected keyword argument 'nothing'"):
        ConvAutoencoder(nothing=8)


FIT = {
    "validation_data": "Use X_val",
    "eval_set": "Use X_val",
    "sample_weights": "Use sample_weight",
    "epochs": "Set max_iter in the constructor",
    "max_iter": "Set max_iter in the constructor",
    "batch_size": "Set batch_size in the constructor",
    "lr": "Set learning_rate_init in the constructor",
    "verbose": "Set verbose in the constructor",
    "callbacks": "net_params=.'callbacks'",
}


@pytest.mark.parametrize("name", FIT)
def test_fit_names_the_argument(name, rows):
    """Arguments of the fit of other libraries are errors that say what to use."""
    with pytest.raises(TypeError, match=f"DenseAutoencoder.fit has no parameter.*{FIT[name]}"):
        DenseAutoencoder().fit(rows, **{name: rows})


def test_partial_fit_has_no_validation_set(rows):
    """Only names that exist are recommended."""
    with pytest.raises(TypeError, match="unexpected keyword argument 'eval_set'"):
        DenseAutoencoder().partial_fit(rows, eval_set=rows)
    with pytest.raises(TypeError, match="Set max_iter in the constructor"):
        DenseAutoencoder().partial_fit(rows, epochs=3)


NET_PARAMS = {
    "lr": "Use learning_rate_init",
    "optimizer__lr": "Use learning_rate_init",
    "max_epochs": "Use max_iter",
    "epochs": "Use max_iter",
    "device": "Use device",
    "latent_dim": "Use n_components",
    "batch_size": "Use batch_size",
    "iterator_train__batch_size": "Use batch_size",
    "optimizer": "Use solver",
    "criterion": "Use loss",
    "train_split": "Use validation_fraction",
    "weight_decay": "optimizer__weight_decay",
    "n_components": "n_components is a parameter of DenseAutoencoder",
    "module__n_components": "skae sets it itself",
    "module": "skae sets it itself",
    **dict.fromkeys(PRIVATE, "skae sets it itself"),
}


@pytest.mark.parametrize("key", NET_PARAMS)
def test_net_params_names_the_parameter(key, rows):
    """A key that skae sets is an error with the parameter of the estimator, and without private keys."""
    estimator = DenseAutoencoder(net_params={key: 0.1})
    with pytest.raises(ValueError, match=f"key {key!r}.*{NET_PARAMS[key]}") as error:
        estimator.fit(rows)
    others = [name for name in PRIVATE if name != key and name in str(error.value)]
    assert not others


def test_all_own_keys_are_errors(rows):
    """No key that skae sets reaches the net, for restorers as well."""
    for key in OWN_KEYS:
        with pytest.raises(ValueError, match=f"key {key!r}"):
            DenseAutoencoder(net_params={key: 1}).fit(rows)
    with pytest.raises(ValueError, match="Use learning_rate_init"):
        ImageRestorer(net_params={"lr": 1}).fit(np.zeros((4, 8, 8)))
    with pytest.raises(ValueError, match="sets it itself"):
        ImageRestorer(net_params={"optimizer": torch.optim.SGD}).fit(np.zeros((4, 8, 8)))


@pytest.mark.parametrize("make", [DenseAutoencoder, ConvAutoencoder])
def test_signatures_are_unchanged(make):
    """Decorated methods keep their signatures, so that clone and introspection work."""
    names = set(inspect.signature(make).parameters)
    assert names == set(clone(make(3)).get_params(deep=False))
    assert list(inspect.signature(make().fit).parameters) == ["X", "y", "sample_weight", "X_val"]
    assert not set(KNOWN) & names
