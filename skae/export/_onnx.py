"""ONNX: encoder, decoder or both in a file that other programs run without Python."""

import copy
import warnings
from functools import partial
from pathlib import Path
from typing import Literal

import torch
from sklearn.base import BaseEstimator, is_classifier
from sklearn.pipeline import Pipeline
from sklearn.utils.validation import check_is_fitted
from torch import nn

from skae._conv import ConvAutoencoder
from skae._dense import DenseAutoencoder

__all__ = ["to_onnx"]

OPSET = 20
"""The first one with GELU; what ONNX Runtime has known since 1.17."""

METHODS = ("transform", "inverse_transform", "reconstruct")

DTYPES = {"float32": torch.float32, "float64": torch.float64, "uint8": torch.uint8, "int64": torch.int64}


def to_onnx(
    estimator: BaseEstimator,
    path: str | Path,
    *,
    method: Literal["transform", "inverse_transform", "reconstruct"] = "transform",
    dtype: Literal["float32", "float64", "uint8", "int64"] = "float32",
) -> None:
    """Write a fitted autoencoder, or a pipeline with one, as an ONNX model.

    Parameters
    ----------
    estimator : DenseAutoencoder, ConvAutoencoder or sklearn.pipeline.Pipeline
        Fitted. The other steps of a pipeline are converted by skl2onnx.
    path : str or pathlib.Path
        Of the file; one that is there is replaced.
    method : {"transform", "inverse_transform", "reconstruct"}, default="transform"
        What the model does. A pipeline always does what it does itself, and leaves this at its default.
    dtype : {"float32", "float64", "uint8", "int64"}, default="float32"
        Of the model's input "X"; codes are always float32. Numbers that float32 can't tell apart need "float64".

    Raises
    ------
    ValueError
        If `method` or `dtype` is not as described, or a pipeline is given with a `method`.
    TypeError
        If `estimator` is of another class.

    Notes
    -----
    The input has the layout of the X of fit, with any number of rows: images stay images, in `inverse_transform` and
    `reconstruct` also as the output, which is float32 and named "Y". A pipeline's outputs have the names that skl2onnx gives.
    """
    onnx, skl2onnx = _libraries()
    if method not in METHODS:
        raise ValueError(f"Got method={method!r}, but expected one of {METHODS}.")
    if dtype not in DTYPES:
        raise ValueError(f"Got dtype={dtype!r}, but expected one of {tuple(DTYPES)}.")
    if isinstance(estimator, Pipeline):
        if method != "transform":
            raise ValueError(f"Got method={method!r} with a pipeline, but expected none: it does what its last step does.")
        check_is_fitted(estimator)
        model = _pipeline(estimator, dtype, skl2onnx)
    elif isinstance(estimator, (DenseAutoencoder, ConvAutoencoder)):
        check_is_fitted(estimator)
        model = _graph(estimator, method, DTYPES[dtype], OPSET)
    else:
        raise TypeError(f"Got {estimator!r}, but expected a DenseAutoencoder, a ConvAutoencoder, or a Pipeline with one.")
    onnx.save_model(model, str(Path(path)))


class _Whole(nn.Module):
    """A network with the layout of X around it."""

    def __init__(self, network, method, shape):
        super().__init__()
        self.network, self.method, self.shape = network, method, shape

    def forward(self, x):
        """Give what the method gives of x, in X's own layout."""
        if self.method == "inverse_transform":
            return self.network.decode(x).unflatten(1, self.shape)
        z = self.network.encode(x.flatten(1))
        return z if self.method == "transform" else self.network.decode(z).unflatten(1, self.shape)


def _shape(estimator):
    """Give the shape of one row of X, as fit saw it."""
    layout = getattr(estimator, "_layout", None)
    return (estimator.n_features_in_,) if layout is None or layout.flat else tuple(layout.image_shape)


def _graph(estimator, method, dtype, opset):
    """Make an ONNX model of one method."""
    shape = _shape(estimator)
    network = copy.deepcopy(estimator.net_.module_).to("cpu", memory_format=torch.contiguous_format).eval()
    if estimator._spec["network"]["bottleneck"] == "quantized":
        network.bottleneck.nearest = partial(_nearest, network.bottleneck)
    size, dtype = ((estimator.n_components_,), torch.float32) if method == "inverse_transform" else (shape, dtype)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)  # torch calls a function of its own that it deprecates
        program = torch.onnx.export(
            _Whole(network, method, shape).eval(),
            (torch.zeros(2, *size, dtype=dtype),),  # a batch of one would be taken as fixed
            dynamo=True,
            opset_version=opset,
            input_names=["X"],
            output_names=["Y"],
            dynamic_shapes=({0: torch.export.Dim("batch", min=1)},),
            verbose=False,
        )
    return program.model_proto


def _nearest(bottleneck, z):
    """Find the nearest vectors without cdist, which torch can't write as ONNX."""
    apart = bottleneck.grouped(z).unsqueeze(-2) - bottleneck.codebooks.unsqueeze(1)  # (groups, b, size, length)
    return apart.square().sum(-1).argmin(-1)


def _pipeline(pipeline, dtype, skl2onnx):
    """Convert a pipeline, after telling skl2onnx what our steps are."""
    from skl2onnx.common import data_types

    for cls in (DenseAutoencoder, ConvAutoencoder):
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
    """Tell skl2onnx the shape of codes."""
    from skl2onnx.common.data_types import FloatTensorType

    rows = operator.inputs[0].get_first_dimension()
    operator.outputs[0].type = FloatTensorType([rows, operator.raw_operator.n_components_])


def _convert(scope, operator, container):
    """Put an encoder into the graph of a pipeline."""
    from skl2onnx.helpers import add_onnx_graph

    kind = type(operator.inputs[0].type).__name__.removesuffix("TensorType").lower()
    dtype = {"double": torch.float64, "uint8": torch.uint8, "int64": torch.int64}.get(kind, torch.float32)
    model = _graph(operator.raw_operator, "transform", dtype, container.target_opset)
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
