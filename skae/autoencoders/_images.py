"""Images and signals as X of an autoencoder: their layout, patches, and channel scales."""

from numbers import Integral

import numpy as np
from numpy.typing import NDArray
from sklearn.utils import Tags

from skae._input.image_layout import ImageLayout, has_signals, infer_layout
from skae._input.streaming import stream_if_large
from skae._input.validation import check_rows
from skae._sklearn_compat import Options, StrOptions
from skae._training.defaults import MAX_ENCODER_INPUTS, default_n_feature_coordinates
from skae.augmentations import AUGMENTATIONS, Augmentation
from skae.autoencoders._architecture import CONV_CONSTRAINTS, conv_options
from skae.autoencoders._parameters import OPTION_WORDS
from skae.features import FEATURES, Features, resolve_features
from skae.networks.config import ConvConfig
from skae.networks.patches import PatchGrid

__all__ = ["IMAGE_CONSTRAINTS", "ImageLayoutMixin"]

IMAGE_CONSTRAINTS = {
    **CONV_CONSTRAINTS,
    "image_shape": ["array-like", StrOptions({"auto"})],
    "channel_axis": [Options(Integral, {-3, -1, 1, 3})],
    "signals": ["boolean", StrOptions({"auto"})],
    "features": [StrOptions(set(FEATURES)), Features, type, None],
    "augmentation": [StrOptions({"auto", *AUGMENTATIONS}), Augmentation, callable, None],
}
"""Constraints of the parameters of images and convolutions."""


class ImageLayoutMixin:
    """Mixin of an autoencoder with `image_shape`, `channel_axis`, `signals` and `features`."""

    _layout: ImageLayout
    _option_words = {**OPTION_WORDS, "features": FEATURES, "augmentation": AUGMENTATIONS}
    _takes_images = True

    @property
    def channel_scale_(self) -> NDArray[np.float64]:
        """Standard deviation of each channel in fit, (n_channels,); 1 for a constant channel.

        Defined only with ``signals=True``.
        """
        feature_scale = None
        if hasattr(self, "net_"):
            feature_scale = self.net_.module_.centre.feature_scale
        if feature_scale is None:
            raise AttributeError(
                f"{type(self).__name__} has channel_scale_ only after fit with signals=True."
            )
        scales = np.empty(self._layout.size[0])
        scales[self._layout.channel_of_feature] = feature_scale.cpu().double().numpy()
        return scales

    def _check_X(self, X, *, reset, sample_weight=None):
        X = stream_if_large(X)
        if not reset:
            return check_rows(self, self._layout.flatten(X), reset=False)
        layout = infer_layout(X, self.image_shape, self.channel_axis, self.signals)
        rows = check_rows(self, layout.flatten(X), reset=True)
        self._layout = layout
        self.image_shape_ = layout.image_shape
        self.channel_axis_ = layout.channel_axis
        return rows

    def _network_config(self, options, objective):
        return ConvConfig(
            **self._with_features(options),
            image_size=self._layout.size,
            channels_first=self._layout.channels_first,
            **conv_options(self),
            fine=bool(options["head_sizes"]),
            scales_channels=self._scales_channels(),
        )

    def _pca_view(self):
        return PatchGrid(*self._layout.size, self._layout.channels_first).view

    def _resolved_features(self):
        features = resolve_features(self.features)
        if features is None:
            return None
        return features.resolve(self._layout.size)

    def _with_features(self, options):
        """Return options of the network with features of images.

        The encoder is a fixed linear map of features, unless a penalty or targets train it.
        """
        features = self._resolved_features()
        if features is None:
            return options
        n_coordinates, encoder_sizes = options["n_components"], ()
        if options["penalty"] is not None or options["head_sizes"]:
            n_coordinates = default_n_feature_coordinates(n_coordinates)
            encoder_sizes = options["encoder_sizes"]
        return {
            **options,
            "features": features,
            "n_feature_coordinates": n_coordinates,
            "n_inputs": min(n_coordinates, MAX_ENCODER_INPUTS),
            "encoder_sizes": encoder_sizes,
        }

    def _scales_channels(self):
        return has_signals(self.signals)

    @property
    def _has_image_layout(self):
        return not self._layout.flat

    def _restore_layout(self, rows, shape):
        return self._layout.unflatten(rows, shape)

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()  # type: ignore[misc]
        tags.input_tags.three_d_array = True
        return tags
