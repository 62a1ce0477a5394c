"""The training of a fit: take the best weights, and record what was done."""

import copy

from skae._advice import diverged, warn_of_codes, warn_of_end
from skae._finishing import note_codes
from skae._net import Diverged, bare_net
from skae._progress import Epochs
from skae._settings import compile_settings
from skae._starting import become
from skae._training import Watcher
from skae._warning import advise, called_by_another

__all__ = ["train", "train_once"]


def train(ready, hooks):
    """Train as planned, and take the best weights.

    Parameters
    ----------
    ready : skae._preparing.Preparation
        Its estimator gets the fitted attributes.
    hooks : dict
        What scikit-learn's callbacks are given.

    Returns
    -------
    problem : ValueError, KeyboardInterrupt or None
        To be raised, now that the last good weights are installed.
    """
    estimator, plan, net = ready.estimator, ready.plan, ready.net
    watcher = Watcher(
        net,
        ready.judged,
        epochs=plan.epochs,
        looks=plan.looks,
        shares=plan.shares,
        caution=plan.caution,
        copies=plan.folds > 1,
    )

    def snapshot(watcher):
        """Give a complete fitted state with a network of its own, for callbacks."""
        network = copy.deepcopy(ready.network)
        network.load_state_dict(watcher.weights(), strict=False)
        choice = watcher.best if watcher.held_out else watcher.start
        return {**_records(ready, watcher, choice), "net_": bare_net(network, ready.device)}

    following = Epochs(estimator, hooks, epochs=plan.epochs, snapshot=snapshot, verbose=estimator.verbose)
    net.watcher, watcher.on_epoch = watcher, following
    with following:
        try:
            end = net.train(ready.data, plan.epochs)
        except Diverged:
            end = "diverged"
        _finish(ready, watcher)
    _note_codes(ready)
    if end == "interrupted":
        if called_by_another(estimator):
            return KeyboardInterrupt()
        advise("Training interrupted by user; the best weights so far are kept.")
    if end == "diverged":
        return diverged(estimator, net.lr, watcher.epoch + 1)
    warn_of_end(estimator, watcher, plan.usual_epochs)
    warn_of_codes(estimator, ready.network, ready.rows, ready.principal)
    return None


def train_once(ready):
    """Make one pass at a constant rate; takes and gives what `train` does."""
    estimator, net, network = ready.estimator, ready.net, ready.network
    before = {name: weight.detach().clone() for name, weight in network.named_parameters()}
    curve, n_iter = list(getattr(estimator, "loss_curve_", [])), getattr(estimator, "n_iter_", 0)
    problem = None
    try:
        end = net.train(ready.data, 1)
    except Diverged:
        problem = diverged(estimator, net.lr, 1)
        net = bare_net(network, ready.device)  # the optimizer remembers what went wrong
        network.load_state_dict(before, strict=False)
    else:
        if end == "interrupted" and called_by_another(estimator):
            problem = KeyboardInterrupt()
        elif end == "interrupted":
            advise("Training interrupted by user; what was learned in this pass is kept.")
        else:
            n_iter += 1
            curve.append(_in_units(estimator, net.history[-1]["train_loss"]))
    net.module_.eval()
    _note_codes(ready)
    estimator.net_, estimator.n_iter_, estimator.best_iter_ = net, n_iter, n_iter
    estimator.loss_curve_, estimator.best_loss_ = curve, min(curve, default=float("nan"))
    estimator.validation_scores_ = estimator.validation_iters_ = estimator.best_validation_score_ = None
    for name, value in _used(ready).items():
        setattr(estimator, name, value)
    return problem


def _finish(ready, watcher):
    """Install the chosen weights and record the training."""
    estimator, network, choice = ready.estimator, ready.network, watcher.chosen()
    for name, value in _records(ready, watcher, choice).items():
        setattr(estimator, name, value)
    if choice is watcher.start and ready.restarted:
        become(estimator, network, ready.principal, ready.rows, ready.generator)  # PCA it is: that of all rows
    else:
        network.load_state_dict(choice.weights, strict=False)
    final = bare_net(network, ready.device, **compile_settings(ready.extra))
    final.history = ready.net.history
    estimator.net_ = final


def _note_codes(ready):
    """Record what there is to say of the codes, from rows that were not learned from if there are any."""
    rows = ready.rows if ready.looked_at is None else ready.looked_at
    note_codes(ready.estimator, ready.network, rows, ready.generator, cut=not ready.go_on)


def _records(ready, watcher, choice):
    """Give the fitted attributes at the end, or in the middle, of a training."""
    curve = [_in_units(ready.estimator, row["train_loss"]) for row in watcher.net.history if "train_loss" in row]
    scores = [1 - loss / watcher.null for loss in watcher.rebuilt] if watcher.null else None
    return {
        "n_iter_": watcher.epoch,
        "best_iter_": choice.epoch,
        "loss_curve_": curve,
        "validation_scores_": scores,
        "validation_iters_": list(watcher.looked) if scores else None,
        "best_validation_score_": 1 - choice.rebuilt / watcher.null if scores else None,
        "best_loss_": _in_units(ready.estimator, choice.loss) if scores else min(curve, default=float("nan")),
        **_used(ready),
    }


def _used(ready):
    """Give the fitted attributes that say how the training was done: what became of "auto"."""
    return {
        "batch_size_": ready.plan.batch_size,
        "max_iter_": ready.plan.epochs,
        "learning_rate_init_": float(ready.net.lr),
        "precision_": str(ready.net.precision).removeprefix("torch."),
        "n_folds_": ready.plan.folds,
        "n_held_out_": len(ready.rows) if ready.plan.folds > 1 else 0 if ready.looked_at is None else len(ready.looked_at),
    }


def _in_units(estimator, loss):
    """Give a loss in the space of training in units of the loss of X."""
    return loss * estimator._spec["unit"] + estimator._spec["floor"]
