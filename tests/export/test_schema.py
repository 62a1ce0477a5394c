"""The schema of files: what it declares is what classes have, and all else is refused."""

import copy
import dataclasses
import inspect
import json

import numpy as np
import pytest
import torch
from sklearn.neighbors import NearestNeighbors
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from skae import (
    DenseAutoencoder,
    ImageRestorer,
    LatentCodec,
    LatentSampler,
    ReconstructionDetector,
)
from skae._files.container import MAX_JSON_DEPTH, MAX_JSON_ITEMS
from skae.export import load, save
from skae.export._kinds import OPTIMIZERS, SCHEDULERS, TORCH_ACTIVATIONS
from skae.export._schema import SCHEMA

from ..cases import gray_images, low_rank
from .forgery import forge

TABLE = low_rank(60, 5)
DENSE = DenseAutoencoder(2, hidden_layer_sizes=(3,), max_iter=2, random_state=0)


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """Return the bytes of one file of each kind of estimator."""
    images = gray_images(30, 6, 6)
    estimators = {
        "dense": DENSE.fit(TABLE),
        "targets": DenseAutoencoder(2, target_weight=1.0, max_iter=1, random_state=0).fit(
            TABLE, np.arange(60) % 3
        ),
        "pipeline": make_pipeline(StandardScaler(), DENSE).fit(TABLE),
        "codec": LatentCodec(DENSE, random_state=0).fit(TABLE),
        "detector": ReconstructionDetector(DENSE, random_state=0).fit(TABLE),
        "sampler": LatentSampler(DENSE, random_state=0).fit(TABLE, np.arange(len(TABLE)) % 2),
        "restorer": ImageRestorer(n_filters=2, max_iter=1, random_state=0).fit(images),
    }
    path = tmp_path_factory.mktemp("files") / "x"
    contents = {}
    for name, estimator in estimators.items():
        save(estimator, path)
        contents[name] = path.read_bytes()
    return contents


@pytest.mark.parametrize("name", SCHEMA)
def test_the_schema_has_the_parameters_of_each_class(name):
    """A new parameter of an estimator, and a new field of a configuration, is declared."""
    schema = SCHEMA[name]
    if dataclasses.is_dataclass(schema.class_):
        expected = {field.name for field in dataclasses.fields(schema.class_)}
    elif name in ("Targets", "ContextModel"):
        expected = set()
    else:
        expected = set(inspect.signature(schema.class_).parameters)
    assert set(schema.parameters) == expected


def test_optimizers_are_those_of_torch():
    """The optimizers that a file can name are classes of torch.optim."""
    for name, optimizer in OPTIMIZERS.items():
        assert optimizer is getattr(torch.optim, name)
        assert issubclass(optimizer, torch.optim.Optimizer)


def test_schedulers_and_activations_need_no_arguments():
    """The classes of torch that a file can name are valid parameters."""
    for scheduler in SCHEDULERS.values():
        DenseAutoencoder(
            2, learning_rate=scheduler, hidden_layer_sizes=(3,), max_iter=1, random_state=0
        ).fit(TABLE)
    x = torch.linspace(-2, 2, 6)
    for activation in TORCH_ACTIVATIONS.values():
        assert activation()(x).shape == x.shape


def set_at(*keys, value):
    """Return a function that sets a value in the content of a file."""

    def change(content):
        for key in keys[:-1]:
            content = content[key]
        content[keys[-1]] = value

    return change


STATE = ("state",)
SPEC = ("state", "_spec", "object", "state")
VIEW = ("state", "_reference", "object", "state", "views", 0, "object", "state")
NEIGHBORS = (*VIEW, "distances", "object", "state", "search", "estimator", "state")
NETWORK = (*SPEC, "network", "object", "state")
POINTER = {"shape": {"tuple": [4]}, "typestr": "<f8", "data": {"tuple": [1, False]}, "version": 3}
COMPILE = {"dict": {"compile": True, "compile__options": {"dict": {"cpp.cxx": "sh"}}}}

FORGED = {
    "an-unknown-class": (set_at("class", value="Popen"), "Popen"),
    "a-class-of-another-kind": (set_at("class", value="DenseConfig"), "DenseConfig"),
    "a-class-by-its-path": (set_at("class", value="os.system"), "os.system"),
    "a-list-as-class": (set_at("class", value=["DenseAutoencoder"]), "of class"),
    "no-state": (lambda content: content.pop("state"), "state"),
    "a-further-key": (set_at("reduce", value=1), "class and its state"),
    "a-method": (set_at(*STATE, "transform", value=3.0), "attribute 'transform'"),
    "a-dunder": (set_at(*STATE, "__class__", value="x"), "attribute '__class__'"),
    "the-net": (set_at(*STATE, "net_", value=1), "attribute 'net_'"),
    "a-missing-parameter": (lambda content: content["state"].pop("loss"), "without .* 'loss'"),
    "a-missing-attribute": (lambda content: content["state"].pop("init_"), "without .* 'init_'"),
    "a-word": (set_at(*STATE, "loss", value="__import__"), "squared_error"),
    "a-path-as-device": (set_at(*STATE, "device", value="/dev/zero"), "device"),
    "a-module-as-optimizer": (
        set_at(*STATE, "solver", value={"torch.optim": "lr_scheduler"}),
        "lr_scheduler",
    ),
    "a-module-as-activation": (
        set_at(*STATE, "activation", value={"torch.nn": "Module"}),
        "activation",
    ),
    "an-optimizer-as-activation": (
        set_at(*NETWORK, "activation", value={"torch.optim": "SGD"}),
        "activation",
    ),
    "another-activation-of-the-network": (
        set_at(*NETWORK, "activation", value={"torch.nn": "PReLU"}),
        "weights do not match",
    ),
    "a-schedule-with-arguments": (
        set_at(*STATE, "learning_rate", value={"torch.optim.lr_scheduler": "LambdaLR"}),
        "learning_rate",
    ),
    "a-dropout-of-two": (set_at(*NETWORK, "dropout", value=2), "dropout"),
    "a-normalization-of-the-future": (
        set_at(*NETWORK, "normalization", value="batch"),
        "normalization",
    ),
    "an-object-as-solver": (
        set_at(*STATE, "solver", value={"object": {"class": "os.system", "state": {}}}),
        "solver",
    ),
    "options-of-the-compiler": (set_at(*STATE, "net_params", value=COMPILE), "net_params"),
    "settings-of-torch-load": (
        set_at(*STATE, "net_params", value={"dict": {"torch_load_kwargs": {"dict": {}}}}),
        "net_params",
    ),
    "callbacks": (
        set_at(*STATE, "net_params", value={"dict": {"callbacks": []}}),
        "net_params",
    ),
    "an-array-interface": (
        set_at(
            *STATE,
            "loss_curve_",
            value=[{"object": {"class": "FittedSpec", "state": {"__array_interface__": POINTER}}}],
        ),
        "loss_curve_",
    ),
    "a-list-of-objects": (
        set_at(*STATE, "feature_names_in_", value={"objects": [{"dict": {}}]}),
        "list of strings",
    ),
    "a-dtype-from-a-text": (
        set_at(*STATE, "feature_names_in_", value={"strings": ["a"] * 5, "dtype": "<U1000000"}),
        "array of strings",
    ),
    "a-long-text": (
        set_at(*STATE, "feature_names_in_", value={"strings": ["a"] * 4 + ["b" * 10**5]}),
        "at most 1000 characters",
    ),
    "a-text-with-control-characters": (set_at(*STATE, "init_", value="\x1b[2J"), "init_"),
    "an-object-in-a-number": (
        set_at(*STATE, "n_iter_", value={"object": {"class": "Targets", "state": {}}}),
        "n_iter_",
    ),
    "a-history-without-columns": (set_at(*STATE, "history_", value={"dict": {}}), "a dict of"),
    "a-bool-as-number": (set_at(*STATE, "n_iter_", value=True), "n_iter_"),
    "a-huge-int": (set_at(*STATE, "max_iter", value=10**30), "max_iter"),
    "a-huge-float": (set_at(*STATE, "target_weight", value=10**400), "target_weight"),
    "a-nan-parameter": (set_at(*STATE, "target_weight", value={"float": "nan"}), "target_weight"),
    "an-expression": (set_at(*STATE, "best_loss_", value={"float": "1e5"}), "best_loss_"),
    "an-array-of-another-path": (
        set_at(*STATE, "_weights", "dict", "whitening", value={"array": "x"}),
        "the array of this path",
    ),
    "another-number-of-features": (set_at(*STATE, "n_features_in_", value=6), "features"),
    "another-number-of-components": (set_at(*STATE, "n_components_", value=3), "size"),
    "a-network-of-a-billion-features": (set_at(*NETWORK, "n_features", value=10**9), "features"),
    "a-network-of-a-billion-coordinates": (
        set_at(*NETWORK, "n_coordinates", value=10**9),
        "weights do not match",
    ),
    "more-inputs-than-coordinates": (set_at(*NETWORK, "n_inputs", value=9), "weights do not match"),
    "many-layers": (
        set_at(*NETWORK, "encoder_sizes", value={"tuple": [1] * 200_000}),
        "0 to 100 values",
    ),
    "layers-beyond-int64": (
        set_at(*NETWORK, "encoder_sizes", value={"tuple": [2**31 - 1] * 3}),
        "weights do not match|options are invalid",
    ),
    "an-unknown-bottleneck": (set_at(*NETWORK, "bottleneck", value="Popen"), "bottleneck"),
    "a-codebook-without-vectors": (
        set_at(*NETWORK, "bottleneck", "object", "class", value="Quantized"),
        "attribute",
    ),
    "another-class-of-network": (
        set_at(*SPEC, "network", "object", "class", value="UNetConfig"),
        "attribute",
    ),
    "an-earlier-estimator": (set_at(*STATE, "_spec", value={"object": {"same": "x"}}), "_spec"),
    "the-format-of-the-future": (set_at("format", value=99), "in format 99, .*newer release"),
    "the-format-of-the-past": (set_at("format", value=1), "in format 1, .*earlier release"),
    "a-text-as-format": (set_at("format", value="2"), "format"),
    "versions-of-other-programs": (set_at("versions", "torch", value="rm -rf;"), "versions"),
    "no-versions": (lambda content: content.pop("versions"), "other content"),
}


@pytest.mark.parametrize("name", FORGED)
def test_a_forged_file_is_a_value_error(files, tmp_path, name):
    """A value that is not declared is an error before anything is built, with a right checksum."""
    change, message = FORGED[name]
    (tmp_path / "x").write_bytes(forge(files["dense"], change))
    with pytest.raises(ValueError, match=message):
        load(tmp_path / "x")


OTHER = {
    "a-folder-as-memory": ("pipeline", set_at(*STATE, "memory", value="/tmp"), "memory"),
    "steps-that-are-texts": (
        "pipeline",
        set_at(*STATE, "steps", value=[{"tuple": ["a", "os.system"]}]),
        "belongs to no attribute",
    ),
    "no-steps": ("pipeline", set_at(*STATE, "steps", value=[]), "1 to 100 values"),
    "an-estimator-that-contains-itself": (
        "codec",
        set_at(*STATE, "autoencoder_", value={"estimator": {"same": ""}}),
        "path of an estimator before it",
    ),
    "an-estimator-of-another-kind": (
        "detector",
        set_at(*STATE, "scaler_", value={"estimator": {"same": "autoencoder_"}}),
        "path of an estimator before it",
    ),
    "a-dtype-of-objects": ("codec", set_at(*STATE, "dtype_", value={"dtype": "|O"}), "dtype_"),
    "a-large-dtype": (
        "codec",
        set_at(*STATE, "dtype_", value={"dtype": "V1000000000"}),
        "dtype_",
    ),
    "tiles-without-neighbors": ("codec", set_at(*STATE, "_tile", value=8), "tiles"),
    "another-fingerprint": (
        "codec",
        set_at(*STATE, "fingerprint_", value="0" * 64),
        "one fingerprint",
    ),
    "one-neighbor": (
        "detector",
        set_at(*NEIGHBORS, "n_neighbors", value=1),
        "2 to 60 neighbors",
    ),
    "many-processes": (
        "detector",
        set_at(*NEIGHBORS, "n_jobs", value=10**9),
        "n_jobs",
    ),
    "masked-pixels-without-mask": (
        "restorer",
        set_at(*NETWORK, "masked_only", value=True),
        "allow_nan=True",
    ),
    "a-wide-network": (
        "restorer",
        set_at(*NETWORK, "n_filters", value=2**31 - 1),
        "weights do not match|invalid",
    ),
}


@pytest.mark.parametrize("name", OTHER)
def test_forged_files_of_other_estimators_are_value_errors(files, tmp_path, name):
    """Paths, cycles, dtypes and counts in pipelines, codecs and detectors are checked as well."""
    file, change, message = OTHER[name]
    (tmp_path / "x").write_bytes(forge(files[file], change))
    with pytest.raises(ValueError, match=message):
        load(tmp_path / "x")


SEARCH = "_reference.views[0].distances.search"


def scale_by(name, factor):
    """Return a function that multiplies an array."""

    def change(arrays):
        arrays[name] = np.asarray(arrays[name] * factor, arrays[name].dtype)

    return change


def resize(name, shape):
    """Return a function that replaces an array by zeros."""

    def change(arrays):
        arrays[name] = np.zeros(shape, arrays[name].dtype)

    return change


W = "_weights['{}']".format
INCONSISTENT = {
    "nan": ("dense", scale_by(W("components"), np.nan), "finite"),
    "infinity": ("dense", scale_by(W("centre.mean"), np.inf), "finite|numbers"),
    "a-scale-of-zero": ("dense", scale_by(W("centre.scale"), 0), "positive weights centre.scale"),
    "a-negative-whitening": ("dense", scale_by(W("whitening"), -1), "positive weights whitening"),
    "an-unknown-epoch": ("dense", scale_by("history_['epoch']", np.nan), "finite"),
    "negative-seconds": ("dense", scale_by("history_['seconds']", -1), "numbers from 0"),
    "a-longer-history": ("dense", resize("history_['train_loss']", (9,)), "size"),
    "another-shape": ("dense", resize(W("whitening"), (3,)), "weights do not match"),
    "an-unused-array": ("dense", lambda arrays: arrays.update(x=np.zeros(3)), "no attribute"),
    "a-missing-array": ("dense", lambda arrays: arrays.pop(W("whitening")), "array of this path"),
    "doubles": (
        "dense",
        lambda arrays: arrays.update({W("whitening"): np.ones(2)}),
        "dtype f4",
    ),
    "classes-out-of-order": (
        "targets",
        scale_by("_spec.targets.classes[0]", -1),
        "sorted classes",
    ),
    "fewer-classes": ("targets", resize("_spec.targets.classes[0]", (1,)), "prediction head"),
    "an-order-out-of-range": ("codec", scale_by("_context_model.order", 10**9), "permutation"),
    "a-table-of-another-size": (
        "codec",
        resize("_context_model.tables[1]", (3,)),
        "table of each",
    ),
    "a-step-of-zero": ("codec", scale_by("steps_", 0), "numbers from 0"),
    "fewer-neighbors": ("detector", resize(f"{SEARCH}.data", (2, 5)), "60 neighbors of 5"),
    "neighbors-of-other-width": (
        "detector",
        resize(f"{SEARCH}.data", (60, 3)),
        "60 neighbors of 5",
    ),
    "fewer-local-scales": (
        "detector",
        resize("_reference.views[1].distances.local_scales", (2,)),
        "numbers from 0",
    ),
    "a-scaling-of-other-width": (
        "detector",
        resize("_reference.views[1].scaling.quantiles", (60, 4)),
        "size|scaling of 5",
    ),
    "fewer-reference-samples": ("detector", resize("_reference.errors", (3,)), "size"),
    "a-negative-tail": ("detector", scale_by("_reference.error_tail.values", -1), "numbers from 0"),
    "an-error-scale-of-zero": ("detector", scale_by("error_scale_", 0), "numbers from 0"),
    "a-scaler-of-other-width": ("detector", resize("scaler_.mean_", (4,)), "size"),
    "classes-of-a-sampler-out-of-order": ("sampler", scale_by("classes_", -1), "sorted classes"),
    "fewer-frequencies": ("sampler", resize("class_prior_", (1,)), "size"),
    "frequencies-beyond-1": ("sampler", scale_by("class_prior_", 1.5), "a sum of 1"),
    "quantiles-of-one-class": (
        "sampler",
        resize("_quantile_match.observed", (1, 60, 5)),
        "size",
    ),
    "decreasing-quantiles": (
        "sampler",
        scale_by("_quantile_match.observed", -1),
        "sorted observed quantiles",
    ),
    "a-scaler-without-scale": ("pipeline", scale_by("steps[0][1].scale_", 0), "numbers from 0"),
    "another-kernel": ("restorer", resize(W("last.bias"), (5,)), "weights do not match"),
}


@pytest.mark.parametrize("name", INCONSISTENT)
def test_inconsistent_arrays_are_a_value_error(files, tmp_path, name):
    """Arrays of another shape, out of range, or with NaN are errors, with a right checksum."""
    file, change, message = INCONSISTENT[name]
    (tmp_path / "x").write_bytes(forge(files[file], change_arrays=change))
    with pytest.raises(ValueError, match=message):
        load(tmp_path / "x")


TEXTS = {
    "a-duplicate-key": lambda text: text[:-1] + ', "format": 2}',
    "nan": lambda text: text.replace('"target_weight": 0.0', '"target_weight": NaN'),
    "infinity": lambda text: text.replace('"target_weight": 0.0', '"target_weight": Infinity'),
    "nesting": lambda text: text[:-1] + ', "x": ' + (MAX_JSON_DEPTH + 1) * "[" + 65 * "]" + "}",
    "deep-nesting": lambda text: 100_000 * "[" + 100_000 * "]",
    "many-values": lambda text: "[" + (MAX_JSON_ITEMS + 1) * "0," + "0]",
    "a-long-int": lambda text: "9" * 10_000,
    "no-object": lambda text: "[]",
    "no-json": lambda text: "os.system('true')",
    "a-surrogate": lambda text: text.replace('"auto"', '"\\ud800"'),
}


@pytest.mark.parametrize("name", TEXTS)
def test_texts_that_are_not_plain_json_are_value_errors(files, tmp_path, name):
    """Duplicate keys, NaN, deep nesting and many values are errors, with a right checksum."""
    from safetensors.numpy import load as read_arrays
    from safetensors.numpy import save as write_arrays

    from skae._files.container import digest

    data = files["dense"]
    header = json.loads(data[8 : 8 + int.from_bytes(data[:8], "little")])
    text = TEXTS[name](header["__metadata__"]["skae"])
    arrays = read_arrays(data)
    metadata = {"skae": text, "sha256": digest(text, arrays)}
    (tmp_path / "x").write_bytes(write_arrays(arrays, metadata))
    with pytest.raises(ValueError, match="but expected"):
        load(tmp_path / "x")


def test_max_bytes_bounds_the_memory(files, tmp_path):
    """A file beyond `max_bytes` is not read, and an estimator beyond `max_bytes` is not built."""
    file = tmp_path / "x"
    file.write_bytes(files["dense"])
    size = len(files["dense"])
    with pytest.raises(ValueError, match=f"of {size} bytes, but expected at most max_bytes=100"):
        load(file, max_bytes=100)
    with pytest.raises(ValueError, match=r"needs \d+ bytes of memory"):
        load(file, max_bytes=size + 100)
    np.testing.assert_array_equal(
        load(file, max_bytes=3 * size).transform(TABLE), load(file).transform(TABLE)
    )


def test_save_refuses_undeclared_attributes(tmp_path):
    """`save` writes only what `load` reads: an attribute of the user is an error, as is NaN."""
    fitted = copy.deepcopy(DENSE.fit(TABLE))
    fitted.note_ = 3
    with pytest.raises(ValueError, match="attribute 'note_' of DenseAutoencoder"):
        save(fitted, tmp_path / "x")
    del fitted.note_
    fitted.net_.module_.whitening[0] = torch.nan
    with pytest.raises(ValueError, match=r"whitening.*finite"):
        save(fitted, tmp_path / "x")
    with pytest.raises(ValueError, match=r"n_components=0"):
        save(copy.deepcopy(DENSE).set_params(n_components=0), tmp_path / "x")
    assert not (tmp_path / "x").exists()


def test_an_object_array_is_refused(tmp_path):
    """An array of objects that are no strings is an error of `save`."""
    fitted = copy.deepcopy(DENSE.fit(TABLE))
    fitted.feature_names_in_ = np.array(["a", 1, 2, 3, 4], dtype=object)
    with pytest.raises(TypeError, match="Got feature_names_in_"):
        save(fitted, tmp_path / "x")


def test_neighbors_of_a_pipeline_are_saved(tmp_path):
    """The last step of a pipeline may be a search of neighbors, which is built again."""
    pipeline = make_pipeline(DENSE, NearestNeighbors(n_neighbors=3)).fit(TABLE)
    save(pipeline, tmp_path / "x")
    Z = pipeline[0].transform(TABLE)
    expected = pipeline[-1].kneighbors(Z, return_distance=False)
    loaded = load(tmp_path / "x")[-1].kneighbors(Z, return_distance=False)
    np.testing.assert_array_equal(loaded, expected)


def test_options_of_the_compiler_are_not_saved(tmp_path):
    """`save` drops options of torch.compile with a warning, and keeps those of the optimizer."""
    net_params = {"compile": True, "compile__mode": "default", "optimizer__weight_decay": 0.1}
    fitted = copy.deepcopy(DENSE.fit(TABLE)).set_params(net_params=net_params)
    with pytest.warns(UserWarning, match=r"compile, compile__mode, which is not saved"):
        save(fitted, tmp_path / "x")
    assert load(tmp_path / "x").net_params == {"optimizer__weight_decay": 0.1}
    assert fitted.net_params == net_params
