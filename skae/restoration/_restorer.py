"""The restorer: its parameters, its documentation, and how it is used."""

import math
from numbers import Integral, Real
from typing import Literal, Self

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.base import BaseEstimator, RegressorMixin
from sklearn.callback import CallbackSupportMixin
from sklearn.metrics import r2_score
from sklearn.utils import Tags
from sklearn.utils.validation import check_is_fitted

from skae import corruptions
from skae._net import AutoencoderNet
from skae._state import KeepsNetwork
from skae._stored import slices
from skae._typing import ArrayLike, Auto, Damage, Keywords, Level, MatrixLike, Precision, RandomState
from skae._validation import Interval, StrOptions, fit_context
from skae.networks.restorer import FACTOR, Restorer
from skae.restoration._checks import check_images, warn_if_other_units
from skae.restoration._pieces import scaled, tiles
from skae.restoration._training import trained

__all__ = ["ImageRestorer"]

TILE_PIXELS = 2**20
"""About how many pixels are restored at once."""


class ImageRestorer(KeepsNetwork, RegressorMixin, CallbackSupportMixin, BaseEstimator):
    """Restore damaged images: a regressor from images to images.

    Inside is a convolutional autoencoder with skip connections [1]_ that gives the difference between a damaged image and a
    clean one [2]_. It works on blocks of pixels, as FFDNet and DRUNet do [3]_ [4]_, so that it is fast on a CPU as well. It is
    trained with small pieces of images, at random places, and restores images of any size.

    Parameters
    ----------
    corruption : {"gaussian", "masking", "salt_and_pepper", "patches", "blur", "jpeg"} or callable, default="gaussian"
        The damage that `fit` does to clean images, anew for every piece, as in `skae.corruptions`: noise, single numbers lost,
        single numbers black or white, a square hole, loss of focus, compression. A callable ``f(x, level, generator)`` gets a
        tensor (n, channels, height, width) of pieces divided to [0, 1], `corruption_level` as it is, and a `torch.Generator`
        to draw from; it gives a tensor like x. Not used where `fit` gets damaged images, too.
    corruption_level : float or (float, float), default=0.1
        How much of it; a pair makes one model for everything in between. "gaussian": the standard deviation, as a share of the
        `data_range`; "masking" and "salt_and_pepper": the share of the numbers; "patches": the share of a piece's area;
        "blur": the standard deviation in pixels; "jpeg": the quality from 1 to 100, where less is worse.
    data_range : (float, float) or "auto", default="auto"
        The numbers that stand for black and white in X. "auto": 0 and 255 for uint8, 0 and 65535 for uint16; for others 0 and 1
        if all clean images are within, else their smallest and largest number. Nothing is clipped to it.
    fill_value : float or "auto", default="auto"
        What stands where "masking" and "patches" take something away, or in gaps, in units of X. "auto": the middle of the
        `data_range`, rounded if X has integers. Images with other holes are given to `fit` as damaged images.
    n_filters : int, default=32
        Channels at half the resolution. Time grows with its square.
    patch_size : int, default=64
        Height and width of the pieces that are trained with; smaller images are taken as a whole.
    augment : bool or "auto", default="auto"
        Whether pieces are flipped and turned at random. "auto": if they are smaller than the images, since a whole image
        usually has an upper end.
    loss : {"squared_error", "absolute_error"}, default="squared_error"
        What is made small, on average over the pixels.
    learning_rate_init : float or "auto", default="auto"
        The learning rate at its peak: it rises from zero, and falls to zero again. "auto": 0.004 for 32 filters, and less for
        more, with the root of their number.
    batch_size : int or "auto", default="auto"
        Pieces per step. "auto": as many as have 65,536 pixels, at most 256; fewer, but at least 4, where an epoch would have
        fewer than 16 steps.
    max_iter : int or "auto", default="auto"
        Epochs: in one of them as many pieces are drawn as cover all images. "auto": as many as have 67 million pixels, at
        most 100. More is better for as long as there is time.
    tile_size : int, default=512
        Larger images are restored in tiles of this height and width. They overlap by as much as the network sees, so the result
        is the same for any size.
    device : str, default="auto"
        "auto" (CUDA, else MPS, else CPU), or a name that torch knows.
    precision : {"auto", "float32", "bfloat16"}, default="auto"
        What the products of a training step are computed in. "auto": bfloat16 where the GPU or the CPU has instructions
        for it, from 16 filters on. Images are always restored in float32.
    allow_nan : bool, default=False
        Whether NaN in damaged images is a gap: the network is then told where gaps are, and `predict` fills them. "masking" and
        "patches" leave gaps, and all that is known stays as it is. A callable, or damaged images given to `fit`, may have gaps
        beside other damage. Clean images have none.
    net_params : dict, default=None
        More parameters for the skorch net, such as ``{"callbacks": [...], "optimizer__weight_decay": 1e-4}``. One that skae
        sets itself is an error.
    random_state : int, RandomState instance or None, default=None
        Where weights, pieces and damage come from. An int makes fits on one machine equal to the bit.
    verbose : int, default=0
        1 shows a progress bar with the loss and the time left; 0 shows nothing.

    Attributes
    ----------
    n_channels_ : int
        Of an image.
    data_range_ : tuple of float
        What was taken as black and white.
    fill_value_ : float
        What stood in holes, in units of X.
    net_ : AutoencoderNet
        The trained skorch net; its ``module_`` is the network.
    n_iter_ : int
        Epochs trained.
    loss_curve_ : list of float
        Mean training loss of each epoch, in (squared) units of X.

    See Also
    --------
    ConvAutoencoder : Codes for images of one size.
    skae.corruptions : The damage, as functions.

    Notes
    -----
    The answer is the mean of all clean images that a damaged one may come from. So what can't be known is smooth.

    Squared error gives the best peak signal-to-noise ratio; absolute error is a little sharper at edges.

    References
    ----------
    .. [1] O. Ronneberger, P. Fischer and T. Brox, "U-Net: Convolutional networks for biomedical image segmentation", MICCAI
       2015.
    .. [2] K. Zhang, W. Zuo, Y. Chen, D. Meng and L. Zhang, "Beyond a Gaussian denoiser: Residual learning of deep CNN for image
       denoising", IEEE Transactions on Image Processing 26, 2017.
    .. [3] K. Zhang, W. Zuo and L. Zhang, "FFDNet: Toward a fast and flexible solution for CNN-based image denoising", IEEE
       Transactions on Image Processing 27, 2018.
    .. [4] K. Zhang, Y. Li, W. Zuo, L. Zhang, L. Van Gool and R. Timofte, "Plug-and-play image restoration with deep denoiser
       prior", IEEE Transactions on Pattern Analysis and Machine Intelligence 44, 2022.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn.datasets import load_digits
    >>> from skae import ImageRestorer
    >>> images = load_digits().images
    >>> restorer = ImageRestorer("gaussian", 0.2, max_iter=10, random_state=0).fit(images[:1500])
    >>> clean = images[1500:]
    >>> damaged = clean + np.random.default_rng(0).normal(scale=0.2 * 16, size=clean.shape)
    >>> restored = restorer.predict(damaged)
    >>> bool(np.square(restored - clean).mean() < 0.5 * np.square(damaged - clean).mean())
    True
    """

    n_channels_: int
    data_range_: tuple[float, float]
    fill_value_: float
    net_: AutoencoderNet
    n_iter_: int
    loss_curve_: list[float]

    _parameter_constraints = {
        "corruption": [StrOptions(set(corruptions.LEVELS)), callable],
        "corruption_level": [Interval(Real, 0, None, closed="left"), tuple, list],
        "data_range": [tuple, list, StrOptions({"auto"})],
        "fill_value": [Interval(Real, None, None, closed="neither"), StrOptions({"auto"})],
        "n_filters": [Interval(Integral, 1, None, closed="left")],
        "patch_size": [Interval(Integral, 1, None, closed="left")],
        "augment": ["boolean", StrOptions({"auto"})],
        "loss": [StrOptions({"squared_error", "absolute_error"})],
        "learning_rate_init": [Interval(Real, 0, None, closed="neither"), StrOptions({"auto"})],
        "batch_size": [Interval(Integral, 1, None, closed="left"), StrOptions({"auto"})],
        "max_iter": [Interval(Integral, 1, None, closed="left"), StrOptions({"auto"})],
        "tile_size": [Interval(Integral, 1, None, closed="left")],
        "device": [str],
        "precision": [StrOptions({"auto", "float32", "bfloat16"})],
        "allow_nan": ["boolean"],
        "net_params": [dict, None],
        "random_state": ["random_state"],
        "verbose": ["verbose"],
    }
    _network_class = Restorer

    def __init__(
        self,
        corruption: Damage = "gaussian",
        corruption_level: Level = 0.1,
        *,
        data_range: tuple[float, float] | Auto = "auto",
        fill_value: float | Auto = "auto",
        n_filters: int = 32,
        patch_size: int = 64,
        augment: bool | Auto = "auto",
        loss: Literal["squared_error", "absolute_error"] = "squared_error",
        learning_rate_init: float | Auto = "auto",
        batch_size: int | Auto = "auto",
        max_iter: int | Auto = "auto",
        tile_size: int = 512,
        device: str = "auto",
        precision: Precision = "auto",
        allow_nan: bool = False,
        net_params: Keywords | None = None,
        random_state: RandomState = None,
        verbose: int = 0,
    ) -> None:
        self.corruption = corruption
        self.corruption_level = corruption_level
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
        self.net_params = net_params
        self.random_state = random_state
        self.verbose = verbose

    @fit_context(prefer_skip_nested_validation=True)
    def fit(self, X: MatrixLike, y: MatrixLike | None = None) -> Self:
        """Learn to restore images.

        Parameters
        ----------
        X : array-like of shape (n_samples, height, width) or (n_samples, height, width, n_channels)
            Clean images, which are damaged as `corruption` says; or damaged ones, if `y` has the clean ones. Real and finite,
            in any real dtype; with `allow_nan` damaged ones have NaN in gaps.
        y : array-like of the shape of X, default=None
            Clean images, in the units of X.

        Returns
        -------
        self : object
            The fitted restorer.

        Raises
        ------
        ValueError
            If X, y or a parameter is not as described, or if the loss is no longer a number. An earlier fit is kept then.
        """
        self.__dict__.update(trained(self, X, y))
        return self

    def predict(self, X: MatrixLike) -> NDArray[np.float32]:
        """Restore damaged images.

        Parameters
        ----------
        X : array-like of shape (n_samples, height, width) or (n_samples, height, width, n_channels)
            Damaged images in the units that `fit` saw, of any height and width; with `allow_nan` NaN in gaps.

        Returns
        -------
        restored : ndarray of the shape of X
            Images of float32 in units of X, so from about 0 to 255 where `fit` saw uint8; neither rounded nor clipped.
        """
        check_is_fitted(self)
        self._validate_params()  # tile_size may have changed since
        (low, high), network = self.data_range_, self.net_.module_
        images = check_images(self, X, "X", gaps=network.allow_nan)
        if images.shape[-1] != self.n_channels_:
            wanted = f"(n_samples, height, width, {self.n_channels_})" if self.n_channels_ > 1 else "(n_samples, height, width)"
            raise ValueError(
                f"Got X with {images.shape[-1]} channels, but expected {self.n_channels_}, as fit saw them: images {wanted}."
            )
        warn_if_other_units(images, self.data_range_)
        out = np.empty(images.shape, np.float32)
        tile = FACTOR * math.ceil(self.tile_size / FACTOR)
        tall, wide = (tiles(length, tile, network.reach) for length in images.shape[1:3])
        most = max(1, TILE_PIXELS // math.prod(min(length, tile) for length in images.shape[1:3]))
        for piece in slices(len(images), most):
            for rows, seen_rows, kept_rows in tall:
                for columns, seen_columns, kept_columns in wide:
                    x = scaled(images[piece, seen_rows, seen_columns], low, high).to(self.net_.device)
                    with torch.inference_mode():
                        restored = network.restore(x).movedim(1, -1)[:, kept_rows, kept_columns]
                    out[piece, rows, columns] = (restored * (high - low) + low).cpu().numpy()
        if network.only_gaps:  # the way to units of the network and back costs digits
            np.copyto(out, images, casting="same_kind", where=~np.isnan(images))
        return out.reshape(np.shape(X))

    def score(self, X: MatrixLike, y: MatrixLike, sample_weight: ArrayLike | None = None) -> float:
        """Give the share of the variance of clean images' pixels that is explained by the restored ones.

        Parameters
        ----------
        X : array-like of shape (n_samples, height, width) or (n_samples, height, width, n_channels)
            Damaged images.
        y : array-like of the shape of X
            Clean images.
        sample_weight : array-like of shape (n_samples,), default=None
            How much each image counts.

        Returns
        -------
        score : float
            ``r2_score(y.ravel(), predict(X).ravel())``: all pixels are samples of one variable, so one image is enough.
        """
        restored = self.predict(X)
        clean = check_images(self, y, "y")
        if clean.size != restored.size or len(clean) != len(restored):
            raise ValueError(f"Got X of shape {np.shape(X)} and y of shape {np.shape(y)}, but expected images of equal shape.")
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
