"""Strategies of hypothesis for calls of public methods, as plain values that can be repeated."""

import functools
import math
from dataclasses import dataclass, field, replace

import numpy as np
import torch
from hypothesis import strategies as st
from sklearn.decomposition import PCA, IncrementalPCA
from sklearn.neighbors import KernelDensity
from sklearn.preprocessing import StandardScaler

from skae import DenseAutoencoder
from skae.augmentations import ColumnSwap, Crop, Mirror
from skae.bottlenecks import Ordered, Quantized, Variational
from skae.corruptions import Gaussian, Masking, Patches, SaltAndPepper
from skae.features import Features, PatchFeatures
from skae.losses import Huber, SquaredError
from skae.penalties import Rate, Sparsity, Spread

from .. import own_modules, user_options
from .arrays import CONTAINERS, DTYPES, PATTERNS, SPECIAL, STACKS, TABLES, Data
from .subjects import SUBJECTS

__all__ = ["PARAMETERS", "Call", "calls", "single_changes"]

NUMBERS = [0, -1, 1, 2, 3, 1.5, 0.5, 1e-300, 1e300, math.nan, math.inf, True, None, "x", "auto"]
NUMBERS += [2**62, 2**70, -(2**63), np.int64(2), np.float32(0.5), [2], (), np.array(2), {}]
BOOLEANS = [True, False, "auto", "x", None, 0, 1, 2, np.True_, [True]]
WORDS = ["auto", "x", "", None, 1, b"auto", []]
SEEDS = [0, 1, None, -1, 2**32 - 1, 2**32, 2**70, 1.5, "x", np.int64(3), [0]]
SMALL = [1, 2, 3, np.int64(2), 7]


def _fails(x_hat, x):
    """Return a loss of a wrong shape."""
    return (x_hat - x).square()


def _number(x_hat, x):
    """Return a float in place of a tensor."""
    return 1.0


def _nan(x_hat, x):
    """Return NaN."""
    return (x_hat - x).square().flatten(1).mean(1) * math.nan


def _half(x, generator):
    """Return a corruption in another dtype."""
    return x.half()


def _nothing(x, generator):
    """Return None."""


def _shorter(x, generator):
    """Return fewer samples."""
    return x[1:]


SHARED = {
    "n_components": [*NUMBERS, *SMALL, 0.9, 100],
    "activation": [
        *("relu", "tanh", "gelu", "silu", "identity", *WORDS),
        *(torch.nn.ELU, torch.nn.PReLU, torch.nn.ReLU(), torch.nn.GLU, torch.nn.RReLU, dict, len),
    ],
    "normalization": ["layer", "batch", *WORDS],
    "dropout": [0.1, 0.9, 0.999999, *NUMBERS],
    "learning_rate": [
        *("constant", "cosine", *WORDS, 0.1, torch.optim.lr_scheduler.CosineAnnealingLR, len),
        *(torch.optim.lr_scheduler.StepLR, torch.optim.lr_scheduler.ReduceLROnPlateau, dict),
    ],
    "init": ["auto", "random", *WORDS],
    "bottleneck": [
        *("deterministic", "ordered", "variational", "quantized", *WORDS),
        *(Ordered, Ordered(), Variational(weight=-1), Variational(math.nan), Variational("x")),
        *(Quantized(0), Quantized(3), Quantized("x"), Quantized(2**62), Quantized(weight=math.inf)),
        *(user_options.Channel(), user_options.Channel, PCA, dict),
    ],
    "loss": [
        *("squared_error", "absolute_error", "huber", "log_loss", *WORDS),
        *(Huber(0.1), Huber(-1), Huber(math.nan), Huber("x"), Huber, SquaredError()),
        *(user_options.LogCosh(), user_options.largest_error, _fails, _number, _nan, len),
    ],
    "corruption": [
        *("gaussian", "masking", "salt_and_pepper", "patches", "blur", "jpeg", *WORDS),
        *(Gaussian(0.1), Gaussian(-1), Gaussian(math.inf), Gaussian("x"), Gaussian((0.5, 0.1))),
        *(Masking((0, 0.5)), Masking(2), Masking(()), Patches(0.1), SaltAndPepper(None)),
        *(Masking(masked_weight=1.0), Patches(masked_weight=0), Masking(masked_weight=-1)),
        *(user_options.shrink, _half, _nothing, _shorter, Gaussian, len),
    ],
    "penalty": [
        *("sparsity", "contraction", "decorrelation", "rate", *WORDS),
        *(Sparsity(weight=-1), Sparsity(weight=math.nan), Sparsity(weight="x"), Rate(weight=0)),
        *("spread", Spread(views="x"), Spread(views=_half), Spread(n_views=1), Spread(width=0)),
        *(Rate, user_options.ViewAgreement(), user_options.ViewAgreement, list),
    ],
    "target_weight": [0.5, 1.0, *NUMBERS],
    "solver": [
        *("adamw", "adam", "rmsprop", "sgd", *WORDS),
        *(torch.optim.NAdam, torch.optim.SGD, torch.optim.LBFGS, torch.optim.SparseAdam),
        *(functools.partial(torch.optim.SGD, momentum=0.9), dict, len, torch.optim.Optimizer),
        functools.partial(torch.optim.SGD, unknown=1),
    ],
    "learning_rate_init": [1e-3, 1.0, *NUMBERS],
    "batch_size": [*SMALL, *NUMBERS],
    "max_iter": [1, 2, 0, -1, "x", 1.5, None, math.nan, True, [1], -(2**63)],
    "early_stopping": BOOLEANS,
    "validation_fraction": [0.1, 0.5, 0.99, 1e-9, *NUMBERS],
    "warm_start": BOOLEANS,
    "device": ["cpu", "cpu:7", "cuda", "cuda:99", "mps", "meta", "xpu", "vulkan", *WORDS],
    "precision": ["float32", "bfloat16", "float16", *WORDS],
    "allow_nan": BOOLEANS,
    "output_dtype": ["input", *WORDS],
    "net_params": [
        *({}, {"optimizer__weight_decay": 1e-4}, {"callbacks": []}, {"callbacks": "x"}, {1: 2}),
        *(
            {"lr": 1},
            {"x": 1},
            {"optimizer__x": 1},
            {"optimizer__weight_decay": "x"},
            {"module": 1},
        ),
        *({"optimizer__weight_decay": math.nan}, {"callbacks__x": 1}, {"predict_nonlinearity": 1}),
        *(
            {"train_split": None},
            {"iterator_train__shuffle": True},
            {"compile": "x"},
            [],
            "x",
            None,
        ),
        *({"callbacks": [1]}, {"warm_start": True}, {"gradient_clip_value": 1}, {"": 1}),
    ],
    "random_state": SEEDS,
    "checkpoint_dir": [None, "/dev/null/x", 1, b"x", "\0"],
    "verbose": [0, -1, "x", None, 1.5],
}

OF_SKAE_NETWORKS = ("activation", "dropout", "init", "normalization")
"""Parameters that modules of the user do not have."""

PARAMETERS = {
    "DenseAutoencoder": {
        **SHARED,
        "categorical_features": ["from_dtype", *WORDS, [0], [True], ["c0"], [99], [[0]], (), 1.5],
        "handle_unknown": ["error", "ignore", "infrequent_if_exist", *WORDS],
        "min_frequency": [*NUMBERS, *SMALL, 0.1],
        "max_categories": [*NUMBERS, *SMALL],
        "hidden_layer_sizes": [
            *NUMBERS,
            4,
            (3,),
            (4, 3),
            [],
            (0,),
            (1.5,),
            "4",
            [[3]],
            ("x",),
            b"4",
        ],
        "decoder_hidden_layer_sizes": [*NUMBERS, (3,), (4, 3), [], (0,), "x", "auto", [[3]]],
    },
    "ModuleAutoencoder": {
        **{name: values for name, values in SHARED.items() if name not in OF_SKAE_NETWORKS},
        "encoder": [
            *(own_modules.DenseEncoder, own_modules.NormalEncoder, own_modules.TutorialEncoder),
            *(own_modules.LSTMEncoder, own_modules.make_encoder, torch.nn.Identity(), len, dict),
            *(torch.nn.Linear, torch.nn.Flatten(), _fails, _nan, None, *WORDS),
            *(functools.partial(own_modules.DenseEncoder, hidden=n) for n in (3, 0, -1, "x")),
        ],
        "decoder": [
            *(own_modules.DenseDecoder, own_modules.LazyDecoder, own_modules.TutorialDecoder),
            *(own_modules.make_decoder, torch.nn.Identity(), len, torch.nn.Flatten, None, *WORDS),
        ],
        "residual": [None, "pca", *WORDS],
        "standardize": [True, False, None, "x", 1],
        "sample_shape": [(2, 2), (4, 1), (1, 2, 2), (0, 4), (), (4.0,), "x", 4, None, [4], (-1,)],
        "channel_axis": [*("auto", None, 1, -1, 0, 3, 99, -99), *WORDS, 1.5],
    },
    "ConvAutoencoder": {
        **SHARED,
        "n_filters": [*NUMBERS, 1, 3, (2, 3), [1], (), (2, 0), "auto"],
        "n_stages": [*NUMBERS, 1, 3, 101],
        "kernel_size": [*NUMBERS, 1, 3, 5, 4, 101],
        "augmentation": [
            *("auto", "mirror", "crop", Mirror(0.3), Mirror(2), Mirror("x"), Crop(0.0), Crop(0.5)),
            *(Crop, ColumnSwap(), _half, _nothing, _shorter, len, *WORDS),
        ],
        "features": [
            *("patches", PatchFeatures(2), PatchFeatures(0), PatchFeatures("x"), PatchFeatures),
            *(PatchFeatures(3, patch_size=2, pooling=(1, 2)), PatchFeatures(2, patch_size=99)),
            *(PatchFeatures(2, patch_size=(1, 2, 3)), PatchFeatures(2, pixel_weight=math.nan)),
            *(PatchFeatures(2, threshold=math.inf), PatchFeatures(2, pooling=()), *WORDS),
            *(user_options.RowMeans(2), user_options.RowMeans, Features(), dict),
        ],
        "image_shape": [
            *("auto", "x", (2, 2), (6, 6), [3, 12], (36,), (6, 6, 1), (6, 6, 3), (0, 36), (-6, -6)),
            *(
                (6.0, 6.0),
                ("6", "6"),
                (2**40, 2**40),
                (),
                36,
                None,
                np.array([6, 6]),
                [[6, 6]],
                b"66",
            ),
            *((6, None), (6, math.nan), (1, 1, 36), (6, 6, 1, 1)),
        ],
        "channel_axis": [1, -1, 3, -3, 0, 2, "x", None, 1.0, True],
        "signals": BOOLEANS,
    },
    "ReconstructionDetector": {
        "autoencoder": [
            None,
            PCA(2),
            IncrementalPCA(2),
            StandardScaler(),
            "x",
            1,
            DenseAutoencoder,
        ],
        "contamination": [0.1, 0.5, 0.6, *NUMBERS],
        "n_neighbors": [*SMALL, *NUMBERS],
        "neighbor_weight": [0.5, *NUMBERS],
        "trim": BOOLEANS,
        "smoothing": [0.5, 100.0, *NUMBERS],
        "standardize": BOOLEANS,
        "cross_fit": BOOLEANS,
        "random_state": SEEDS,
    },
    "AutoencoderImputer": {
        "autoencoder": [None, PCA(2), StandardScaler(), "x", 1, PCA],
        "missing_values": [math.nan, 0, -1.0, *NUMBERS],
        "add_indicator": BOOLEANS,
        "keep_empty_features": BOOLEANS,
        "sample_posterior": BOOLEANS,
        "random_state": SEEDS,
    },
    "LatentSampler": {
        "autoencoder": [None, PCA(2), StandardScaler(), "x", 1, PCA],
        "density": [None, KernelDensity(), PCA(2), "x", 1, KernelDensity(bandwidth=-1.0)],
        "match_quantiles": ["auto", *BOOLEANS],
        "random_state": SEEDS,
    },
    "LatentCodec": {
        "autoencoder": [PCA(2), StandardScaler(), "x", 1, PCA],
        "step": [0.5, 100.0, *NUMBERS],
        "tile": [2, 4, 100, *NUMBERS],
        "context": BOOLEANS,
        "random_state": SEEDS,
    },
    "ImageRestorer": {
        "corruption": SHARED["corruption"],
        "data_range": [
            *("auto", "x", (0, 1), (1, 0), (0, 0), (0,), (0, 1, 2), ("a", "b"), (math.nan, 1)),
            *([0, math.inf], (-1e300, 1e300), (None, 1), (), 1, None, (0, 1e-300), ((0,), (1,))),
        ],
        "fill_value": NUMBERS,
        "n_filters": [1, 3, *NUMBERS],
        "patch_size": [1, 4, 64, *NUMBERS],
        "augment": BOOLEANS,
        "loss": SHARED["loss"],
        "learning_rate_init": SHARED["learning_rate_init"],
        "batch_size": SHARED["batch_size"],
        "max_iter": SHARED["max_iter"],
        "tile_size": [1, 8, 64, *NUMBERS],
        "device": SHARED["device"],
        "precision": SHARED["precision"],
        "allow_nan": BOOLEANS,
        "output_dtype": SHARED["output_dtype"],
        "net_params": SHARED["net_params"],
        "random_state": SEEDS,
        "checkpoint_dir": SHARED["checkpoint_dir"],
        "verbose": SHARED["verbose"],
    },
}
"""Valid and invalid values of the parameters of each class. Fits with valid values are small."""

AUTOENCODER = ["transform", "inverse_transform", "reconstruct", "reconstruction_error", "score"]
AUTOENCODER += ["get_feature_names_out", "other"]
METHODS = {
    "DenseAutoencoder": AUTOENCODER,
    "ConvAutoencoder": AUTOENCODER,
    "ModuleAutoencoder": AUTOENCODER,
    "ReconstructionDetector": [
        *("score_samples", "predict", "decision_function", "error_map", "score_parts", "p_values"),
        *("explain", "other"),
    ],
    "AutoencoderImputer": ["transform", "get_feature_names_out", "other"],
    "LatentSampler": ["sample", "interpolate", "score_samples", "score", "other"],
    "LatentCodec": [
        *("compress", "compress_each", "decompress", "decode_codes", "code_lengths", "other"),
    ],
    "ImageRestorer": ["predict", "score", "other"],
}
"""Methods that leave a fitted estimator as it is."""

FITS = {
    "DenseAutoencoder": ["fit", "partial_fit", "fit_transform"],
    "ConvAutoencoder": ["fit", "partial_fit", "fit_transform"],
    "ModuleAutoencoder": ["fit", "partial_fit", "fit_transform"],
    "ReconstructionDetector": ["fit", "fit_predict"],
}
OTHERS = ["repr", "html", "pickle", "deepcopy", "clone", "set_output", "params"]


@dataclass(frozen=True)
class Call:
    """A call of a method.

    Attributes
    ----------
    subject : str
        Key of `SUBJECTS`.
    method : str
        Name of the method.
    arguments, keywords : tuple, dict
        Values, or `Data` in their place. Parameters are (name, index of `PARAMETERS`).
    parameters : tuple of (str, int)
        Parameters to set before a fit.
    is_new : bool
        Whether a fit is that of an unfitted estimator.
    """

    subject: str
    method: str
    arguments: tuple = ()
    keywords: dict = field(default_factory=dict)
    parameters: tuple = ()
    is_new: bool = True


KINDS = ["right"] * 17 + ["shape", "special", "case", *["right"] * 6]
PLAIN_DTYPES = ["float64"] * 30 + DTYPES + ["float64"] * 10
PLAIN_CONTAINERS = ["array"] * 40 + list(CONTAINERS) + ["array"] * 20
PLAIN_PATTERNS = ["normal"] * 10 + list(PATTERNS) + ["unit", "counts"] * 5
"""Lists with the usual values in most places: of a list, hypothesis prefers both ends."""


@st.composite
def data(draw, shape, *, n_rows=None):
    """Draw array-likes near a shape, whose first entry is the number of rows."""
    kind = draw(st.sampled_from(KINDS))
    if kind == "special":
        return Data(special=draw(st.sampled_from(sorted(SPECIAL))))
    if kind == "case":
        return Data(special=draw(st.sampled_from(sorted(TABLES if len(shape) == 2 else STACKS))))
    if n_rows is None:
        n_rows = draw(st.sampled_from([1, 2, 3, 5, 8, shape[0], 30]))
    drawn = (n_rows, *shape[1:])
    if kind == "shape":
        drawn = draw(
            st.sampled_from(
                [
                    *(drawn, (0, *shape[1:]), (n_rows,), (*drawn, 1), (*drawn, 3), drawn[:-1]),
                    *((n_rows, math.prod(shape[1:])), (n_rows, 1 + shape[-1]), (n_rows, 0), ()),
                    *((n_rows, 1, *shape[1:]), shape[1:], (n_rows, 5, 7), (1, 1, 1, 1, 1)),
                    *((n_rows, 8, 8, 3), (n_rows, 3, 8, 8), (n_rows, 1), (0, 0), drawn[::-1]),
                ]
            )
        )
    return Data(
        drawn,
        draw(st.sampled_from(PLAIN_PATTERNS)),
        draw(st.sampled_from(PLAIN_DTYPES)),
        draw(st.sampled_from(PLAIN_CONTAINERS)),
        seed=draw(st.integers(0, 9)),
    )


@st.composite
def weights(draw, n_rows):
    """Draw sample weights, or None."""
    if draw(st.integers(0, 3)) > 0:
        return None
    if draw(st.booleans()):
        return Data((n_rows,), "unit")
    length = draw(st.sampled_from([n_rows, n_rows, n_rows, n_rows + 1, 0]))
    shape = draw(st.sampled_from([(length,), (length,), (length, 1), ()]))
    return (
        draw(data((4, 1)))
        if draw(st.integers(0, 9)) == 0
        else Data(
            shape,
            draw(st.sampled_from(sorted(PATTERNS))),
            draw(st.sampled_from(PLAIN_DTYPES)),
            draw(st.sampled_from(PLAIN_CONTAINERS)),
        )
    )


@st.composite
def targets(draw, n_rows):
    """Draw targets of a fit."""
    length = draw(st.sampled_from([n_rows, n_rows, n_rows, n_rows + 1]))
    shape = draw(st.sampled_from([(length,), (length,), (length, 2), (length, 1), ()]))
    pattern = draw(st.sampled_from(["binary", "normal", "binary", *PATTERNS]))
    return Data(
        shape, pattern, draw(st.sampled_from(PLAIN_DTYPES)), draw(st.sampled_from(PLAIN_CONTAINERS))
    )


@st.composite
def labels_of_classes(draw):
    """Draw one label, or several labels, of a sampler with the classes "a" and "b"."""
    one = st.sampled_from(["a", "b", "c", 0, 1.0, True, math.nan, None, (), {"a": 2}])
    if draw(st.booleans()):
        return draw(one)
    return draw(st.lists(st.sampled_from(["a", "b", "a", "c", 0, None]), max_size=4))


@st.composite
def fits(draw, name, kind):
    """Draw a fit, with up to three parameters."""
    shape = SUBJECTS[name].data.shape
    method = draw(st.sampled_from(FITS.get(kind, ["fit"])))
    n_rows = draw(st.sampled_from([1, 2, 3, 4, 8, shape[0], shape[0], shape[0], 30]))
    arguments = [draw(data(shape, n_rows=n_rows))]
    keywords = {}
    if kind.endswith("Autoencoder"):
        keywords["sample_weight"] = draw(weights(n_rows))
        if draw(st.integers(0, 3)) == 0:
            keywords["y"] = draw(targets(n_rows))
        if method == "fit" and draw(st.integers(0, 4)) == 0:
            keywords["X_val"] = draw(data(shape))
    elif kind == "LatentSampler" and draw(st.booleans()):
        keywords["y"] = draw(targets(n_rows))
    elif kind == "ImageRestorer" and draw(st.integers(0, 2)) == 0:
        keywords["y"] = draw(data(shape, n_rows=n_rows))
    keywords = {key: value for key, value in keywords.items() if value is not None}
    table = PARAMETERS[kind]
    names = draw(st.lists(st.sampled_from(sorted(table)), max_size=3, unique=True))
    parameters = [(one, draw(st.integers(0, len(table[one]) - 1))) for one in names]
    is_new = draw(st.integers(0, 3)) > 0
    return Call(name, method, tuple(arguments), keywords, tuple(parameters), is_new)


@st.composite
def uses(draw, name, kind):
    """Draw a call of a method of a fitted estimator."""
    shape = SUBJECTS[name].data.shape
    method = draw(st.sampled_from(METHODS[kind]))
    keywords = {}
    if method == "other":
        return Call(name, draw(st.sampled_from(OTHERS)))
    if method == "inverse_transform":
        return Call(name, method, (draw(data((8, draw(st.sampled_from([2, 2, 2, 3, 1]))))),))
    if method == "get_feature_names_out":
        return Call(name, method, (Data(special=draw(st.sampled_from(sorted(SPECIAL)))),))
    if method == "sample":
        n = draw(st.sampled_from([1, 2, 50, *NUMBERS]))
        if draw(st.booleans()):
            keywords["y"] = draw(labels_of_classes())
            keywords["return_y"] = draw(st.sampled_from([*BOOLEANS, True]))
        return Call(name, method, (n,), keywords)
    if method == "interpolate":
        if draw(st.integers(0, 2)) == 0:
            shape = shape[1:]
        first = draw(data(shape, n_rows=shape[0]))
        second = first if draw(st.booleans()) else draw(data(shape, n_rows=shape[0]))
        return Call(name, method, (first, second, draw(st.sampled_from([2, 3, 5, *NUMBERS]))))
    if method in ("decompress", "decode_codes"):
        if draw(st.integers(0, 3)) == 0:
            keywords["max_bytes"] = draw(st.sampled_from([0, 10, 10**6, *NUMBERS]))
        return Call(name, method, (draw(messages()),), keywords)
    n_rows = draw(st.sampled_from([1, 2, 3, 8, shape[0], 30, 30]))
    X = draw(data(shape, n_rows=n_rows))
    if kind == "LatentSampler" and draw(st.integers(0, 3)) == 0:
        keywords["y"] = draw(labels_of_classes())
    if method == "score" and kind == "ImageRestorer":
        keywords["y"] = X if draw(st.booleans()) else draw(data(shape, n_rows=n_rows))
    if method == "score" and kind != "LatentSampler":
        keywords["sample_weight"] = draw(weights(n_rows))
    return Call(name, method, (X,), keywords)


@st.composite
def messages(draw):
    """Draw a changed message of a codec: a tuple of a kind, places and values."""
    kind = draw(st.sampled_from(["whole", "changed", "cut", "longer", "list", "other", "other"]))
    if kind == "other":
        return draw(data((3, 4)))
    return ("message", kind, draw(st.integers(0, 2**16)), draw(st.integers(0, 255)))


@st.composite
def calls(draw):
    """Draw a call of any public method of any estimator."""
    name = draw(st.sampled_from(sorted(SUBJECTS)))
    kind = type(SUBJECTS[name].make()).__name__
    if draw(st.sampled_from(["use"] * 46 + ["fit"] * 4 + ["use"] * 10)) == "fit":
        return draw(fits(name, kind))
    return draw(uses(name, kind))


def single_changes():
    """Yield calls that differ from a usual call in one parameter, or in one property of X."""
    seen = set()
    for name, subject in SUBJECTS.items():
        kind = type(subject.make()).__name__
        if kind not in seen:
            seen.add(kind)
            for parameter, values in PARAMETERS[kind].items():
                for index in range(len(values)):
                    yield Call(name, "fit", (subject.data,), parameters=((parameter, index),))
        shape = (3, *subject.data.shape[1:])
        changed = [Data(shape, pattern) for pattern in PATTERNS]
        changed += [Data(shape, dtype=dtype) for dtype in DTYPES]
        changed += [Data(shape, container=container) for container in CONTAINERS]
        changed += [Data(special=special) for special in (*SPECIAL, *TABLES, *STACKS)]
        changed += [Data(other) for other in (shape[:-1], (*shape, 1), (0, *shape[1:]), shape[1:])]
        for method in METHODS[kind]:
            if method in ("other", "sample", "decompress", "decode_codes", "get_feature_names_out"):
                continue
            for X in changed:
                one = replace(X, shape=(3, 2)) if method == "inverse_transform" else X
                arguments = (one,)
                if method == "interpolate":
                    arguments = (one, one, 2)
                elif method == "score" and kind == "ImageRestorer":
                    arguments = (one, one)
                yield Call(name, method, arguments)
