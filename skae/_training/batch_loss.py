"""The training objective: reconstruction loss, bottleneck cost, penalty and supervised loss."""

import torch

from skae import penalties
from skae.losses import log_loss, squared_error, weighted_mean

__all__ = ["BatchLoss"]

HIDDEN_WEIGHT = 0.9
"""Weight in the loss of values that the corruption hid. The remaining values have 1 - 0.9.

Only hidden values train imputation; the others can be copied from the input.
"""


class BatchLoss(torch.nn.Module):
    """Loss of a batch, as skorch's criterion.

    Parameters
    ----------
    function : callable
        One of `skae.losses`: ``(x_hat, x) -> one loss per sample``.
    penalty : {"sparsity", "contraction", "decorrelation"}, default=None
        Penalty on the latent vectors.
    exact : bool, default=True
        Whether the contraction is computed exactly. If not, it is estimated.
    penalty_weight : float, default=0.0
        Weight of the penalty, or of the bottleneck's cost per feature.
    targets : skae._input.targets.Targets, default=None
        Targets that are predicted from the latent vectors.
    target_weight : float, default=0.0
        Weight of the supervised loss.
    n_features, n_training_features : int, default=1
        Number of features, and of dimensions in the space of training. The reconstruction loss is
        a mean over the latter. All other terms are scaled to a mean over the features.
    allow_nan : bool, default=False
        Whether missing values are excluded from the mean.
    """

    def __init__(
        self,
        function=squared_error,
        *,
        penalty=None,
        exact=True,
        penalty_weight=0.0,
        targets=None,
        target_weight=0.0,
        n_features=1,
        n_training_features=1,
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
        self.n_training_features = n_training_features
        self.allow_nan = allow_nan

    # -------------------------------------------------------------------------- reconstruction

    def forward(self, x_hat, x, weights=None, *, visible=None):
        """Compute the weighted mean reconstruction loss; parameters are those of `sample_losses`.

        Returns
        -------
        loss : torch.Tensor of shape ()
            Mean over samples, and over copies of the network.
        """
        losses = self.sample_losses(x_hat, x, weights, visible=visible).flatten()
        if weights is not None:
            weights = weights.flatten()
        return weighted_mean(losses, weights)

    def sample_losses(self, x_hat, x, weights=None, *, visible=None):
        """Compute the reconstruction loss of each sample.

        Parameters
        ----------
        x_hat, x : torch.Tensor of shape (b, ...) or (n_copies, b, ...)
            Reconstructions and targets.
        weights : torch.Tensor of shape (b,) or (n_copies, b), default=None
            Sample weights, of which only the shape is used.
        visible : torch.Tensor of bool, default=None
            Mask of the values that the corruption left in the input.

        Returns
        -------
        losses : torch.Tensor
            One loss per sample, in the shape of the weights.
        """
        n_dims = self._n_copy_dimensions(x, weights)
        x_hat, x = x_hat.float(), x.float()
        if n_dims > 0:
            x_hat, x = x_hat.flatten(0, n_dims), x.flatten(0, n_dims)
            if visible is not None:
                visible = visible.flatten(0, n_dims)
        if self.allow_nan:
            losses = self._losses_with_missing(x_hat, x, visible)
        else:
            losses = self.function(x_hat, x)
        if weights is None:
            return losses
        return losses.reshape(weights.shape)

    def _n_copy_dimensions(self, x, weights):
        """Return the number of leading dimensions that are joined with that of the samples.

        Without weights and missing values, no dimension is joined, since the mean is the same.
        """
        if self.allow_nan:
            return x.ndim - 2
        if weights is None:
            return 0
        return weights.ndim - 1

    def _losses_with_missing(self, x_hat, x, visible):
        """Compute the loss of each sample over its known values; without any, the loss is 0."""
        is_known = ~x.isnan()
        # the padding of images is never missing, and belongs to no feature
        n_padding = x.shape[1] - self.n_features
        if visible is None:
            return self._mean_over(x_hat, x, is_known, is_known.sum(1) - n_padding)
        is_visible = is_known & visible
        is_hidden = is_known & ~visible
        n_visible = is_visible.sum(1) - n_padding
        n_hidden = is_hidden.sum(1)
        visible_weights = (1 - HIDDEN_WEIGHT) * (n_visible > 0)
        hidden_weights = HIDDEN_WEIGHT * (n_hidden > 0)
        visible_losses = self._mean_over(x_hat, x, is_visible, n_visible)
        hidden_losses = self._mean_over(x_hat, x, is_hidden, n_hidden)
        total = visible_weights * visible_losses + hidden_weights * hidden_losses
        return total / (visible_weights + hidden_weights).clamp(min=1e-6)

    def _mean_over(self, x_hat, x, mask, n_values):
        """Compute the loss of each sample over the values of a mask, which are `n_values`."""
        losses = self.function(torch.where(mask, x_hat, 0.0), torch.where(mask, x, 0.0))
        if self.function is log_loss:
            # subtract the loss of the values outside the mask: their logit is 0
            losses = losses - (~mask).mean(1, dtype=torch.float32) * torch.log(torch.tensor(2.0))
        return losses * self.n_features / n_values.clamp(min=1)

    # -------------------------------------------------------------------------- other objectives

    def regularization(self, output, x, network, batch, generator):
        """Compute the terms of the objective beside reconstruction.

        Parameters
        ----------
        output : skae.networks.autoencoder.ForwardOutput
            Output of the network.
        x : torch.Tensor of shape (b, ...)
            Input of the network. For the contraction it requires gradients.
        network : torch.nn.Module
            The network, which has the units of the latent dimensions.
        batch : skae._input.batching.Batch
            Sample weights and targets.
        generator : torch.Generator
            Source of randomness for estimates.

        Returns
        -------
        regularization : torch.Tensor of shape (b,) or (), or None
            The sum of the terms; None if there are none.
        """
        latent_loss = self._latent_loss(output, x, network, batch, generator)
        if output.guess is None or batch.targets is None:
            return latent_loss
        weight = self.target_weight * self._per_feature
        supervised_loss = self.targets.loss(output.guess.float(), batch.targets) * weight
        if latent_loss is None:
            return supervised_loss
        return latent_loss + supervised_loss

    def _latent_loss(self, output, x, network, batch, generator):
        """Compute the penalty on the latent vectors, or the cost of the bottleneck."""
        if self.penalty is not None:
            cost = self._penalty(output.z.float(), x, network, batch, generator)
            return cost * (self.penalty_weight * self._per_feature)
        if output.cost is not None:
            return output.cost * (self.penalty_weight / self.n_training_features)
        return None

    def _penalty(self, z, x, network, batch, generator):
        """Compute the penalty without its weight."""
        if self.penalty != "contraction":
            return getattr(penalties, self.penalty)(z, batch.weights)
        if self.exact:
            generator = None
        z = z * network.whitening
        cost = penalties.contraction(z, x, batch.weights, generator=generator)
        return cost * self._per_feature  # x may have more dimensions than features, or fewer

    @property
    def _per_feature(self):
        """Factor from a mean over the features to a mean in the space of training."""
        return self.n_features / self.n_training_features
