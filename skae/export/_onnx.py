"""ONNX: encoder, decoder, both, or a detector in a file that other programs run without Python."""

import copy
import logging
import warnings
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Literal

import torch
from sklearn.base import BaseEstimator, is_classifier
from sklearn.frozen import FrozenEstimator
from sklearn.pipeline import Pipeline
from sklearn.utils.validation import check_is_fitted
from torch import nn

from skae._conv import ConvAutoencoder
from skae._dense import DenseAutoencoder
from skae.anomaly import ReconstructionDetector
from skae.anomaly._measures import FARTHEST, smoothed

__all__ = ["to_onnx"]

OPSET = 20
"""The first one with GELU; what ONNX Runtime has known since 1.17."""

METHODS = ("transform", "inverse_transform", "reconstruct", "score_samples")

AUTOENCODERS = (DenseAutoencoder, ConvAutoencoder)

DTYPES = {"float32": torch.float32, "float64": torch.float64, "uint8": torch.uint8, "int64": torch.int64}


def to_onnx(
    estimator: BaseEstimator,
    path: str | Path,
    *,
    method: Literal["transform", "inverse_transform", "reconstruct", "score_samples"] | None = None,
    dtype: Literal["float32", "float64", "uint8", "int64"] = "float32",
) -> None:
    """Write a fitted autoencoder, a detector, or a pipeline with an autoencoder, as an ONNX model.

    Parameters
    ----------
    estimator : DenseAutoencoder, ConvAutoencoder, ReconstructionDetector or sklearn.pipeline.Pipeline
        Fitted, or in a ``FrozenEstimator``. The other steps of a pipeline are converted by skl2onnx. A detector has to have one
        of our two autoencoders.
    path : str or pathlib.Path
        Of the file; one that is there is replaced.
    method : {"transform", "inverse_transform", "reconstruct", "score_samples"}, default=None
        What the model does. None: "transform" of an autoencoder, and "score_samples", which is all there is, of a detector. A
        pipeline always does what it does itself, and leaves this at None.
    dtype : {"float32", "float64", "uint8", "int64"}, default="float32"
        Of the model's input "X"; codes are always float32. Numbers that float32 can't tell apart need "float64".

    Raises
    ------
    ValueError
        If `method` or `dtype` is not as described, or `estimator` doesn't have the `method`.
    TypeError
        If `estimator` is of another class.

    Notes
    -----
    The input has the layout of the X of fit, with any number of rows: images stay images, in `inverse_transform` and
    `reconstruct` also as the output, which is named "Y". It is float32; scores are float64. A pipeline's outputs have the names
    that skl2onnx gives.
    """
    onnx, skl2onnx = _libraries()
    if method is not None and method not in METHODS:
        raise ValueError(f"Got method={method!r}, but expected one of {METHODS}.")
    if dtype not in DTYPES:
        raise ValueError(f"Got dtype={dtype!r}, but expected one of {tuple(DTYPES)}.")
    estimator = _thawed(estimator)
    if isinstance(estimator, Pipeline):
        if method is not None:
            raise ValueError(f"Got method={method!r} with a pipeline, but expected none: it does what its last step does.")
        check_is_fitted(estimator)
        model = _pipeline(estimator, dtype, skl2onnx)
    elif isinstance(estimator, (*AUTOENCODERS, ReconstructionDetector)):
        check_is_fitted(estimator)
        detects = isinstance(estimator, ReconstructionDetector)
        if method is not None and detects != (method == "score_samples"):
            raise ValueError(f"Got method={method!r}, but expected one that {type(estimator).__name__} has as an ONNX model.")
        method = method or ("score_samples" if detects else "transform")
        model = _graph(estimator, method, DTYPES[dtype], OPSET)
    else:
        raise TypeError(
            f"Got {estimator!r}, but expected a DenseAutoencoder, a ConvAutoencoder, a ReconstructionDetector, or a Pipeline."
        )
    onnx.save_model(model, str(Path(path)))


class _Whole(nn.Module):
    """A network with the layout of X around it, and the dtype of what it gives."""

    def __init__(self, network, method, shape, answer):
        super().__init__()
        self.network, self.method, self.shape, self.answer = network, method, shape, answer

    def forward(self, x):
        """Give what the method gives of x, in X's own layout."""
        if self.method == "inverse_transform":
            return self.network.decode(x).unflatten(1, self.shape).to(self.answer)
        z = self.network.encode(x.flatten(1))
        found = z if self.method == "transform" else self.network.decode(z).unflatten(1, self.shape)
        return found.to(self.answer)


class _Detector(nn.Module):
    """What a detector does, as one network."""

    def __init__(self, detector, network):
        super().__init__()
        self.network, self.scaler = network, detector.scaler_ is not None
        numbers = {"error_scale": detector.error_scale_, "codes": detector.neighbors_._fit_X, "metric": detector.code_metric_}
        self.smooth = detector._kernels is not None
        if self.smooth:
            numbers |= dict(zip(("down", "across"), detector._kernels, strict=True))
        if self.scaler:
            numbers |= {"mean": detector.scaler_.mean_, "scale": detector.scaler_.scale_}
        for name, value in numbers.items():
            self.register_buffer(name, torch.from_numpy(value.astype("float64")))
        self.k, self.itself = detector.neighbors_.n_neighbors, detector._itself
        self.spread, self.weight = detector.code_spread_, detector._code_weight

    def forward(self, x):
        """Give the score of each row."""
        x = x.flatten(1)
        if self.scaler:
            x = ((x.double() - self.mean) / self.scale).clamp(-FARTHEST, FARTHEST).float()
        z = self.network.encode(x)
        missed = smoothed(self.network.decode(z).double() - x.double(), (self.down, self.across) if self.smooth else None)
        errors = (missed.square() / self.error_scale).mean(1)
        z = z.double() @ self.metric  # in which products and sums tell distances well enough
        squares = z.square().sum(1, keepdim=True) + self.codes.square().sum(1) - 2 * z @ self.codes.mT
        nearest = squares.clamp(min=0).topk(self.k, largest=False).values
        others = torch.where(nearest[:, 0] <= self.itself, nearest[:, 1:].mean(1), nearest[:, :-1].mean(1))
        return -(errors + self.weight * others / self.spread) / (1 + self.weight)


def _thawed(estimator):
    """Take estimators out of their FrozenEstimator, in pipelines as well: only what they do after fit is asked."""
    if isinstance(estimator, FrozenEstimator):
        return _thawed(estimator.estimator)
    if isinstance(estimator, Pipeline):
        return Pipeline([(name, _thawed(step)) for name, step in estimator.steps])
    return estimator


def _shape(estimator):
    """Give the shape of one row of X, as fit saw it."""
    layout = getattr(estimator, "_layout", None)
    return (estimator.n_features_in_,) if layout is None or layout.flat else tuple(layout.image_shape)


def _graph(estimator, method, dtype, opset, answer=torch.float32):
    """Make an ONNX model of one method."""
    autoencoder = _thawed(estimator.autoencoder_) if method == "score_samples" else estimator
    if not isinstance(autoencoder, AUTOENCODERS):
        raise TypeError(f"Got a detector with {autoencoder!r}, but expected a DenseAutoencoder or a ConvAutoencoder in it.")
    shape = _shape(autoencoder)
    network = copy.deepcopy(autoencoder.net_.module_).to("cpu", memory_format=torch.contiguous_format).eval()
    if autoencoder._spec["network"]["bottleneck"] == "quantized":
        network.bottleneck.nearest = partial(_nearest, network.bottleneck)
    size, dtype = ((autoencoder.n_components_,), torch.float32) if method == "inverse_transform" else (shape, dtype)
    whole = _Detector(estimator, network) if method == "score_samples" else _Whole(network, method, shape, answer)
    with warnings.catch_warnings(), _hushed(logging.getLogger("torch.onnx")):
        warnings.simplefilter("ignore", FutureWarning)  # torch calls a function of its own that it deprecates
        program = torch.onnx.export(
            whole.eval(),
            (torch.zeros(2, *size, dtype=dtype),),  # a batch of one would be taken as fixed
            dynamo=True,
            opset_version=opset,
            input_names=["X"],
            output_names=["Y"],
            dynamic_shapes=({0: torch.export.Dim("batch", min=1)},),
            verbose=False,
        )
    return program.model_proto


@contextmanager
def _hushed(logger):
    """Keep from the user what is no concern of theirs: that torch has no functions of torchvision to register."""
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        yield
    finally:
        logger.setLevel(level)


def _nearest(bottleneck, z):
    """Find the nearest vectors without cdist, which torch can't write as ONNX."""
    apart = bottleneck.grouped(z).unsqueeze(-2) - bottleneck.codebooks.unsqueeze(1)  # (groups, b, size, length)
    return apart.square().sum(-1).argmin(-1)


def _pipeline(pipeline, dtype, skl2onnx):
    """Convert a pipeline, after telling skl2onnx what our steps are."""
    from skl2onnx.common import data_types

    for cls in AUTOENCODERS:
        skl2onnx.update_registered_converter(cls, f"Skae{cls.__name__}", _infer, _convert)
    kinds = {"float32": "Float", "float64": "Double", "uint8": "UInt8", "int64": "Int64"}
    kind = getattr(data_types, kinds[dtype] + "TensorType")
    shape = _shape(pipeline[0]) if hasattr(pipeline[0], "_layout") else (pipeline.n_features_in_,)
    last = pipeline[-1]
    options = {id(last): {"zipmap": False}} if is_classifier(last) else None
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)  # skl2onnx reads what scikit-learn deprecates
        return skl2onnx.to_onnx(pipeline, initial_types=[("X", kind([None, *shape]))], target_opset=OPSET, options=options)


def _infer(operator):
    """Tell skl2onnx the shape of codes, and their type: what comes after them expects float64 where the pipeline began so."""
    from skl2onnx.common.data_types import DoubleTensorType, FloatTensorType

    kind = DoubleTensorType if isinstance(operator.inputs[0].type, DoubleTensorType) else FloatTensorType
    operator.outputs[0].type = kind([operator.inputs[0].get_first_dimension(), operator.raw_operator.n_components_])


def _convert(scope, operator, container):
    """Put an encoder into the graph of a pipeline."""
    from skl2onnx.helpers import add_onnx_graph

    kind = type(operator.inputs[0].type).__name__.removesuffix("TensorType").lower()
    dtype = {"double": torch.float64, "uint8": torch.uint8, "int64": torch.int64}.get(kind, torch.float32)
    answer = torch.float64 if kind == "double" else torch.float32
    model = _graph(operator.raw_operator, "transform", dtype, container.target_opset, answer)
    add_onnx_graph(scope, operator, container, model)


def _libraries():
    """Import the optional libraries."""
    try:
        import onnx
        import onnxscript  # noqa: F401 - which torch needs
        import skl2onnx
    except ImportError as error:
        raise ImportError("skae.export.to_onnx needs onnx, onnxscript and skl2onnx: pip install skae[onnx].") from error
    return onnx, skl2onnx
