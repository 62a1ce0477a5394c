"""One fit from beginning to end: start as PCA, hold rows out, train, take the best weights, and record what was done."""

import copy
import inspect
import warnings

import numpy as np
import torch

from skae import _validation as check
from skae import objectives
from skae._batches import Batches, Rows, chunks, to_tensor
from skae._defaults import MOST_COORDINATES, MOST_INPUTS, auto_components, auto_hidden, make_plan, pays_in_bfloat16
from skae._net import SOLVERS, Diverged, bare_net, extra_settings
from skae._principal import principal_components, random_components
from skae._progress import Epochs
from skae._training import FoldBatches, Watcher, crossed

__all__ = ["Fitting"]

PREPARED_BYTES = 2**27
"""Rows are kept as the network sees them if that takes no more than this; if not, every batch is prepared anew."""


JUDGED_AT_ONCE = 4096
"""Rows held out that are judged in one go."""

MOST_RESTARTED = 20000
"""Up to so many rows, the principal components of a network are found without the rows held out."""


class Fitting:
    """What a fit needs to know, checked; then `run`, or `run_once` for ``partial_fit``.

    Parameters
    ----------
    estimator : BaseAutoencoder
        With valid parameters; its fitted attributes are set here.
    rows : ndarray or torch.Tensor of shape (n, d)
        Checked.
    weights : ndarray of shape (n,) or None
        With a mean of 1.
    held_out : ndarray or torch.Tensor or None
        Rows of the user's choice to judge by.
    go_on : bool
        Whether to go on from the weights that are there.
    one_pass : bool, default=False
        Whether this is ``partial_fit``.
    """

    def __init__(self, estimator, rows, weights, held_out, *, go_on, one_pass=False):
        self.estimator = estimator
        self.generator = torch.Generator().manual_seed(check.seeded(estimator.random_state))
        self.device = check.resolve_device(estimator.device)
        self.extra = extra_settings(estimator.net_params)
        if weights is not None and not weights.all():
            kept = weights > 0  # a row without weight is as good as not there
            rows, weights = rows[torch.from_numpy(kept) if isinstance(rows, torch.Tensor) else kept], weights[kept]
            if len(rows) < 2:
                raise ValueError(f"Got {len(rows)} row with a positive sample_weight, but expected at least 2.")
        self.rows, self.weights, self.held_out = rows, weights, held_out
        _check_loss(estimator.loss, rows)
        if held_out is not None:
            _check_loss(estimator.loss, held_out)
            check.check_units(held_out, rows.dtype, exact=estimator.loss == "log_loss")
        self.principal, self.restarted = None, False
        if go_on:
            self._check_same(estimator, rows)
            self.network = estimator.net_.module_
        else:
            self.network = self._start()
        options = estimator._spec["network"]
        single = go_on or one_pass or bool({"callbacks", "compile"} & set(self.extra)) or held_out is not None
        self.plan = make_plan(
            *rows.shape,
            max([*options["encoder_sizes"], 1]),
            batch_size=estimator.batch_size,
            max_iter=estimator.max_iter,
            learning_rate_init=estimator.learning_rate_init,
            early_stopping=estimator.early_stopping or held_out is not None,
            crossed=not single and options["output"] == "linear",
            convolutional="image_size" in options,
        )
        self.precision = {"float32": torch.float32, "bfloat16": torch.bfloat16}.get(estimator.precision)
        if "callbacks" in self.extra:
            self.plan.looks = self.plan.epochs  # they may want to know the validation loss of every epoch
        if self.precision is None:
            pays = pays_in_bfloat16(self.device, self.plan.batch_size, options)
            self.precision = torch.bfloat16 if pays else torch.float32
        # made here, so that what skorch or an optimizer finds wrong is found before anything is trained
        if one_pass:
            self._warn_if_few(go_on)
            self.net, self.data = self._continued()
        else:
            self.net, self.data, self.judged = self._crossed() if self.plan.folds > 1 else self._single()

    # ------------------------------------------------------------------------------------------------ the start

    def _start(self):
        """Build the network that is PCA, and record how it is built."""
        estimator, rows = self.estimator, self.rows
        n, d = rows.shape
        k = auto_components(d) if estimator.n_components == "auto" else int(estimator.n_components)
        self.principal = self._directions(rows, self.weights, max(MOST_COORDINATES, k))
        encoder_sizes, decoder_sizes = auto_hidden(n, d)
        output = "sigmoid" if estimator.loss == "log_loss" else "linear"
        dtype = str(rows.dtype).removeprefix("torch.")
        options = {
            "n_features": d,
            "n_components": k,
            "n_coordinates": len(self.principal.components),
            "n_inputs": min(len(self.principal.components), MOST_INPUTS),
            "encoder_sizes": encoder_sizes,
            "decoder_sizes": decoder_sizes,
            "activation": estimator.activation,
            "output": output,
            "ceiling": 255.0 if dtype == "uint8" else 1.0,
        }
        options = estimator._network(options)
        estimator._spec = {"network": options, "dtype": dtype, "parameters": _shaping(estimator)}
        network = estimator._build(options)
        network.start(self.principal, self.generator)
        estimator.n_components_ = estimator._n_features_out = k
        estimator.init_ = self.principal.rule
        self._note_units(network, self.principal)
        return network

    def _note_units(self, network, principal):
        """Record how a loss in the space of training becomes one in units of X."""
        loss, d = self.estimator.loss, network.n_features
        unit = principal.scale ** {"squared_error": 2, "absolute_error": 1, "log_loss": 0}[loss]
        unseen = max(0.0, principal.total - float(principal.variances.sum())) / d
        rotated = self.estimator._spec["network"].get("rotated", False)
        self.estimator._spec["unit"] = unit if loss == "log_loss" else unit * network.n_working / d
        self.estimator._spec["floor"] = unit * unseen if rotated else 0.0

    def _directions(self, rows, weights, n_coordinates):
        """Find the linear autoencoder that a network starts as."""
        find = random_components if self.estimator.init == "random" else principal_components
        view = self.estimator._view()
        return find(rows, weights, n_coordinates, generator=self.generator, view=view, device=self.device)

    def _warn_if_few(self, go_on):
        """Say when a first ``partial_fit`` sees so little that all later rows are seen badly."""
        k, d = self.estimator.n_components_, self.rows.shape[1]
        if not go_on and len(self.principal.components) < min(k, d):
            warnings.warn(
                f"The first call of partial_fit saw {len(self.rows)} rows, which vary in {len(self.principal.components)} "
                f"directions, but n_components is {k}. All later rows are seen through these directions: begin with more rows.",
                stacklevel=5,
            )

    def _check_same(self, estimator, rows):
        """Refuse to go on where the network or the kind of data would be another."""
        recorded, now = estimator._spec["parameters"], _shaping(estimator)
        for name, value in now.items():
            if value != recorded[name]:
                raise ValueError(
                    f"Got {name}={getattr(estimator, name)!r}, but expected {recorded[name]!r}, as when the network was built: "
                    "what shapes it can't change when a fit goes on. Set warm_start=False and call fit to begin anew."
                )
        dtype = str(rows.dtype).removeprefix("torch.")
        before = estimator._spec["dtype"]
        check.check_units(rows, before, exact=estimator.loss == "log_loss")
        if dtype != before and (np.dtype(dtype).kind == "f") != (np.dtype(before).kind == "f"):
            raise ValueError(f"Got X of dtype {dtype}, but expected {before}, as in the first call.")

    # --------------------------------------------------------------------------------------------------- training

    def run(self, hooks):
        """Train, and take the best weights.

        Returns
        -------
        problem : ValueError or None
            To be raised, now that the last good weights are installed.
        """
        estimator, plan, net = self.estimator, self.plan, self.net
        watcher = Watcher(
            net,
            self.judged,
            epochs=plan.epochs,
            looks=plan.looks,
            shares=plan.shares,
            caution=plan.caution,
            copies=plan.folds > 1,
        )
        following = Epochs(estimator, hooks, epochs=plan.epochs, snapshot=self._snapshot, verbose=estimator.verbose)
        net.watcher, watcher.on_epoch = watcher, following
        with following:
            try:
                end = net.train(self.data, plan.epochs)
            except Diverged:
                end = "diverged"
            self._finish(net, watcher)
        if end == "interrupted":
            warnings.warn("Training interrupted by user; the best weights so far are kept.", stacklevel=4)
        return self._advice(watcher.epoch + 1) if end == "diverged" else None

    def run_once(self):
        """Make one pass at a constant rate; gives what `run` does."""
        estimator, net = self.estimator, self.net
        before = {name: weight.detach().clone() for name, weight in self.network.named_parameters()}
        curve = list(getattr(estimator, "loss_curve_", []))
        n_iter = getattr(estimator, "n_iter_", 0)
        problem = None
        try:
            end = net.train(self.data, 1)
        except Diverged:
            problem = self._advice(1)
            net = bare_net(self.network, self.device)  # the optimizer remembers what went wrong
            self.network.load_state_dict(before, strict=False)
        else:
            if end == "interrupted":
                warnings.warn("Training interrupted by user; what was learned in this pass is kept.", stacklevel=4)
            else:
                n_iter += 1
                curve.append(self._in_units(net.history[-1]["train_loss"]))
        net.module_.eval()
        estimator.net_, estimator.n_iter_, estimator.best_iter_ = net, n_iter, n_iter
        estimator.loss_curve_, estimator.validation_scores_ = curve, None
        estimator.best_loss_ = min(curve, default=float("nan"))
        return problem

    def _data(self):
        """Give the rows to the net: as it sees them if there is room, else as they are."""
        n, working = len(self.rows), self.network.n_working
        size = n * working * (4 if self.precision == torch.float32 else 2)
        self.prepared = size <= PREPARED_BYTES
        X = self._prepare(self.network, self.rows) if self.prepared else self.rows
        if not self.prepared and self.device.type != "cpu":
            X = to_tensor(X).to(self.device)
        return Rows(X, self.weights, self.device)

    def _prepare(self, network, rows):
        """Centre, scale and arrange rows, piece by piece."""
        network = network.to(self.device)
        out = torch.empty(len(rows), network.n_working, dtype=self.precision, device=self.device)
        with torch.no_grad():
            for piece in chunks(len(rows), max(rows.shape[1], network.n_working)):
                out[piece] = network.prepare(to_tensor(rows[piece], self.device))
        return out

    def _net(self, module, **settings):
        """Make a net that is ready to be trained."""
        estimator = self.estimator
        named = isinstance(estimator.solver, str)
        solver, own, factor = SOLVERS[estimator.solver] if named else (estimator.solver, {}, 1.0)
        closure = inspect.signature(solver.step).parameters.get("closure")
        if closure is not None and closure.default is inspect.Parameter.empty:
            raise ValueError(f"Got solver={solver.__name__}, but expected an optimizer that takes a step without a closure.")
        rate = self.plan.learning_rate * (factor if estimator.learning_rate_init == "auto" else 1.0)
        settings = {
            "criterion__function": getattr(objectives, estimator.loss),
            "optimizer": solver,
            **{f"optimizer__{name}": value for name, value in own.items()},
            "lr": rate,
            "batch_size": self.plan.batch_size,
            "warm_up": self.plan.warm_up,
            "clip": self.plan.clip,
            "precision": self.precision,
            "iterator_train__shuffle": True,
            "iterator_train__generator": self.generator,
            **settings,
            **self.extra,
        }
        return bare_net(module, self.device, **settings)

    def _continued(self):
        """Go on with the net of the last ``partial_fit``, whose optimizer remembers, or make one if something else is asked."""
        estimator, data = self.estimator, self._data()
        asked = [getattr(estimator, name) for name in ("solver", "learning_rate_init", "net_params", "precision", "device")]
        net = getattr(estimator, "net_", None)
        if net is None or net.optimizer is None or net.asked != asked:
            net = self._net(self.network, prepared=self.prepared, warm_up=None)
            net.asked = copy.deepcopy(asked)
            return net, data
        net.prepared, net.batch_size = self.prepared, self.plan.batch_size
        net.iterator_train__generator = self.generator
        return net, data

    def _single(self):
        """One network, and a share of the rows (or those that the user chose) held out."""
        n = len(self.rows)
        if not self.plan.folds or self.held_out is not None:
            data, held_out = self._data(), []
            if self.held_out is not None:
                X = self._prepare(self.network, self.held_out) if self.prepared else self.held_out
                held_out = Batches(Rows(X, None, self.device), JUDGED_AT_ONCE)
            return self._net(self.network, prepared=self.prepared), data, held_out
        n_held = min(n - 1, max(1, round(self.estimator.validation_fraction * n)))
        order = torch.randperm(n, generator=self.generator)
        held, kept = order[:n_held].sort().values, order[n_held:].sort().values
        if self.principal is not None and MOST_RESTARTED >= n > n_held + 1:
            # on rows that it has seen PCA looks better than it is; these it has not
            principal = self._directions(*self._some(kept), len(self.principal.components))
            self.network.become(principal)
            self._note_units(self.network, principal)
            self.restarted = True
        data = self._data()
        held_out = Batches(torch.utils.data.Subset(data, held), JUDGED_AT_ONCE)
        return self._net(self.network, prepared=self.prepared), torch.utils.data.Subset(data, kept), held_out

    def _some(self, chosen):
        """Give some of the rows, and their weights."""
        rows = self.rows[chosen.to(self.rows.device) if isinstance(self.rows, torch.Tensor) else chosen.numpy()]
        return rows, None if self.weights is None else self.weights[chosen.numpy()]

    def _crossed(self):
        """One copy of the network for each fold, and one for all rows."""
        n, folds = len(self.rows), self.plan.folds
        order = torch.randperm(n, generator=self.generator)
        held = [order[i::folds].sort().values for i in range(folds)]
        members = [torch.cat([rows for j, rows in enumerate(held) if j != i]).sort().values for i in range(folds)]
        starts = [self._directions(*self._some(rows), len(self.principal.components)) for rows in members]
        self.prepared = True
        together, X, held_out = crossed(
            self.network, starts, held, self.weights, lambda network: self._prepare(network, self.rows)
        )
        net = self._net(
            together, prepared=True, iterator_train=FoldBatches, iterator_train__members=[*members, torch.arange(n)]
        )
        return net, Rows(X, self.weights, self.device), held_out

    # ------------------------------------------------------------------------------------------------- the end

    def _advice(self, epoch):
        """Say what to change when a loss is no longer a number."""
        return ValueError(
            f"The loss was no longer a number in epoch {epoch}. Got learning_rate_init={self.estimator.learning_rate_init!r}, "
            f"which is {self.net.lr:.3g} here: lower it. The weights from before are kept."
        )

    def _in_units(self, loss):
        spec = self.estimator._spec
        return loss * spec["unit"] + spec["floor"]

    def _records(self, watcher, choice):
        """Give the fitted attributes at the end, or in the middle, of a training."""
        curve = [self._in_units(row["train_loss"]) for row in watcher.net.history if "train_loss" in row]
        scores = None
        if watcher.held_out is not None and watcher.null:
            scores = [1 - loss / watcher.null for loss in watcher.losses]
        return {
            "n_iter_": watcher.epoch,
            "best_iter_": choice.epoch,
            "loss_curve_": curve,
            "validation_scores_": scores,
            "best_loss_": self._in_units(choice.loss) if scores else min(curve, default=float("nan")),
        }

    def _snapshot(self, watcher):
        """Give a complete fitted state with a network of its own, for callbacks."""
        network = copy.deepcopy(self.network)
        network.load_state_dict(watcher.weights(), strict=False)
        choice = watcher.best if watcher.held_out else watcher.start
        return {**self._records(watcher, choice), "net_": bare_net(network, self.device)}

    def _finish(self, net, watcher):
        """Install the chosen weights and record the training."""
        choice = watcher.chosen()
        if choice is watcher.start and self.restarted:
            self.network.become(self.principal)  # PCA it is: that of all rows
            choice.weights = {}
        self.network.load_state_dict(choice.weights, strict=False)
        for name, value in self._records(watcher, choice).items():
            setattr(self.estimator, name, value)
        if choice is watcher.start and self.restarted:
            self._note_units(self.network, self.principal)
        final = bare_net(self.network, self.device)
        final.history = net.history
        self.estimator.net_ = final


def _shaping(estimator):
    """Collect the parameters that shape the network, as plain numbers, strings and tuples."""
    names = ("n_components", "hidden_layer_sizes", "n_filters", "image_shape", "channel_axis", "activation", "loss")
    values = {name: getattr(estimator, name) for name in names if hasattr(estimator, name)}
    return {name: value if np.ndim(value) == 0 else tuple(np.asarray(value).tolist()) for name, value in values.items()}


def _check_loss(loss, rows):
    """Refuse data outside [0, 1] for the loss that needs it."""
    if loss != "log_loss" or rows.dtype in (np.uint8, torch.uint8):
        return
    low, high = float(rows.min()), float(rows.max())
    if low < 0 or high > 1:
        raise ValueError(
            f"Got loss='log_loss' with X from {low:.6g} to {high:.6g}, but expected numbers in [0, 1], or uint8. Use "
            "'squared_error', or scale X."
        )
