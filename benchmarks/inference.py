"""Measure how fast codes come: `transform` and `reconstruct` beside the bare network and beside PCA, for many rows and for one.

    python benchmarks/inference.py
    python benchmarks/inference.py --idx fashion-mnist/ --repeats 9
    python benchmarks/inference.py --rows 2000 --fit-rows 2000 --calls 100 --repeats 2 --skip-compile     # a try

The bare network is the one that was fitted, called as its author would call it: pieces of as many rows as skae takes at once
(or `--piece`), `torch.from_numpy`, `torch.inference_mode`, the answers written into one tensor, and back to NumPy. It checks
nothing. PCA has as many components. All take the same rows, as bytes and as float32. With `torch.compile`, asked for by
`net_params={"compile": True}`, come two more estimators, where it works.
"""

import argparse
import time

import numpy as np
import torch
from common import (
    add_image_source,
    blobs,
    flat,
    head,
    interleaved,
    load_images,
    row,
    setting,
    timed,
)
from sklearn.decomposition import PCA

from skae import ConvAutoencoder, DenseAutoencoder
from skae.autoencoders._inference import inference_chunks

# ------------------------------------------------------------------------------------------------------- bare networks


class Bare:
    """A fitted network without an estimator around it.

    Parameters
    ----------
    model : BaseAutoencoder
        Fitted.
    n_features : int
        Numbers in a row.
    size : int, default=None
        Rows per piece; None for as many as skae takes.
    compiled : bool, default=False
        Whether its encoder goes through `torch.compile`.
    """

    def __init__(self, model, n_features, size=None, *, compiled=False):
        self.module = model.net_.module_
        self.encode = torch.compile(self.module.encode) if compiled else self.module.encode
        self.device = next(self.module.parameters()).device
        # with pieces of other sizes this would compare caches
        self.size = size or inference_chunks(model.net_, 2**20)[0].stop
        self.widths = {"transform": model.n_components_, "reconstruct": n_features}

    def __call__(self, method, X):
        """Encode, or encode and decode, images or rows."""
        rows = flat(X)
        out = torch.empty(len(rows), self.widths[method])
        with torch.inference_mode():
            for begin in range(0, len(rows), self.size):
                x = torch.from_numpy(rows[begin : begin + self.size]).to(self.device)
                z = self.encode(x)
                out[begin : begin + self.size] = (
                    z if method == "transform" else self.module.decode(z)
                )
        return out.numpy()


def linear(pca, method, X):
    """Do the same by PCA."""
    Z = pca.transform(flat(X))
    return Z if method == "transform" else pca.inverse_transform(Z)


# ------------------------------------------------------------------------------------------------------------ measuring


def many_rows(fitted, pca, images, args):
    """Print the table of all rows in one call."""
    head(
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
        bare = Bare(model, flat(X).shape[1], args.piece)
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
                    run(0)  # pages of the answers, kernels
                found = interleaved(contenders, args.repeats)
                medians = {key: np.median(seconds) for key, seconds in found.items()}
                ratio = np.median(np.divide(found["skae"], found["bare"]))
                row(
                    f"{name}.{method}",
                    np.dtype(dtype).name,
                    *(f"{medians[key]:.3f}" for key in ("skae", "bare")),
                    f"{ratio:.3f}",
                    f"{medians['pca']:.3f}",
                    f"{len(given) / medians['skae']:,.0f}",
                )


def one_row(fitted, pca, images, args):
    """Print the table of one row a call."""
    given = {dtype: np.ascontiguousarray(images[:1], dtype) for dtype in ("uint8", "float32")}
    calls = {}
    for dtype, one in given.items():
        for name, model in fitted.items():
            X = flat(one) if isinstance(model, DenseAutoencoder) else one
            bare = Bare(model, flat(X).shape[1])
            calls[f"{name}.transform", dtype] = lambda X=X, model=model: model.transform(X)
            if name not in ("DenseAutoencoder", "ConvAutoencoder"):
                continue  # whose networks are the same
            calls[f"its bare network ({name})", dtype] = lambda X=X, bare=bare: bare("transform", X)
            if any(other.startswith("compiled") for other in fitted):
                quick = Bare(model, flat(X).shape[1], compiled=True)
                calls[f"its bare encoder, compiled ({name})", dtype] = lambda X=X, quick=quick: (
                    quick("transform", X)
                )
        calls["PCA.transform", dtype] = lambda one=one: pca.transform(flat(one))

    def measured(call):
        def run(_):
            spent = np.empty(args.calls)
            for i in range(args.calls):
                start = time.perf_counter_ns()
                call()
                spent[i] = time.perf_counter_ns() - start
            return spent / 1000

        return run

    for call in calls.values():
        measured(call)(0)
    found = interleaved({name: measured(call) for name, call in calls.items()}, args.repeats)
    head("one row", "X", "median, µs", "90 of 100 calls within, µs")
    for (name, dtype), spent in found.items():
        row(name, dtype, f"{np.median(spent):.0f}", f"{np.percentile(spent, 90):.0f}")


def main():
    """Print the tables."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add_image_source(parser, made_up=True)
    parser.add_argument(
        "--rows",
        type=int,
        default=100000,
        help="images are repeated up to so many (default 100000)",
    )
    parser.add_argument(
        "--fit-rows",
        type=int,
        default=20000,
        help="one epoch on so many: enough for the widest layers",
    )
    parser.add_argument(
        "--calls", type=int, default=500, help="with one row, a repeat (default 500)"
    )
    parser.add_argument(
        "--piece", type=int, help="rows that the bare network takes at once (default as skae)"
    )
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--device", default="auto")
    parser.add_argument(
        "--skip-compile", action="store_true", help="leave out torch.compile, which takes a minute"
    )
    args = parser.parse_args()
    images = load_images(args.source)[0] if args.source else blobs(min(args.rows, 60000), (28, 28))
    images = np.resize(images, (args.rows, *images.shape[1:]))
    learned = images[: args.fit_rows]

    settings = {
        "n_components": 32,
        "max_iter": 1,
        "early_stopping": False,
        "device": args.device,
        "random_state": 0,
    }
    wanted = {
        "DenseAutoencoder": DenseAutoencoder(**settings),
        "ConvAutoencoder": ConvAutoencoder(**settings),
    }
    if not args.skip_compile:
        # beyond its limit of 8 torch gives up compiling without an error, and here are more networks and dtypes in a process
        torch._dynamo.config.recompile_limit = 64
        for name, model in list(wanted.items()):
            wanted[f"compiled {name}"] = type(model)(**settings, net_params={"compile": True})
    fitted, left_out = {}, []
    for name, model in wanted.items():
        try:
            fitted[name] = model.fit(
                flat(learned) if isinstance(model, DenseAutoencoder) else learned
            )
        except Exception as error:  # torch.compile needs a C++ compiler, and some luck
            if not name.startswith("compiled"):
                raise
            left_out.append(f"{name} ({type(error).__name__}: {str(error).splitlines()[0]})")
    pca = PCA(32, svd_solver="covariance_eigh").fit(flat(learned).astype(np.float32))

    many_rows(fitted, pca, images, args)
    print()
    one_row(fitted, pca, images, args)
    if left_out:
        print(f"\nLeft out: {'; '.join(left_out)}.")
    weights = [
        f"{name} {sum(p.numel() for p in model.net_.module_.parameters()):,}"
        for name, model in fitted.items()
    ]
    print(
        f"\nWeights trained: {', '.join(weights)}. Medians of {args.repeats} runs, and of as many times {args.calls} calls."
    )
    print(setting())


if __name__ == "__main__":
    main()
