"""The training objective: reconstruction loss, bottleneck cost, penalty and supervised loss."""

import torch

from skae.penalties import PenaltyInputs

__all__ = ["BatchLoss", "loss_settings", "weighted_mean"]

MASKED_WEIGHT = 0.9
"""Weight in the loss of values that became missing by the corruption. The others have 1 - 0.9.

Only masked values train imputation; the others can be copied from the input.
"""


class BatchLoss(torch.nn.Module):
    """Loss of a batch, as skorch's criterion.

    Parameters
    ----------
    loss : skae.losses.Loss, default=None
        Reconstruction loss; None for a net that is not trained.
    bottleneck_weight : float, default=None
        Weight of the bottleneck's cost per feature. None: the bottleneck has no cost.
    penalty : skae.penalties.Penalty, default=None
        Penalty on the latent vectors.
    targets : skae._input.targets.Targets, default=None
        Targets that are predicted from the latent vectors.
    target_weight : float, default=0.0
        Weight of the supervised loss.
    n_features, n_training_features : int, default=1
        Number of features, and of dimensions in the space of training. The reconstruction loss is
        a mean over the latter. All other terms are scaled to a mean over the features.
    allow_nan : bool, default=False
        Whether missing values are excluded from the mean.
    masked_weight : float, default=None
        Weight of the mean over masked values, beside that over visible values. None: 0.9 if missing
        values are excluded, and one mean over all values otherwise.
    """

    def __init__(
        self,
        loss=None,
        *,
        bottleneck_weight=None,
        penalty=None,
        targets=None,
        target_weight=0.0,
        n_features=1,
        n_training_features=1,
        allow_nan=False,
        masked_weight=None,
    ):
        super().__init__()
        self.loss = loss
        self.bottleneck_weight = bottleneck_weight
        self.penalty = penalty
        self.targets = targets
        self.target_weight = target_weight
        self.n_features = n_features
        self.n_training_features = n_training_features
        self.allow_nan = allow_nan
        self.masked_weight = masked_weight

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
            Mask of the values that the corruption left in the input. None: no value was masked.

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
        if self.allow_nan or visible is not None:
            losses = self._masked_losses(x_hat, x, visible)
        else:
            losses = self.loss(x_hat, x)
            _check_shape(losses, [(len(x),)], self.loss)
        if weights is None:
            return losses
        return losses.reshape(weights.shape)

    def _n_copy_dimensions(self, x, weights):
        """Return the number of leading dimensions that are joined with that of the samples.

        Without weights, missing and masked values, no dimension is joined, since the mean is the
        same.
        """
        if self.allow_nan or self.masked_weight is not None:
            return x.ndim - 2
        if weights is None:
            return 0
        return weights.ndim - 1

    def _masked_losses(self, x_hat, x, visible):
        """Compute the loss of each sample over its known values; without any, the loss is 0."""
        is_known = ~x.isnan()
        # the padding of images is never missing, and belongs to no feature
        n_padding = x.shape[1] - self.n_features
        if visible is None:
            return self._mean_over(x_hat, x, is_known, is_known.sum(1) - n_padding)
        masked_weight = self.masked_weight
        if masked_weight is None:
            masked_weight = MASKED_WEIGHT
        is_visible = is_known & visible
        is_masked = is_known & ~visible
        n_visible = is_visible.sum(1) - n_padding
        n_masked = is_masked.sum(1)
        visible_weights = (1 - masked_weight) * (n_visible > 0)
        masked_weights = masked_weight * (n_masked > 0)
        visible_losses = self._mean_over(x_hat, x, is_visible, n_visible)
        masked_losses = self._mean_over(x_hat, x, is_masked, n_masked)
        total = visible_weights * visible_losses + masked_weights * masked_losses
        return total / (visible_weights + masked_weights).clamp(min=1e-6)

    def _mean_over(self, x_hat, x, mask, n_values):
        """Compute the loss of each sample over the values of a mask, which are `n_values`."""
        # NaN in the first argument of the outer `where` would be NaN in the gradient
        losses = self.loss.elementwise(torch.where(mask, x_hat, 0.0), torch.where(mask, x, 0.0))
        losses = torch.where(mask, losses, 0.0).flatten(1).mean(1)
        return losses * self.n_features / n_values.clamp(min=1)

    # -------------------------------------------------------------------------- other objectives

    @property
    def needs_input_gradient(self):
        """Whether the penalty differentiates with respect to the inputs of the network."""
        return self.penalty is not None and self.penalty.needs_input_gradient

    @property
    def features_ratio(self):
        """Factor from a mean over the features to a mean in the space of training."""
        return self.n_features / self.n_training_features

    def regularization(self, output, x, batch, network, forward, generator):
        """Compute the terms of the objective beside reconstruction.

        Parameters
        ----------
        output : skae.networks.forward_output.ForwardOutput
            Output of the network.
        x : torch.Tensor of shape (b, ...)
            Input of the network.
        batch : skae._input.batching.Batch
            Sample weights and targets.
        network, forward, generator
            As in `skae.penalties.PenaltyInputs`.

        Returns
        -------
        regularization : torch.Tensor of shape (b,) or (), or None
            The sum of the terms; None if there are none.
        """
        terms = []
        if self.penalty is not None:
            inputs = PenaltyInputs(
                output.z.float(),
                x,
                output.decoder_input,
                batch.weights,
                network,
                forward,
                generator,
                self.features_ratio,
            )
            penalty = self.penalty(inputs)
            _check_shape(penalty, [(), (len(inputs.z),)], self.penalty)
            factor = self.penalty.factor(self.n_features, self.n_training_features)
            terms.append(penalty * factor)
        if output.bottleneck_cost is None and self.bottleneck_weight is not None:
            raise ValueError(
                f"Got no cost from {type(network.bottleneck).__name__}.forward, but expected one "
                "number per sample, because the class of the bottleneck has has_cost = True. "
                "Return the cost, or set has_cost = False."
            )
        if output.bottleneck_cost is not None:
            if self.bottleneck_weight is None:
                raise ValueError(
                    "Got a cost from the module of a bottleneck without has_cost. Set has_cost = "
                    "True in the class of the bottleneck, and add the parameter weight."
                )
            factor = self.bottleneck_weight / self.n_training_features
            terms.append(output.bottleneck_cost * factor)
        if output.predictions is not None and batch.targets is not None:
            factor = self.target_weight * self.features_ratio
            losses = self.targets.loss(output.predictions.float(), batch.targets)
            terms.append(losses * factor)
        if not terms:
            return None
        total = terms[0]
        for term in terms[1:]:
            total = total + term
        return total


def _check_shape(values, shapes, option):
    """Raise a ValueError if the result of an option has none of the allowed shapes."""
    shape = getattr(values, "shape", None)
    if shape not in shapes:
        allowed = " or ".join(map(str, shapes))
        raise ValueError(
            f"Got {option!r} with a result of shape {shape}, but expected a tensor of shape "
            f"{allowed}."
        )


def weighted_mean(losses, weights=None):
    """Return the weighted mean of the losses of samples.

    Parameters
    ----------
    losses : torch.Tensor of shape (b,)
        One loss per sample.
    weights : torch.Tensor of shape (b,), default=None
        Sample weights; None means equal weights.
    """
    if weights is None:
        return losses.mean()
    return torch.dot(losses, weights.to(losses.dtype)) / weights.sum()


def loss_settings(objective, network, data, target_weight):
    """Return the settings of `BatchLoss` as parameters of the net.

    Parameters
    ----------
    objective : Objective
        Options of the estimator as objects.
    network : skae.networks.autoencoder.Autoencoder
        The network that is trained.
    data : TrainingData
        The training data.
    target_weight : float
        Weight of the supervised loss.
    """
    n_training_features = network.n_training_features
    if network.output != "linear":
        n_training_features = network.n_features
    settings = {
        "loss": objective.loss,
        "bottleneck_weight": objective.bottleneck.cost_weight,
        "penalty": objective.penalty,
        "targets": data.targets,
        "target_weight": target_weight,
        "n_features": network.n_features,
        "n_training_features": n_training_features,
        "allow_nan": network.allow_nan,
        "masked_weight": objective.masked_weight,
    }
    return {f"criterion__{name}": value for name, value in settings.items()}
