"""The result of a fit: description of the network, units, and the fitted attributes."""

from dataclasses import dataclass, field
from typing import Any

__all__ = ["FitResult", "FittedSpec"]


@dataclass(frozen=True)
class FittedSpec:
    """Description of a fitted autoencoder, from which its network can be built again.

    Attributes
    ----------
    network : NetworkConfig or UNetConfig
        Keyword arguments of the network's class.
    dtype : str
        Dtype of the X of fit.
    parameters : dict
        Parameters that determine the architecture, as they were in fit.
    loss : skae.losses.Loss or None
        Reconstruction loss of the fit.
    bottleneck : skae.bottlenecks.Bottleneck or None
        Bottleneck as the user chose it; that of the network has no "auto".
    targets : skae._input.targets.Targets or None
        Targets that are predicted from the latent vectors.
    loss_scale, loss_offset : float
        A loss in the space of training times the scale, plus the offset, is in units of X.
    code_attributes : tuple of str
        Names of fitted attributes that only this bottleneck and this penalty have.
    result_dtype : str
        Dtype of reconstructions: "float32", or "float64" where float32 can't hold the offset of X.
    max_abs : float
        Largest absolute value of X in fit; 0 if it is not known.
    small_share : float
        Share of the rows of fit without a value above a fiftieth of `max_abs`.
    """

    network: Any
    dtype: str = ""
    parameters: dict = field(default_factory=dict)
    loss: Any = None
    bottleneck: Any = None
    targets: Any = None
    loss_scale: float = 1.0
    loss_offset: float = 0.0
    code_attributes: tuple = ()
    result_dtype: str = "float32"
    max_abs: float = 0.0
    small_share: float = 0.0

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
    is_complete : bool
        Whether the training ended by itself, and not by an error or Ctrl-C.
    """

    attributes: dict
    error: BaseException | None = None
    is_complete: bool = True

    def install(self, estimator):
        """Set the fitted attributes of an estimator, and raise the error if there is one."""
        earlier = getattr(estimator, "_spec", None)
        if earlier is not None:
            for name in earlier.code_attributes:
                vars(estimator).pop(name, None)
        for name, value in self.attributes.items():
            setattr(estimator, name, value)
        if self.error is not None:
            raise self.error
