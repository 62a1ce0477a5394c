"""Export: safetensors files restore fitted estimators, ONNX models compute the same output."""

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

from skae import (
    AutoencoderImputer,
    ConvAutoencoder,
    DenseAutoencoder,
    ImageRestorer,
    LatentCodec,
    LatentSampler,
    ReconstructionDetector,
)
from skae._files.container import digest
from skae.export import load, save, to_onnx

from ..cases import BY_NAME, gray_images, low_rank


@pytest.fixture(scope="module")
def small():
    """Return a small fitted autoencoder of a table."""
    return DenseAutoencoder(2, hidden_layer_sizes=(3,), max_iter=2, random_state=0).fit(
        low_rank(40, 4)
    )


def run(path, X):
    """Compute the outputs of a model with ONNX Runtime."""
    return onnxruntime.InferenceSession(path).run(None, {"X": np.ascontiguousarray(X)})


def rewrite(path, change, *, update_checksum=True):
    """Change the JSON content of a file in place, with or without a new checksum."""
    data = path.read_bytes()
    metadata = json.loads(data[8 : 8 + int.from_bytes(data[:8], "little")])["__metadata__"]
    tensors, content = read_tensors(data), json.loads(metadata["skae"])
    change(content)
    text = json.dumps(content)
    checksum = metadata["sha256"]
    if update_checksum:
        checksum = digest(text, tensors)
    path.write_bytes(write_tensors(tensors, {"skae": text, "sha256": checksum}))


def test_load_restores_an_autoencoder(case, fitted, tmp_path):
    """A loaded autoencoder has the same results and state; classes and functions of users are refused."""
    if case.has_user_options:
        with pytest.raises(TypeError, match=r"Got (loss|penalty|bottleneck|corruption|features)="):
            save(fitted, tmp_path / "x")
        assert not (tmp_path / "x").exists()
        return
    save(fitted, tmp_path / "x")
    loaded = load(tmp_path / "x", modules=case.modules)
    assert type(loaded) is type(fitted)
    np.testing.assert_array_equal(loaded.transform(case.X), fitted.transform(case.X))
    np.testing.assert_array_equal(loaded.reconstruct(case.X), fitted.reconstruct(case.X))
    assert loaded.get_params() == fitted.get_params()
    before, after = fitted.__getstate__(), loaded.__getstate__()
    assert before.keys() == after.keys()
    for name, value in before.items():
        if name != "_weights":
            assert type(after[name]) is type(value)
            np.testing.assert_equal(after[name], value)


def codec(X):
    """Return a function that computes the compressed bytes and the decompressed samples of X."""
    return lambda one: np.append(
        np.frombuffer(one.compress(X), np.uint8), one.decompress(one.compress(X))
    )


TABLE, IMAGES = low_rank(60, 5), gray_images(30, 6, 5, dtype=np.uint8)
SIGNALS = (gray_images(40, 12, 2) * [1000, 0.01]).astype(np.float32)
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
    "detector": (
        ReconstructionDetector(DENSE, random_state=0),
        TABLE,
        lambda one: one.score_samples(TABLE + 0.1),
    ),
    "detector-images": (
        ReconstructionDetector(CONV, smoothing=0.8, random_state=0),
        IMAGES,
        lambda one: one.score_samples(IMAGES[::2]),
    ),
    "detector-signals": (
        ReconstructionDetector(
            ConvAutoencoder(2, signals=True, n_filters=2, max_iter=1), random_state=0
        ),
        SIGNALS,
        lambda one: one.score_samples(SIGNALS[::2]),
    ),
    "sampler": (LatentSampler(DENSE, random_state=0), TABLE, lambda one: one.sample(4)),
    "imputer": (
        AutoencoderImputer(clone(DENSE).set_params(allow_nan=True), random_state=0),
        TABLE,
        lambda one: one.transform(np.where(TABLE > 1, np.nan, TABLE)),
    ),
    "restorer": (
        ImageRestorer(n_filters=2, max_iter=1, random_state=0),
        IMAGES,
        lambda one: one.predict(IMAGES),
    ),
    "pipeline": (make_pipeline(MinMaxScaler(), DENSE), TABLE, lambda one: one.transform(TABLE)),
    "frozen": (FrozenEstimator(clone(DENSE).fit(TABLE)), TABLE, lambda one: one.transform(TABLE)),
}


@pytest.mark.parametrize("name", USES)
def test_load_restores_every_estimator(name, tmp_path):
    """A loaded estimator of any class has the same parameters and the same output."""
    estimator, X, compute = USES[name]
    fitted = clone(estimator).fit(X, None)
    expected = compute(fitted)
    save(fitted, tmp_path / "x")
    loaded = load(tmp_path / "x")
    assert type(loaded) is type(fitted)
    assert repr(loaded) == repr(fitted)
    np.testing.assert_array_equal(compute(loaded), expected)


@pytest.mark.parametrize("labels", [["a", "bc"], [3, -1], [True, False]], ids=str)
def test_load_restores_a_sampler_of_classes(tmp_path, labels):
    """A loaded sampler has the same classes, samples and densities of each class."""
    y = np.resize(labels, len(TABLE))
    fitted = LatentSampler(DENSE, random_state=0).fit(TABLE, y)
    save(fitted, tmp_path / "x")
    loaded = load(tmp_path / "x")
    np.testing.assert_array_equal(loaded.classes_, fitted.classes_)
    assert loaded.classes_.dtype == fitted.classes_.dtype
    X_new, y_new = fitted.sample(9, return_y=True)
    np.testing.assert_array_equal(loaded.sample(9, return_y=True)[0], X_new)
    np.testing.assert_array_equal(loaded.sample(9, return_y=True)[1], y_new)
    np.testing.assert_array_equal(loaded.score_samples(TABLE, y), fitted.score_samples(TABLE, y))


def test_an_estimator_in_two_places_is_saved_once(tmp_path):
    """A frozen autoencoder that is parameter and fitted attribute is saved and loaded as one object."""
    autoencoder = DenseAutoencoder(2, max_iter=1, random_state=0).fit(TABLE)
    save(autoencoder, tmp_path / "alone")
    save(LatentCodec(FrozenEstimator(autoencoder)).fit(TABLE), tmp_path / "x")
    loaded = load(tmp_path / "x")
    assert loaded.autoencoder is loaded.autoencoder_
    assert (tmp_path / "x").stat().st_size < 1.9 * (tmp_path / "alone").stat().st_size


def test_skops_needs_trust_for_known_types_only(tmp_path):
    """Beside classes of skae, skops asks for trust in four types of NumPy and scikit-learn only."""
    untrusted = set()
    for estimator, X, compute in USES.values():
        fitted = clone(estimator).fit(X, None)
        data = skops.io.dumps(fitted)
        types = skops.io.get_untrusted_types(data=data)
        np.testing.assert_array_equal(compute(skops.io.loads(data, trusted=types)), compute(fitted))
        untrusted |= {one for one in types if not one.startswith("skae.")}
    assert untrusted <= {
        "numpy.dtype",
        "sklearn.neighbors._kd_tree.KDTree",
        "sklearn.metrics._dist_metrics.EuclideanDistance64",
        "sklearn.metrics._dist_metrics.ManhattanDistance64",
    }


def test_save_rejects_unsupported_estimators(tmp_path):
    """The error names the path of an unsupported step or density, and the supported classes."""
    pipeline = make_pipeline(DENSE, SVC()).fit(TABLE, TABLE[:, 0] > TABLE[:, 0].mean())
    with pytest.raises(
        TypeError, match=r"Got steps\[1\]\[1\]=SVC\(\), but expected .*DenseAutoencoder, .*skops"
    ):
        save(pipeline, tmp_path / "x")
    sampler = LatentSampler(DENSE, density=KernelDensity()).fit(TABLE)
    with pytest.raises(TypeError, match=r"Got density=KernelDensity\(\)"):
        save(sampler, tmp_path / "x")
    with pytest.raises(
        TypeError,
        match=r"Got SVC\(\), but expected a fitted DenseAutoencoder, .*ImageRestorer, .*Pipeline",
    ):
        save(pipeline[-1], tmp_path / "x")
    assert not (tmp_path / "x").exists()


def test_load_restores_targets_and_column_names(tmp_path):
    """A loaded autoencoder resumes training with targets, and still checks feature names."""
    X = pd.DataFrame(low_rank(40, 3), columns=["a", "b", "c"])
    y = np.array(["no", "yes"] * 20)
    fitted = DenseAutoencoder(
        2, max_iter=2, target_weight=1.0, warm_start=True, random_state=0
    ).fit(X, y)
    save(fitted.set_output(transform="pandas"), tmp_path / "x")
    loaded = load(tmp_path / "x")
    pd.testing.assert_frame_equal(loaded.transform(X), fitted.transform(X))
    assert loaded.fit(X, y).n_iter_ == copy.deepcopy(fitted).fit(X, y).n_iter_
    with pytest.raises(ValueError, match="feature names"):
        loaded.transform(X[["b", "a", "c"]])


def test_load_replaces_a_missing_device_by_the_cpu(small, tmp_path):
    """The CPU replaces a device that is not available, with a warning."""
    save(copy.deepcopy(small).set_params(device="cuda:99"), tmp_path / "x")
    with pytest.warns(UserWarning, match="using the CPU"):
        loaded = load(tmp_path / "x")
    assert loaded.net_.device == torch.device("cpu")


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("corruption", lambda x, generator: x),
        ("solver", lambda *parameters: None),
        ("random_state", np.random.RandomState(0)),
        ("net_params", {"callbacks": [object()]}),
    ],
)
def test_save_rejects_unsupported_parameters(small, tmp_path, name, value):
    """A parameter that needs code to be loaded is an error, and no file is written."""
    with pytest.raises(TypeError, match=f"Got {name}.*cannot be loaded without running code"):
        save(copy.deepcopy(small).set_params(**{name: value}), tmp_path / "x")
    assert not (tmp_path / "x").exists()


def test_other_classes_and_unfitted_estimators_are_errors(small, tmp_path):
    """`save` and `to_onnx` reject other classes and autoencoders that are not fitted."""
    for write in (save, to_onnx):
        with pytest.raises(TypeError, match=r"Got PCA.*but expected"):
            write(PCA(), tmp_path / "x")
        with pytest.raises(NotFittedError):
            write(DenseAutoencoder(), tmp_path / "x")


def test_a_corrupted_file_is_an_error(small, tmp_path):
    """A truncated file is an error; a file with a changed bit is an error or has equal content."""
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
        other.write_bytes(
            data[:place] + bytes([data[place] ^ (1 << place % 8)]) + data[place + 1 :]
        )
        try:
            loaded = load(other)
        except ValueError as error:
            assert re.search("but expected", str(error))  # noqa: PT017 - few changes are harmless
        else:
            np.testing.assert_array_equal(loaded.transform(X), small.transform(X))


def test_a_changed_file_is_an_error(small, tmp_path):
    """The checksum detects a changed parameter."""
    save(small, tmp_path / "x")
    rewrite(
        tmp_path / "x", lambda content: content["state"].update(max_iter=3), update_checksum=False
    )
    with pytest.raises(ValueError, match="checksum"):
        load(tmp_path / "x")


def test_a_version_mismatch_is_a_warning(small, tmp_path):
    """The warning names the version that wrote the file and the current version."""
    save(small, tmp_path / "x")
    rewrite(tmp_path / "x", lambda content: content["versions"].update(torch="1.13.0"))
    with pytest.warns(
        UserWarning, match=rf"torch 1.13.0.*torch {torch.__version__.split('+')[0]}"
    ) as warned:
        load(tmp_path / "x")
    assert warned[0].filename == __file__  # the line that loads the file


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
        *(
            "conv-odd",
            "conv-channels-first",
            "conv-many-channels",
            "conv-signal",
            "conv-signals",
            "conv-quantized",
            "conv-block-means",
        ),
    ],
)
def test_onnx_reconstructions_are_equal(name, tmp_path):
    """Reconstructions are equal for any number of samples, in the layout and dtype of X."""
    case = BY_NAME[name]
    fitted = copy.deepcopy(case.estimator).fit(case.X)
    to_onnx(fitted, tmp_path / "x", method="reconstruct", dtype=str(case.X.dtype))
    expected = fitted.reconstruct(case.X)
    for n in (1, 7, len(case.X)):
        (output,) = run(tmp_path / "x", case.X[:n])
        np.testing.assert_allclose(output, expected[:n], rtol=0, atol=1e-5 * np.abs(expected).max())


def test_onnx_scores_of_detectors_are_equal(tmp_path):
    """Scores are equal for tables and images, also of a detector in a FrozenEstimator."""
    for name in ("detector", "detector-images", "detector-signals"):
        estimator, X, _ = USES[name]
        fitted = clone(estimator).fit(X, None)
        to_onnx(FrozenEstimator(fitted), tmp_path / "x", dtype=str(X.dtype))
        for batch in (X, X[:1], X[::-1] // 2):
            np.testing.assert_allclose(
                run(tmp_path / "x", batch)[0], fitted.score_samples(batch), rtol=1e-5
            )
    with pytest.raises(TypeError, match=r"detector with PCA.*but expected an autoencoder of skae"):
        to_onnx(ReconstructionDetector(PCA(2)).fit(TABLE), tmp_path / "x")
    with pytest.raises(
        ValueError,
        match=r"Got method='transform', but expected a method of ReconstructionDetector",
    ):
        to_onnx(fitted, tmp_path / "x", method="transform")


def test_onnx_scores_of_large_values_are_accurate(tmp_path):
    """Columns near 1.7e9 are standardized in float64, so that scores stay equal."""
    X = TABLE + 1.7e9
    fitted = ReconstructionDetector(DENSE, random_state=0).fit(X)
    to_onnx(fitted, tmp_path / "x", dtype="float64")
    np.testing.assert_allclose(run(tmp_path / "x", X)[0], fitted.score_samples(X), rtol=1e-5)


def test_onnx_imputes_missing_values(tmp_path):
    """With `allow_nan`, NaN is a missing value for the ONNX model as well."""
    X = np.where(np.random.default_rng(0).random((60, 5)) < 0.2, np.nan, low_rank(60, 5)).astype(
        np.float32
    )
    fitted = DenseAutoencoder(2, max_iter=2, allow_nan=True, random_state=0).fit(X)
    to_onnx(fitted, tmp_path / "x", method="reconstruct")
    np.testing.assert_allclose(
        run(tmp_path / "x", X)[0], fitted.reconstruct(X), rtol=1e-5, atol=1e-5
    )


def test_onnx_encoder_and_decoder_are_equal(tmp_path):
    """Encoder and decoder are separate models, and accurate for large values in float64."""
    X = low_rank(60, 5) + 1.7e9
    fitted = DenseAutoencoder(2, max_iter=2, random_state=0).fit(X)
    Z, X_hat = fitted.transform(X), fitted.reconstruct(X)
    to_onnx(fitted, tmp_path / "encoder", dtype="float64")
    to_onnx(fitted, tmp_path / "decoder", method="inverse_transform")
    np.testing.assert_allclose(
        run(tmp_path / "encoder", X)[0], Z, rtol=0, atol=1e-5 * np.abs(Z).max()
    )
    np.testing.assert_allclose(run(tmp_path / "decoder", Z)[0], X_hat, rtol=1e-6)


def test_onnx_predictions_of_a_pipeline_are_equal(digits, tmp_path):
    """A model of scaler, autoencoder and classifier predicts the labels of the pipeline."""
    X, y = digits[0].astype(np.float32), digits[1]
    autoencoder = DenseAutoencoder(8, max_iter=3, random_state=0)
    pipeline = make_pipeline(StandardScaler(), autoencoder, SVC()).fit(X, y)
    to_onnx(pipeline, tmp_path / "x")
    np.testing.assert_array_equal(run(tmp_path / "x", X)[0], pipeline.predict(X))


def test_onnx_pipelines_accept_images(digits, tmp_path):
    """The input of a pipeline that starts with a ConvAutoencoder has the shape of the images."""
    X, y = digits[0].astype(np.float32).reshape(-1, 8, 8)[:, :7, :5].copy(), digits[1]
    autoencoder = ConvAutoencoder(8, n_filters=4, max_iter=3, random_state=0)
    pipeline = make_pipeline(autoencoder, StandardScaler(), SVC()).fit(X, y)
    to_onnx(pipeline, tmp_path / "x")
    np.testing.assert_array_equal(run(tmp_path / "x", X)[0], pipeline.predict(X))


@pytest.mark.parametrize(
    ("steps", "kind"),
    [
        (
            (
                StandardScaler(),
                DenseAutoencoder(12, max_iter=1),
                StandardScaler(),
                DenseAutoencoder(4, max_iter=1),
            ),
            np.float32,
        ),
        ((ConvAutoencoder(8, n_filters=2, max_iter=1),), np.uint8),
        ((DenseAutoencoder(8, max_iter=1), StandardScaler()), np.int64),
        ((StandardScaler(), DenseAutoencoder(8, max_iter=1)), np.float64),
    ],
    ids=["two-autoencoders", "conv-uint8", "int64", "float64"],
)
def test_onnx_pipelines_of_other_dtypes_are_equal(digits, tmp_path, steps, kind):
    """Predictions are equal for several autoencoders, frozen steps and other dtypes."""
    X, y = (digits[0] * 16).astype(kind), digits[1]
    pipeline = make_pipeline(*steps, SVC()).fit(X, y)
    pipeline = Pipeline([(name, FrozenEstimator(step)) for name, step in pipeline.steps])
    to_onnx(pipeline, tmp_path / "x", dtype=np.dtype(kind).name)
    np.testing.assert_array_equal(run(tmp_path / "x", X)[0], pipeline.predict(X))


@pytest.mark.parametrize(
    ("options", "message"),
    [({"method": "predict"}, "method='predict'"), ({"dtype": "int3"}, "dtype='int3'")],
)
def test_unknown_options_are_errors(small, tmp_path, options, message):
    """The error names an unknown method or dtype."""
    with pytest.raises(ValueError, match=f"Got {message}, but expected"):
        to_onnx(small, tmp_path / "x", **options)


@pytest.mark.parametrize(("module", "extra"), [("safetensors.numpy", "safe"), ("skl2onnx", "onnx")])
def test_a_missing_library_is_an_error(small, tmp_path, monkeypatch, module, extra):
    """Without the optional library the error names the extra to install."""
    monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(ImportError, match=rf"pip install skae\[{extra}\]"):
        (save if extra == "safe" else to_onnx)(small, tmp_path / "x")
