"""Check and time on one GPU everything that a GPU affects, in less than five minutes.

    python benchmarks/gpu.py --data FOLDER --output gpu.md
    python benchmarks/gpu.py --data FOLDER --only agreement fashion_mnist
    python benchmarks/gpu.py --device cpu --quick

The data folder contains `fashion-mnist/`, `kodak/`, `train400/` and `set12/`, as for `all.py`; missing data is replaced by
generated images. The table has one row for each check and figure. A check that is wrong, a section that fails, and a section
that does not begin in time set the exit status to 1. A goal that is missed does not.
"""

import argparse
import contextlib
import copy
import cProfile
import gc
import importlib.util
import io
import json
import os
import pickle
import pstats
import subprocess
import sys
import tempfile
import time
import warnings
from pathlib import Path
from unittest import mock

import joblib
import numpy as np
import scipy.sparse
import torch
from common import Recorder, blobs, flat, load_images, mean_squared_error, timed
from gpu_report import Report
from sklearn.datasets import load_digits
from sklearn.metrics import roc_auc_score
from speed import run_conv, run_dense, run_skorch, run_textbook
from torch.utils.flop_counter import FlopCounterMode

import skae.export
from skae import (
    ConvAutoencoder,
    DenseAutoencoder,
    ImageRestorer,
    LatentCodec,
    LatentSampler,
    ReconstructionDetector,
)
from skae._devices import resolve_device
from skae._training import cuda_graphs
from skae.corruptions import Gaussian

ROOT = Path(__file__).resolve().parents[1]

SECONDS = 240
"""Sections that would begin later do not run."""

STEP_ROWS, STEP_WIDTH, STEP_BATCH = 131072, 2048, 4096
"""Size of the data, width of the layers and batch of the dense training step."""

CPU_PSNR = 29.52
"""PSNR in dB of the restorer on Set12 with noise of 25/255, after nine epochs on the CPU."""

LOAD = """
import sys, pickle, json, warnings
import joblib, numpy, torch
import skae.export
warnings.simplefilter("ignore")
assert not torch.cuda.is_available()
folder = sys.argv[1]
X = numpy.load(f"{folder}/X.npy")
with open(f"{folder}/model.pickle", "rb") as file:
    models = {"pickle": pickle.load(file)}
models["joblib"] = joblib.load(f"{folder}/model.joblib")
if len(sys.argv) > 2:
    models["export"] = skae.export.load(f"{folder}/model.safetensors")
for name, model in models.items():
    assert str(model.net_.device) == "cpu", model.net_.device
    numpy.save(f"{folder}/{name}.npy", model.transform(X))
"""


class Data:
    """Images, read when they are needed.

    Parameters
    ----------
    folder : Path or None
        Data folder.
    quick : bool
        Whether to use small generated images.
    """

    def __init__(self, folder, quick):
        self.folder = folder
        self.quick = quick
        self._cache = {}

    def fashion_mnist(self):
        """Return training and test images, uint8."""
        return self._cached("fashion-mnist", self._fashion_mnist)

    def photographs(self):
        """Return crops of 32 x 32 pixels of color photographs for training and for tests."""
        return self._cached("kodak", self._photographs)

    def gray(self):
        """Return gray training images (n, h, w), and a list of gray test images, in [0, 1]."""
        return self._cached("gray", self._gray)

    @property
    def has_gray_images(self):
        """Whether the gray images are those of the folder."""
        return self._path("train400") is not None and self._path("set12") is not None

    def _cached(self, name, read):
        if name not in self._cache:
            self._cache[name] = read()
        return self._cache[name]

    def _path(self, name):
        path = self.folder and self.folder / name
        return path if path and path.exists() and not self.quick else None

    def _fashion_mnist(self):
        path = self._path("fashion-mnist")
        if path is None:
            X = blobs(1500 if self.quick else 70_000, (28, 28))
            n_test = len(X) // 7
            return X[n_test:], X[:n_test]
        X, _, T, _ = load_images(path)
        return X, T

    def _photographs(self):
        path = self._path("kodak")
        if path is None:
            X = blobs(600 if self.quick else 22_000, (32, 32, 3))
            n_test = len(X) // 11
            return X[n_test:], X[:n_test]
        images = [_read_image(file) for file in sorted(path.glob("*.png"))]
        rng = np.random.default_rng(0)
        train = [_crops(image, 4000, rng) for image in images[:-1]]
        return np.concatenate(train), _crops(images[-1], 2000, rng)

    def _gray(self):
        train, test = self._path("train400"), self._path("set12")
        if train is None or test is None:
            X = blobs(24 if self.quick else 400, (64, 64)).astype(np.float32) / 255
            return X[4:], list(X[:4])
        read = [
            [_read_image(file).astype(np.float32) / 255 for file in sorted(folder.glob("*.png"))]
            for folder in (train, test)
        ]
        return np.stack(read[0]), read[1]


def _read_image(path):
    from PIL import Image

    return np.asarray(Image.open(path))


def _crops(image, n, rng):
    """Cut random crops of 32 x 32 pixels from a photograph of half the resolution."""
    h, w = (side // 2 * 2 for side in image.shape[:2])
    blocks = image[:h, :w].reshape(h // 2, 2, w // 2, 2, 3)
    image = blocks.mean((1, 3)).round().astype(np.uint8)
    tops, lefts = (rng.integers(0, side - 31, n) for side in image.shape[:2])
    return np.stack([image[i : i + 32, j : j + 32] for i, j in zip(tops, lefts, strict=True)])


def without_recording():
    """Return a context in which training steps are not recorded as CUDA graphs."""
    return mock.patch.object(cuda_graphs, "USE_CUDA_GRAPHS", False)


class FailingGraph(cuda_graphs.CudaGraph):
    """A graph whose recording runs out of memory."""

    def record(self, function):
        """Record the function, and fail before the recording ends."""

        def fail():
            function()
            raise torch.OutOfMemoryError("Simulated.")

        super().record(fail)


def median_time(function, n_repeats):
    """Return the median seconds and the last result of a function, which has run once before."""
    runs = [timed(function) for _ in range(n_repeats)]
    return float(np.median([seconds for seconds, _ in runs])), runs[-1][1]


def on_device(estimator, device):
    """Return a copy of a fitted autoencoder on another device."""
    estimator = copy.deepcopy(estimator).set_params(device=device)
    return pickle.loads(pickle.dumps(estimator))


class Sections:
    """The checks and times, one method each.

    Parameters
    ----------
    args : argparse.Namespace
        Command line.
    report : Report
        Receives the rows.
    """

    def __init__(self, args, report):
        self.args = args
        self.report = report
        self.device = torch.device(args.device)
        self.is_cuda = self.device.type == "cuda"
        self.quick = args.quick
        self.data = Data(args.data, args.quick)
        self.repeats = 1 if args.quick else 3
        self.peak = None

    def _peak_memory(self, function):
        """Return the result of a function, and its largest GPU memory beyond that before, in MB."""
        if not self.is_cuda:
            return function(), 0.0
        torch.cuda.synchronize()
        torch.cuda.reset_peak_memory_stats()
        before = torch.cuda.memory_allocated()
        result = function()
        torch.cuda.synchronize()
        return result, (torch.cuda.max_memory_allocated() - before) / 1e6

    # ------------------------------------------------------------------------------- the device

    def peaks(self):
        """Measure products of matrices and a copy on the device, and the device of "auto"."""
        report = self.report
        report.check(
            "device/auto",
            resolve_device("auto").type == self.device.type or not self.is_cuda,
            resolve_device("auto"),
            self.device.type if self.is_cuda else "any",
        )
        for dtype, name in ((torch.bfloat16, "bfloat16"), (torch.float32, "float32")):
            n = 256 if self.quick else 8192
            a, b = (torch.randn(n, n, device=self.device).to(dtype) for _ in range(2))
            out = a @ b
            n_products = 3 if self.quick or dtype == torch.float32 else 20

            def products(a=a, b=b, out=out, n_products=n_products):
                for _ in range(n_products):
                    torch.matmul(a, b, out=out)

            products()
            seconds, _ = median_time(products, self.repeats)
            rate = n_products * 2 * n**3 / seconds / 1e12
            report.figure(f"device/matmul/{name}", rate, "TFLOP/s", self.repeats)
            if dtype == torch.bfloat16:
                self.peak = rate

    # ------------------------------------------------------------------------------ agreement

    def agreement(self):
        """Compare a fitted model on the device with the same model on the CPU."""
        digits = load_digits()
        tables = digits.data.astype(np.float32)
        incomplete = np.where(np.random.default_rng(0).random(tables.shape) < 0.1, np.nan, tables)
        X, _ = self.data.fashion_mnist()
        images = X[:1000]
        photographs = self.data.photographs()[0][:500]
        quick = {"device": "cpu", "random_state": 0, "max_iter": 3}
        cases = {
            "dense": (DenseAutoencoder(8, **quick), tables),
            "dense-uint8": (DenseAutoencoder(16, **quick), flat(images)),
            "dense-float64": (DenseAutoencoder(8, **quick), digits.data + 1e6),
            "dense-nan": (DenseAutoencoder(8, allow_nan=True, **quick), incomplete),
            "dense-log-loss": (DenseAutoencoder(8, loss="log_loss", **quick), flat(images)),
            "variational": (DenseAutoencoder(8, bottleneck="variational", **quick), tables),
            "ordered": (DenseAutoencoder(8, bottleneck="ordered", **quick), tables),
            "conv": (ConvAutoencoder(16, **quick), images),
            "conv-color": (ConvAutoencoder(16, **quick), photographs),
        }
        for name, (estimator, X) in cases.items():
            _, on_cpu = timed(lambda estimator=estimator, X=X: estimator.fit(X))
            moved = on_device(on_cpu, self.args.device)
            key = f"agreement/{name}"
            self.report.check(f"{key}/device", moved.net_.device.type == self.device.type)
            for precision, allow_tf32 in (("", False), ("-tf32", True)):
                if allow_tf32 and not name.startswith("conv"):
                    continue
                original = torch.backends.cudnn.allow_tf32
                torch.backends.cudnn.allow_tf32 = allow_tf32
                try:
                    Z, X_hat = moved.transform(X), moved.reconstruct(X)
                    errors = moved.reconstruction_error(X)
                    score = moved.score(X)
                finally:
                    torch.backends.cudnn.allow_tf32 = original
                tolerance = 1e-2 if allow_tf32 else 2e-4
                self.report.check_close(
                    f"{key}/transform{precision}", Z, on_cpu.transform(X), tolerance
                )
                self.report.check_close(
                    f"{key}/reconstruct{precision}", X_hat, on_cpu.reconstruct(X), tolerance
                )
                self.report.check_close(
                    f"{key}/reconstruction_error{precision}",
                    errors,
                    on_cpu.reconstruction_error(X),
                    5 * tolerance,
                )
                self.report.check_close(
                    f"{key}/score{precision}", np.array(score), np.array(on_cpu.score(X)), tolerance
                )
            self.report.check_close(
                f"{key}/inverse_transform",
                moved.inverse_transform(Z),
                on_cpu.inverse_transform(Z),
                1e-2,
            )

    def resident(self):
        """Fit bytes that are on the device, and compare with the same bytes on the CPU."""
        X = flat(self.data.fashion_mnist()[0])
        X_device = torch.from_numpy(X).to(self.device)
        make = self._dense
        make().fit(X[:600])
        (seconds, fitted), peak = self._peak_memory(lambda: timed(lambda: make().fit(X_device)))
        expected = make().fit(X)
        key = "resident/dense"
        self.report.figure(f"{key}/fit_time", seconds)
        self.report.figure(f"{key}/peak_memory", peak, "MB")
        self.report.check_close(
            f"{key}/loss_curve", np.array(fitted.loss_curve_), np.array(expected.loss_curve_), 0.02
        )
        Z = fitted.transform(X_device)
        X_hat = fitted.reconstruct(X_device)
        for name, values in (("transform", Z), ("reconstruct", X_hat)):
            is_right = isinstance(values, torch.Tensor) and values.device == X_device.device
            self.report.check(f"{key}/{name}/device", is_right, getattr(values, "device", "array"))
        self.report.check_close(f"{key}/transform", Z, fitted.transform(X), 2e-4)
        self.report.check(
            "resident/bytes/unchanged", bool((X_device.cpu() == torch.from_numpy(X)).all())
        )
        images = torch.from_numpy(self.data.fashion_mnist()[0][:2000]).to(self.device)
        conv = ConvAutoencoder(8, max_iter=1, device=self.args.device, random_state=0).fit(images)
        self.report.check("resident/conv/shape", conv.reconstruct(images).shape == images.shape)

    # ------------------------------------------------------------------------------ default fits

    def _dense(self, **parameters):
        parameters = {"random_state": 0, "device": self.args.device, **parameters}
        return DenseAutoencoder(parameters.pop("k", 32), **parameters)

    def fashion_mnist(self):
        """Time default fits on Fashion-MNIST, and a textbook loop alone and in skorch."""
        X, T = self.data.fashion_mnist()
        goal = None if self.quick else 0.5
        self._default_fits("fashion-mnist", X, T, 32, below=goal)

    def photographs(self):
        """Time default fits on crops of color photographs, and a textbook loop."""
        self._default_fits("photographs", *self.data.photographs(), 64, skip=("skorch",))

    def _default_fits(self, key, X, T, k, below=None, skip=()):
        """Time default fits and other loops: seconds and test error."""
        epochs = 1 if self.quick else self.args.epochs
        args = argparse.Namespace(k=k, epochs=epochs, device=self.args.device, settings={})
        short = argparse.Namespace(**{**vars(args), "epochs": 1, "settings": {"max_iter": 1}})
        runs = {
            "dense": run_dense,
            "conv": run_conv,
            "textbook": run_textbook,
            "skorch": run_skorch,
        }
        for name, run in runs.items():
            if name in skip:
                continue
            is_own = run in (run_dense, run_conv)
            run(X[:1024], T[:64], short, 0)
            if is_own:  # the first fit at full size allocates memory
                run(X, T, args, 0)
            n_runs = self.repeats if is_own else 1
            results = [run(X, T, args, seed) for seed in range(n_runs)]
            goal = below if name == "dense" else None
            seconds = float(np.median([result[0] for result in results]))
            self.report.figure(f"{key}/{name}/fit_time", seconds, "s", n_runs, below=goal)
            mse = float(np.median([result[1][-1] for result in results]))
            self.report.figure(f"{key}/{name}/mse", mse, "mse", n_runs)
            if name == "textbook":
                for epoch, (error, elapsed) in enumerate(zip(*results[0][1:], strict=True), 1):
                    self.report.figure(f"{key}/textbook/epoch-{epoch:02d}/mse", error, "mse")
                    self.report.figure(f"{key}/textbook/epoch-{epoch:02d}/elapsed", elapsed)

    def precision(self):
        """Compare float32 and bfloat16 in training: seconds and test error."""
        X, T = (flat(images) for images in self.data.fashion_mnist())
        mse = {}
        for precision in ("float32", "bfloat16"):
            make = lambda precision=precision: self._dense(precision=precision).fit(X)  # noqa: E731
            timed(make)
            seconds, fitted = median_time(make, self.repeats)
            mse[precision] = mean_squared_error(T, fitted.reconstruct(T), 255)
            self.report.figure(f"precision/{precision}/fit_time", seconds, "s", self.repeats)
            self.report.figure(f"precision/{precision}/mse", mse[precision], "mse")
        ratio = mse["bfloat16"] / mse["float32"]
        self.report.check("precision/mse_ratio", ratio < 1.03, f"{ratio:.4f}", "< 1.03")

    # ------------------------------------------------------------------------------ training steps

    def recorded(self):
        """Compare fits with and without steps that are recorded as CUDA graphs."""
        images, _ = self.data.fashion_mnist()
        gray = self.data.gray()[0]
        device = {"device": self.args.device, "random_state": 0}
        short = {"max_iter": 1 if self.quick else 3, **device}
        cases = {
            "dense": (lambda: DenseAutoencoder(32, **device), flat(images)),
            "digits": (lambda: DenseAutoencoder(8, **short), load_digits().data),
            "conv": (lambda: ConvAutoencoder(32, **short), images[:20_000]),
            "restorer": (
                lambda: ImageRestorer(Gaussian(25 / 255), **{**short, "max_iter": 1}),
                gray[:100],
            ),
        }
        for name, (make, X) in cases.items():
            make().fit(X)
            seconds, fitted = timed(lambda make=make, X=X: make().fit(X))
            with without_recording():
                usual_seconds, usual = timed(lambda make=make, X=X: make().fit(X))
            if name == "dense":
                self.report.figure("recorded/dense/usual/fit_time", usual_seconds)
                self.report.figure("recorded/dense/recorded/fit_time", seconds)
            self.report.check_close(
                f"recorded/{name}/loss_curve",
                np.array(fitted.loss_curve_),
                np.array(usual.loss_curve_),
                0.02,
            )
        if self.is_cuda:
            self._failed_recording()

    def _failed_recording(self):
        """Check that a training goes on if its recording fails, and that a later one is recorded."""
        X = load_digits().data
        fit = lambda: self._dense(k=8, early_stopping=False).fit(X)  # noqa: E731
        expected = fit()
        with (
            mock.patch.dict(cuda_graphs.GRAPHS, cuda=FailingGraph),
            warnings.catch_warnings(record=True) as caught,
        ):
            warnings.simplefilter("always")
            failed = fit()
        is_warned = any("could not be recorded" in str(one.message) for one in caught)
        self.report.check("recorded/failure/warning", is_warned)
        for name, fitted in (("failure", failed), ("after-failure", fit())):
            self.report.check_close(
                f"recorded/{name}/loss_curve",
                np.array(fitted.loss_curve_),
                np.array(expected.loss_curve_),
                0.02,
            )

    def dense_step(self):
        """Measure a dense training step of wide layers as a share of the peak of matrix products."""
        n, width, batch = STEP_ROWS, STEP_WIDTH, STEP_BATCH
        if self.quick:
            n, width, batch = 512, 64, 128
        X = np.random.default_rng(0).integers(0, 256, (n, width), dtype=np.uint8)
        few, many = (1, 3) if self.quick else (3, 15)
        n_steps = (many - few) * (n // batch)

        def fit(epochs):
            return self._dense(
                k=64,
                hidden_layer_sizes=(width, width),
                batch_size=batch,
                max_iter=epochs,
                early_stopping=False,
                precision="bfloat16",
            ).fit(X)

        flops = []
        with without_recording(), warnings.catch_warnings():  # replays are not counted
            warnings.simplefilter("ignore")
            for epochs in (1, 2):
                with FlopCounterMode(display=False) as counter:
                    fit(epochs)
                flops.append(counter.get_total_flops())
        step_flops = (flops[1] - flops[0]) / (n // batch)
        timed(lambda: fit(few))
        seconds = timed(lambda: fit(many))[0] - timed(lambda: fit(few))[0]
        rate = step_flops * n_steps / seconds / 1e12
        self.report.figure("dense_step/step_time", 1e6 * seconds / n_steps, "us")
        self.report.figure("dense_step/rate", rate, "TFLOP/s")
        if self.peak:
            goal = None if self.quick else 0.6
            self.report.figure(
                "dense_step/share_of_peak", rate / self.peak, above=goal, unit="ratio"
            )

    def compiled(self):
        """Time fits with torch.compile: the first one, and a later one."""
        X = flat(self.data.fashion_mnist()[0])
        for word in ("first", "later"):
            make = lambda: self._dense(net_params={"compile": True}).fit(X)  # noqa: E731
            seconds, fitted = timed(make)
            self.report.figure(f"compiled/{word}/fit_time", seconds)
        mse = mean_squared_error(X[:5000], fitted.reconstruct(X[:5000]), 255)
        self.report.figure("compiled/training_mse", mse, "mse")

    def profile(self):
        """Write profiles of a default fit: Python functions, and kernels of the device."""
        folder = self.args.profile
        if folder is None:
            self.report.note("profile", "no --profile")
            return
        X = flat(self.data.fashion_mnist()[0])
        fit = lambda: self._dense().fit(X)  # noqa: E731
        timed(fit)
        profiler = cProfile.Profile()
        profiler.enable()
        timed(fit)
        profiler.disable()
        text = io.StringIO()
        statistics = pstats.Stats(profiler, stream=text)
        statistics.sort_stats("cumulative").print_stats(60)
        statistics.sort_stats("tottime").print_stats(40)
        activities = [torch.profiler.ProfilerActivity.CPU]
        if self.is_cuda:
            activities.append(torch.profiler.ProfilerActivity.CUDA)
        key = "self_cuda_time_total" if self.is_cuda else "self_cpu_time_total"
        with torch.profiler.profile(activities=activities) as kernels:
            timed(fit)
        table = kernels.key_averages().table(sort_by=key, row_limit=40, max_name_column_width=70)
        text.write(f"\n{table}\n")
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "profile.txt").write_text(text.getvalue(), encoding="utf-8")
        self.report.note("profile", "profile.txt")

    # ------------------------------------------------------------------------------ memory

    def small_memory(self):
        """Fit a batch that does not fit into the memory of the device."""
        if not self.is_cuda:
            self.report.note("small_memory", "only on CUDA")
            return
        n, width, batch = (2048, 64, 1024) if self.quick else (131072, 1024, 65536)
        X = np.random.default_rng(0).integers(0, 256, (n, width), dtype=np.uint8)

        def fit():
            return self._dense(
                hidden_layer_sizes=(4096,),
                batch_size=batch,
                max_iter=2,
                early_stopping=False,
                precision="float32",
            ).fit(X)

        timed(fit)
        expected, peak = self._peak_memory(fit)
        self.report.figure("small_memory/peak_memory", peak, "MB")
        torch.cuda.empty_cache()
        held = torch.cuda.memory_reserved()
        limit = held + 0.55 * peak * 1e6
        total = torch.cuda.get_device_properties(self.device).total_memory
        torch.cuda.set_per_process_memory_fraction(limit / total)
        try:
            with warnings.catch_warnings(record=True) as caught:
                warnings.simplefilter("always")
                split = fit()
        finally:
            torch.cuda.set_per_process_memory_fraction(1.0)
        messages = [str(one.message) for one in caught if "does not fit" in str(one.message)]
        self.report.check("small_memory/warning", bool(messages), messages[:1])
        self.report.check_close(
            "small_memory/loss_curve",
            np.array(split.loss_curve_),
            np.array(expected.loss_curve_),
            1e-3,
        )

    def streaming(self):
        """Fit and encode a file that is larger than the limit of streaming."""
        rng = np.random.default_rng(0)
        width = 784
        n_bytes = int(self.args.stream_gb * 1e9)
        n = max(2000, n_bytes // width)
        block = blobs(20_000 if not self.quick else 1000, (28, 28)).reshape(-1, width)
        with tempfile.TemporaryDirectory(dir=self.args.scratch) as folder:
            path = Path(folder, "rows.bin")
            with open(path, "wb") as file:
                file.truncate(n * width)
            X = np.memmap(path, np.uint8, "r+", shape=(n, width))
            start = time.perf_counter()
            # a sparse file: one row in twenty is written, in blocks, and the others are zero
            for begin in range(0, n - 1000, 20_000):
                first = int(rng.integers(0, len(block) - 999))
                X[begin : begin + 1000] = block[first : first + 1000]
            X.flush()
            self.report.figure("streaming/file", n * width / 1e6, "MB")
            self.report.note("streaming/writing", f"{time.perf_counter() - start:.1f} s")
            X = np.memmap(path, np.uint8, "r", shape=(n, width))
            parameters = {"max_iter": 1, "batch_size": 8192}
            if self.quick:
                parameters["hidden_layer_sizes"] = (16,)
            make = lambda: self._dense(**parameters).fit(X)  # noqa: E731
            (seconds, fitted), peak = self._peak_memory(lambda: timed(make))
            self.report.figure("streaming/fit_time", seconds)
            self.report.figure("streaming/fit_rate", n / seconds, "rows/s")
            self.report.figure("streaming/peak_memory", peak, "MB")
            if self.is_cuda:
                self.report.check("streaming/bounded", peak < 2000, f"{peak:.0f} MB", "< 2000 MB")
            part = X[: n // 4]
            (seconds, Z), peak = self._peak_memory(lambda: timed(lambda: fitted.transform(part)))
            self.report.figure("streaming/transform_rate", len(part) / seconds, "rows/s")
            self.report.figure("streaming/transform_peak_memory", peak, "MB")
            self.report.check("streaming/finite", bool(np.isfinite(Z).all()))

    # ------------------------------------------------------------------------------ other estimators

    def detector(self):
        """Compare a detector that is fitted on the device with one that is fitted on the CPU."""
        X, T = (flat(images) for images in self.data.fashion_mnist())
        train, normal = X[:4000], T[:500]
        odd = flat(normal.reshape(-1, 28, 28)[:, ::-1])  # upside down
        labels = np.r_[np.zeros(len(normal)), np.ones(len(odd))]
        areas = {}
        for device in ("cpu", self.args.device):
            model = ReconstructionDetector(self._dense(k=16, device=device), random_state=0)
            seconds, model = timed(lambda model=model: model.fit(train))
            scores = model.score_samples(np.concatenate([normal, odd]))
            areas[device] = roc_auc_score(labels, -scores)
            name = "cpu" if device == "cpu" else "device"
            self.report.figure(f"detector/{name}/fit_time", seconds)
            self.report.figure(f"detector/{name}/roc_auc", areas[device], "ratio")
        difference = abs(areas["cpu"] - areas[self.args.device])
        self.report.check("detector/roc_auc", difference < 0.02, f"{difference:.4f}", "< 0.02")

    def sampler(self):
        """Sample images from a model on the device."""
        X, _ = self.data.fashion_mnist()
        model = LatentSampler(
            ConvAutoencoder(8, max_iter=1, device=self.args.device, random_state=0), random_state=0
        )
        seconds, model = timed(lambda: model.fit(X[:3000]))
        samples = model.sample(100)
        self.report.figure("sampler/fit_time", seconds)
        is_right = samples.shape == (100, 28, 28) and bool(np.isfinite(samples).all())
        self.report.check("sampler/samples", is_right, samples.shape)
        self.report.check_close("sampler/repeated", model.sample(100), samples, 1e-6)

    def codec(self):
        """Compress rows on the device, and decode the codes of the message on the CPU."""
        try:
            import constriction  # noqa: F401
        except ImportError:
            self.report.note("codec", "constriction is not installed")
            return
        X = flat(self.data.fashion_mnist()[0])[:3000]
        model = LatentCodec(
            self._dense(k=16, bottleneck="deterministic", penalty="rate", max_iter=3),
            random_state=0,
        )
        seconds, model = timed(lambda: model.fit(X))
        self.report.figure("codec/fit_time", seconds)
        message = model.compress(X[:200])
        decoded = model.decompress(message)
        on_cpu = copy.deepcopy(model)
        on_cpu.autoencoder_ = on_device(model.autoencoder_, "cpu")
        self.report.check_close(
            "codec/codes", on_cpu.decode_codes(message), model.decode_codes(message), 0.0
        )
        self.report.check("codec/dtype", decoded.dtype == np.uint8, decoded.dtype)
        largest = int(np.abs(on_cpu.decompress(message).astype(int) - decoded.astype(int)).max())
        self.report.check("codec/rounding", largest <= 1, largest, "<= 1 of 255")

    def restorer(self):
        """Denoise Set12 with noise of 25/255, and compare with the figure of the CPU."""
        train, test = self.data.gray()
        rng = np.random.default_rng(0)
        sigma = 25 / 255
        noisy = [
            image + rng.normal(scale=sigma, size=image.shape).astype(np.float32) for image in test
        ]
        model = ImageRestorer(
            Gaussian(sigma),
            max_iter=1 if self.quick else 9,
            random_state=0,
            device=self.args.device,
        )
        seconds, model = timed(lambda: model.fit(train))
        restored_seconds, restored = timed(
            lambda: [model.predict(image[None])[0] for image in noisy]
        )
        errors = [
            np.square(a - b).mean(dtype=np.float64) for a, b in zip(restored, test, strict=True)
        ]
        psnr = float(np.mean(-10 * np.log10(errors)))
        self.report.figure("restorer/fit_time", seconds)
        self.report.figure("restorer/predict_time", restored_seconds)
        self.report.figure("restorer/psnr", psnr, "dB")
        if self.data.has_gray_images:
            self.report.check(
                "restorer/psnr-of-cpu", psnr > CPU_PSNR - 0.15, f"{psnr:.2f} dB", f"{CPU_PSNR} dB"
            )

    def own_options(self):
        """Fit with options of a user, and with each option of skae."""
        sys.path.insert(0, str(ROOT))
        from tests.user_options import (
            Channel,
            LogCosh,
            Speckle,
            ViewAgreement,
            largest_error,
            shrink,
        )

        X = load_digits().data.astype(np.float32)
        y = load_digits().target
        cases = {
            "own-loss": {"loss": LogCosh()},
            "own-function": {"loss": largest_error},
            "own-penalty": {"penalty": ViewAgreement()},
            "own-bottleneck": {"bottleneck": Channel()},
            "own-corruption": {"corruption": Speckle()},
            "own-corruption-function": {"corruption": shrink},
            "contraction": {"penalty": "contraction"},
            "sparsity": {"penalty": "sparsity"},
            "decorrelation": {"penalty": "decorrelation"},
            "rate": {"penalty": "rate"},
            "quantized": {"bottleneck": "quantized"},
            "gaussian": {"corruption": "gaussian"},
            "masking": {"corruption": "masking"},
            "salt_and_pepper": {"corruption": "salt_and_pepper"},
            "targets": {"target_weight": 1.0},
        }
        for name, parameters in cases.items():
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                scores = []
                for device in (self.args.device, "cpu"):
                    model = self._dense(k=8, max_iter=6, device=device, **parameters).fit(X, y)
                    scores.append(model.score(X))
            difference = abs(scores[0] - scores[1])
            self.report.check(
                f"options/{name}", difference < 0.05, f"R2 {scores[0]:.3f}", f"R2 {scores[1]:.3f}"
            )

    def categories(self):
        """Fit a table with categories on the device and on the CPU."""
        try:
            import pandas as pd
        except ImportError:
            self.report.note("categories", "pandas is not installed")
            return
        rng = np.random.default_rng(0)
        names = np.array(["red", "green", "blue", "black"])
        group = rng.integers(0, 4, 3000)
        frame = pd.DataFrame(
            {
                "size": group + 0.1 * rng.normal(size=3000),
                "weight": np.square(group) + 0.3 * rng.normal(size=3000),
                "color": pd.Categorical(names[group]),
                "shape": pd.Categorical(np.where(group > 1, "round", "flat")),
            }
        )
        models = {
            device: self._dense(k=2, max_iter=6, device=device).fit(frame)
            for device in ("cpu", self.args.device)
        }
        on_cpu, fitted = models["cpu"], models[self.args.device]
        self._check_pair("categories", fitted, on_cpu, frame)
        decoded = fitted.inverse_transform(fitted.transform(frame))
        share = float((decoded["color"].astype(str) == frame["color"].astype(str)).mean())
        self.report.check("categories/decoded", share > 0.9, f"{share:.3f}", "> 0.9")

    def sparse(self):
        """Fit sparse counts on the device and on the CPU."""
        rng = np.random.default_rng(0)
        rates = rng.gamma(0.3, size=(3000, 6)) @ rng.gamma(0.1, size=(6, 500))
        X = scipy.sparse.csr_array(rng.poisson(rates).astype(np.float32))
        on_cpu = self._dense(k=8, max_iter=6, device="cpu").fit(X)
        self._check_pair("sparse", self._dense(k=8, max_iter=6).fit(X), on_cpu, X)

    def patches(self):
        """Fit an autoencoder with features of patches on the device and on the CPU."""
        if importlib.util.find_spec("skae.features") is None:
            self.report.note("patches", "skae.features does not exist")
            return
        X = self.data.fashion_mnist()[0][:3000]
        make = lambda device: ConvAutoencoder(  # noqa: E731
            16, features="patches", max_iter=3, device=device, random_state=0
        )
        on_cpu = make("cpu").fit(X)
        fitted = make(self.args.device).fit(X)
        self._check_pair("patches", fitted, on_cpu, X)

    def modules(self):
        """Fit the modules of a user on the device and on the CPU."""
        estimator = getattr(skae, "ModuleAutoencoder", None)
        if estimator is None:
            self.report.note("modules", "ModuleAutoencoder does not exist")
            return
        X = flat(self.data.fashion_mnist()[0][:3000])
        make = lambda device: estimator(  # noqa: E731
            torch.nn.Sequential(torch.nn.Linear(784, 64), torch.nn.ReLU(), torch.nn.Linear(64, 16)),
            torch.nn.Sequential(torch.nn.Linear(16, 64), torch.nn.ReLU(), torch.nn.Linear(64, 784)),
            n_components=16,
            max_iter=3,
            device=device,
            random_state=0,
        )
        with torch.random.fork_rng():
            torch.manual_seed(0)
            on_cpu = make("cpu").fit(X)
            torch.manual_seed(0)
            fitted = make(self.args.device).fit(X)
        self._check_pair("modules", fitted, on_cpu, X)

    def _check_pair(self, key, fitted, on_cpu, X):
        """Compare two fits on device and CPU, and one model on both."""
        self.report.check(f"{key}/device", fitted.net_.device.type == self.device.type)
        scores = fitted.score(X), on_cpu.score(X)
        is_near = abs(scores[0] - scores[1]) < 0.05
        self.report.check(f"{key}/score", is_near, f"R2 {scores[0]:.3f}", f"R2 {scores[1]:.3f}")
        moved = on_device(on_cpu, self.args.device)
        self.report.check_close(f"{key}/transform", moved.transform(X), on_cpu.transform(X), 2e-4)

    # ------------------------------------------------------------------------------ models and states

    def persistence(self):
        """Load models of the device in a process without a GPU."""
        X = load_digits().data.astype(np.float32)
        model = self._dense(k=8, max_iter=3).fit(X)
        expected = model.transform(X)
        with tempfile.TemporaryDirectory() as folder:
            np.save(f"{folder}/X.npy", X)
            Path(folder, "model.pickle").write_bytes(pickle.dumps(model))
            joblib.dump(model, f"{folder}/model.joblib")
            names, arguments = ["pickle", "joblib"], [folder]
            try:
                skae.export.save(model, f"{folder}/model.safetensors")
                names.append("export")
                arguments.append("export")
            except ImportError:
                self.report.note("persistence/export", "safetensors is not installed")
            environment = {**os.environ, "CUDA_VISIBLE_DEVICES": ""}
            environment["PYTHONPATH"] = f"{ROOT}{os.pathsep}{os.environ.get('PYTHONPATH', '')}"
            done = subprocess.run(
                [sys.executable, "-c", LOAD, *arguments],
                env=environment,
                capture_output=True,
                text=True,
                check=False,
            )
            self.report.check(
                "persistence/process", done.returncode == 0, done.stderr[-200:].replace("\n", " ")
            )
            for name in names:
                self.report.check_close(
                    f"persistence/{name}", np.load(f"{folder}/{name}.npy"), expected, 2e-4
                )
        again = pickle.loads(pickle.dumps(model))
        self.report.check_close("persistence/same_device", again.transform(X), expected, 1e-6)

    def determinism(self):
        """Compare the bits of two fits with one seed."""
        X, _ = self.data.fashion_mnist()
        cases = {
            "dense": lambda: self._dense(max_iter=2).fit(flat(X)[:20_000]),
            "digits": lambda: self._dense(k=8).fit(load_digits().data),
            "conv": lambda: ConvAutoencoder(
                8, max_iter=2, device=self.args.device, random_state=0
            ).fit(X[:20_000]),
        }
        for name, fit in cases.items():
            first, second = (timed(fit)[1].net_.module_.state_dict() for _ in range(2))
            difference = max(
                float((first[n].double() - second[n].double()).abs().max()) for n in first
            )
            self.report.figure(
                f"determinism/{name}/largest_difference", difference, "ratio", below=1e-30
            )

    def state(self):
        """Check that the settings and the memory of the caller do not change."""
        if self.is_cuda:
            self._memory_after_fits()
        X = load_digits().data.astype(np.float32)
        fit = lambda: self._dense(k=8, max_iter=4).fit(X)  # noqa: E731
        usual = fit().transform(X)
        with contextlib.ExitStack() as stack:
            if self.is_cuda:
                stack.enter_context(torch.device(self.device))
                stack.enter_context(torch.autocast("cuda", dtype=torch.bfloat16))
                stream = torch.cuda.Stream(self.device)
                stack.enter_context(torch.cuda.stream(stream))
            before = self._settings()
            Z = fit().transform(X)
            self.report.check_close("state/transform", Z, usual, 2e-2)
            after = self._settings()
            changed = [name for name in before if before[name] != after[name]]
            self.report.check("state/settings", not changed, changed)

    def _memory_after_fits(self):
        """Check that repeated fits hold no memory of the device after their models are deleted."""
        images = self.data.fashion_mnist()[0][:5000]

        def fit():
            for model, X in (
                (self._dense(max_iter=8), flat(images)),
                (ConvAutoencoder(8, max_iter=8, device=self.args.device), images),
            ):
                model.fit(X).transform(X)

        gc.collect()
        at_first = torch.cuda.memory_allocated()
        for _ in range(2):
            fit()  # libraries keep a workspace for each stream
        gc.collect()
        before = torch.cuda.memory_allocated()
        self.report.figure("state/workspaces", (before - at_first) / 1e6, "MB")
        gc.disable()
        try:
            for _ in range(3):
                fit()
            held = torch.cuda.memory_allocated() - before
        finally:
            gc.enable()
        gc.collect()
        held_at_last = torch.cuda.memory_allocated() - before
        self.report.figure("state/memory_before_collection", held / 1e6, "MB", below=0.1)
        self.report.check("state/memory", held_at_last <= 0, f"{held_at_last} bytes", "0 bytes")

    def _settings(self):
        """Return settings of torch that a fit could change."""
        settings = {
            "dtype": torch.get_default_dtype(),
            "device": str(torch.get_default_device()),
            "precision": torch.get_float32_matmul_precision(),
            "threads": torch.get_num_threads(),
            "generator": torch.get_rng_state().numpy().tobytes(),
            "deterministic": torch.are_deterministic_algorithms_enabled(),
            "gradients": torch.is_grad_enabled(),
            "tf32": (torch.backends.cuda.matmul.allow_tf32, torch.backends.cudnn.allow_tf32),
            "benchmark": torch.backends.cudnn.benchmark,
        }
        if self.is_cuda:
            settings["current device"] = torch.cuda.current_device()
            settings["stream"] = torch.cuda.current_stream()
            settings["cuda generator"] = torch.cuda.get_rng_state().cpu().numpy().tobytes()
            settings["autocast"] = torch.is_autocast_enabled("cuda")
        return settings

    def inference(self):
        """Time transform and other methods of all training images, and of one row."""
        images, _ = self.data.fashion_mnist()
        device = {"device": self.args.device, "random_state": 0, "max_iter": 1}
        for name, model, X in (
            ("dense", DenseAutoencoder(32, **device), flat(images)),
            ("conv", ConvAutoencoder(32, **device), images),
        ):
            _, model = timed(lambda model=model, X=X: model.fit(X[:6000]))
            resident = torch.from_numpy(X).to(self.device)
            calls = {
                "transform": lambda model=model, X=X: model.transform(X),
                "reconstruct": lambda model=model, X=X: model.reconstruct(X),
                "score": lambda model=model, X=X: model.score(X),
                "transform-resident": lambda model=model, X=resident: model.transform(X),
                "reconstruct-resident": lambda model=model, X=resident: model.reconstruct(X),
            }
            for word, call in calls.items():
                _, peak = self._peak_memory(call)
                seconds, _ = median_time(call, self.repeats)
                key = f"inference/{name}/{word}"
                self.report.figure(f"{key}/rate", len(X) / seconds, "rows/s", self.repeats)
                self.report.figure(f"{key}/peak_memory", peak, "MB")
            seconds, _ = median_time(
                lambda model=model, X=X: [model.transform(X[:1]) for _ in range(50)], self.repeats
            )
            self.report.figure(f"inference/{name}/one_row", 1e6 * seconds / 50, "us", self.repeats)


SECTIONS = (
    "peaks",
    "state",
    "agreement",
    "recorded",
    "fashion_mnist",
    "resident",
    "dense_step",
    "determinism",
    "own_options",
    "categories",
    "sparse",
    "patches",
    "modules",
    "restorer",
    "inference",
    "streaming",
    "persistence",
    "compiled",
    "detector",
    "precision",
    "sampler",
    "codec",
    "small_memory",
    "photographs",
    "profile",
)
"""The sections in their order: the most important first."""


def main():
    """Run the sections, write the table, and exit with 1 after a failure."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, help="folder of the data sets (default: generated)")
    parser.add_argument("--device", default="cuda", help="device of skae (default cuda)")
    parser.add_argument("--quick", action="store_true", help="small generated data")
    parser.add_argument("--only", nargs="+", choices=SECTIONS, default=SECTIONS, metavar="SECTION")
    parser.add_argument("--skip", nargs="+", choices=SECTIONS, default=(), metavar="SECTION")
    parser.add_argument(
        "--output", type=Path, help="file of the table: Markdown, or JSON if it ends with .json"
    )
    parser.add_argument(
        "--profile", type=Path, metavar="FOLDER", help="folder for profiles of a default fit"
    )
    parser.add_argument("--epochs", type=int, default=5, help="of the textbook loops (default 5)")
    parser.add_argument(
        "--seconds",
        type=float,
        default=SECONDS,
        help=f"last begin of a section (default {SECONDS})",
    )
    parser.add_argument(
        "--stream-gb", type=float, default=8.0, help="size of the streamed file (default 8)"
    )
    parser.add_argument(
        "--scratch", type=Path, help="folder of the streamed file (default: temporary files)"
    )
    parser.add_argument("--commit", help="commit of skae, where the repository has no history")
    Recorder.add_option(parser)
    args = parser.parse_args()
    if args.device.startswith("cuda") and not torch.cuda.is_available():
        parser.error(
            "no CUDA device is available; --device cpu --quick tests the script without one."
        )
    if args.quick:
        args.stream_gb = min(args.stream_gb, 0.3)
    results = (
        "none" if args.quick and args.results == parser.get_default("results") else args.results
    )
    recorder = Recorder("gpu", results, packages=("triton",))
    if args.commit:
        recorder.run["commit"] = args.commit
    report = Report(recorder, args.output, args.seconds)
    print(f"{recorder.describe()}\n", flush=True)
    report.begin()
    sections = Sections(args, report)
    for name in args.only:
        if name not in args.skip:
            report.run(name, getattr(sections, name))
    for text in report.tracebacks.values():
        print(f"\n{text}")
    seconds = time.perf_counter() - report.began
    missed = [row[0] for row in report.rows if row[-1] == "missed"]
    print(f"\n{len(report.rows)} rows in {seconds:.0f} s. Goals missed: {json.dumps(missed)}.")
    print(f"Failures: {json.dumps([row[0] for row in report.failures])}.")
    sys.exit(1 if report.failures else 0)


if __name__ == "__main__":
    main()
