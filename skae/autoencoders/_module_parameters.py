"""Parameters of a user's encoder and decoder as parameters of the estimator."""

import math
from dataclasses import replace
from functools import partial
from typing import Any, Self

import numpy as np
import torch

from skae._input.sample_layout import SampleLayout, infer_sample_layout
from skae._input.streaming import stream_if_large
from skae._input.validation import check_rows
from skae._parameter_names import advice
from skae._training.defaults import default_n_components
from skae._training.objective import resolve_objective
from skae._warnings import warn_user
from skae.losses import resolve_loss
from skae.networks.layers import OWN_MODULES
from skae.networks.module_shapes import (
    N_PROBED,
    ModuleShapes,
    measure_shapes,
    random_samples,
    to_samples,
)
from skae.networks.own_modules import (
    build_module,
    check_names,
    copy_module,
    module_name,
    share_weights,
)

__all__ = ["ModuleParametersMixin"]

MIN_RANGE_VALUES = 100
"""Fewest outputs of a decoder whose signs are no chance."""

LARGE_LATENT = 1000.0
"""Standard deviation of the latent vectors that show the range of a decoder."""


class SavedInstance:
    """An instance of a module in a state: pickles and copies have the module in its place.

    skops would write a file that it can't read.

    Parameters
    ----------
    module : torch.nn.Module
        The instance.
    """

    def __init__(self, module):
        self.module = module

    def __reduce__(self):
        return _identity, (self.module,)

    def __getstate__(self):
        """Raise an error for libraries that write attributes, as skops does."""
        raise TypeError(
            f"Got an instance of {module_name(self.module)} as encoder or decoder, which skops "
            "can't save. Pass its class to the autoencoder, or save the autoencoder with "
            "skae.export.save or pickle."
        )


def _identity(value):
    return value


def _as_saved(source):
    """Return an instance as `SavedInstance`, and classes and functions unchanged."""
    if isinstance(source, torch.nn.Module):
        return SavedInstance(source)
    return source


class ModuleParametersMixin:
    """Mixin of an estimator with parameters such as ``encoder__hidden``.

    They are stored in the dict ``_module_params``, which is replaced and never changed.
    """

    encoder: Any
    decoder: Any
    n_components: Any
    corruption: Any
    residual: Any
    standardize: bool
    sample_shape: Any
    channel_axis: Any
    _module_params: dict[str, Any]
    _layout: SampleLayout
    _shapes: ModuleShapes

    def _set_module_params(self, module_params):
        """Store the keyword arguments of the constructor; `fit` checks their names."""
        self._module_params = module_params

    def __getstate__(self):
        """Return the state to pickle; see `NetworkPersistenceMixin`."""
        state = super().__getstate__()
        for role in OWN_MODULES:
            state[role] = _as_saved(state[role])
        if "_spec" in state:
            config = state["_spec"].network
            saved = {role: _as_saved(getattr(config, role)) for role in OWN_MODULES}
            state["_spec"] = replace(state["_spec"], network=replace(config, **saved))
        return state

    def get_params(self, deep: bool = True) -> dict[str, Any]:
        """Return the parameters of the estimator, of its options and of its modules.

        Parameters
        ----------
        deep : bool, default=True
            Whether to include the parameters of options.

        Returns
        -------
        params : dict
            Values by name.
        """
        return {**super().get_params(deep=deep), **self._module_params}  # type: ignore[misc]

    def set_params(self, **params: Any) -> Self:
        """Set parameters of the estimator, of its options and of its modules.

        Parameters
        ----------
        **params : dict
            Values by name; ``encoder__hidden`` is the parameter `hidden` of the encoder.

        Returns
        -------
        self : object
            The estimator.

        Raises
        ------
        ValueError
            If encoder or decoder has no parameter of this name. The message has its signature.
        """
        own, others = {}, {}
        for name, value in params.items():
            if name.partition("__")[0] in OWN_MODULES and "__" in name:
                own[name] = value
            else:
                others[name] = value
        for role in OWN_MODULES:
            source = others.get(role, getattr(self, role))
            check_names(source, role, _without_prefix(own, role))
        super().set_params(**others)  # type: ignore[misc]
        if own:
            self._module_params = {**self._module_params, **own}
        return self

    def _check_X(self, X, *, reset, sample_weight=None):
        X = stream_if_large(X)
        if not reset:
            return check_rows(self, self._layout.flatten(X), reset=False)
        layout = infer_sample_layout(X, self.sample_shape, self.channel_axis)
        rows = check_rows(self, layout.flatten(X), reset=True)
        self._layout = layout
        self._shapes = self._measure_shapes(layout, rows)
        self.sample_shape_ = layout.module_shape
        self.channel_axis_ = layout.channel_axis
        return rows

    def _measure_shapes(self, layout, rows):
        """Build the modules once, and measure the shapes of their outputs."""
        for name in self._module_params:
            _check_prefix(self, name)
        n_components = expected = self.n_components
        if isinstance(n_components, str):
            n_components, expected = default_n_components(layout.n_features), None
        sources = {role: getattr(self, role) for role in OWN_MODULES}
        if share_weights(self.encoder, self.decoder):
            warn_user(
                "Got encoder and decoder that share weights, but fit trains a copy of each: the "
                "trained modules share none. Pass modules with weights of their own."
            )
        shape = layout.module_shape
        samples = random_samples(shape)
        if not self.standardize:
            samples = _first_samples(rows, layout)

        def build(role, k):
            return build_module(sources[role], role, shape, k, self._params_of(role))

        with torch.random.fork_rng(devices=[]):
            torch.default_generator.manual_seed(0)
            decoder, shapes = measure_shapes(
                build("encoder", n_components),
                partial(build, "decoder"),
                samples,
                expected,
                sources,
            )
        if not shapes.is_deterministic:
            warn_user(
                f"Got encoder={module_name(self.encoder)}, whose outputs differ from call to call "
                "in evaluation mode: so will latent vectors. Let it return (mean, log_variance) "
                "with bottleneck='variational', or draw random numbers only in training."
            )
        objective = resolve_objective(self)
        if objective.loss.link != "identity" and not self.standardize:
            raise ValueError(
                f"Got standardize=False with loss={self.loss!r}, which adds a sigmoid to the "
                "decoder. Set standardize=True, and let the decoder end without a sigmoid."
            )
        self._warn_of_range(samples, decoder, shapes.code_shape)
        for name in ("corruption", "augmentation"):
            option = getattr(objective, name)
            if option is not None and option.images_only and len(shape) != 3:
                raise ValueError(
                    f"Got {name}={getattr(self, name)!r}, which requires images (C, H, W), but "
                    f"samples have the shape {shape}. Set sample_shape, or another {name}."
                )
        if objective.penalty is not None:
            objective.penalty.check_samples(are_images=len(shape) == 3)
        return shapes

    @torch.no_grad()
    def _warn_of_range(self, samples, decoder, code_shape):
        """Warn of a decoder that can't return the values of samples, as after nn.Sigmoid.

        For large latent vectors, a linear last layer has outputs of both signs, whatever its bias.
        """
        extremes = decoder(LARGE_LATENT * random_samples(code_shape))
        if extremes.numel() < MIN_RANGE_VALUES or extremes.max() <= 0:
            return
        text = ""
        if extremes.min() >= 0 and samples.min() < 0:
            text = "has no negative outputs, but samples have negative values"
        elif extremes.min() >= 0 and extremes.max() <= 1 and samples.max() > 2:
            text = f"has outputs in [0, 1], but samples have values of {float(samples.max()):.4g}"
        if not text:
            return
        action = "Let it end without nn.Sigmoid or nn.ReLU"
        if resolve_loss(self.loss).link != "identity":
            action = "The loss adds a sigmoid. Let it end with a linear layer"
        elif self.standardize:
            action = (
                "By default samples are centered. Let it end without nn.Sigmoid or nn.ReLU, or set "
                "standardize=False for modules of samples in the units of X"
            )
        elif extremes.max() <= 1:
            action += ", or divide X by its maximum"
        warn_user(f"Got decoder={module_name(self.decoder)}, which {text}. {action}.")

    def _auto_n_components(self, n_features):
        return math.prod(self._shapes.code_shape)

    def _module_options(self):
        """Return the fields of `ModuleConfig` that belong to the modules."""
        options = {}
        for role in OWN_MODULES:
            source = getattr(self, role)
            if isinstance(source, torch.nn.Module):
                source = copy_module(source, role)  # the user may change it after the fit
            options[role] = source
            options[f"{role}_params"] = self._params_of(role)
        return {
            **options,
            "sample_shape": self._layout.sample_shape,
            "channel_axis": self._layout.axis,
            "module_shape": self._layout.module_shape,
            "code_shape": self._shapes.code_shape,
            "returns_log_variance": self._shapes.returns_log_variance,
            "n_held": self._shapes.n_held,
            "standardize": self.standardize,
        }

    def _params_of(self, role):
        """Return the parameters of encoder or decoder without their prefix."""
        return _without_prefix(self._module_params, role)

    def _own_architecture(self):
        return {
            "encoder": module_name(self.encoder),
            "decoder": module_name(self.decoder),
            "module_params": dict(self._module_params),
            "residual": self.residual,
            "standardize": self.standardize,
        }


def _first_samples(rows, layout):
    """Return the first samples of X in the shape of the modules' input, float32 on the CPU."""
    first = rows[:N_PROBED]
    if not isinstance(first, torch.Tensor):
        first = torch.from_numpy(np.array(first, np.float32))
    first = first.cpu().float().nan_to_num(0.0)
    first = first[torch.arange(N_PROBED) % len(first)]
    return to_samples(first, layout.sample_shape, layout.axis, layout.module_shape)


def _check_prefix(estimator, name):
    """Raise a TypeError for a keyword argument that is no parameter of a module."""
    role, _, inner = name.partition("__")
    if role not in OWN_MODULES or not inner:
        known = set(type(estimator)._parameter_constraints)
        text = advice(name, known, is_constructor=True)
        if text is None:
            text = "Parameters of the modules begin with encoder__ or decoder__."
        raise TypeError(
            f"{type(estimator).__name__}.__init__() got an unexpected keyword argument {name!r}. "
            f"{text}"
        )


def _without_prefix(params, role):
    """Return the parameters of a module without their prefix."""
    prefix = f"{role}__"
    return {
        name.removeprefix(prefix): value
        for name, value in params.items()
        if name.startswith(prefix)
    }
