"""Files for elsewhere: safetensors gives the same autoencoder back, and ONNX computes the same numbers."""

import copy
import json
import re
import sys

import numpy as np
import onnxruntime
import pandas as pd
import pytest
import skops.io
import torch
from safetensors.numpy import load as read_tensors
from safetensors.numpy import save as write_tensors
from sklearn.base import clone
from sklearn.decomposition import PCA
from sklearn.exceptions import NotFittedError
from sklearn.frozen import FrozenEstimator
from sklearn.neighbors import KernelDensity
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import MinMaxScaler, StandardScaler
from sklearn.svm import SVC

from skae import ConvAutoencoder, DenseAutoencoder, ImageRestorer, LatentCodec, LatentSampler, ReconstructionDetector
from skae.export import _safe, load, save, to_onnx

from .cases import BY_NAME, grey_images, low_rank


@pytest.fixture(scope="module")
def small():
    """A small fitted autoencoder of a table."""
    return DenseAutoencoder(2, hidden_layer_sizes=(3,), max_iter=2, random_state=0).fit(low_rank(40, 4))


def run(path, X):
    """Give what ONNX Runtime computes."""
    return onnxruntime.InferenceSession(path).run(None, {"X": np.ascontiguousarray(X)})


def rewritten(path, change, *, sign=True):
    """Change the JSON of a file, and perhaps its checksum."""
    data = path.read_bytes()
    head = json.loads(data[8 : 8 + int.from_bytes(data[:8], "little")])["__metadata__"]
    tensors, found = read_tensors(data), json.loads(head["skae"])
    change(found)
    text = json.dumps(found)
    path.write_bytes(write_tensors(tensors, {"skae": text, "sha256": _safe._digest(text, tensors) if sign else head["sha256"]}))


def test_a_file_gives_the_same_autoencoder(case, fitted, tmp_path):
    """Codes, reconstructions, parameters and attributes of each configuration come back as they were."""
    save(fitted, tmp_path / "x")
    back = load(tmp_path / "x")
    assert type(back) is type(fitted)
    np.testing.assert_array_equal(back.transform(case.X), fitted.transform(case.X))
    np.testing.assert_array_equal(back.reconstruct(case.X), fitted.reconstruct(case.X))
    assert back.get_params() == fitted.get_params()
    before, after = fitted.__getstate__(), back.__getstate__()
    assert before.keys() == after.keys()
    for name, value in before.items():
        if name != "_weights":
            assert type(after[name]) is type(value)
            np.testing.assert_equal(after[name], value)


def codec(X):
    """Give what a codec writes, and reads again."""
    return lambda one: np.append(np.frombuffer(one.compress(X), np.uint8), one.decompress(one.compress(X)))


TABLE, IMAGES = low_rank(60, 5), grey_images(30, 6, 5, dtype=np.uint8)
DENSE = DenseAutoencoder(2, hidden_layer_sizes=(3,), max_iter=1, random_state=0)
CONV = ConvAutoencoder(2, n_filters=2, max_iter=1, random_state=0)

USES = {
    "codec": (LatentCodec(DENSE, random_state=0), TABLE, codec(TABLE)),
    "codec-images": (LatentCodec(CONV, random_state=0), IMAGES, codec(IMAGES)),
    "codec-tiles": (
        LatentCodec(CONV, tile=4, random_state=0),
        list(IMAGES),
        lambda one: one.decode_codes(one.compress(IMAGES)),
    ),
    "codec-pca": (LatentCodec(PCA(2)), TABLE, codec(TABLE)),
    "codec-frozen": (LatentCodec(FrozenEstimator(clone(DENSE).fit(TABLE))), TABLE, codec(TABLE)),
    "codec-pipeline": (LatentCodec(make_pipeline(StandardScaler(), DENSE)), TABLE, codec(TABLE)),
    "detector": (ReconstructionDetector(DENSE, random_state=0), TABLE, lambda one: one.score_samples(TABLE + 0.1)),
    "detector-images": (
        ReconstructionDetector(CONV, smoothing=0.8, random_state=0),
        IMAGES,
        lambda one: one.score_samples(IMAGES[::2]),
    ),
    "sampler": (LatentSampler(DENSE, random_state=0), TABLE, lambda one: one.sample(4)),
    "restorer": (ImageRestorer(n_filters=2, max_iter=1, random_state=0), IMAGES, lambda one: one.predict(IMAGES)),
    "pipeline": (make_pipeline(MinMaxScaler(), DENSE), TABLE, lambda one: one.transform(TABLE)),
    "frozen": (FrozenEstimator(clone(DENSE).fit(TABLE)), TABLE, lambda one: one.transform(TABLE)),
}


@pytest.mark.parametrize("name", USES)
def test_a_file_gives_the_same_use(name, tmp_path):
    """What stands on an autoencoder, or has one in it, does the same when it is read, with the parameters that it had."""
    estimator, X, does = USES[name]
    fitted = clone(estimator).fit(X, None)
    expected = does(fitted)
    save(fitted, tmp_path / "x")
    back = load(tmp_path / "x")
    assert type(back) is type(fitted)
    assert repr(back) == repr(fitted)
    np.testing.assert_array_equal(does(back), expected)


def test_what_is_in_two_places_is_written_once(tmp_path):
    """A frozen autoencoder, which is parameter and fitted attribute of what it is in, is one object again, of no more bytes."""
    autoencoder = DenseAutoencoder(2, max_iter=1, random_state=0).fit(TABLE)
    save(autoencoder, tmp_path / "alone")
    save(LatentCodec(FrozenEstimator(autoencoder)).fit(TABLE), tmp_path / "x")
    back = load(tmp_path / "x")
    assert back.autoencoder is back.autoencoder_
    assert (tmp_path / "x").stat().st_size < 1.9 * (tmp_path / "alone").stat().st_size


def test_skops_asks_only_for_what_is_known(tmp_path):
    """Beside skae's own classes, skops only wants to be told of two that scikit-learn and NumPy have."""
    asked = set()
    for estimator, X, does in USES.values():
        fitted = clone(estimator).fit(X, None)
        data = skops.io.dumps(fitted)
        types = skops.io.get_untrusted_types(data=data)
        np.testing.assert_array_equal(does(skops.io.loads(data, trusted=types)), does(fitted))
        asked |= {one for one in types if not one.startswith("skae.")}
    assert asked <= {"numpy.dtype", "sklearn.neighbors._kd_tree.KDTree", "sklearn.metrics._dist_metrics.EuclideanDistance64"}


def test_what_holds_anything_else_is_refused(tmp_path):
    """A step or a density that can't be written is named with its place, and so is what can be written."""
    pipeline = make_pipeline(DENSE, SVC()).fit(TABLE, TABLE[:, 0] > TABLE[:, 0].mean())
    with pytest.raises(TypeError, match=r"Got steps\[1\]\[1\]=SVC\(\), but expected .*DenseAutoencoder, .*skops"):
        save(pipeline, tmp_path / "x")
    sampler = LatentSampler(DENSE, density=KernelDensity()).fit(TABLE)
    with pytest.raises(TypeError, match=r"Got density=KernelDensity\(\)"):
        save(sampler, tmp_path / "x")
    with pytest.raises(TypeError, match=r"Got SVC\(\), but expected a fitted DenseAutoencoder, .*ImageRestorer, .*Pipeline"):
        save(pipeline[-1], tmp_path / "x")
    assert not (tmp_path / "x").exists()


def test_targets_and_column_names_come_back(tmp_path):
    """A loaded autoencoder goes on with the targets, and still compares the names of columns."""
    X = pd.DataFrame(low_rank(40, 3), columns=["a", "b", "c"])
    y = np.array(["no", "yes"] * 20)
    fitted = DenseAutoencoder(2, max_iter=2, target_weight=1.0, warm_start=True, random_state=0).fit(X, y)
    save(fitted.set_output(transform="pandas"), tmp_path / "x")
    back = load(tmp_path / "x")
    pd.testing.assert_frame_equal(back.transform(X), fitted.transform(X))
    assert back.fit(X, y).n_iter_ == copy.deepcopy(fitted).fit(X, y).n_iter_
    with pytest.raises(ValueError, match="feature names"):
        back.transform(X[["b", "a", "c"]])


def test_another_device_becomes_the_cpu(small, tmp_path):
    """A device that is not there is replaced by the CPU, and a warning says so."""
    save(copy.deepcopy(small).set_params(device="cuda:99"), tmp_path / "x")
    with pytest.warns(UserWarning, match="using the CPU"):
        back = load(tmp_path / "x")
    assert back.net_.device == torch.device("cpu")


def test_arrays_of_objects_come_back_one_by_one(small, tmp_path):
    """Numbers of NumPy in an array of objects keep their values, each its own, and so does a single word."""
    fitted = copy.deepcopy(small)
    fitted.parts_, fitted.word_ = np.array([[np.float64(1), "two"], [np.int64(3), None]], dtype=object), np.array("word")
    save(fitted, tmp_path / "x")
    back = load(tmp_path / "x")
    np.testing.assert_array_equal(back.parts_, fitted.parts_)
    np.testing.assert_array_equal(back.word_, fitted.word_, strict=True)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("corruption", lambda x, level, generator: x),
        ("solver", lambda *parameters: None),
        ("random_state", np.random.RandomState(0)),
        ("net_params", {"callbacks": [object()]}),
    ],
)
def test_what_json_cannot_hold_is_an_error_with_its_name(small, tmp_path, name, value):
    """A parameter that could only be read by running code is refused, and no file is left."""
    with pytest.raises(TypeError, match=f"Got {name}.*nothing else can be read"):
        save(copy.deepcopy(small).set_params(**{name: value}), tmp_path / "x")
    assert not (tmp_path / "x").exists()


def test_what_is_not_an_autoencoder_is_refused(small, tmp_path):
    """Other classes and autoencoders that are not fitted are errors."""
    for write in (save, to_onnx):
        with pytest.raises(TypeError, match=r"Got PCA.*but expected"):
            write(PCA(), tmp_path / "x")
        with pytest.raises(NotFittedError):
            write(DenseAutoencoder(), tmp_path / "x")


def test_a_damaged_file_is_an_error(small, tmp_path):
    """Cut off anywhere a file is refused; with any byte changed it is refused, or says the same."""
    file, other = tmp_path / "x", tmp_path / "y"
    save(small, file)
    data = file.read_bytes()
    header = 8 + int.from_bytes(data[:8], "little")
    for end in {*range(0, len(data), 7), header - 1, header, header + 1, len(data) - 1}:
        other.write_bytes(data[:end])
        with pytest.raises(ValueError, match="but expected"):
            load(other)
    X = low_rank(5, 4)
    for place in range(0, len(data), 11):
        other.write_bytes(data[:place] + bytes([data[place] ^ (1 << place % 8)]) + data[place + 1 :])
        try:
            back = load(other)
        except ValueError as error:
            assert re.search("but expected", str(error))  # noqa: PT017 - most are refused, few say the same
        else:
            np.testing.assert_array_equal(back.transform(X), small.transform(X))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda found: found.update(format=99), "format 99"),
        (lambda found: found.update({"class": "Popen"}), "Popen"),
        (lambda found: found["state"].update(transform=1), "attributes are not those"),
        (lambda found: found["state"].pop("loss"), "attributes are not those"),
        (lambda found: found["state"].update(solver={"torch.optim": "lr_scheduler"}), "no optimizer"),
        (lambda found: found["state"].update(note={"object": "os.system", "state": {}}), "none of skae's"),
        (lambda found: found["state"].update(note={"object": "skae.nothing.Here", "state": {}}), "skae.nothing"),
        (lambda found: found["state"].update(note={"object": "skae._net.AutoencoderNet", "state": {}}), "no class of records"),
        (
            lambda found: found["state"].update(note={"object": "skae._layout.Layout", "state": {"flat": 1}}),
            "attributes are not",
        ),
        (
            lambda found: found["state"].update(note={"object": "skae._targets.Targets", "state": {"encode": 1}}),
            "attributes are not",
        ),
        (lambda found: found["state"].update(note={"dtype": "O"}), "dtype 'O'"),
        (lambda found: found["state"].update(note={"anything": 1}), "unknown kind 'anything'"),
        (lambda found: found["state"].update(note={"estimator": {"same": "nowhere"}}), "nowhere"),
        (lambda found: found["state"]["_spec"]["dict"]["network"]["dict"].update(n_features=10**9), "weights are not those"),
    ],
)
def test_a_forged_file_is_an_error(small, tmp_path, change, message):
    """Even with the right checksum only a state of one of the two classes is taken, before memory is."""
    save(small, tmp_path / "x")
    rewritten(tmp_path / "x", change)
    with pytest.raises(ValueError, match=message):
        load(tmp_path / "x")


def test_a_changed_file_is_an_error(small, tmp_path):
    """A parameter that was changed by hand is found by the checksum."""
    save(small, tmp_path / "x")
    rewritten(tmp_path / "x", lambda found: found["state"].update(max_iter=3), sign=False)
    with pytest.raises(ValueError, match="checksum"):
        load(tmp_path / "x")


def test_other_versions_are_named(small, tmp_path):
    """A warning has the version that wrote the file and the one that reads it."""
    save(small, tmp_path / "x")
    rewritten(tmp_path / "x", lambda found: found["versions"].update(torch="1.13.0"))
    with pytest.warns(UserWarning, match=rf"torch 1.13.0.*torch {torch.__version__.split('+')[0]}") as found:
        load(tmp_path / "x")
    assert found[0].filename == __file__  # the line that reads it


@pytest.mark.parametrize(
    "name",
    [
        *(
            "dense-log-loss-uint8",
            "dense-ordered",
            "dense-quantized",
            "dense-variational",
            "dense-over-complete",
            "dense-int64",
        ),
        *("conv-odd", "conv-channels-first", "conv-many-channels", "conv-signal", "conv-quantized", "conv-block-means"),
    ],
)
def test_onnx_reconstructs_the_same(name, tmp_path):
    """ONNX Runtime gives the same reconstructions for any number of rows, in X's own layout and dtype."""
    case = BY_NAME[name]
    fitted = copy.deepcopy(case.estimator).fit(case.X)
    to_onnx(fitted, tmp_path / "x", method="reconstruct", dtype=str(case.X.dtype))
    expected = fitted.reconstruct(case.X)
    for n in (1, 7, len(case.X)):
        (found,) = run(tmp_path / "x", case.X[:n])
        np.testing.assert_allclose(found, expected[:n], rtol=0, atol=1e-5 * np.abs(expected).max())


def test_a_detector_is_one_model(tmp_path):
    """ONNX Runtime gives the scores that a detector gives, of tables and of images, with its autoencoder frozen or not."""
    for name in ("detector", "detector-images"):
        estimator, X, _ = USES[name]
        fitted = clone(estimator).fit(X, None)
        to_onnx(FrozenEstimator(fitted), tmp_path / "x", dtype=str(X.dtype))
        for some in (X, X[:1], X[::-1] // 2):
            np.testing.assert_allclose(run(tmp_path / "x", some)[0], fitted.score_samples(some), rtol=1e-5)
    with pytest.raises(TypeError, match=r"detector with PCA.*but expected a DenseAutoencoder or a ConvAutoencoder"):
        to_onnx(ReconstructionDetector(PCA(2)).fit(TABLE), tmp_path / "x")
    with pytest.raises(ValueError, match=r"Got method='transform', but expected one that ReconstructionDetector has"):
        to_onnx(fitted, tmp_path / "x", method="transform")


def test_a_detector_in_onnx_keeps_the_digits_of_large_numbers(tmp_path):
    """Columns near 1.7e9 are standardized in float64, so that scores are those of the detector."""
    X = TABLE + 1.7e9
    fitted = ReconstructionDetector(DENSE, random_state=0).fit(X)
    to_onnx(fitted, tmp_path / "x", dtype="float64")
    np.testing.assert_allclose(run(tmp_path / "x", X)[0], fitted.score_samples(X), rtol=1e-5)


def test_onnx_fills_gaps(tmp_path):
    """NaN is a gap for the ONNX model, too, if it is for the autoencoder."""
    X = np.where(np.random.default_rng(0).random((60, 5)) < 0.2, np.nan, low_rank(60, 5)).astype(np.float32)
    fitted = DenseAutoencoder(2, max_iter=2, allow_nan=True, random_state=0).fit(X)
    to_onnx(fitted, tmp_path / "x", method="reconstruct")
    np.testing.assert_allclose(run(tmp_path / "x", X)[0], fitted.reconstruct(X), rtol=1e-5, atol=1e-5)


def test_onnx_encodes_and_decodes_the_same(tmp_path):
    """Encoder and decoder are models of their own; large numbers keep their digits in float64."""
    X = low_rank(60, 5) + 1.7e9
    fitted = DenseAutoencoder(2, max_iter=2, random_state=0).fit(X)
    Z, X_hat = fitted.transform(X), fitted.reconstruct(X)
    to_onnx(fitted, tmp_path / "encoder", dtype="float64")
    to_onnx(fitted, tmp_path / "decoder", method="inverse_transform")
    np.testing.assert_allclose(run(tmp_path / "encoder", X)[0], Z, rtol=0, atol=1e-5 * np.abs(Z).max())
    np.testing.assert_allclose(run(tmp_path / "decoder", Z)[0], X_hat, rtol=1e-6)


def test_a_pipeline_is_one_model(digits, tmp_path):
    """Scaler, autoencoder and classifier in one file give the labels that scikit-learn gives."""
    X, y = digits[0].astype(np.float32), digits[1]
    autoencoder = DenseAutoencoder(8, max_iter=3, random_state=0)
    pipeline = make_pipeline(StandardScaler(), autoencoder, SVC()).fit(X, y)
    to_onnx(pipeline, tmp_path / "x")
    np.testing.assert_array_equal(run(tmp_path / "x", X)[0], pipeline.predict(X))


def test_a_pipeline_takes_images(digits, tmp_path):
    """A pipeline that begins with images of odd size takes them as they are."""
    X, y = digits[0].astype(np.float32).reshape(-1, 8, 8)[:, :7, :5].copy(), digits[1]
    autoencoder = ConvAutoencoder(8, n_filters=4, max_iter=3, random_state=0)
    pipeline = make_pipeline(autoencoder, StandardScaler(), SVC()).fit(X, y)
    to_onnx(pipeline, tmp_path / "x")
    np.testing.assert_array_equal(run(tmp_path / "x", X)[0], pipeline.predict(X))


@pytest.mark.parametrize(
    ("steps", "kind"),
    [
        ((StandardScaler(), DenseAutoencoder(12, max_iter=1), StandardScaler(), DenseAutoencoder(4, max_iter=1)), np.float32),
        ((ConvAutoencoder(8, n_filters=2, max_iter=1),), np.uint8),
        ((DenseAutoencoder(8, max_iter=1), StandardScaler()), np.int64),
        ((StandardScaler(), DenseAutoencoder(8, max_iter=1)), np.float64),
    ],
    ids=["two-autoencoders", "conv-uint8", "int64", "float64"],
)
def test_pipelines_of_other_kinds_are_one_model(digits, tmp_path, steps, kind):
    """Several autoencoders in one pipeline, and other dtypes, give the labels that scikit-learn gives; frozen steps as well."""
    X, y = (digits[0] * 16).astype(kind), digits[1]
    pipeline = make_pipeline(*steps, SVC()).fit(X, y)
    pipeline = Pipeline([(name, FrozenEstimator(step)) for name, step in pipeline.steps])
    to_onnx(pipeline, tmp_path / "x", dtype=np.dtype(kind).name)
    np.testing.assert_array_equal(run(tmp_path / "x", X)[0], pipeline.predict(X))


@pytest.mark.parametrize(
    ("options", "message"), [({"method": "predict"}, "method='predict'"), ({"dtype": "int3"}, "dtype='int3'")]
)
def test_unknown_options_are_errors(small, tmp_path, options, message):
    """A method or dtype that is not there is named in the error."""
    with pytest.raises(ValueError, match=f"Got {message}, but expected"):
        to_onnx(small, tmp_path / "x", **options)


@pytest.mark.parametrize(("module", "extra"), [("safetensors.numpy", "safe"), ("skl2onnx", "onnx")])
def test_a_library_that_is_missing_is_named(small, tmp_path, monkeypatch, module, extra):
    """Without the optional library the error says what to install."""
    monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(ImportError, match=rf"pip install skae\[{extra}\]"):
        (save if extra == "safe" else to_onnx)(small, tmp_path / "x")
