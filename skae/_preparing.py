"""What a fit has to have before its first step: the network that is PCA, a plan, rows as it sees them, and rows held out."""

import math

import torch

from skae import _validation as check
from skae import objectives
from skae._batches import Batches, Rows, Selected, StoredBatches, choose, chunks, select, to_tensor
from skae._damage import check_corruption
from skae._defaults import BATCH_NUMBERS, auto_held_out, make_plan, pays_in_bfloat16, weight_of_penalty
from skae._finishing import forget_codes
from skae._net import bare_net
from skae._settings import extra_settings, find_solver, own_settings
from skae._starting import become, check_same, directions, start, warn_if_few
from skae._stored import Stored
from skae._targets import find_targets
from skae._training import FoldBatches, crossed

__all__ = ["Preparation"]

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


class Preparation:
    """Everything that a training needs, checked and made; nothing has been trained yet.

    What skorch or an optimizer finds wrong is found here as well.

    Parameters
    ----------
    estimator : BaseAutoencoder
        With valid parameters; how its network is built is recorded in it.
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

    Attributes
    ----------
    rows, weights, y
        Those that count, with targets as numbers.
    network : skae.networks.autoencoder.Autoencoder
        That of the user; it is what its start is.
    principal : Principal or None
        What it starts as, found on all rows; None for one that goes on.
    restarted : bool
        Whether it was started once more, without the rows held out.
    looked_at : array or Selected or None
        Rows that are not learned from.
    plan : Plan
        How it is trained.
    net : AutoencoderNet
        Ready to be trained: around the network, or around copies of it.
    data : dataset
        Rows for the net to learn from.
    judged : iterable of Batch
        Rows for it to be judged by; empty where it isn't.
    """

    def __init__(self, estimator, rows, weights, held_out, y=None, *, go_on, one_pass=False):
        self.estimator, self.go_on = estimator, go_on
        self.generator = torch.Generator().manual_seed(check.seeded(estimator.random_state))
        self.device = check.resolve_device(estimator.device)
        self.extra = extra_settings(estimator.net_params)
        self.corrupt = check_corruption(estimator.corruption, estimator.corruption_level, allow_nan=estimator.allow_nan)
        n = len(rows)
        rows, weights, kept = _with_weight(rows, weights)
        self.targets, self.y = find_targets(estimator, y, n, kept, go_on=go_on)
        self.rows, self.weights, self.held_out = rows, weights, held_out
        exact = estimator.loss == "log_loss"
        if exact:
            check.check_shares(rows)
        if exact and held_out is not None:
            check.check_shares(held_out)
        if held_out is not None:
            check.check_units(held_out, rows.dtype, exact=exact)
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
        self.plan = self._planned(one_pass)
        self.precision = {"float32": torch.float32, "bfloat16": torch.bfloat16}.get(estimator.precision)
        if self.precision is None:
            pays = pays_in_bfloat16(self.device, self.plan.batch_size, estimator._spec["network"])
            self.precision = torch.bfloat16 if pays else torch.float32
        make = self._continued if one_pass else self._crossed if self.plan.folds > 1 else self._single
        self.net, self.data, self.judged = make()

    def _planned(self, one_pass):
        """Make the plan: what is asked for says whether the rows can be cross-validated, and how long training takes."""
        estimator, options = self.estimator, self.estimator._spec["network"]
        plain = options["bottleneck"] == "deterministic" and estimator.penalty is None and self.targets is None
        gaps = plain and options.get("linked", False)  # the start fills them as well as a linear map can
        plain = plain and not estimator.allow_nan and self.corrupt is None
        single = self.go_on or one_pass or bool({"callbacks", "compile"} & set(self.extra)) or self.held_out is not None
        in_folds = 6 * 4 * len(self.rows) * self.network.n_working  # bytes: five folds and all rows, in float32
        plan = make_plan(
            *self.rows.shape,
            max([*options["encoder_sizes"], *options["decoder_sizes"][:1], 1]),
            batch_size=estimator.batch_size,
            max_iter=1 if one_pass else estimator.max_iter,
            learning_rate_init=estimator.learning_rate_init,
            early_stopping=(estimator.early_stopping or self.held_out is not None) and not one_pass,
            crossed=(plain or gaps) and not single and options["output"] == "linear" and in_folds <= CROSSED_BYTES,
            convolutional="image_size" in options,
            plain=plain,
            gaps=gaps,
            ordered=options["bottleneck"] == "ordered",
        )
        if "callbacks" in self.extra:
            plan.looks = plan.epochs  # they may want to know the validation loss of every epoch
        return plan

    # ---------------------------------------------------------------------------------- nets, and the rows they see

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

    def _continued(self):
        """Go on with the net of the last ``partial_fit``, whose optimizer remembers, or make one if something else is asked."""
        estimator, data = self.estimator, self._data()
        asked = [getattr(estimator, name) for name in ASKED]
        net = getattr(estimator, "net_", None)
        if net is None or net.optimizer is None or net.asked != asked:
            net = self._net(self.network, prepared=self.prepared, warm_up=None)
            net.asked = [own_settings(one) if isinstance(one, dict) else one for one in asked]
            return net, data, []
        net.prepared, net.batch_size = self.prepared, self.plan.batch_size
        net.generator = net.iterator_train__generator = self.generator
        net.iterator_train = StoredBatches if self._streams else Batches
        net.parts = max(net.parts, self._parts)
        return net, data, []

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

    def _net(self, module, **settings):
        """Make a net that is ready to be trained."""
        estimator = self.estimator
        solver, own, factor = find_solver(estimator.solver)
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


def _with_weight(rows, weights):
    """Leave out rows without weight, which are as good as not there; gives the rest, and which rows it is if not all are."""
    if weights is None or weights.all():
        return rows, weights, None
    kept = torch.from_numpy(weights > 0).nonzero()[:, 0]
    if len(kept) < 2:
        raise ValueError(f"Got {len(kept)} row whose sample_weight counts beside the largest, but expected at least 2.")
    rows = Stored(Selected(rows, kept)) if isinstance(rows, Stored) else select(rows, kept)
    return rows, weights[kept.numpy()], kept


def _has_room(device, X):
    """Say whether all rows can lie on the device, beside what a training needs."""
    if device.type != "cuda":
        return device.type != "cpu"
    return X.nbytes < 0.6 * torch.cuda.mem_get_info(device)[0]
