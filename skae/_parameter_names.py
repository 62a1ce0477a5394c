"""Parameter names of other libraries, and errors that name the parameter of skae."""

import functools
import inspect
from typing import cast

from skae._typing import Function

__all__ = ["advice", "check_names", "names_parameters"]

NAMES = {
    "n_components": (
        "bottleneck_dim bottleneck_size code_dim code_size embedding_dim embedding_size "
        "encoding_dim encoding_size latent_dim latent_dims latent_size n_latent z_dim"
    ),
    "hidden_layer_sizes": (
        "encoder_layers hidden hidden_dim hidden_dims hidden_layers hidden_neuron_list "
        "hidden_neurons hidden_size hidden_sizes hidden_units layer_sizes layers"
    ),
    "n_filters": "base_channels channels filters hidden_channels n_channels num_filters",
    "activation": "activation_fn activation_function hidden_activation nonlinearity",
    "normalization": "batch_norm batchnorm layer_norm norm use_batch_norm",
    "dropout": "dropout_p dropout_prob dropout_rate hidden_dropout_ratios p_dropout",
    "kernel_size": "filter_size kernel",
    "n_stages": "depth n_blocks n_layers num_layers",
    "learning_rate": "learning_rate_schedule lr_schedule lr_scheduler scheduler",
    "loss": "criterion loss_fn loss_function reconstruction_loss",
    "corruption": "noise noise_level noise_std",
    "solver": "opt optim optimizer optimizer_class",
    "learning_rate_init": "eta lr optimizer__lr",
    "batch_size": "iterator_train__batch_size per_device_train_batch_size",
    "max_iter": "epoch_num epochs max_epochs n_epochs nb_epochs num_epochs",
    "validation_fraction": "train_split val_split validation_size validation_split",
    "device": "accelerator cuda gpu use_cuda use_gpu",
    "precision": "amp dtype mixed_precision",
    "random_state": "random_seed seed",
    "verbose": "verbosity",
    "X_val": "X_valid X_validation eval_data eval_set val_data validation_data validation_set",
    "sample_weight": "sample_weights weights",
}
"""Names of other libraries, separated by spaces, for each name of skae."""

KNOWN = {other: name for name, others in NAMES.items() for other in others.split()}

SHAPES = ("image_size", "in_features", "input_dim", "input_shape", "input_size", "n_inputs")
"""Names for the shape of samples, which is that of X."""

OPTIONS = {
    "bottleneck": "Variational(weight=0.3)",
    "corruption": "Masking(level=0.3)",
    "loss": "Huber(delta=0.5)",
    "penalty": "Sparsity(weight=0.2)",
}
"""An object with a parameter for each option."""

FIT_ARGUMENTS = ("X_val", "sample_weight")
"""Arguments of `fit` that users look for in the constructor."""

CALLBACKS = ("callback", "callbacks", "patience")


def advice(name, parameters, *, is_constructor=False):
    """Return what to use instead of the name of another library.

    Parameters
    ----------
    name : str
        Name of a parameter that does not exist.
    parameters : collection of str
        Names that exist.
    is_constructor : bool, default=False
        Whether the name is an argument of the constructor.

    Returns
    -------
    advice : str or None
        A sentence; None for an unknown name.
    """
    if KNOWN.get(name) in parameters:
        return f"Use {KNOWN[name]} instead."
    if name in CALLBACKS and "net_params" in parameters:
        return "Pass callbacks of skorch in net_params={'callbacks': [...]}."
    if name == "weight_decay" and "net_params" in parameters:
        return "Use net_params={'optimizer__weight_decay': ...} instead."
    if is_constructor and KNOWN.get(name, name) in FIT_ARGUMENTS:
        return f"Pass {KNOWN.get(name, name)} to fit."
    option = name.partition("__")[0]
    if option != name and option in OPTIONS and option in parameters:
        return f"Pass an object with its parameters, such as {option}={OPTIONS[option]}."
    if name in SHAPES:
        return "The shape of samples is that of X in fit."
    return None


def check_names(estimator, params):
    """Raise a ValueError with an advice for names of other libraries in ``set_params``."""
    known = estimator._get_param_names()
    for key in params:
        text = advice(key, known)
        if text is not None and key.partition("__")[0] not in known:
            raise ValueError(
                f"Got {key}, but {type(estimator).__name__} has no such parameter. {text}"
            )


def names_parameters(function: Function) -> Function:
    """Decorate a constructor or a fit method: errors of unknown names have an advice.

    A parameter of the constructor, and a name that other libraries have for one, is also named if
    it is an argument of a method.
    """
    own = inspect.signature(function).parameters
    is_constructor = function.__name__ == "__init__"

    @functools.wraps(function)
    def wrapper(self, *args, **kwargs):
        for name in kwargs:
            if name not in own:
                _raise_unknown(self, function.__name__, name, own, is_constructor)
        return function(self, *args, **kwargs)

    return cast(Function, wrapper)


def _raise_unknown(estimator, method, name, own, is_constructor):
    """Raise a TypeError for an unknown name, if there is an advice for it."""
    class_name = type(estimator).__name__
    place = class_name if is_constructor else f"{class_name}.{method}"
    text = advice(name, own, is_constructor=is_constructor)
    if text is None and not is_constructor:
        parameters = estimator._get_param_names()
        name_of_constructor = name if name in parameters else KNOWN.get(name)
        if name_of_constructor in parameters:
            text = f"Set {name_of_constructor} in the constructor, or by set_params."
        else:
            text = advice(name, parameters)
    if text is not None:
        raise TypeError(f"Got {name}, but {place} has no parameter {name}. {text}")
