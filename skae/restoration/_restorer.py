"""Image restorer: parameters, documentation, fit, predict and score."""

import os
from numbers import Integral, Real
from typing import Any, Self

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.base import BaseEstimator, RegressorMixin
from sklearn.callback import CallbackSupportMixin
from sklearn.metrics import r2_score
from sklearn.utils import Tags
from sklearn.utils.validation import check_is_fitted

from skae._devices import uses_default_torch_state
from skae._input.dask_rows import DaskMixin
from skae._input.units import output_dtype, to_dtype, warn_if_other_units
from skae._input.validation import check_weights
from skae._options import OptionsMixin
from skae._persistence import NetworkPersistenceMixin
from skae._sklearn_compat import Interval, StrOptions, fit_context
from skae._training.net import AutoencoderNet
from skae._typing import (
    ArrayLike,
    Auto,
    Keywords,
    MatrixLike,
    OutputDtype,
    PathLike,
    Precision,
    RandomState,
)
from skae.corruptions import IMAGE_CORRUPTIONS, Corruption, ImageCorruptionOption
from skae.distributed._context import with_all_rows
from skae.losses import LOSSES, IdentityLossOption, Loss
from skae.networks.unet import UNet
from skae.restoration._fit import fit_restorer
from skae.restoration._tiling import restore_in_tiles
from skae.restoration._validation import batch_shape, check_images

__all__ = ["ImageRestorer"]

IDENTITY_LOSSES = {word: loss for word, loss in LOSSES.items() if loss.link == "identity"}
"""Losses of images, by word: those without a sigmoid."""


class ImageRestorer(
    DaskMixin,
    OptionsMixin,
    NetworkPersistenceMixin,
    RegressorMixin,
    CallbackSupportMixin,
    BaseEstimator,
    row_methods=("predict",),
):
    """Image restoration by a convolutional autoencoder with skip connections (U-Net).

    Denoising, inpainting, deblurring and removal of JPEG artifacts. The network [1]_ predicts the
    difference between a corrupted and a clean image [2]_. Its first convolution works at half the
    resolution, as in FFDNet and DRUNet [3]_ [4]_, so training is feasible on a CPU. It is trained
    on small random crops, and restores images of any size.

    Parameters
    ----------
    corruption : {"gaussian", "masking", "salt_and_pepper", "patches", "blur", "jpeg"}, \
            Corruption or callable, default="gaussian"
        Corruption that `fit` applies to clean images, sampled anew for each crop, as in
        `skae.corruptions`:

        - "gaussian": additive Gaussian noise;
        - "masking": single values are masked;
        - "salt_and_pepper": single values become black or white;
        - "patches": a square region is masked;
        - "blur": Gaussian blur;
        - "jpeg": JPEG compression.

        An object sets the level, such as ``Gaussian(level=0.2)``. The level of "gaussian",
        "masking", "salt_and_pepper" and "patches" is 0.1 otherwise. A function
        ``(x, generator) -> x`` receives crops, a tensor of shape (n, channels, height, width)
        scaled to [0, 1], and a `torch.Generator`. It returns a tensor of the same shape and dtype.
        Ignored if `fit` gets corrupted and clean images.
    data_range : (float, float) or "auto", default="auto"
        Values of black and white in X. "auto": (0, 255) for uint8 and (0, 65535) for uint16. For
        other dtypes, (0, 1) if all clean images are in [0, 1], else their minimum and maximum.
        Values outside of the range are not clipped.
    fill_value : float or "auto", default="auto"
        Value of pixels masked by "masking" and "patches", and of NaN before the first layer, in
        units of X. "auto": the middle of `data_range`, rounded up for integer X. For masked
        regions of other shapes, pass corrupted images to `fit`.
    n_filters : int, default=32
        Number of channels of the convolutions at half the resolution. Computing time is about
        quadratic in `n_filters`.
    patch_size : int, default=64
        Height and width of the training crops. Smaller images are used as a whole.
    augment : bool or "auto", default="auto"
        Whether to flip crops at random, and square crops also to rotate. "auto": only if crops are
        smaller than the images, because whole images usually have a fixed orientation.
    loss : {"squared_error", "absolute_error", "huber"}, Loss or callable, \
            default="squared_error"
        Training loss, averaged over pixels. Losses of `skae.losses` with an identity link, or a
        function ``(x_hat, x) -> losses`` of crops in [0, 1].
    learning_rate_init : float or "auto", default="auto"
        Maximum of the learning rate, which has a linear warm-up and a linear decay to zero. "auto":
        ``0.004 * sqrt(32 / n_filters)``.
    batch_size : int or "auto", default="auto"
        Number of crops in a batch. "auto": 65,536 pixels, but at most 256 crops. If an epoch had
        fewer than 16 batches, a sixteenth of the crops of an epoch, but at least 4.
    max_iter : int or "auto", default="auto"
        Number of epochs. The crops of one epoch have about as many pixels as all images. "auto":
        67 million pixels in all epochs, at most 100 epochs. More epochs usually reduce the error.
    tile_size : int, default=512
        Height and width of the tiles in which `predict` processes larger images. Tiles overlap by
        the receptive field of the network, so results don't depend on `tile_size`.
    device : str, default="auto"
        "auto" (CUDA, else MPS, else CPU), or a device name of PyTorch.
    precision : {"auto", "float32", "bfloat16"}, default="auto"
        Precision of matrix products in training. "auto": bfloat16 if the GPU or CPU has
        instructions for it and `n_filters` is at least 16, else float32. `predict` always uses
        float32.
    allow_nan : bool, default=False
        Whether NaN marks masked regions of corrupted images, which `predict` inpaints. The mask is
        an additional input of the network. "masking" and "patches" then mask with NaN, and all
        other pixels stay unchanged. A callable, or corrupted images given to `fit`, may combine NaN
        with other corruption. Clean images must not have NaN.
    output_dtype : {"auto", "input"}, default="auto"
        Data type of `predict`. "auto": float32, neither rounded nor clipped. "input": the data type
        of the clean images in fit. Integers are rounded and clipped to their range.
    net_params : dict, default=None
        Additional parameters of the skorch net, such as
        ``{"callbacks": [...], "optimizer__weight_decay": 1e-4}``. Parameters that skae sets are
        refused.
    random_state : int, RandomState instance or None, default=None
        Random number generator of the initial weights, the crops and the corruption. Pass an int
        for bitwise reproducible fits on one machine.
    checkpoint_dir : str or path-like, default=None
        Folder in which `fit` writes its state while it trains. If the process ends, the same call
        of `fit` in a new process is resumed, with the result of an uninterrupted fit. A finished
        fit returns at once. Each combination of parameters and data has a subfolder of its own.
        Requires an int or a RandomState instance as `random_state`, and safetensors. If None,
        nothing is written.
    verbose : int, default=0
        Verbosity. 1 shows a progress bar with the loss and the remaining time.

    Attributes
    ----------
    n_channels_ : int
        Number of channels of an image.
    data_range_ : tuple of float
        Values of black and white.
    fill_value_ : float
        Value of masked pixels, in units of X.
    net_ : AutoencoderNet
        The trained skorch net; ``net_.module_`` is the network.
    n_iter_ : int
        Number of epochs.
    loss_curve_ : list of float
        Mean training loss of each epoch, in (squared) units of X.

    See Also
    --------
    ConvAutoencoder : Latent representations of images of one size.
    skae.corruptions : The corruptions, as classes.

    Notes
    -----
    With squared error, the network approximates the mean of all clean images that are consistent
    with a corrupted one. Details that the corrupted image does not determine are therefore smooth.

    Squared error maximizes the peak signal-to-noise ratio. Absolute error gives slightly sharper
    edges.

    References
    ----------
    .. [1] O. Ronneberger, P. Fischer and T. Brox, "U-Net: Convolutional networks for biomedical
       image segmentation", MICCAI 2015.
    .. [2] K. Zhang, W. Zuo, Y. Chen, D. Meng and L. Zhang, "Beyond a Gaussian denoiser: Residual
       learning of deep CNN for image denoising", IEEE Transactions on Image Processing 26, 2017.
    .. [3] K. Zhang, W. Zuo and L. Zhang, "FFDNet: Toward a fast and flexible solution for CNN-based
       image denoising", IEEE Transactions on Image Processing 27, 2018.
    .. [4] K. Zhang, Y. Li, W. Zuo, L. Zhang, L. Van Gool and R. Timofte, "Plug-and-play image
       restoration with deep denoiser prior", IEEE Transactions on Pattern Analysis and Machine
       Intelligence 44, 2022.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn.datasets import load_digits
    >>> from skae import ImageRestorer
    >>> from skae.corruptions import Gaussian
    >>> images = load_digits().images
    >>> restorer = ImageRestorer(Gaussian(0.2), max_iter=10, random_state=0)
    >>> restorer = restorer.fit(images[:1000])
    >>> clean = images[1500:]
    >>> rng = np.random.default_rng(0)
    >>> noisy = clean + rng.normal(scale=0.2 * 16, size=clean.shape)
    >>> error = np.square(restorer.predict(noisy) - clean).mean()
    >>> bool(error < 0.5 * np.square(noisy - clean).mean())
    True
    """

    n_channels_: int
    data_range_: tuple[float, float]
    fill_value_: float
    net_: AutoencoderNet
    n_iter_: int
    loss_curve_: list[float]

    _parameter_constraints = {
        "corruption": [StrOptions(set(IMAGE_CORRUPTIONS)), Corruption, callable],
        "data_range": [tuple, list, StrOptions({"auto"})],
        "fill_value": [Interval(Real, None, None, closed="neither"), StrOptions({"auto"})],
        "n_filters": [Interval(Integral, 1, None, closed="left")],
        "patch_size": [Interval(Integral, 1, None, closed="left")],
        "augment": ["boolean", StrOptions({"auto"})],
        "loss": [StrOptions(set(IDENTITY_LOSSES)), Loss, callable],
        "learning_rate_init": [Interval(Real, 0, None, closed="neither"), StrOptions({"auto"})],
        "batch_size": [Interval(Integral, 1, None, closed="left"), StrOptions({"auto"})],
        "max_iter": [Interval(Integral, 1, None, closed="left"), StrOptions({"auto"})],
        "tile_size": [Interval(Integral, 1, None, closed="left")],
        "device": [str],
        "precision": [StrOptions({"auto", "float32", "bfloat16"})],
        "allow_nan": ["boolean"],
        "output_dtype": [StrOptions({"auto", "input"})],
        "net_params": [dict, None],
        "random_state": ["random_state"],
        "checkpoint_dir": [str, os.PathLike, None],
        "verbose": ["verbose"],
    }
    _network_class = UNet
    _option_words = {"corruption": IMAGE_CORRUPTIONS, "loss": IDENTITY_LOSSES}

    def __init__(
        self,
        corruption: ImageCorruptionOption = "gaussian",
        *,
        data_range: tuple[float, float] | Auto = "auto",
        fill_value: float | Auto = "auto",
        n_filters: int = 32,
        patch_size: int = 64,
        augment: bool | Auto = "auto",
        loss: IdentityLossOption = "squared_error",
        learning_rate_init: float | Auto = "auto",
        batch_size: int | Auto = "auto",
        max_iter: int | Auto = "auto",
        tile_size: int = 512,
        device: str = "auto",
        precision: Precision = "auto",
        allow_nan: bool = False,
        output_dtype: OutputDtype = "auto",
        net_params: Keywords | None = None,
        random_state: RandomState = None,
        checkpoint_dir: PathLike | None = None,
        verbose: int = 0,
    ) -> None:
        self.corruption = corruption
        self.data_range = data_range
        self.fill_value = fill_value
        self.n_filters = n_filters
        self.patch_size = patch_size
        self.augment = augment
        self.loss = loss
        self.learning_rate_init = learning_rate_init
        self.batch_size = batch_size
        self.max_iter = max_iter
        self.tile_size = tile_size
        self.device = device
        self.precision = precision
        self.allow_nan = allow_nan
        self.output_dtype = output_dtype
        self.net_params = net_params
        self.random_state = random_state
        self.checkpoint_dir = checkpoint_dir
        self.verbose = verbose

    @with_all_rows
    @uses_default_torch_state
    @fit_context(prefer_skip_nested_validation=True)
    def fit(self, X: MatrixLike, y: MatrixLike | None = None) -> Self:
        """Fit the restorer to clean images, or to pairs of corrupted and clean images.

        Parameters
        ----------
        X : array-like of shape (n_samples, height, width) or (n_samples, height, width, n_channels)
            Clean images, to which `corruption` is applied, or corrupted images if `y` is given.
            Real and finite, in any real dtype. With `allow_nan`, NaN marks masked regions of
            corrupted images.
        y : array-like of the shape of X, default=None
            Clean images, in the units of X.

        Returns
        -------
        self : object
            The fitted restorer.

        Raises
        ------
        ValueError
            If X, y or a parameter is invalid, or if the loss becomes NaN or infinite. The result of
            an earlier fit is then unchanged.
        """
        self.__dict__.update(fit_restorer(self, X, y))
        return self

    @uses_default_torch_state
    def predict(self, X: MatrixLike) -> NDArray[Any]:
        """Restore corrupted images.

        Parameters
        ----------
        X : array-like of shape (n_samples, height, width) or (n_samples, height, width, n_channels)
            Corrupted images in the units used in `fit`, of any height and width. With `allow_nan`,
            NaN marks masked regions.

        Returns
        -------
        restored : ndarray of the shape of X
            Restored images in units of X, float32, neither rounded nor clipped. After a fit on
            uint8 images, values are from about 0 to 255. With ``output_dtype="input"``, the dtype
            of the clean images.
        """
        check_is_fitted(self)
        self._validate_params()  # tile_size may have changed since fit
        network = self.net_.module_
        images = check_images(self, X, "X", allow_nan=network.allow_nan)
        self._check_n_channels(images)
        warn_if_other_units(images, max(map(abs, self.data_range_)))
        restored = restore_in_tiles(self.net_, images, self.data_range_, self.tile_size)
        if network.masked_only:  # scaling to the network's units and back changes the last digits
            np.copyto(restored, images, casting="same_kind", where=~np.isnan(images))
        if self.output_dtype != "auto":
            dtype = output_dtype(self.output_dtype, self._spec.dtype, "float32")
            restored = to_dtype(torch.from_numpy(restored), dtype).numpy()
        return restored.reshape(batch_shape(X))

    def _check_n_channels(self, images):
        """Raise a ValueError if images have another number of channels than in fit."""
        n_channels = images.shape[-1]
        if n_channels == self.n_channels_:
            return
        expected_shape = "(n_samples, height, width)"
        if self.n_channels_ > 1:
            expected_shape = f"(n_samples, height, width, {self.n_channels_})"
        raise ValueError(
            f"Got X with n_channels={n_channels}, but expected n_channels={self.n_channels_}, as "
            f"in fit. Pass X of shape {expected_shape}."
        )

    @uses_default_torch_state
    def score(self, X: MatrixLike, y: MatrixLike, sample_weight: ArrayLike | None = None) -> float:
        """Compute the coefficient of determination R^2 over all pixels of the restored images.

        Parameters
        ----------
        X : array-like of shape (n_samples, height, width) or (n_samples, height, width, n_channels)
            Corrupted images.
        y : array-like of the shape of X
            Clean images.
        sample_weight : array-like of shape (n_samples,), default=None
            Weights of the images. None: equal weights.

        Returns
        -------
        score : float
            ``r2_score(y.ravel(), predict(X).ravel())``. All pixels are samples of one variable, so
            the score is defined for a single image.
        """
        restored = self.predict(X)
        clean = check_images(self, y, "y")
        if clean.size != restored.size or len(clean) != len(restored):
            raise ValueError(
                f"Got X of shape {np.shape(X)} and y of shape {np.shape(y)}, but expected images "
                "of equal shape."
            )
        sample_weight = check_weights(sample_weight, clean)
        if sample_weight is not None:
            sample_weight = np.repeat(sample_weight, restored[0].size)
        return r2_score(clean.ravel(), restored.ravel(), sample_weight=sample_weight)

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.input_tags.two_d_array = False
        tags.input_tags.three_d_array = True
        tags.input_tags.allow_nan = self.allow_nan
        tags.target_tags.required = False
        tags.target_tags.multi_output = True
        return tags
