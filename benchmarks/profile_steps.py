"""Measure where the time of a training step goes, and how near a step is to the peak of the processor.

    python benchmarks/profile_steps.py
    python benchmarks/profile_steps.py --images 20000 --steps 100 --only images-conv
    python benchmarks/profile_steps.py --images 600 --steps 2 --repeats 1

The steps are those of default fits of digits and of generated images: with folds for digits, and with the default
precision. `torch.profiler` measures the time within each operation of PyTorch. The time of the same steps without
the profiler, less the operations, is that of Python and of calls that compute nothing. The floating-point operations of
products and convolutions are counted. The peak is the rate of the product of two matrices of 2048 x 2048 in the same
precision.
"""

import argparse
import math
import time
import warnings

import torch
from common import Recorder, blobs, flat, print_header, print_row
from sklearn.datasets import load_digits
from torch.profiler import ProfilerActivity, profile
from torch.utils.flop_counter import FlopCounterMode

from skae import ConvAutoencoder, DenseAutoencoder
from skae._input.training_data import TrainingData
from skae._training.cuda_graphs import StepRecorder
from skae._training.setup import set_up_fit

PEAK_SIDE = 2048
N_FIRST_STEPS = 5
"""Steps before the measurement, in which libraries allocate memory and select kernels."""

CASES = {
    "digits-dense": "digits, dense",
    "digits-conv": "digits, convolutional",
    "images-dense": "images, dense",
    "images-conv": "images, convolutional",
}

PRODUCTS = " mm addmm bmm baddbmm mv addmv dot mkldnn_convolution convolution_backward "
"""Names of products and convolutions."""

CALLS = (
    " view reshape transpose t permute flatten unflatten unsqueeze squeeze expand movedim select "
    "slice narrow unbind split detach alias as_strided empty empty_like empty_strided new_empty "
    "empty_permuted linear matmul convolution _convolution to _to_copy clone contiguous stack "
)
"""Names of operations that compute nothing, or only call others."""

OPTIMIZER = ("Optimizer", "_fused", "_foreach", "linalg_vector_norm")
"""Parts of the names of the update of weights, and of the norm of the gradient."""


def training_steps(autoencoder, X):
    """Set up a fit, and return its net and a generator that trains it step by step."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        data = TrainingData.check(autoencoder, X, None, None, None, resume=False)
        setup = set_up_fit(autoencoder, data, 0, resume=False)
    net = setup.net
    net.max_epochs = 10**6  # the learning rate remains small, and the weights finite
    net.recorder_ = StepRecorder()
    net.set_progress(0, net.parts, math.inf, None)

    def steps():
        while True:
            net.module_.train()
            for batch in net.get_iterator(setup.dataset, training=True):
                if batch.X.shape[-2] == net.batch_size:  # not the last batch of an epoch
                    yield net.train_step(batch)

    return net, steps()


def seconds_per_step(steps, n_steps):
    """Return the time of a step as a mean over a number of steps."""
    start = time.perf_counter()
    for _ in range(n_steps):
        next(steps)
    return (time.perf_counter() - start) / n_steps


def operation_seconds(steps, n_steps):
    """Return the time of a step within products, the optimizer and other operations."""
    totals = {"products": 0.0, "optimizer": 0.0, "elementwise": 0.0}
    with profile(activities=[ProfilerActivity.CPU]) as profiler:
        seconds_per_step(steps, n_steps)
    for event in profiler.key_averages():
        seconds = event.self_cpu_time_total / 1e6 / n_steps
        name = event.key.removeprefix("aten::")
        if any(part in name for part in OPTIMIZER):
            totals["optimizer"] += seconds
        elif f" {name} " in PRODUCTS:
            totals["products"] += seconds
        elif event.key.startswith("aten::") and f" {name} " not in CALLS:
            totals["elementwise"] += seconds
    return totals


def count_operations(steps):
    """Return the floating-point operations of the products and convolutions of a step."""
    counter = FlopCounterMode(display=False)
    with counter:
        next(steps)
    return counter.get_total_flops()


def peak_rate(dtype):
    """Return the floating-point operations per second of a large matrix product."""
    a, b = torch.rand(2, PEAK_SIDE, PEAK_SIDE).to(dtype)
    seconds = []
    for _ in range(5):
        start = time.perf_counter()
        a @ b
        seconds.append(time.perf_counter() - start)
    return 2 * PEAK_SIDE**3 / min(seconds)


def main():
    """Print the table and write its figures."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--images", type=int, default=60000, help="number of images (default 60000)"
    )
    parser.add_argument("--steps", type=int, default=60, help="steps of a measurement (default 60)")
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--only", nargs="+", choices=list(CASES), default=list(CASES))
    Recorder.add_option(parser)
    args = parser.parse_args()
    recorder = Recorder("profile_steps", args.results)
    digits, images = load_digits().images, blobs(args.images, (28, 28))
    print_header(
        "",
        "precision",
        "step, ms",
        "products",
        "elementwise",
        "optimizer",
        "Python",
        "GFLOP",
        "share of peak",
        "products alone",
    )
    for case in args.only:
        X = digits if case.startswith("digits") else images
        make = ConvAutoencoder if case.endswith("conv") else DenseAutoencoder
        if make is DenseAutoencoder:
            X = flat(X)
        net, steps = training_steps(make(device="cpu", random_state=0), X)
        seconds_per_step(steps, N_FIRST_STEPS)
        times = [seconds_per_step(steps, args.steps) for _ in range(args.repeats)]
        step_time = min(times)
        parts = operation_seconds(steps, args.steps)
        n_operations = count_operations(steps)
        peak = peak_rate(net.precision)
        # the profiler adds some time to short operations
        whole = max(step_time, sum(parts.values()))
        shares = {name: seconds / whole for name, seconds in parts.items()}
        shares["python"] = 1 - sum(shares.values())
        shares["peak"] = n_operations / step_time / peak
        shares["products_peak"] = shares["peak"] / shares["products"]
        recorder.record_all(
            {f"{case}/{name}": share for name, share in shares.items()}, n_seeds=args.repeats
        )
        recorder.record(f"{case}/time", 1e6 * step_time, "us", args.repeats)
        recorder.record(f"{case}/rate", peak / 1e12, "TFLOP/s", args.repeats)
        names = ("products", "elementwise", "optimizer", "python")
        print_row(
            CASES[case],
            str(net.precision).removeprefix("torch."),
            f"{1e3 * step_time:.2f}",
            *(f"{shares[name]:.0%}" for name in names),
            f"{n_operations / 1e9:.3f}",
            f"{shares['peak']:.0%} of {peak / 1e9:.0f} GFLOP/s",
            f"{shares['products_peak']:.0%}",
        )
    print(f"\nLowest times of {args.repeats} runs of {args.steps} steps. {recorder.describe()}")


if __name__ == "__main__":
    main()
