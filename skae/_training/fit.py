"""Training: run the epochs of a fit, keep the best weights, and collect the fitted attributes."""

import copy
from dataclasses import replace
from functools import partial

from skae._devices import MIN_PARALLEL_MULTIPLICATIONS, count_weights, one_thread
from skae._input.validation import resolve_seed
from skae._training.agreement import agree_on_fit
from skae._training.code_statistics import code_statistics, cut_code
from skae._training.convergence_warnings import (
    divergence_error,
    warn_if_diverged,
    warn_latent_collapse,
    warn_lost_folds,
    warn_not_converged,
)
from skae._training.early_stopping import EarlyStopping
from skae._training.finished_fits import fit_data, fit_start, read_result, write_result
from skae._training.fit_digest import digest_rows
from skae._training.fitted import FitResult
from skae._training.group_checkpoints import open_checkpoints
from skae._training.history import append_history, training_history
from skae._training.initialization import restart_from_pca
from skae._training.net import TrainingDiverged, make_net
from skae._training.net_params import compile_settings
from skae._training.setup import set_up_fit, set_up_partial_fit
from skae._training.validation_split import Folds
from skae._warnings import is_nested_call, recorded_warnings, warn_user
from skae.networks.layers import trained_tensors

__all__ = ["fit_in_one_pass", "fit_or_restore", "run_fit"]

MIN_PASS_SECONDS = 1.0
"""Shortest time of a call of ``partial_fit`` that leaves a checkpoint; others are repeated."""


def fit_or_restore(estimator, data, hooks, *, resume):
    """Fit, from the last checkpoint if there is one; return the result of a finished fit at once.

    Parameters
    ----------
    estimator : BaseAutoencoder
        With valid parameters.
    data : TrainingData
        Checked data.
    hooks : dict
        Arguments of scikit-learn's callbacks.
    resume : bool
        Whether the weights of an earlier fit are trained further.

    Returns
    -------
    result : FitResult
        The fitted attributes.
    """
    seed = resolve_seed(estimator.random_state)
    start = partial(fit_start, estimator, resume=resume, one_pass=False)
    content = partial(fit_data, estimator, data, seed)
    agree_on_fit(estimator, content, seed, start)
    with open_checkpoints(estimator, seed, content, start) as checkpoints:
        result = read_result(checkpoints, estimator, data, hooks, resume=resume)
        if result is not None:
            return result
        with recorded_warnings() as warnings:
            with one_thread(_has_small_products(data)):
                setup = set_up_fit(estimator, data, seed, resume=resume)
            with one_thread(_has_small_steps(setup)):
                result = run_fit(setup, hooks, checkpoints)
        if result.is_complete:
            write_result(checkpoints, result, warnings, estimator, data)
    return result


def fit_in_one_pass(estimator, data, *, resume):
    """Train for one pass, or restore the state after the same pass.

    Parameters
    ----------
    estimator, data, resume
        As in `fit_or_restore`.

    Returns
    -------
    result : FitResult
        The fitted attributes.
    """
    seed = resolve_seed(estimator.random_state)
    start = partial(fit_start, estimator, resume=resume, one_pass=True)
    content = partial(fit_data, estimator, data, seed)
    agree_on_fit(estimator, content, seed, start)
    with open_checkpoints(estimator, seed, content, start) as checkpoints:
        with one_thread(_has_small_products(data)):
            setup = set_up_partial_fit(estimator, data, seed, resume=resume)
        with one_thread(_has_small_steps(setup)):
            return run_partial_fit(setup, checkpoints)


def _has_small_products(data):
    """Return whether one thread is enough for the PCA of the data."""
    n, d = data.rows.shape
    return n * d * min(n, d) < MIN_PARALLEL_MULTIPLICATIONS


def _has_small_steps(setup):
    """Return whether one thread is enough for a training step: samples times weights."""
    n_multiplications = setup.plan.batch_size * count_weights(setup.net.module_)
    return n_multiplications < MIN_PARALLEL_MULTIPLICATIONS


def run_fit(setup, hooks, checkpoints):
    """Train as planned, and keep the best weights.

    Parameters
    ----------
    setup : FitSetup
        Ready for training.
    hooks : dict
        Arguments of scikit-learn's callbacks.
    checkpoints : NoCheckpoints
        The training begins at the last one.

    Returns
    -------
    result : FitResult
        The fitted attributes.
    """
    estimator, net, plan = setup.estimator, setup.net, setup.plan
    monitor = EarlyStopping(net, setup.validation_batches, plan)
    with recorded_warnings():  # a finished fit does not warn again of checkpoints
        n_done = checkpoints.load(net, setup.generator, monitor)

    def snapshot(monitor):
        """Return the attributes of the best weights so far, with a network of their own."""
        checkpoint = monitor.best
        if not setup.validation_batches:
            checkpoint = monitor.initial
        network = copy.deepcopy(setup.network)
        weights = monitor.fitted_weights(monitor.weights())
        network.load_state_dict(weights, strict=False)
        attributes = _training_attributes(setup, monitor, checkpoint)
        return {**attributes, "net_": make_net(network, setup.device)}

    monitor.on_epoch = setup.processes.epoch_callbacks(
        estimator,
        hooks,
        epochs=plan.epochs,
        n_done=n_done,
        snapshot=snapshot,
        verbose=estimator.verbose,
    )
    net.monitor, net.average, net.checkpoints = monitor, monitor.average, checkpoints
    with monitor.on_epoch:
        try:
            end = net.train(setup.dataset, plan.epochs)
        except TrainingDiverged:
            end = "diverged"
        attributes = _keep_best_weights(setup, monitor)
        monitor.on_epoch.fitted_attributes = dict(attributes)
    attributes |= _code_attributes(setup, attributes["_spec"])
    error = None
    if end == "interrupted" and is_nested_call(estimator):
        error = KeyboardInterrupt()
    elif end == "interrupted":
        warn_user("Training interrupted by user; the best weights so far are kept.")
    elif end == "diverged":
        error = divergence_error(estimator, net.lr, monitor.epoch + 1)
    if end in ("done", "stopped") and not warn_if_diverged(estimator, monitor, net.lr):
        warn_not_converged(estimator, monitor, resumed=setup.resume)
        if setup.resume and plan.n_folds == 1 and attributes["best_iter_"] == 0:
            warn_lost_folds(estimator)
    is_complete = error is None and end != "interrupted"
    if is_complete:
        config = setup.spec.network
        warn_latent_collapse(estimator, config, setup.network, setup.data.rows, setup.pca)
    return FitResult(attributes, error, is_complete)


def run_partial_fit(setup, checkpoints):
    """Train for one pass at a constant learning rate.

    Parameters
    ----------
    setup : FitSetup
        Ready for training.
    checkpoints : NoCheckpoints
        The pass begins at the last one.

    Returns
    -------
    result : FitResult
        The fitted attributes.
    """
    estimator, net, network = setup.estimator, setup.net, setup.network
    tensors = trained_tensors(network)
    before = {name: tensor.detach().clone() for name, tensor in tensors.items()}
    curve, n_iter = list(getattr(estimator, "loss_curve_", [])), getattr(estimator, "n_iter_", 0)
    history = getattr(estimator, "history_", None)
    error = None
    checkpoints.load(net, setup.generator)
    net.checkpoints = checkpoints
    try:
        end = net.train(setup.dataset, 1)
    except TrainingDiverged:
        error = divergence_error(estimator, net.lr, 1)
        net = make_net(network, setup.device)  # without the state of the optimizer
        network.load_state_dict(before, strict=False)
    else:
        if end == "interrupted" and is_nested_call(estimator):
            error = KeyboardInterrupt()
        elif end == "interrupted":
            warn_user("Training interrupted by user; the weights of this pass are kept.")
        else:
            checkpoints.finish(MIN_PASS_SECONDS)
            n_iter += 1
            curve.append(setup.spec.loss_in_units(net.history[-1]["train_loss"]))
            history = append_history(history, training_history(setup.spec, net.history[-1:]))
    net.module_.eval()
    code_attributes = _code_attributes(setup, setup.spec)
    attributes = {
        **_resolved_attributes(setup),
        **code_attributes,
        "net_": net,
        "_folds": None,
        "n_iter_": n_iter,
        "best_iter_": n_iter,
        "loss_curve_": curve,
        "history_": history or training_history(setup.spec, []),
        "best_loss_": min(curve, default=float("nan")),
        "validation_scores_": None,
        "validation_iters_": None,
        "best_validation_score_": None,
    }
    return FitResult(attributes, error)


def _keep_best_weights(setup, monitor):
    """Load the selected weights into the network, and return the attributes of the training."""
    network, checkpoint = setup.network, monitor.best_or_initial()
    spec = setup.spec
    attributes = _training_attributes(setup, monitor, checkpoint)
    if checkpoint is monitor.initial and setup.pca_without_validation:
        # nothing was gained: the result is PCA, of all samples
        spec = restart_from_pca(spec, network, setup.pca, setup.data.rows, setup.generator)
    else:
        network.load_state_dict(monitor.fitted_weights(checkpoint.weights), strict=False)
    attributes["_folds"] = _kept_folds(setup, monitor, checkpoint)
    final = make_net(network, setup.device, **compile_settings(setup.extra))
    final.history = setup.net.history
    return {**attributes, "_spec": spec, "net_": final}


def _kept_folds(setup, monitor, checkpoint):
    """Return the copies of a cross-validated fit, with which `fit` can continue, or None."""
    if setup.plan.n_folds < 2:
        return None
    was_initial = not setup.resume or setup.estimator._folds.is_initial
    networks = setup.net.module_
    networks.load_state_dict(checkpoint.weights, strict=False)
    return Folds(
        networks,
        setup.val_indices,
        digest_rows(setup.data.rows),
        is_initial=was_initial and checkpoint is monitor.initial,
    )


def _code_attributes(setup, spec):
    """Return statistics of the latent vectors, and cut ordered ones to a share of variance."""
    rows = setup.validation_rows
    if rows is None:
        rows = setup.data.rows
    attributes = code_statistics(spec, setup.network, rows, setup.generator)
    reserved = {*_resolved_attributes(setup), "net_", "loss_curve_", "history_"}
    reserved |= {"n_iter_", "best_iter_"}
    for name in attributes:
        if name in reserved or not name.endswith("_") or name.startswith("_"):
            raise ValueError(
                f"Got the fitted attribute {name!r} from a bottleneck or penalty, but expected "
                "a name that ends in an underscore, and that autoencoders do not have."
            )
    spec = replace(spec, code_attributes=tuple(attributes))
    if setup.resume:
        return {**attributes, "_spec": spec}
    return cut_code(setup.estimator, spec, setup.network, attributes)


def _training_attributes(setup, monitor, checkpoint):
    """Return the fitted attributes at the end, or in the middle, of a training."""
    spec = setup.spec
    epochs = [epoch for epoch in monitor.net.history if "train_loss" in epoch]
    curve = [spec.loss_in_units(epoch["train_loss"]) for epoch in epochs]
    validation_losses = {}
    if setup.validation_batches:
        evaluations = zip(monitor.evaluated_epochs, monitor.losses, strict=True)
        validation_losses = dict(evaluations)
    attributes = {
        "init_": "warm start",
        **_resolved_attributes(setup),
        "n_iter_": monitor.epoch,
        "best_iter_": checkpoint.epoch,
        "loss_curve_": curve,
        "history_": training_history(spec, epochs, validation_losses),
        "validation_scores_": None,
        "validation_iters_": None,
        "best_validation_score_": None,
        "best_loss_": min(curve, default=float("nan")),
    }
    if monitor.baseline:
        scores = [1 - loss / monitor.baseline for loss in monitor.reconstruction_losses]
        best_score = 1 - checkpoint.reconstruction_loss / monitor.baseline
        attributes["validation_scores_"] = scores
        attributes["validation_iters_"] = list(monitor.evaluated_epochs)
        attributes["best_validation_score_"] = best_score
        attributes["best_loss_"] = spec.loss_in_units(checkpoint.loss)
    return attributes


def _resolved_attributes(setup):
    """Return the fitted attributes that say how "auto" was resolved."""
    plan, k = setup.plan, setup.spec.network.n_components
    n_validation = 0
    if plan.n_folds > 1:
        n_validation = len(setup.data)
    elif setup.validation_rows is not None:
        n_validation = len(setup.validation_rows)
    attributes = {
        "_spec": setup.spec,
        "n_components_": k,
        "_n_features_out": k,
        "batch_size_": plan.batch_size,
        "max_iter_": plan.epochs,
        "learning_rate_init_": float(setup.net.lr),
        "precision_": str(setup.net.precision).removeprefix("torch."),
        "n_folds_": plan.n_folds,
        "n_held_out_": n_validation,
    }
    if setup.pca is not None:
        attributes["init_"] = setup.pca.rule
    return attributes
