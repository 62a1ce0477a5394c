"""Finished fits of autoencoders: the data of their digest, and their result as a checkpoint."""

from dataclasses import replace

import torch
from sklearn.exceptions import ConvergenceWarning

from skae._devices import resolve_device
from skae._training.checkpoint_files import warn_broken
from skae._training.checkpoint_values import check_fields, check_tensors
from skae._training.fitted import FitResult
from skae._training.initialization import describe_fit, initial_n_components
from skae._training.net import make_net
from skae._training.net_params import compile_settings, extra_settings
from skae._training.net_state import load_history, plain_records
from skae._training.objective import is_own, resolve_objective
from skae._training.process_sums import first_of_fit
from skae._training.progress import EpochCallbacks, NoEpochCallbacks
from skae._training.validation_split import Folds
from skae._warnings import warn_user
from skae.networks.layers import stack_networks

__all__ = ["fit_data", "fit_start", "read_result", "write_result"]

RESULT_FIELDS = {
    "attributes": dict,
    "code_attributes": list,
    "initial_n_components": int,
    "n_components": int,
    "n_coordinates": int,
    "loss_scale": float,
    "loss_offset": float,
    "result_dtype": str,
    "max_abs": float,
    "small_share": float,
    "weights": dict,
    "folds": (dict, type(None)),
    "history": list,
    "warnings": list,
}

FOLD_FIELDS = {"weights": dict, "val_indices": list, "rows_digest": str, "is_initial": bool}

CATEGORIES = {"UserWarning": UserWarning, "ConvergenceWarning": ConvergenceWarning}


def fit_data(estimator, data, seed):
    """Return the data of an autoencoder's fit for `digest_fit`.

    Parameters
    ----------
    estimator : BaseAutoencoder
        With valid parameters.
    data : TrainingData
        Checked data.
    seed : int
        Seed of the fit.
    """
    objective = resolve_objective(estimator)
    k = initial_n_components(estimator, data)
    config = describe_fit(estimator, objective, data, k, k).network
    n_hidden = [k, *config.encoder_sizes][-1]
    modules = []
    with torch.random.fork_rng(devices=[]):  # users' modules draw their weights
        torch.default_generator.manual_seed(seed)
        if not is_own(objective.bottleneck):
            modules.append(objective.bottleneck.make_module(k, n_hidden))
        if objective.penalty is not None and not is_own(objective.penalty):
            modules.append(objective.penalty.make_module(k))
        if config.has_features and not is_own(config.features):
            modules.append(config.features.make_module(config.image_size))
        own_modules = config.own_modules()
    # weights of lazy modules do not exist yet; the code of all classes does
    described_modules = [[type(one) for one in module.modules()] for module in own_modules]
    for module in modules:
        if module is not None:
            classes = [type(one) for one in module.modules()]
            described_modules.append([classes, dict(module.state_dict())])
    return {
        "X": data.rows,
        "sample_weight": data.weights,
        "y": data.target_values,
        "targets": data.targets,
        "X_val": data.validation_rows,
        "layout": getattr(estimator, "_layout", None),
        "modules": described_modules,
    }


def fit_start(estimator, *, resume, one_pass):
    """Return the state of a fitted autoencoder that the next training depends on.

    Parameters
    ----------
    estimator : BaseAutoencoder
        Fitted if `resume` is true.
    resume : bool
        Whether its weights are trained further.
    one_pass : bool
        Whether by ``partial_fit``, which also uses its optimizer.
    """
    if not resume:
        return ("one pass", one_pass)
    net = estimator.net_
    start = ["resumed", estimator._spec, dict(net.module_.state_dict())]
    folds = getattr(estimator, "_folds", None)
    if folds is not None and not one_pass:
        start += [folds.val_indices, folds.rows_digest, folds.is_initial]
        start.append(dict(folds.networks.state_dict()))
    if one_pass:
        start += [estimator.n_iter_, estimator.loss_curve_, net.parts]
        if net.optimizer is not None:
            state = net.optimizer_.state_dict()
            start += [state["state"], state["param_groups"], net.made_with]
    return start


def write_result(checkpoints, result, warnings, estimator, data):
    """Write the result of a finished fit.

    Parameters
    ----------
    checkpoints : NoCheckpoints
        Of the fit.
    result : FitResult
        Without an error.
    warnings : list of (str, type)
        Warnings of the fit.
    estimator : BaseAutoencoder
        As the user set it.
    data : TrainingData
        Checked data.
    """
    attributes = dict(result.attributes)
    spec, net = attributes.pop("_spec"), attributes.pop("net_")
    folds = attributes.pop("_folds")
    if folds is not None:
        folds = {**vars(folds), "weights": dict(folds.networks.state_dict())}
        del folds["networks"]
    checkpoints.write_result(
        {
            "attributes": attributes,
            "code_attributes": list(spec.code_attributes),
            "initial_n_components": initial_n_components(estimator, data),
            "n_components": spec.network.n_components,
            "n_coordinates": spec.network.n_coordinates,
            "loss_scale": float(spec.loss_scale),
            "loss_offset": float(spec.loss_offset),
            "result_dtype": spec.result_dtype,
            "max_abs": float(spec.max_abs),
            "small_share": float(spec.small_share),
            "weights": dict(net.module_.state_dict()),
            "folds": folds,
            "history": plain_records(net.history),
            "warnings": [[text, category.__name__] for text, category in warnings],
        }
    )


def read_result(checkpoints, estimator, data, hooks, *, resume):
    """Return the result of a fit that was finished earlier, or None.

    Warnings of that fit are issued again, and scikit-learn's callbacks get the fitted attributes.

    Parameters
    ----------
    checkpoints : NoCheckpoints
        Of the fit.
    estimator : BaseAutoencoder
        As the user set it.
    data : TrainingData
        Checked data.
    hooks : dict
        Arguments of scikit-learn's callbacks.
    resume : bool
        Whether the fit continued an earlier one.

    Returns
    -------
    result : FitResult or None
        All fitted attributes.
    """
    path, content = checkpoints.read_result()
    if content is None:
        return None
    try:
        attributes = _build(content, estimator, data, resume=resume)
    except ValueError as error:
        warn_broken(path, error)
        return None
    callbacks_class = EpochCallbacks
    if not first_of_fit():
        callbacks_class = NoEpochCallbacks
    callbacks = callbacks_class(estimator, hooks, epochs=0, snapshot=None, verbose=False)
    with callbacks:
        callbacks.fitted_attributes = dict(attributes)
    for text, category in content["warnings"]:
        warn_user(text, CATEGORIES.get(category, UserWarning))
    return FitResult(attributes)


def _build(content, estimator, data, *, resume):
    """Return the fitted attributes from a checked result."""
    check_fields(content, RESULT_FIELDS, "a result")
    attributes = content["attributes"]
    for name in (*attributes, *content["code_attributes"]):
        if not isinstance(name, str) or not (name.endswith("_") or name == "_n_features_out"):
            raise ValueError(f"Got the attribute {name!r:.40}.")
    if resume:
        spec = estimator._spec
    else:
        objective = resolve_objective(estimator)
        k = initial_n_components(estimator, data)
        if (k, content["n_components"] > k) != (content["initial_n_components"], False):
            raise ValueError("Got the result of a network of another size.")
        if not 0 < content["n_coordinates"] <= data.rows.shape[1]:
            raise ValueError(f"Got {content['n_coordinates']} coordinates.")
        spec = describe_fit(estimator, objective, data, k, content["n_coordinates"])
        spec = replace(
            spec,
            network=replace(spec.network, n_components=content["n_components"]),
            loss_scale=content["loss_scale"],
            loss_offset=content["loss_offset"],
        )
    if content["result_dtype"] not in ("float32", "float64"):
        raise ValueError(f"Got the dtype {content['result_dtype']!r:.40} of results.")
    spec = replace(
        spec,
        code_attributes=tuple(content["code_attributes"]),
        result_dtype=content["result_dtype"],
        max_abs=content["max_abs"],
        small_share=content["small_share"],
    )
    network = estimator._build(spec.network)
    check_tensors(content["weights"], network.state_dict())
    network.load_state_dict(content["weights"])
    settings = compile_settings(extra_settings(estimator))
    net = make_net(network, resolve_device(estimator.device), **settings)
    load_history(net.history, content["history"])
    folds = _build_folds(content["folds"], network)
    return {**attributes, "_spec": spec, "net_": net, "_folds": folds}


def _build_folds(content, network):
    """Return the copies of the network in a cross-validated fit, or None."""
    if content is None:
        return None
    check_fields(content, FOLD_FIELDS, "folds")
    networks = stack_networks([network] * (len(content["val_indices"]) + 1))
    check_tensors(content["weights"], networks.state_dict())
    networks.load_state_dict(content["weights"])
    indices = content["val_indices"]
    if not all(isinstance(one, torch.Tensor) and one.dtype == torch.int64 for one in indices):
        raise ValueError("Got folds without indices.")
    return Folds(networks, indices, content["rows_digest"], content["is_initial"])
