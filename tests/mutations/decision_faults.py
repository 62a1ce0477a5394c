"""Faults in early stopping, in networks, in estimators built on autoencoders, and in files."""

from fault import Fault

__all__ = ["DECISION_FAULTS"]

EARLY_STOPPING = ("_training/test_early_stopping.py",)
BOTTLENECKS = ("networks/test_bottlenecks.py",)
NETWORKS = ("networks/test_networks.py",)
DETECTOR = ("anomaly/test_detector.py",)
EXPORT = ("export/test_export.py",)
DATASETS = ("datasets/test_image_files.py", "datasets/test_torch.py")

DECISION_FAULTS = [
    # ---------- early stopping
    Fault(
        "weights-of-the-first-fold-returned",
        "early-stopping",
        "_training/early_stopping.py",
        "weight = weight[-1]",
        "weight = weight[0]",
        EARLY_STOPPING,
    ),
    Fault(
        "padding-counts-as-validation-samples",
        "early-stopping",
        "_training/processes.py",
        "(values * batch.weights)[..., batch.weights > 0]",
        "(values * batch.weights).flatten(-batch.weights.ndim)",
        EARLY_STOPPING,
    ),
    Fault(
        "epoch-selected-by-reconstruction-alone",
        "early-stopping",
        "_training/early_stopping.py",
        "if losses.mean() < self.best.loss:",
        "if reconstruction.mean() < self.best.reconstruction_loss:",
        ("_input/test_targets.py",),
    ),
    Fault(
        "training-stopped-unless-significant-at-once",
        "early-stopping",
        "_training/early_stopping.py",
        "        if done < 0.4:\n            return self.best is self.initial\n",
        "",
        EARLY_STOPPING,
    ),
    Fault(
        "code-statistics-of-training-samples",
        "early-stopping",
        "_training/fit.py",
        "    rows = setup.validation_rows\n",
        "    rows = None\n",
        BOTTLENECKS,
    ),
    # ---------- networks
    Fault(
        "short-prefixes-sampled-too-often",
        "networks",
        "networks/bottlenecks.py",
        "frequencies[:3] /= 3",
        "frequencies[:3] *= 3",
        BOTTLENECKS,
    ),
    Fault(
        "quantization-cost-not-in-units-of-pca",
        "networks",
        "networks/bottlenecks.py",
        "(squared_error * self.units.square()).sum(-1)",
        "squared_error.sum(-1)",
        BOTTLENECKS,
    ),
    Fault(
        "inputs-of-hidden-layers-unbounded",
        "networks",
        "networks/residual_pca.py",
        "width = 3.0",
        "width = 300.0",
        NETWORKS,
    ),
    Fault(
        "int64-cast-before-centering",
        "networks",
        "networks/layers.py",
        "x = (x - whole).double() - (",
        "x = (x.double() - whole) - (",
        NETWORKS,
    ),
    Fault(
        "border-of-large-images-padded-with-zeros",
        "networks",
        "networks/conv.py",
        'mode="replicate"',
        'mode="constant"',
        NETWORKS,
    ),
    # ---------- estimators built on autoencoders
    Fault(
        "error-scales-not-smoothed",
        "estimators",
        "anomaly/_calibration.py",
        "ERROR_SMOOTHING = 0.2",
        "ERROR_SMOOTHING = 0.0",
        DETECTOR,
    ),
    Fault(
        "cross-fitting-scores-its-own-half",
        "estimators",
        "anomaly/_calibration.py",
        "        HeldOutHalf(fitted_on_second, first_rows, first_indices),\n"
        "        HeldOutHalf(fitted_on_first, second_rows, second_indices),\n",
        "        HeldOutHalf(fitted_on_first, first_rows, first_indices),\n"
        "        HeldOutHalf(fitted_on_second, second_rows, second_indices),\n",
        DETECTOR,
    ),
    Fault(
        "density-fitted-on-the-first-rows",
        "estimators",
        "generation/_density.py",
        "np.random.default_rng(seed).permutation(len(codes))[:max_rows]",
        "slice(max_rows)",
        ("test_generation.py",),
    ),
    Fault(
        "context-dropped-where-it-reduces-the-rate",
        "estimators",
        "compression/_context_model.py",
        "2 * gain.std() / math.sqrt(len(val_indices))",
        "2 * gain.std()",
        ("compression/test_codec.py",),
    ),
    Fault(
        "data-range-of-uint16-from-the-images",
        "estimators",
        "restoration/_validation.py",
        "if clean.dtype in (np.uint8, np.uint16):",
        "if clean.dtype == np.uint8:",
        ("restoration/test_restorer.py",),
    ),
    # ---------- files
    Fault(
        "onnx-detector-counts-the-sample-as-its-neighbor",
        "files",
        "export/_onnx_detector.py",
        "nearest[:, 0] <= self.zero_distance",
        "nearest[:, 0] < 0",
        EXPORT,
    ),
    Fault(
        "onnx-detector-standardizes-in-float32",
        "files",
        "export/_onnx_detector.py",
        "((rows - self.mean) / self.scale)",
        "((rows.float() - self.mean.float()) / self.scale.float())",
        EXPORT,
    ),
    Fault(
        "state-not-restored-after-an-interrupt",
        "files",
        "_persistence.py",
        "except BaseException:",
        "except Exception:",
        ("_training/test_fit.py",),
    ),
    Fault(
        "photographs-decoded-too-coarsely",
        "files",
        "datasets/_images.py",
        "enough = (2 * width, 2 * height)",
        "enough = (width, height)",
        DATASETS,
    ),
    Fault(
        "fractions-truncated-to-the-first-dtype",
        "files",
        "datasets/_torch.py",
        '"same_kind")',
        '"unsafe")',
        DATASETS,
    ),
]
"""Five each of early stopping, networks, estimators built on autoencoders, and files."""
