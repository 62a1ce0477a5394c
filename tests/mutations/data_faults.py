"""Faults in data, defaults, the initialization of a network, and training steps."""

from fault import Fault

__all__ = ["DATA_FAULTS"]

DEFAULTS = ("_training/test_defaults.py",)
PCA = ("_training/test_pca.py",)
NET = ("_training/test_net.py",)
STREAMING = ("_input/test_streaming.py",)

DATA_FAULTS = [
    # ---------- data
    Fault(
        "validation-rows-of-streams-in-training",
        "data",
        "_input/batching.py",
        "self.is_training[val_indices.numpy()] = False",
        "self.is_training[val_indices.numpy()] = True",
        STREAMING,
    ),
    Fault(
        "buffers-of-streams-not-shuffled",
        "data",
        "_input/batching.py",
        "order = self._shuffled(len(rows))",
        "order = np.arange(len(rows))",
        STREAMING,
    ),
    Fault(
        "samples-of-streams-from-the-beginning",
        "data",
        "_input/streaming.py",
        "torch.linspace(0, n_places - 1, n_runs)",
        "torch.linspace(0, n_runs - 1, n_runs)",
        STREAMING,
    ),
    Fault(
        "large-int64-stay-integers",
        "data",
        "_input/dtypes.py",
        "max(rows.max(initial=0), -1 - rows.min(initial=0)) >= MAX_INTEGER",
        "max(rows.max(initial=0), -1 - rows.min(initial=0)) >= 2**63",
        PCA,
    ),
    Fault(
        "units-of-uint8-unchecked-at-exactly-one",
        "data",
        "_input/units.py",
        "0 < largest <= 1 < max_abs",
        "0 < largest < 1 < max_abs",
        ("_input/test_units.py",),
    ),
    # ---------- defaults
    Fault(
        "full-learning-rate-of-wide-networks",
        "defaults",
        "_training/defaults.py",
        "2.5e-4 * math.sqrt(n_samples)) * min(1, 256 / width)",
        "2.5e-4 * math.sqrt(n_samples))",
        DEFAULTS,
    ),
    Fault(
        "no-max-of-validation-samples",
        "defaults",
        "_training/validation_split.py",
        "min(MAX_VALIDATION_SAMPLES, 0.1 * n_samples)",
        "0.1 * n_samples",
        DEFAULTS,
    ),
    Fault(
        "coordinates-not-twice-the-components",
        "defaults",
        "_training/defaults.py",
        "return max(384, 2 * n_components)",
        "return max(384, n_components)",
        DEFAULTS,
    ),
    Fault(
        "quantization-step-too-wide",
        "networks",
        "penalties/_rate.py",
        "math.sqrt(6 * self.weight / math.log(2))",
        "math.sqrt(12 * self.weight / math.log(2))",
        ("networks/test_bottlenecks.py",),
    ),
    Fault(
        "weight-decay-by-default",
        "defaults",
        "_training/optimizers.py",
        '"weight_decay": 0.0, ',
        "",
        NET,
    ),
    # ---------- initialization
    Fault(
        "mean-and-scale-of-the-sample-always-kept",
        "initialization",
        "_training/pca.py",
        "float(viewed_mean.square().mean()) > MAX_MEAN_ERROR",
        "float(viewed_mean.square().mean()) > 1e6",
        PCA,
    ),
    Fault(
        "weights-squared-in-the-gram-matrix",
        "initialization",
        "_training/pca.py",
        "root_weights = torch.from_numpy(weights).to(device, torch.float32).sqrt()",
        "root_weights = torch.from_numpy(weights).to(device, torch.float32)",
        PCA,
    ),
    Fault(
        "weights-not-in-the-covariance-of-missing-values",
        "initialization",
        "_input/missing_values.py",
        "(weights[rows, None, None] * covariance).flatten()",
        "covariance.flatten()",
        PCA,
    ),
    Fault(
        "covariance-of-small-data-in-float32",
        "initialization",
        "_training/pca.py",
        "MAX_DOUBLE_FLOPS = 2e10",
        "MAX_DOUBLE_FLOPS = 2e4",
        PCA,
    ),
    Fault(
        "linear-head-of-short-latent-vectors",
        "initialization",
        "_training/initialization.py",
        "if n_components >= 2 * n_outputs:",
        "if n_components >= n_outputs:",
        ("_input/test_targets.py",),
    ),
    # ---------- training
    Fault(
        "learning-rate-without-decay",
        "training",
        "_training/learning_rate.py",
        "warm_up, (1 - done) / (1 - warm_up)",
        "warm_up, 1.0",
        NET,
    ),
    Fault(
        "weights-not-in-the-shares-of-chunks",
        "training",
        "_training/net.py",
        "chunk.total_weight / batch_weight",
        "len(chunk.X) / len(batch.X)",
        NET,
    ),
    Fault(
        "given-learning-rate-multiplied",
        "training",
        "_training/setup.py",
        '        if estimator.learning_rate_init == "auto":\n',
        "        if True:\n",
        NET,
    ),
    Fault(
        "weights-not-in-the-validation-set-of-streams",
        "training",
        "_training/validation_split.py",
        "        weights = weights[val_indices.numpy()]\n",
        "        weights = None\n",
        STREAMING,
    ),
    Fault(
        "masked-patches-are-means-among-missing-values",
        "training",
        "corruptions/_base.py",
        "    if allow_nan:\n        fill_value = math.nan\n",
        "    if allow_nan and not corruption.images_only:\n        fill_value = math.nan\n",
        ("_input/test_missing_values.py",),
    ),
]
