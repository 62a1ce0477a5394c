"""The schema of autoencoders of a user's modules, whose classes are passed to `load`.

A file holds parameters, shapes and weights of the modules, and no class.
"""

import copy
import math
from dataclasses import dataclass

import torch

from skae._input.sample_layout import SampleLayout
from skae.autoencoders._architecture import UNIT_CONSTRAINTS
from skae.autoencoders._module import ModuleAutoencoder
from skae.export._compound_kinds import Array, Choice, Keywords, Nested, Sequence
from skae.export._consistency import POSITIVE_WEIGHTS, check_head, require
from skae.export._fields import ANY, AUTO, COUNT, COUNTS, ClassSchema
from skae.export._kinds import Boolean, Int, Kind, Null, Text, Word, mismatch
from skae.networks.config import ModuleConfig
from skae.networks.module_shapes import ModuleShapes

__all__ = [
    "MODULE_ARCHITECTURE",
    "MODULE_CLASSES",
    "declare_module_autoencoder",
    "declare_module_records",
]

MODULE_CLASSES = ("ModuleAutoencoder", "ModuleConfig")
"""Classes with attributes `encoder` and `decoder` that are modules of the user."""

MAX_AXES = 16
"""Most axes of a sample."""


@dataclass(frozen=True)
class OwnModule(Kind):
    """A class, a function or an instance of the user, of which a file has the name alone.

    Attributes
    ----------
    role : {"encoder", "decoder"}
        Key of the argument `modules` of `load`.
    copied : bool, default=False
        Whether the value is a copy of an instance, which does not change with it.
    """

    role: str
    copied: bool = False
    tags = ("module",)

    def read_content(self, content, path, reader):
        """Return the value that the user passed."""
        if not isinstance(content, str) or len(content) > 1000:
            raise mismatch(path, content, "the name of a module")
        if self.role not in reader.modules:
            raise ValueError(
                f"Got a file with {self.role} {content!r:.200}, a module of the user, of which it "
                f"has no code. Pass it to load: modules={{'encoder': ..., 'decoder': ...}}."
            )
        module = reader.modules[self.role]
        if self.copied and isinstance(module, torch.nn.Module):
            return copy.deepcopy(module)
        return module


SHAPE = Sequence(COUNT, 1, MAX_AXES)
PLAIN_VALUE = Choice(Null(), Boolean(), ANY, Text())
VALUE = Choice(Null(), Boolean(), ANY, Text(), Sequence(PLAIN_VALUE, 0, 100))
"""Values of the parameters of modules."""

NAME = "[A-Za-z0-9_]{1,100}"
MODULE_PARAMS = Keywords(f"(encoder|decoder)__{NAME}", VALUE)
RESIDUAL = Choice(Null(), Word("pca"))
WEIGHTS = Keywords(r"[^\x00]{1,400}", Array("biuf"))
"""Weights of a network, and buffers of modules, which may be integers."""

SAMPLE_SHAPE = Choice(AUTO, SHAPE, COUNTS)
CHANNEL_AXIS = Choice(Null(), AUTO, Int(-MAX_AXES, MAX_AXES))

MODULE_ARCHITECTURE = {
    "sample_shape": Choice(AUTO, SHAPE),
    "channel_axis": CHANNEL_AXIS,
    "encoder": Text(),
    "decoder": Text(),
    "module_params": MODULE_PARAMS,
    "residual": RESIDUAL,
    "standardize": Boolean(),
}
"""Parameters that determine the architecture, beside those of other autoencoders."""


def declare_module_autoencoder(parameters, fitted, optional):
    """Return the declaration of the estimator, from those that all autoencoders share."""
    parameters = {
        name: kind for name, kind in parameters.items() if name not in ("init", *UNIT_CONSTRAINTS)
    }
    return ClassSchema(
        ModuleAutoencoder,
        {
            **parameters,
            "n_components": Choice(AUTO, COUNT),
            "encoder": OwnModule("encoder"),
            "decoder": OwnModule("decoder"),
            "residual": RESIDUAL,
            "standardize": Boolean(),
            "sample_shape": SAMPLE_SHAPE,
            "channel_axis": CHANNEL_AXIS,
            "_module_params": MODULE_PARAMS,
        },
        {
            **fitted,
            "sample_shape_": SHAPE,
            "channel_axis_": Choice(Null(), Int(-1, MAX_AXES)),
            "_layout": Nested(("SampleLayout",)),
            "_shapes": Nested(("ModuleShapes",)),
            "_weights": WEIGHTS,
        },
        optional,
        check_module_autoencoder,
    )


def declare_module_records(network_fields):
    """Return the declarations of the configuration of the network, and of shapes."""
    params = Keywords(NAME, VALUE)
    axis = Choice(Null(), Int(0, MAX_AXES))
    shapes = {
        "code_shape": SHAPE,
        "returns_log_variance": Boolean(),
        "n_held": COUNT,
    }
    return {
        "ModuleConfig": ClassSchema(
            ModuleConfig,
            {
                **network_fields,
                **shapes,
                "sample_shape": SHAPE,
                "channel_axis": axis,
                "module_shape": SHAPE,
                "has_linear_part": Boolean(),
                "standardize": Boolean(),
                "encoder": OwnModule("encoder", copied=True),
                "decoder": OwnModule("decoder", copied=True),
                "encoder_params": params,
                "decoder_params": params,
            },
        ),
        "SampleLayout": ClassSchema(
            SampleLayout, {"sample_shape": SHAPE, "axis": axis, "module_shape": SHAPE}
        ),
        "ModuleShapes": ClassSchema(ModuleShapes, {**shapes, "is_deterministic": Boolean()}),
    }


def check_module_autoencoder(node, reader):
    """Check the shapes and weights of a fitted autoencoder before its modules take memory."""
    state = node.state
    spec = state["_spec"].state
    require(spec["network"].name == "ModuleConfig", node, "a network of class ModuleConfig")
    config = spec["network"].state
    k, d = state["n_components_"], state["n_features_in_"]
    require(config["n_features"] == d, node, f"a network of {d} features")
    require(config["n_components"] == k, node, f"a network of {k} latent dimensions")
    layout = state["_layout"].state
    shapes = [layout["sample_shape"], layout["module_shape"]]
    expected = [config["sample_shape"], config["module_shape"]]
    require(shapes == expected and layout["axis"] == config["channel_axis"], node, "one layout")
    are_tuples = all(isinstance(shape, tuple) for shape in [*shapes, config["code_shape"]])
    require(are_tuples, node, "shapes as tuples")
    require(all(math.prod(shape) == d for shape in shapes), node, f"samples of {d} values")
    require(math.prod(config["code_shape"]) == k, node, f"{k} latent dimensions")
    axis = layout["axis"]
    require(axis is None or axis < len(shapes[0]), node, "an axis of samples")
    check_head(node, config["head_sizes"], spec["targets"])
    _check_weights(node, reader)


def _check_weights(node, reader):
    """Build the network, and check weights and results."""
    config = reader.build(node.state["_spec"].state["network"])
    weights = node.state["_weights"]
    skeleton = _on_meta_device(lambda: node.schema.class_._network_class(**config.options()))
    n_own = sum(name.partition(".")[0] in ("encoder", "decoder") for name in weights)
    expected = _shapes(skeleton.state_dict())
    require(len(weights) - n_own == len(expected), node, "the weights of its network")
    _check_shapes(expected, weights, node)
    for role in ("encoder", "decoder"):
        _check_shapes(_shapes_of_module(config, role), weights, node)
    reader.charge(sum(array.nbytes for array in weights.values()), node.path)
    for name in POSITIVE_WEIGHTS:
        if name in weights:
            require((weights[name] > 0).all(), node, f"positive weights {name}")
    try:
        network = node.schema.class_._build(config)
        expected = _shapes(network.state_dict())
        require(set(expected) == set(weights), node, "the weights of its modules")
        _check_shapes(expected, weights, node)
        network.load_state_dict({name: torch.from_numpy(w) for name, w in weights.items()})
        with torch.no_grad():
            x = network.centre.inverse(torch.zeros(2, network.n_features))
            z = network.encode(x)
            x_hat = network.decode(z)
    except Exception as error:  # the user's modules may raise any
        raise ValueError(f"The modules do not match the file: {error}") from error
    is_finite = bool(torch.isfinite(z).all() and torch.isfinite(x_hat).all())
    require(is_finite, node, "weights with finite results")


def _on_meta_device(build):
    """Build a network of skae on the meta device; invalid options are ValueErrors."""
    try:
        with torch.device("meta"):
            return build()
    except (ArithmeticError, LookupError, RuntimeError, TypeError, ValueError) as error:
        raise ValueError(f"The network options are invalid: {error}") from error


def _shapes_of_module(config, role):
    """Return the shapes of a module's weights, as far as they are known without memory.

    Weights of lazy modules are not known before their first forward pass. Modules that the meta
    device does not support have no known weights.
    """
    try:
        with torch.random.fork_rng(devices=[]), torch.device("meta"):
            module = config.build_module(role)
    except Exception:  # the user's module may raise any; it is built on the CPU afterwards
        return {}
    uninitialized = torch.nn.parameter.UninitializedTensorMixin
    tensors = module.state_dict(prefix=f"{role}.", keep_vars=True)
    return _shapes(
        {name: one for name, one in tensors.items() if not isinstance(one, uninitialized)}
    )


def _shapes(tensors):
    """Return shapes and names of dtypes of tensors."""
    return {
        name: (tuple(one.shape), str(one.dtype).removeprefix("torch."))
        for name, one in tensors.items()
    }


def _check_shapes(expected, weights, node):
    """Check that weights have the expected shapes and dtypes."""
    for name, (shape, dtype) in expected.items():
        found = weights.get(name)
        is_equal = found is not None and found.shape == shape and found.dtype.name == dtype
        require(is_equal, node, f"{name} of shape {shape} and dtype {dtype}")
