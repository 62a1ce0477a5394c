"""What a training makes small: reconstruction loss, what the bottleneck costs, a penalty on the codes, and missed targets."""

import torch

from skae import objectives, penalties

__all__ = ["Objective"]

EMPHASIS = 0.9
"""The share in the loss of what damage hid from the network, where it leaves gaps: it is what filling them is about."""


class Objective(torch.nn.Module):
    """The loss of a batch, as skorch's criterion.

    Parameters
    ----------
    function : callable
        One of `skae.objectives`: ``(x_hat, x) -> one loss per row``.
    penalty : {"sparsity", "contraction", "decorrelation"}, default=None
        What is asked of the codes.
    exact : bool, default=True
        Whether the contraction is computed exactly, or estimated.
    penalty_weight : float, default=0.0
        Weight of the penalty, or of what the bottleneck costs for each feature.
    targets : skae._targets.Targets, default=None
        What the head guesses.
    target_weight : float, default=0.0
        Weight of what it misses.
    n_features, n_working : int, default=1
        Numbers in a row, and in the space of training, over which the loss is a mean. All else is weighed against a mean over
        the features.
    allow_nan : bool, default=False
        Whether gaps in the rows are left out of the mean.
    """

    def __init__(
        self,
        function=objectives.squared_error,
        *,
        penalty=None,
        exact=True,
        penalty_weight=0.0,
        targets=None,
        target_weight=0.0,
        n_features=1,
        n_working=1,
        allow_nan=False,
    ):
        super().__init__()
        self.function = function
        self.penalty = penalty
        self.exact = exact
        self.penalty_weight = penalty_weight
        self.targets = targets
        self.target_weight = target_weight
        self.n_features = n_features
        self.n_working = n_working
        self.allow_nan = allow_nan

    def forward(self, x_hat, x, weights=None, *, seen=None, each=False):
        """Give the mean reconstruction loss over all rows, or `each` row's; rows may lie along several dimensions.

        What is known but not `seen`, since damage made it a gap, counts for nine tenths of the loss.
        """
        extra = x.ndim - 2 if self.allow_nan else 0 if weights is None else weights.ndim - 1
        flat = [part.float().flatten(0, extra) if extra else part.float() for part in (x_hat, x)]
        seen = None if seen is None else seen.flatten(0, extra)
        losses = self._known(*flat, seen) if self.allow_nan else self.function(*flat)
        if each:
            return losses if weights is None else losses.reshape(weights.shape)
        return objectives.weighted_mean(losses, None if weights is None else weights.flatten())

    def _known(self, x_hat, x, seen):
        """Compute each row's loss over what is there of it; a row of gaps has none."""
        known = ~x.isnan()
        padding = x.shape[1] - self.n_features  # what images are padded with is always there, and no part of them
        if seen is None:
            return self._over(x_hat, x, known, known.sum(1) - padding)
        visible, hidden = known & seen, known & ~seen
        counts = visible.sum(1) - padding, hidden.sum(1)
        shares = [share * (count > 0) for share, count in zip((1 - EMPHASIS, EMPHASIS), counts, strict=True)]
        losses = [self._over(x_hat, x, there, count) for there, count in zip((visible, hidden), counts, strict=True)]
        return (shares[0] * losses[0] + shares[1] * losses[1]) / (shares[0] + shares[1]).clamp(min=1e-6)

    def _over(self, x_hat, x, there, count):
        """Compute each row's loss over what is `there`, which are `count` features."""
        losses = self.function(torch.where(there, x_hat, 0.0), torch.where(there, x, 0.0))
        if self.function is objectives.log_loss:
            losses = losses - (~there).mean(1, dtype=torch.float32) * torch.log(torch.tensor(2.0))  # of a logit of zero
        return losses * self.n_features / count.clamp(min=1)

    def more(self, passed, x, network, batch, generator):
        """Give what else is to be small: one number per row, or one for all, or None.

        Parameters
        ----------
        passed : skae.networks.autoencoder.Passed
            What came out of the network.
        x : torch.Tensor of shape (b, ...)
            What went in; it requires gradients if there is a contraction.
        network : torch.nn.Module
            What they came out of; it knows the units of codes.
        batch : skae._batches.Batch
            With weights and targets.
        generator : torch.Generator
            For estimates.
        """
        found, share = None, self.n_features / self.n_working
        if passed.cost is not None:
            found = passed.cost * (self.penalty_weight / self.n_working)
        if self.penalty is not None:
            z = passed.z.float()
            if self.penalty == "contraction":
                cost = penalties.contraction(
                    z * network.whitening, x, batch.weights, generator=None if self.exact else generator
                )
                cost = cost * share  # x may hold more numbers than a row, or fewer
            else:
                cost = getattr(penalties, self.penalty)(z, batch.weights)
            found = cost * (self.penalty_weight * share)
        if passed.guess is not None and batch.targets is not None:
            missed = self.targets.missed(passed.guess.float(), batch.targets) * (self.target_weight * share)
            found = missed if found is None else found + missed
        return found
