"""One fit from beginning to end: start as PCA, hold rows out, train, take the best weights, and record what was done."""

import copy
import inspect
import math
import warnings

import torch

from skae import _validation as check
from skae import objectives
from skae._advice import diverged, warn_of_codes, warn_of_end
from skae._batches import Batches, Rows, Selected, StoredBatches, choose, chunks, select, to_tensor
from skae._damage import check_corruption
from skae._defaults import BATCH_NUMBERS, auto_held_out, make_plan, pays_in_bfloat16, weight_of_penalty
from skae._finishing import forget_codes, note_codes
from skae._net import SOLVERS, Diverged, bare_net, compile_settings, extra_settings, own_settings
from skae._progress import Epochs
from skae._starting import become, check_same, directions, start, warn_if_few
from skae._stored import Stored
from skae._targets import find_targets
from skae._training import FoldBatches, Watcher, crossed

__all__ = ["Fitting"]

PREPARED_BYTES = 2**27
"""Rows are kept as the network sees them if that takes no more than this; if not, every batch is prepared anew."""

CROSSED_BYTES = 2**26
"""Folds are made if the rows, as each of them sees them, take no more than this."""

HELD_BYTES = 2**26
"""The most that is held out of what is streamed: it stays in memory."""

JUDGED_AT_ONCE = 4096
"""Rows held out that are judged in one go, at the most."""

MOST_RESTARTED = 20000
"""Up to so many rows, the principal components of a network are found without the rows held out."""
ASKED = ("solver", "learning_rate_init", "net_params", "precision", "device", "corruption", "corruption_level")
ASKED += ("penalty_weight", "target_weight")
"""What a net is made of anew for in ``partial_fit``, if it has changed."""


class Fitting:
    """What a fit needs to know, checked; then `run`, or `run_once` for ``partial_fit``.

    Parameters
    ----------
    estimator : BaseAutoencoder
        With valid parameters; its fitted attributes are set here.
    rows : ndarray, torch.Tensor or Stored of shape (n, d)
        Checked.
    weights : ndarray of shape (n,) or None
        With a mean of 1.
    held_out : ndarray or torch.Tensor or None
        Rows of the user's choice to judge by.
    y : array-like or None
        Targets, if codes are to say something of them.
    go_on : bool
        Whether to go on from the weights that are there.
    one_pass : bool, default=False
        Whether this is ``partial_fit``.
    """

    def __init__(self, estimator, rows, weights, held_out, y=None, *, go_on, one_pass=False):
        self.estimator, self.go_on = estimator, go_on
        self.generator = torch.Generator().manual_seed(check.seeded(estimator.random_state))
        self.device = check.resolve_device(estimator.device)
        self.extra = extra_settings(estimator.net_params)
        self.corrupt = check_corruption(estimator.corruption, estimator.corruption_level, allow_nan=estimator.allow_nan)
        n, kept = len(rows), None
        if weights is not None and not weights.all():
            kept = torch.from_numpy(weights > 0).nonzero()[:, 0]  # a row without weight is as good as not there
            if len(kept) < 2:
                raise ValueError(f"Got {len(kept)} row with a positive sample_weight, but expected at least 2.")
            rows = Stored(Selected(rows, kept)) if isinstance(rows, Stored) else select(rows, kept)
            weights = weights[kept.numpy()]
        self.targets, self.y = find_targets(estimator, y, n, kept, go_on=go_on)
        self.rows, self.weights, self.held_out = rows, weights, held_out
        if estimator.loss == "log_loss":
            check.check_shares(rows)
        if held_out is not None:
            if estimator.loss == "log_loss":
                check.check_shares(held_out)
            check.check_units(held_out, rows.dtype, exact=estimator.loss == "log_loss")
        self.principal, self.restarted, self.looked_at = None, False, held_out
        if go_on:
            check_same(estimator, rows)
            self.network = estimator.net_.module_
            estimator.init_ = estimator.init_ if one_pass else "warm start"
        else:
            forget_codes(estimator)
            self.network, self.principal = start(estimator, rows, weights, self.generator, self.device, self.targets)
            if one_pass:
                warn_if_few(estimator, self.principal, rows.shape)
        options = estimator._spec["network"]
        plain = options["bottleneck"] == "deterministic" and estimator.penalty is None and self.targets is None
        gaps = plain and options.get("linked", False)  # the start fills them as well as a linear map can
        plain = plain and not estimator.allow_nan and self.corrupt is None
        single = go_on or one_pass or bool({"callbacks", "compile"} & set(self.extra)) or held_out is not None
        in_folds = 6 * 4 * len(rows) * self.network.n_working  # bytes: five folds and all rows, in float32
        self.plan = make_plan(
            *rows.shape,
            max([*options["encoder_sizes"], *options["decoder_sizes"][:1], 1]),
            batch_size=estimator.batch_size,
            max_iter=1 if one_pass else estimator.max_iter,
            learning_rate_init=estimator.learning_rate_init,
            early_stopping=(estimator.early_stopping or held_out is not None) and not one_pass,
            crossed=(plain or gaps) and not single and options["output"] == "linear" and in_folds <= CROSSED_BYTES,
            convolutional="image_size" in options,
            plain=plain,
            gaps=gaps,
            ordered=options["bottleneck"] == "ordered",
        )
        self.precision = {"float32": torch.float32, "bfloat16": torch.bfloat16}.get(estimator.precision)
        if "callbacks" in self.extra:
            self.plan.looks = self.plan.epochs  # they may want to know the validation loss of every epoch
        if self.precision is None:
            pays = pays_in_bfloat16(self.device, self.plan.batch_size, options)
            self.precision = torch.bfloat16 if pays else torch.float32
        # made here, so that what skorch or an optimizer finds wrong is found before anything is trained
        if one_pass:
            self.net, self.data = self._continued()
        else:
            self.net, self.data, self.judged = self._crossed() if self.plan.folds > 1 else self._single()

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
        self._note_codes()
        if end == "diverged":
            return diverged(estimator, net.lr, watcher.epoch + 1)
        warn_of_end(estimator, watcher, plan.usual_epochs)
        warn_of_codes(estimator, self.network, self.rows, self.principal)
        return None

    def run_once(self):
        """Make one pass at a constant rate; gives what `run` does."""
        estimator, net = self.estimator, self.net
        before = {name: weight.detach().clone() for name, weight in self.network.named_parameters()}
        curve, n_iter = list(getattr(estimator, "loss_curve_", [])), getattr(estimator, "n_iter_", 0)
        problem = None
        try:
            end = net.train(self.data, 1)
        except Diverged:
            problem = diverged(estimator, net.lr, 1)
            net = bare_net(self.network, self.device)  # the optimizer remembers what went wrong
            self.network.load_state_dict(before, strict=False)
        else:
            if end == "interrupted":
                warnings.warn("Training interrupted by user; what was learned in this pass is kept.", stacklevel=4)
            else:
                n_iter += 1
                curve.append(self._in_units(net.history[-1]["train_loss"]))
        net.module_.eval()
        self._note_codes()
        estimator.net_, estimator.n_iter_, estimator.best_iter_ = net, n_iter, n_iter
        estimator.loss_curve_, estimator.best_loss_ = curve, min(curve, default=float("nan"))
        estimator.validation_scores_ = estimator.validation_iters_ = estimator.best_validation_score_ = None
        for name, value in self._used().items():
            setattr(estimator, name, value)
        return problem

    def _note_codes(self):
        """Record what there is to say of the codes, from rows that were not learned from if there are any."""
        rows = self.rows if self.looked_at is None else self.looked_at
        note_codes(self.estimator, self.network, rows, self.generator, cut=not self.go_on)

    def _data(self):
        """Give the rows to the net: as it sees them if there is room, else as they are."""
        n, working = max(len(self.rows), 0 if self.held_out is None else len(self.held_out)), self.network.n_working
        size = n * working * (4 if self.precision == torch.float32 else 2)
        self.prepared = size <= PREPARED_BYTES and self.corrupt is None
        X = self._prepare(self.network, self.rows) if self.prepared else self.rows
        if not self.prepared and not isinstance(X, Stored) and _has_room(self.device, X):
            X = to_tensor(X).to(self.device)
        return Rows(X, self.weights, self.device, self.y)

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
            **self._objective(),
            "optimizer": solver,
            **{f"optimizer__{name}": value for name, value in own.items()},
            "lr": rate,
            "batch_size": self.plan.batch_size,
            "warm_up": self.plan.warm_up,
            "clip": self.plan.clip,
            "precision": self.precision,
            "iterator_train__shuffle": True,
            "iterator_train__generator": self.generator,
            "iterator_train": StoredBatches if self._streams else Batches,
            "parts": self._parts,
            "corrupt": self.corrupt,
            "generator": self.generator,
            **settings,
            **self.extra,
        }
        return bare_net(module, self.device, **settings)

    def _objective(self):
        """Say what is to be made small."""
        estimator, network = self.estimator, self.network
        settings = {
            "function": getattr(objectives, estimator.loss),
            "penalty": None if estimator.penalty == "rate" else estimator.penalty,
            "exact": not network.channels_last,
            "penalty_weight": weight_of_penalty(estimator),
            "targets": self.targets,
            "target_weight": estimator.target_weight,
            "n_features": network.n_features,
            "n_working": network.n_features if network.output == "sigmoid" else network.n_working,
            "allow_nan": network.allow_nan,
        }
        return {f"criterion__{name}": value for name, value in settings.items()}

    @property
    def _parts(self):
        """Say in how many parts a batch is taken, so that memory is bounded."""
        return math.ceil(self.plan.batch_size * self.network.n_working / (2 * BATCH_NUMBERS))

    def _continued(self):
        """Go on with the net of the last ``partial_fit``, whose optimizer remembers, or make one if something else is asked."""
        estimator, data = self.estimator, self._data()
        asked = [getattr(estimator, name) for name in ASKED]
        net = getattr(estimator, "net_", None)
        if net is None or net.optimizer is None or net.asked != asked:
            net = self._net(self.network, prepared=self.prepared, warm_up=None)
            net.asked = [own_settings(one) if isinstance(one, dict) else one for one in asked]
            return net, data
        net.prepared, net.batch_size = self.prepared, self.plan.batch_size
        net.generator = net.iterator_train__generator = self.generator
        net.iterator_train = StoredBatches if self._streams else Batches
        net.parts = max(net.parts, self._parts)
        return net, data

    def _single(self):
        """One network, and a share of the rows (or those that the user chose) held out."""
        n = len(self.rows)
        if not self.plan.folds or self.held_out is not None:
            data, held_out = self._data(), []
            if self.held_out is not None:
                X = self._prepare(self.network, self.held_out) if self.prepared else self.held_out
                held_out = Batches(Rows(X, None, self.device), self._judged_at_once)
            return self._net(self.network, prepared=self.prepared), data, held_out
        n_held = auto_held_out(n, self.estimator.validation_fraction)
        if isinstance(self.rows, Stored):
            n_held = min(n_held, max(8, HELD_BYTES // self.rows.row_bytes))  # a few at least, or they say nothing
        held = choose(self.rows, n_held, self.generator)
        others = torch.ones(n, dtype=torch.bool)
        others[held] = False
        if self.principal is not None and MOST_RESTARTED >= n > len(held) + 1:
            # on rows that it has seen PCA looks better than it is; these it has not
            kept = others.nonzero()[:, 0]
            become(self.estimator, self.network, self._directions(kept), Selected(self.rows, kept), self.generator)
            self.restarted = True
        data = self._data()
        self.looked_at = Selected(self.rows, held)
        if self._streams:
            weights = None if self.weights is None else self.weights[held.numpy()]
            judged = Rows(select(self.rows, held), weights, self.device, None if self.y is None else self.y[held])
            net = self._net(self.network, iterator_train__left_out=held)
            return net, data, Batches(judged, self._judged_at_once)
        judged = Batches(torch.utils.data.Subset(data, held), self._judged_at_once)
        kept = torch.utils.data.Subset(data, others.nonzero()[:, 0])
        return self._net(self.network, prepared=self.prepared), kept, judged

    @property
    def _streams(self):
        """Whether batches are read from where the rows are stored."""
        return isinstance(self.rows, Stored) and not self.prepared

    @property
    def _judged_at_once(self):
        """How many rows are judged in one go."""
        return max(8, min(JUDGED_AT_ONCE, BATCH_NUMBERS // self.network.most_numbers))

    def _directions(self, chosen):
        """Find the linear autoencoder of some of the rows."""
        found, normal = len(self.principal.components), self.principal.normal
        shared = (self.estimator, self.rows, self.weights, found, self.generator, self.device)
        return directions(*shared, chosen=chosen, normal=normal)

    def _crossed(self):
        """One copy of the network for each fold, and one for all rows."""
        n, folds = len(self.rows), self.plan.folds
        order = torch.randperm(n, generator=self.generator)
        held = [order[i::folds].sort().values for i in range(folds)]
        members = [torch.cat([rows for j, rows in enumerate(held) if j != i]).sort().values for i in range(folds)]
        starts = [self._directions(rows) for rows in members]
        self.prepared = True
        together, X, held_out = crossed(
            self.network, starts, held, self.weights, lambda network: self._prepare(network, self.rows)
        )
        net = self._net(
            together, prepared=True, iterator_train=FoldBatches, iterator_train__members=[*members, torch.arange(n)]
        )
        return net, Rows(X, self.weights, self.device), held_out

    # ------------------------------------------------------------------------------------------------- the end

    def _in_units(self, loss):
        return loss * self.estimator._spec["unit"] + self.estimator._spec["floor"]

    def _records(self, watcher, choice):
        """Give the fitted attributes at the end, or in the middle, of a training."""
        curve = [self._in_units(row["train_loss"]) for row in watcher.net.history if "train_loss" in row]
        scores = [1 - loss / watcher.null for loss in watcher.rebuilt] if watcher.null else None
        return {
            "n_iter_": watcher.epoch,
            "best_iter_": choice.epoch,
            "loss_curve_": curve,
            "validation_scores_": scores,
            "validation_iters_": list(watcher.looked) if scores else None,
            "best_validation_score_": 1 - choice.rebuilt / watcher.null if scores else None,
            "best_loss_": self._in_units(choice.loss) if scores else min(curve, default=float("nan")),
            **self._used(),
        }

    def _used(self):
        """Give the fitted attributes that say how the training was done: what became of "auto"."""
        return {
            "batch_size_": self.plan.batch_size,
            "max_iter_": self.plan.epochs,
            "learning_rate_init_": float(self.net.lr),
            "precision_": str(self.net.precision).removeprefix("torch."),
            "n_folds_": self.plan.folds,
            "n_held_out_": len(self.rows) if self.plan.folds > 1 else 0 if self.looked_at is None else len(self.looked_at),
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
        for name, value in self._records(watcher, choice).items():
            setattr(self.estimator, name, value)
        if choice is watcher.start and self.restarted:
            become(self.estimator, self.network, self.principal, self.rows, self.generator)  # PCA it is: that of all rows
        else:
            self.network.load_state_dict(choice.weights, strict=False)
        final = bare_net(self.network, self.device, **compile_settings(self.extra))
        final.history = net.history
        self.estimator.net_ = final


def _has_room(device, X):
    """Say whether all rows can lie on the device, beside what a training needs."""
    if device.type != "cuda":
        return device.type != "cpu"
    return X.nbytes < 0.6 * torch.cuda.mem_get_info(device)[0]
