"""The result of a fit: description of the network, units, and the fitted attributes."""

from dataclasses import dataclass, field

__all__ = ["FitResult", "FittedSpec"]

CODE_STATISTICS = (
    "code_steps_",
    "explained_variance_ratio_",
    "codebooks_",
    "codebook_usage_",
)
"""Fitted attributes that only some bottlenecks have. A new fit removes those of an earlier one."""


@dataclass(frozen=True)
class FittedSpec:
    """Description of a fitted autoencoder, from which its network can be built again.

    Attributes
    ----------
    network : dict
        Keyword arguments of the network's class: plain numbers, strings and tuples.
    dtype : str
        Dtype of the X of fit.
    parameters : dict
        Parameters that determine the architecture, as they were in fit.
    targets : skae._input.targets.Targets or None
        Targets that are predicted from the latent vectors.
    loss_scale, loss_offset : float
        A loss in the space of training times the scale, plus the offset, is in units of X.
    """

    network: dict
    dtype: str = ""
    parameters: dict = field(default_factory=dict)
    targets: object = None
    loss_scale: float = 1.0
    loss_offset: float = 0.0

    def loss_in_units(self, loss):
        """Convert a loss in the space of training to units of X."""
        return loss * self.loss_scale + self.loss_offset


@dataclass(frozen=True)
class FitResult:
    """Result of a fit.

    Attributes
    ----------
    attributes : dict
        All fitted attributes, by name.
    error : ValueError, KeyboardInterrupt or None
        The reason why the training ended early; it is raised after the attributes are set.
    """

    attributes: dict
    error: BaseException | None = None

    def install(self, estimator):
        """Set the fitted attributes of an estimator, and raise the error if there is one."""
        for name in CODE_STATISTICS:
            vars(estimator).pop(name, None)
        for name, value in self.attributes.items():
            setattr(estimator, name, value)
        if self.error is not None:
            raise self.error
