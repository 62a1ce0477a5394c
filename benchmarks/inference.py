"""Measure the speed of `transform` and `reconstruct`, compared with the bare network and with PCA.

    python benchmarks/inference.py
    python benchmarks/inference.py --idx fashion-mnist/ --repeats 9
    python benchmarks/inference.py --rows 2000 --fit-rows 2000 --calls 100 --repeats 2 --skip-compile

The bare network is the fitted network without input validation: chunks of the same size as in skae (or `--chunk`),
`torch.from_numpy`, `torch.inference_mode`, and the results written into one tensor. PCA has as many components. All methods get
the same rows, as bytes and as float32. Two more estimators use `torch.compile` by `net_params={"compile": True}`, if a compiler
is available. For one row, the same network runs in ONNX Runtime, too, with one thread.
"""

import argparse
import tempfile
import time
from pathlib import Path

import numpy as np
import onnxruntime
import torch
from common import (
    Recorder,
    add_image_source,
    blobs,
    flat,
    interleaved,
    load_images,
    print_header,
    print_row,
    slug,
    timed,
)
from sklearn.decomposition import PCA

from skae import ConvAutoencoder, DenseAutoencoder, export
from skae.autoencoders._inference import inference_chunks

# ------------------------------------------------------------------------------------------------------- bare networks


class Bare:
    """A fitted network without its estimator.

    Parameters
    ----------
    model : BaseAutoencoder
        Fitted estimator.
    n_features : int
        Number of features.
    size : int, default=None
        Rows per chunk; None uses the chunk size of skae.
    compiled : bool, default=False
        Whether to compile the encoder by `torch.compile`.
    """

    def __init__(self, model, n_features, size=None, *, compiled=False):
        self.module = model.net_.module_
        self.encode = torch.compile(self.module.encode) if compiled else self.module.encode
        self.device = next(self.module.parameters()).device
        # chunks of another size would have other cache misses
        rows = np.empty((2**20, 0), np.float32)
        self.size = size or inference_chunks(model.net_, rows, n_features)[0][0].stop
        self.widths = {"transform": model.n_components_, "reconstruct": n_features}

    def __call__(self, method, X):
        """Return the latent vectors or the reconstruction of images or rows."""
        rows = flat(X)
        out = torch.empty(len(rows), self.widths[method])
        with torch.inference_mode():
            for start in range(0, len(rows), self.size):
                x = torch.from_numpy(rows[start : start + self.size]).to(self.device)
                z = self.encode(x)
                out[start : start + self.size] = (
                    z if method == "transform" else self.module.decode(z)
                )
        return out.numpy()


def linear(pca, method, X):
    """Return the scores or the reconstruction of PCA."""
    Z = pca.transform(flat(X))
    return Z if method == "transform" else pca.inverse_transform(Z)


def onnx_session(model):
    """Return a function of one sample that encodes it by ONNX Runtime with one thread."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.log_severity_level = 3
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "encoder.onnx"
        export.to_onnx(model, path, method="transform")
        session = onnxruntime.InferenceSession(path, options)
    name = session.get_inputs()[0].name
    return lambda X: session.run(None, {name: X})[0]


# ------------------------------------------------------------------------------------------------------------ measuring


def compare_many_rows(fitted, pca, images, args, recorder):
    """Print the table of all rows in one call."""
    print_header(
        f"{len(images):,} rows",
        "X",
        "skae, s",
        "bare network, s",
        "skae / bare",
        "PCA, s",
        "skae, rows per second",
    )
    for name, model in fitted.items():
        X = flat(images) if isinstance(model, DenseAutoencoder) else images
        bare = Bare(model, flat(X).shape[1], args.chunk)
        for method in ("transform", "reconstruct"):
            for dtype in (np.uint8, np.float32):
                given = np.ascontiguousarray(X, dtype)
                contenders = {
                    "skae": lambda _, given=given, method=method, model=model: timed(
                        lambda: getattr(model, method)(given)
                    )[0],
                    "bare": lambda _, given=given, method=method, bare=bare: timed(
                        lambda: bare(method, given)
                    )[0],
                    "pca": lambda _, given=given, method=method: timed(
                        lambda: linear(pca, method, given)
                    )[0],
                }
                for run in contenders.values():
                    run(0)  # the first call takes longer
                results = interleaved(contenders, args.repeats)
                medians = {key: np.median(seconds) for key, seconds in results.items()}
                ratio = np.median(np.divide(results["skae"], results["bare"]))
                key = f"many/{slug(name)}/{method}/{np.dtype(dtype).name}"
                recorder.record(f"{key}/ratio_to_bare", ratio, "ratio", args.repeats)
                recorder.record(f"{key}/rate", len(given) / medians["skae"], "rows/s", args.repeats)
                pca_rate = len(given) / medians["pca"]
                recorder.record(f"{key}/pca_rate", pca_rate, "rows/s", args.repeats)
                print_row(
                    f"{name}.{method}",
                    np.dtype(dtype).name,
                    *(f"{medians[key]:.3f}" for key in ("skae", "bare")),
                    f"{ratio:.3f}",
                    f"{medians['pca']:.3f}",
                    f"{len(given) / medians['skae']:,.0f}",
                )


def compare_one_row(fitted, pca, images, args, recorder):
    """Print the table of one row per call."""
    given = {dtype: np.ascontiguousarray(images[:1], dtype) for dtype in ("uint8", "float32")}
    calls = {}
    for dtype, one in given.items():
        for name, model in fitted.items():
            X = flat(one) if isinstance(model, DenseAutoencoder) else one
            bare = Bare(model, flat(X).shape[1])
            calls[f"{name}.transform", dtype] = lambda X=X, model=model: model.transform(X)
            if name not in ("DenseAutoencoder", "ConvAutoencoder"):
                continue  # compiled estimators have the same networks
            calls[f"bare network ({name})", dtype] = lambda X=X, bare=bare: bare("transform", X)
            if dtype == "float32":
                session = onnx_session(model)
                calls[f"ONNX Runtime ({name})", dtype] = lambda X=X, session=session: session(X)
            if any(other.startswith("compiled") for other in fitted):
                compiled = Bare(model, flat(X).shape[1], compiled=True)
                calls[f"bare encoder, compiled ({name})", dtype] = lambda X=X, compiled=compiled: (
                    compiled("transform", X)
                )
        calls["PCA.transform", dtype] = lambda one=one: pca.transform(flat(one))

    def measured(call):
        def run(_):
            nanoseconds = np.empty(args.calls)
            for i in range(args.calls):
                start = time.perf_counter_ns()
                call()
                nanoseconds[i] = time.perf_counter_ns() - start
            return nanoseconds / 1000

        return run

    for call in calls.values():
        measured(call)(0)
    results = interleaved({name: measured(call) for name, call in calls.items()}, args.repeats)
    print_header("one row", "X", "median, µs", "90th percentile, µs")
    medians = {key: np.median(microseconds) for key, microseconds in results.items()}
    for (name, dtype), microseconds in results.items():
        median = medians[name, dtype]
        recorder.record(f"one/{slug(name)}/{dtype}/time", median, "us", args.repeats)
        print_row(name, dtype, f"{median:.0f}", f"{np.percentile(microseconds, 90):.0f}")
    print()
    for name in ("DenseAutoencoder", "ConvAutoencoder"):
        own = medians[f"{name}.transform", "float32"]
        for other in ("bare network", "ONNX Runtime"):
            ratio = own / medians[f"{other} ({name})", "float32"]
            recorder.record(
                f"one/{slug(name)}/ratio_to_{slug(other)}", ratio, "ratio", args.repeats
            )
            print(f"{name}.transform takes {ratio:.2f} times as long as the {other}.")


def main():
    """Print the tables and write their figures."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add_image_source(parser, generated=True)
    parser.add_argument(
        "--rows",
        type=int,
        default=100000,
        help="number of rows; images are repeated (default 100000)",
    )
    parser.add_argument(
        "--fit-rows",
        type=int,
        default=20000,
        help="training rows of the one epoch (default 20000)",
    )
    parser.add_argument(
        "--calls", type=int, default=500, help="calls with one row per repeat (default 500)"
    )
    parser.add_argument(
        "--chunk", type=int, help="chunk size of the bare network (default as skae)"
    )
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--device", default="auto")
    parser.add_argument(
        "--skip-compile", action="store_true", help="leave out torch.compile, which takes a minute"
    )
    Recorder.add_option(parser)
    args = parser.parse_args()
    recorder = Recorder("inference", args.results)
    images = load_images(args.source)[0] if args.source else blobs(min(args.rows, 60000), (28, 28))
    images = np.resize(images, (args.rows, *images.shape[1:]))
    X_train = images[: args.fit_rows]

    settings = {
        "n_components": 32,
        "max_iter": 1,
        "early_stopping": False,
        "device": args.device,
        "random_state": 0,
    }
    models = {
        "DenseAutoencoder": DenseAutoencoder(**settings),
        "ConvAutoencoder": ConvAutoencoder(**settings),
    }
    if not args.skip_compile:
        # above its default limit of 8, torch stops compiling without an error; this process has more networks and dtypes
        torch._dynamo.config.recompile_limit = 64
        for name, model in list(models.items()):
            models[f"compiled {name}"] = type(model)(**settings, net_params={"compile": True})
    fitted, left_out = {}, []
    for name, model in models.items():
        try:
            fitted[name] = model.fit(
                flat(X_train) if isinstance(model, DenseAutoencoder) else X_train
            )
        except Exception as error:  # torch.compile needs a C++ compiler
            if not name.startswith("compiled"):
                raise
            left_out.append(f"{name} ({type(error).__name__}: {str(error).splitlines()[0]})")
    pca = PCA(32, svd_solver="covariance_eigh").fit(flat(X_train).astype(np.float32))

    compare_many_rows(fitted, pca, images, args, recorder)
    print()
    compare_one_row(fitted, pca, images, args, recorder)
    if left_out:
        print(f"\nLeft out: {'; '.join(left_out)}.")
    weights = [
        f"{name} {sum(p.numel() for p in model.net_.module_.parameters()):,}"
        for name, model in fitted.items()
    ]
    print(
        f"\nWeights: {', '.join(weights)}. Medians of {args.repeats} runs, and of {args.repeats} x {args.calls} calls."
    )
    print(recorder.describe())


if __name__ == "__main__":
    main()
