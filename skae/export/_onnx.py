"""ONNX export of encoders, decoders, autoencoders, detectors and pipelines."""

import copy
import logging
import warnings
from contextlib import contextmanager
from pathlib import Path
from typing import Literal

import torch
from sklearn.base import BaseEstimator, is_classifier
from sklearn.frozen import FrozenEstimator
from sklearn.pipeline import Pipeline
from sklearn.utils.validation import check_is_fitted
from torch import nn

from skae._files.writing import write_atomically
from skae.anomaly import ReconstructionDetector
from skae.autoencoders._conv import ConvAutoencoder
from skae.autoencoders._dense import DenseAutoencoder
from skae.autoencoders._module import ModuleAutoencoder
from skae.export._onnx_detector import DetectorScore

__all__ = ["to_onnx"]

OPSET = 20
"""ONNX opset version: the first one with GELU, and supported by ONNX Runtime since 1.17."""

METHODS = ("transform", "inverse_transform", "reconstruct", "score_samples")

AUTOENCODERS = (DenseAutoencoder, ConvAutoencoder, ModuleAutoencoder)

DTYPES = {
    "float32": torch.float32,
    "float64": torch.float64,
    "uint8": torch.uint8,
    "int64": torch.int64,
}

TENSOR_TYPES = {
    "float32": "FloatTensorType",
    "float64": "DoubleTensorType",
    "uint8": "UInt8TensorType",
    "int64": "Int64TensorType",
}
"""Classes of skl2onnx.common.data_types, by dtype."""


def to_onnx(
    estimator: BaseEstimator,
    path: str | Path,
    *,
    method: Literal["transform", "inverse_transform", "reconstruct", "score_samples"] | None = None,
    dtype: Literal["float32", "float64", "uint8", "int64"] = "float32",
) -> None:
    """Write a fitted autoencoder, detector or pipeline to an ONNX file.

    Parameters
    ----------
    estimator : estimator object
        Fitted :class:`~skae.DenseAutoencoder`, :class:`~skae.ConvAutoencoder`,
        :class:`~skae.ModuleAutoencoder`, :class:`~skae.ReconstructionDetector` with one of these
        autoencoders, or :class:`~sklearn.pipeline.Pipeline`, possibly in a ``FrozenEstimator``.
        skl2onnx converts the other steps of a pipeline.
    path : str or pathlib.Path
        Path of the file. An existing file is replaced at once when the new one is complete.
    method : {"transform", "inverse_transform", "reconstruct", "score_samples"}, default=None
        Method that the model computes. If None, "transform" for an autoencoder and
        "score_samples" for a detector, its only choice. Must be None for a pipeline: its last
        step determines the output.
    dtype : {"float32", "float64", "uint8", "int64"}, default="float32"
        Data type of the input "X" of the model. Latent vectors are always float32. Use "float64"
        for values that differ only beyond the precision of float32.

    Raises
    ------
    ValueError
        If `method` or `dtype` is unknown, or `estimator` does not have the `method`.
    TypeError
        If `estimator` is of another class.

    Notes
    -----
    The input has the layout of X in fit, with any number of samples: images keep their shape. The
    output is named "Y". In "inverse_transform" and "reconstruct" it has the layout of X as well. It
    is float32, and float64 for scores. Reconstructions are float64 where those of the estimator are
    with ``output_dtype="auto"``; "input" has no effect here. The outputs of a pipeline have the
    names of skl2onnx.
    """
    skl2onnx = _import_libraries()
    if method is not None and method not in METHODS:
        raise ValueError(f"Got method={method!r}, but expected one of {METHODS}.")
    if dtype not in DTYPES:
        raise ValueError(f"Got dtype={dtype!r}, but expected one of {tuple(DTYPES)}.")
    estimator = _unfreeze(estimator)
    if isinstance(estimator, Pipeline):
        if method is not None:
            raise ValueError(
                f"Got method={method!r} with a pipeline, but expected None: the last step of the "
                "pipeline determines the output."
            )
        check_is_fitted(estimator)
        model = _convert_pipeline(estimator, dtype, skl2onnx)
    elif isinstance(estimator, (*AUTOENCODERS, ReconstructionDetector)):
        check_is_fitted(estimator)
        method = _resolve_method(estimator, method)
        model = _convert_method(estimator, method, DTYPES[dtype], OPSET)
    else:
        raise TypeError(
            f"Got {estimator!r}, but expected an autoencoder of skae, a ReconstructionDetector, or "
            "a Pipeline."
        )
    write_atomically(path, model.SerializeToString())


def _resolve_method(estimator, method):
    """Return the method to export, and check that the estimator has this method."""
    table = getattr(estimator, "_table", None)
    if table is not None and table.has_categories:
        raise ValueError(
            f"Got {type(estimator).__name__} of a table with categories, but ONNX models of skae "
            "have numbers as input. Encode the categories before the autoencoder, for example by "
            "OneHotEncoder, or save the estimator with skae.export.save."
        )
    is_detector = isinstance(estimator, ReconstructionDetector)
    if method is None:
        if is_detector:
            return "score_samples"
        return "transform"
    if is_detector != (method == "score_samples"):
        raise ValueError(
            f"Got method={method!r}, but expected a method of {type(estimator).__name__} with an "
            "ONNX model."
        )
    return method


class _Method(nn.Module):
    """A method of an autoencoder as a torch module.

    Parameters
    ----------
    network : nn.Module
        Network of the autoencoder.
    method : {"transform", "inverse_transform", "reconstruct"}
        Method to compute.
    sample_shape : tuple of int
        Shape of one sample in the layout of X.
    output_dtype : torch.dtype
        Data type of the output, float32 or float64.
    """

    def __init__(self, network, method, sample_shape, output_dtype):
        super().__init__()
        self.network = network
        self.method = method
        self.sample_shape = sample_shape
        self.output_dtype = output_dtype

    def forward(self, x):
        """Compute the output of the method, in the layout of X."""
        if self.method == "inverse_transform":
            return self._decode(x)
        z = self.network.encode(x.flatten(1))
        if self.method == "transform":
            return z.to(self.output_dtype)
        return self._decode(z)

    def _decode(self, z):
        """Decode latent vectors into the layout of X."""
        return self.network.decode(z, self.output_dtype).unflatten(1, self.sample_shape)


def _unfreeze(estimator):
    """Return the estimator inside a FrozenEstimator, also for the steps of a pipeline."""
    if isinstance(estimator, FrozenEstimator):
        return _unfreeze(estimator.estimator)
    if isinstance(estimator, Pipeline):
        return Pipeline([(name, _unfreeze(step)) for name, step in estimator.steps])
    return estimator


def _sample_shape(estimator):
    """Return the shape of one sample of X in fit."""
    layout = getattr(estimator, "_layout", None)
    if layout is None or layout.flat:
        return (estimator.n_features_in_,)
    return layout.sample_shape


def _convert_method(estimator, method, dtype, opset, output_dtype=torch.float32):
    """Convert one method to an ONNX model.

    Parameters
    ----------
    estimator : autoencoder or ReconstructionDetector
        Fitted estimator of skae.
    method : str
        Method to convert.
    dtype : torch.dtype
        Data type of X; latent vectors are always float32.
    opset : int
        ONNX opset version.
    output_dtype : torch.dtype, default=torch.float32
        Data type of latent vectors. Reconstructions have that of the fit, and scores are float64.

    Returns
    -------
    model : onnx.ModelProto
        Model with input "X" and output "Y".
    """
    if method == "score_samples":
        autoencoder = _unfreeze(estimator.autoencoder_)
        if not isinstance(autoencoder, AUTOENCODERS):
            raise TypeError(
                f"Got a detector with {autoencoder!r}, but expected an autoencoder of skae in it."
            )
        module = DetectorScore(
            estimator, _copy_network(autoencoder), getattr(torch, autoencoder._spec.result_dtype)
        )
    else:
        autoencoder = estimator
        if method != "transform":
            output_dtype = getattr(torch, autoencoder._spec.result_dtype)
        module = _Method(
            _copy_network(autoencoder), method, _sample_shape(autoencoder), output_dtype
        )
    if method == "inverse_transform":
        return _trace(module, (autoencoder.n_components_,), torch.float32, opset)
    return _trace(module, _sample_shape(autoencoder), dtype, opset)


def _copy_network(autoencoder):
    """Return a copy of the network on the CPU, with operations that ONNX supports."""
    network = copy.deepcopy(autoencoder.net_.module_)
    network = network.to("cpu", memory_format=torch.contiguous_format).eval()
    network.bottleneck.prepare_for_export()
    return network


def _trace(module, sample_shape, dtype, opset):
    """Convert a torch module to an ONNX model with a variable batch size."""
    # torch would treat a batch size of 1 as constant
    example = torch.zeros(2, *sample_shape, dtype=dtype)
    with warnings.catch_warnings(), _log_errors_only(logging.getLogger("torch.onnx")):
        # torch calls a function that torch deprecates
        warnings.simplefilter("ignore", FutureWarning)
        program = torch.onnx.export(
            module.eval(),
            (example,),
            dynamo=True,
            opset_version=opset,
            input_names=["X"],
            output_names=["Y"],
            dynamic_shapes=({0: torch.export.Dim("batch", min=1)},),
            verbose=False,
        )
    return program.model_proto


@contextmanager
def _log_errors_only(logger):
    """Silence torch.onnx's warning about torchvision operators, which does not apply here."""
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        yield
    finally:
        logger.setLevel(level)


def _convert_pipeline(pipeline, dtype, skl2onnx):
    """Convert a pipeline to an ONNX model, with converters for the autoencoders of skae."""
    from skl2onnx.common import data_types

    for class_ in AUTOENCODERS:
        skl2onnx.update_registered_converter(
            class_, f"Skae{class_.__name__}", _infer_output_type, _add_encoder
        )
    first, last = pipeline[0], pipeline[-1]
    shape = (pipeline.n_features_in_,)
    if hasattr(first, "_layout"):
        shape = _sample_shape(first)
    input_type = getattr(data_types, TENSOR_TYPES[dtype])([None, *shape])
    options = None
    if is_classifier(last):
        options = {id(last): {"zipmap": False}}
    with warnings.catch_warnings():
        # skl2onnx reads attributes that scikit-learn deprecates
        warnings.simplefilter("ignore", FutureWarning)
        return skl2onnx.to_onnx(
            pipeline, initial_types=[("X", input_type)], target_opset=OPSET, options=options
        )


def _input_dtype(operator):
    """Return the dtype of the input of an skl2onnx operator, as a key of `DTYPES`."""
    name = type(operator.inputs[0].type).__name__
    for dtype, tensor_type in TENSOR_TYPES.items():
        if name == tensor_type:
            return dtype
    return "float32"


def _infer_output_type(operator):
    """Set the type and shape of latent vectors in the graph of skl2onnx.

    The steps after an autoencoder expect float64 if the pipeline started with float64.
    """
    from skl2onnx.common.data_types import DoubleTensorType, FloatTensorType

    output_type = FloatTensorType
    if isinstance(operator.inputs[0].type, DoubleTensorType):
        output_type = DoubleTensorType
    n_samples = operator.inputs[0].get_first_dimension()
    operator.outputs[0].type = output_type([n_samples, operator.raw_operator.n_components_])


def _add_encoder(scope, operator, container):
    """Convert an encoder to nodes in the graph of a pipeline."""
    from skl2onnx.helpers import add_onnx_graph

    dtype = _input_dtype(operator)
    output_dtype = torch.float32
    if dtype == "float64":
        output_dtype = torch.float64
    model = _convert_method(
        operator.raw_operator, "transform", DTYPES[dtype], container.target_opset, output_dtype
    )
    add_onnx_graph(scope, operator, container, model)


def _import_libraries():
    """Import the optional libraries, and return skl2onnx."""
    try:
        import onnx  # noqa: F401 - a requirement of torch.onnx
        import onnxscript  # noqa: F401 - a requirement of torch.onnx
        import skl2onnx
    except ImportError as error:
        raise ImportError(
            "skae.export.to_onnx needs onnx, onnxscript and skl2onnx: pip install skae[onnx]."
        ) from error
    return skl2onnx
