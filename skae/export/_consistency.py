"""Checks of values in a file that depend on each other, before anything is built.

Each check gets the `Node` of an object and the `Reader`, and raises a ValueError.
"""

import math

import numpy as np
import torch

__all__ = [
    "POSITIVE_WEIGHTS",
    "check_autoencoder",
    "check_codec",
    "check_context_model",
    "check_detector",
    "check_head",
    "check_mixture",
    "check_pipeline",
    "check_quantiles",
    "check_reference",
    "check_restorer",
    "check_sampler",
    "check_standard_scaler",
    "check_table_column",
    "check_targets",
    "require",
]

POSITIVE_WEIGHTS = (
    "whitening",
    "centre.scale",
    "centre.feature_scale",
    "trunk.spread",
    "bottleneck.units",
)
"""Weights that a network divides by."""

N_BASIS = 6
"""Basis functions of a context model."""

NETWORK_ERRORS = (ArithmeticError, LookupError, RuntimeError, TypeError, ValueError)
"""Exceptions that options or weights of another network raise."""


def require(is_valid, node, text):
    """Raise a ValueError with the path of an object if a condition does not hold."""
    if not is_valid:
        raise ValueError(f"Got {node.path or node.name}, but expected {text}.")


def _n_outputs(node):
    """Return the number of columns that an estimator transforms to, or None if it is unknown."""
    state = node.state
    if node.name == "FrozenEstimator":
        return _n_outputs(state["estimator"])
    if node.name == "Pipeline":
        step = state["steps"][-1][1]
        if not hasattr(step, "state"):
            return None
        return _n_outputs(step)
    if node.name.endswith("Scaler"):
        return state.get("n_features_in_")
    return state.get("n_components_")


def _check_outputs(node, name, n_expected):
    """Check the number of columns of the estimator in an attribute."""
    n_outputs = _n_outputs(node.state[name])
    if n_outputs is not None:
        require(n_outputs == n_expected, node, f"{name} with {n_expected} latent dimensions")


def check_network(node, reader):
    """Check weights against the configuration of their network, without memory for the network.

    The network is built and called on the meta device, which has shapes and no values.

    Returns
    -------
    network : torch.nn.Module
        The network on the meta device.
    """
    config = reader.build(node.state["_spec"].state["network"])
    weights = node.state["_weights"]
    try:
        with torch.device("meta"):
            network = node.schema.class_._network_class(**config.options())
    except NETWORK_ERRORS as error:
        raise ValueError(f"The network options are invalid: {error}") from error
    expected = {name: tuple(weight.shape) for name, weight in network.state_dict().items()}
    if expected != {name: weight.shape for name, weight in weights.items()}:
        raise ValueError("The saved weights do not match the saved network options.")
    tensors = [*network.parameters(), *network.buffers()]
    reader.charge(sum(one.numel() * one.element_size() for one in tensors), node.path)
    for name in POSITIVE_WEIGHTS:
        if name in weights:
            require((weights[name] > 0).all(), node, f"positive weights {name}")
    if "precision" in weights:
        require((weights["precision"].diagonal() > 0).all(), node, "positive precisions")
    return network


def check_autoencoder(node, reader):
    """Check network, latent dimensions, layout and targets of a fitted autoencoder."""
    state = node.state
    spec = state["_spec"].state
    config = spec["network"]
    expected = node.name.replace("Autoencoder", "Config")
    require(config.name == expected, node, f"a network of class {expected}")
    k = state["n_components_"]
    d = _n_encoded_features(node)
    require(config.state["n_features"] == d, node, f"a network of {d} features")
    require(config.state["n_components"] == k, node, f"a network of {k} latent dimensions")
    check_head(node, config.state["head_sizes"], spec["targets"])
    if "_layout" in state:
        _check_layout(node, state, config.state, reader)
    network = check_network(node, reader)
    try:
        with torch.no_grad():
            z = network.encode(torch.empty(2, d, device="meta"))
            x_hat = network.decode(z)
            if network.head is not None:
                network.head(z)
    except NETWORK_ERRORS as error:
        raise ValueError(f"The network options do not match each other: {error}") from error
    require(z.shape == (2, k) and x_hat.shape == (2, d), node, "a network of other shapes")


def _n_encoded_features(node):
    """Return the number of features of the network, after a check of the columns of a table."""
    d = node.state["n_features_in_"]
    table = node.state.get("_table")
    if table is None:
        return d
    columns = [column.state for column in table.state["columns"]]
    require(len(columns) == d, node, f"a table of {d} columns")
    return sum(max(1, len(column["frequencies"])) for column in columns)


def check_table_column(node, reader):
    """Check that each indicator of a column has a frequency."""
    state = node.state
    n_indicators = 0
    if state["is_category"]:
        n_indicators = len(state["categories"]) + (len(state["infrequent"]) > 0)
        require(n_indicators > 0, node, "categories")
    is_complete = len(state["frequencies"]) == n_indicators
    require(is_complete, node, f"frequencies of {n_indicators} categories")
    used = [*state["categories"], *state["infrequent"]]
    is_unique = len(set(used)) == len(used)
    is_known = state["levels"] is None or set(used) <= set(state["levels"])
    require(is_unique and is_known, node, "different categories of the dtype")


def check_head(node, head_sizes, targets):
    """Check that the prediction head has the outputs of the targets."""
    n_outputs = 0
    if head_sizes:
        n_outputs = head_sizes[-1]
    n_expected = 0
    if targets is not None:
        n_expected = sum(1 if one is None else len(one) for one in targets.state["classes"])
    require(n_outputs == n_expected, node, f"a prediction head of {n_expected} outputs")


def _check_layout(node, state, config, reader):
    """Check the layout of images against the network, and against the fitted attributes."""
    layout = reader.build(state["_layout"])
    try:
        size = layout.size
    except NETWORK_ERRORS as error:
        raise ValueError(f"The layout of images is invalid: {error}") from error
    require(isinstance(layout.image_shape, tuple), node, "the shape of images as a tuple")
    is_equal = tuple(size) == tuple(config["image_size"])
    is_equal = is_equal and layout.image_shape == tuple(state["image_shape_"])
    is_equal = is_equal and layout.channels_first == config["channels_first"]
    n_features = math.prod(size)
    require(is_equal and n_features == config["n_features"], node, "images of one shape")


def check_restorer(node, reader):
    """Check the network of a fitted restorer."""
    config = node.state["_spec"].state["network"]
    require(config.name == "UNetConfig", node, "a network of class UNetConfig")
    n_channels = node.state["n_channels_"]
    require(config.state["n_channels"] == n_channels, node, f"{n_channels} channels")
    masked = config.state["allow_nan"] or not config.state["masked_only"]
    require(masked, node, "allow_nan=True with masked_only=True")
    low, high = node.state["data_range_"]
    require(low < high, node, "data_range_ with increasing numbers")
    network = check_network(node, reader)
    try:
        with torch.no_grad():
            x_hat = network.restore(torch.empty(1, n_channels, 16, 16, device="meta"))
    except NETWORK_ERRORS as error:
        raise ValueError(f"The network options do not match each other: {error}") from error
    require(x_hat.shape == (1, n_channels, 16, 16), node, "a network of other shapes")


def check_targets(node, reader):
    """Check that each column of targets has classes, a mean and a scale."""
    state = node.state
    n_columns = len(state["classes"])
    same = len(state["means"]) == n_columns and len(state["scales"]) == n_columns
    require(same, node, f"means and scales of {n_columns} columns")
    for classes in state["classes"]:
        if classes is not None:
            is_sorted = classes.ndim == 1 and bool((classes[:-1] < classes[1:]).all())
            require(is_sorted and len(classes) > 0, node, "sorted classes")


def check_context_model(node, reader):
    """Check that tables, basis functions and network of a context model have matching shapes."""
    state = node.state
    sizes, order = state["table_sizes"], state["order"]
    k = len(sizes)
    require(k > 0 and (np.sort(order) == np.arange(k)).all(), node, "a permutation as order")
    tables = [table.shape for table in state["tables"]]
    basis = [one.shape for one in state["bases"]]
    require(tables == [(size + 1,) for size in sizes], node, "a table of each latent dimension")
    require(basis == [(size, N_BASIS) for size in sizes], node, "basis functions of each table")
    n_neighbors = len(state["input_centers"]) - k
    require(n_neighbors in (0, 2 * k), node, "inputs of no neighbor or of two")
    network = state["network"]
    if network is None:
        return
    require(network["hidden_bias"].ndim == 1, node, "a vector of biases")
    h = len(network["hidden_bias"])
    shapes = {
        "neighbor_weights": (2 * n_neighbors, h),
        "column_weights": (2, k, h),
        "output_weights": (k, h, N_BASIS),
        "output_bias": (k, N_BASIS),
    }
    for name, shape in shapes.items():
        require(network[name].shape == shape, node, f"{name} of shape {shape}")


def check_codec(node, reader):
    """Check the latent dimensions of a codec, its tiles and its fingerprint."""
    state = node.state
    k = len(state["steps_"])
    _check_outputs(node, "autoencoder_", k)
    model = state["_context_model"].state
    require(len(model["table_sizes"]) == k, node, f"a context model of {k} latent dimensions")
    has_tiles = state["_tile"] is not None
    has_neighbors = len(model["input_centers"]) > k
    require(has_tiles == has_neighbors, node, "a context model of tiles only with tiles")
    if has_tiles:
        require(state["_channels"] is not None, node, "channels of tiles")
    require(state["_fingerprint"].hex() == state["fingerprint_"], node, "one fingerprint")


def check_sampler(node, reader):
    """Check the latent dimensions of a sampler, its classes and its densities."""
    state = node.state
    k = len(state["code_mean_"])
    _check_outputs(node, "autoencoder_", k)
    densities = [state.get("density_")]
    if "classes_" in state:
        classes = state["classes_"]
        require(bool((classes[:-1] < classes[1:]).all()), node, "sorted classes")
        require({"densities_", "class_prior_"} <= set(state), node, "a density of each class")
        densities = state["densities_"]
        require(len(densities) == len(classes), node, "one density per class")
        require(abs(state["class_prior_"].sum() - 1) < 1e-6, node, "frequencies with a sum of 1")
    for density in densities:
        require(density is not None, node, "a density")
        _check_density(node, density, k)
    match = state["_quantile_match"]
    if match is not None:
        n_classes = len(match.state["sampled"])
        require(n_classes == len(densities), node, "quantiles of each class")


def _check_density(node, density, k):
    """Check the number of dimensions of a density."""
    while density.name == "FrozenEstimator":
        density = density.state["estimator"]
    if density.name == "GaussianMixture" and "means_" in density.state:
        require(density.state["means_"].shape[1] == k, node, f"a density of {k} dimensions")


def check_quantiles(node, reader):
    """Check that the quantiles of each column are sorted."""
    for name in ("sampled", "observed"):
        quantiles = node.state[name]
        require(quantiles.size > 0, node, "quantiles")
        is_decreasing = np.diff(quantiles, axis=1) < 0  # False for NaN
        require(not is_decreasing.any(), node, f"sorted {name} quantiles")


def check_imputer(node, reader):
    """Check the columns of an imputer, and the sizes of its regression."""
    state = node.state
    n_features = state["n_features_in_"]
    for name in ("_kept", "indicator_features_"):
        require(np.all(state[name] < n_features), node, f"{name} below {n_features}")
    if state["_table"] is None:
        return
    table = state["_table"].state
    d = len(table["kept"])
    require(np.all(table["kept"] < n_features), node, f"kept columns below {n_features}")
    regression = table["regression"].state
    require(len(regression["intercepts"]) == d, node, f"a regression of {d} columns")
    require(len(regression["metric"]) in (1, d), node, f"a metric of 1 or {d} rows")
    require(len(table["noise"].state["factors"]) == d, node, f"noise of {d} columns")


def check_detector(node, reader):
    """Check the scaler, the smoothing and the reference samples of a detector."""
    state = node.state
    d = _n_encoded_features(node)
    require(len(state["error_scale_"]) == d, node, f"error scales of {d} features")
    scaler = state["scaler_"]
    if scaler is not None:
        require(scaler.state.get("n_features_in_") == d, node, f"a scaler of {d} features")
    reference = state["_reference"].state
    n_dimensions = reference["points"].shape[1]
    is_equal = state["_outliers"].state["points"].shape[1] == n_dimensions
    require(is_equal, node, f"outliers of {n_dimensions} dimensions")
    pooling = state["_pooling"]
    for matrices in (state["_kernels"], pooling):
        if matrices is not None:
            _check_matrices(node, [matrix.shape for matrix in matrices], d)
    if state["_kernels"] is not None:
        is_square = all(matrix.shape[0] == matrix.shape[1] for matrix in state["_kernels"])
        require(is_square, node, "two square kernels")
    if pooling is None:
        require(n_dimensions == d, node, f"reference samples of {d} features")
    else:
        vertical, horizontal = (matrix.shape for matrix in pooling)
        n_images = d // (vertical[1] * horizontal[0])
        n_pooled = n_images * vertical[0] * horizontal[1]
        require(n_dimensions == n_pooled, node, f"reference samples of {n_pooled} pixels")


def _check_matrices(node, shapes, n_features):
    """Check the shapes of two matrices that smooth images of a number of features."""
    require(all(len(shape) == 2 and min(shape) > 0 for shape in shapes), node, "two matrices")
    n_pixels = shapes[0][1] * shapes[1][0]
    require(n_features % n_pixels == 0, node, f"kernels of {n_features} pixels")


def check_reference(node, reader):
    """Check the neighbors, local scales and scalings of reference samples."""
    n_rows, n_dimensions = node.state["points"].shape
    for view in node.state["views"]:
        distances = view.state["distances"].state
        neighbors = distances["search"].state
        require("data" in neighbors, node, "a fitted search of neighbors")
        shape = neighbors["data"].shape
        require(shape == (n_rows, n_dimensions), node, f"{n_rows} neighbors of {n_dimensions}")
        require(2 <= neighbors["n_neighbors"] <= n_rows, node, f"2 to {n_rows} neighbors")
        is_complete = len(distances["local_scales"]) == n_rows
        require(is_complete, node, f"local scales of {n_rows} samples")
        scaling = view.state["scaling"].state
        array = scaling.get("mean", scaling.get("quantiles"))
        is_complete = array.shape[-1] == n_dimensions and array.size > 0
        require(is_complete, node, f"a scaling of {n_dimensions} columns")


def check_pipeline(node, reader):
    """Check that the steps of a pipeline are names and estimators."""
    names = []
    for name, step in node.state["steps"]:
        names.append(name)
        is_step = step in (None, "passthrough") or hasattr(step, "state")
        require(isinstance(name, str) and is_step, node, "pairs of a name and an estimator")
    require(len(set(names)) == len(names), node, "steps of different names")


def check_standard_scaler(node, reader):
    """Check that a scaler has the statistics that it uses."""
    state = node.state
    require(state["mean_"] is not None or not state["with_mean"], node, "means")
    require(state["scale_"] is not None or not state["with_std"], node, "scales")


def check_mixture(node, reader):
    """Check the shapes of the covariances of a Gaussian mixture."""
    state = node.state
    m, d = state["means_"].shape
    shape = {
        "full": (m, d, d),
        "tied": (d, d),
        "diag": (m, d),
        "spherical": (m,),
    }[state["covariance_type"]]
    for name in ("covariances_", "precisions_", "precisions_cholesky_"):
        require(state[name].shape == shape, node, f"{name} of shape {shape}")
    total = float(state["weights_"].sum())
    require(abs(total - 1) < 1e-6, node, "weights with a sum of 1")
