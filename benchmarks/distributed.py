"""Measure training in several processes, and predict the time of fits on many GPUs from measured parts.

    python benchmarks/distributed.py                    # 1 and 2 processes with one thread each, on generated images
    python benchmarks/distributed.py --gray fashion-mnist/ --color cifar10.npz
    python benchmarks/distributed.py --paper            # the table of large fits, without a measurement

The seconds of an epoch are those of the fastest epoch. A step of N processes consists of the gradients of a part of the batch,
and of one sum of all gradients. Both are measured by themselves: gradients in one process with smaller batches, and sums in N
processes that compute nothing else. `predicted` is the ratio from these parts. With more processes than cores, the processes
share the cores, which the prediction does not contain. In the line of one process, the difference of loss curves is that of a
fit whose batches are computed in two parts: rounding alone has this effect.

``--paper`` predicts fits on GPUs. The step of a GPU has a least time, in which kernels are launched, and a time for each
sample. The time of a sum is a latency for each of 2 (N - 1) messages of a ring, and the time of 8 (N - 1) / N bytes for each
weight.
"""

import argparse
import math
import os
import time
from unittest import mock

import numpy as np
import torch
from common import Recorder, as_floats, blobs, flat, load_images, print_header, print_row
from results import slug

from skae import ConvAutoencoder, DenseAutoencoder, distributed
from skae._training.defaults import make_plan
from skae._training.setup import FitSetup

GPU_STEP_SECONDS = 150e-6
"""Shortest time of a training step on a GPU, whose kernels are launched one by one."""

NETWORKS = {"8 GPUs, one machine": (8, 300e9, 10e-6), "32 GPUs, 4 machines": (32, 40e9, 30e-6)}
"""GPUs, bytes per second of a sum, and seconds of a message: NVLink, and a network of 400 Gbit/s."""

READ_BYTES_PER_SECOND = 2e9
"""Bytes that one machine reads from a disk in a second."""

LARGE_FITS = {
    "10^8 x 784 bytes": (10**8, 784, False, 1.6e6, 1.1e6),
    "10^9 x 784 bytes": (10**9, 784, False, 1.6e6, 1.1e6),
    "10^6 images 1024 x 1024 x 3": (10**6, 1024 * 1024 * 3, True, 120, 4e6),
}
"""Samples, bytes of a sample, whether images, samples per second of one GPU, and weights."""


def data_of(kind, source, n_samples):
    """Return samples of one kind, rows of grayscale images or color images, from a file or generated ones."""
    if source is not None:
        images = load_images(source)[0][:n_samples]
    elif kind == "dense":
        images = blobs(n_samples, (28, 28))
    else:
        images = blobs(n_samples, (32, 32, 3))
    images = as_floats(images)
    if kind == "dense":
        return flat(images)
    return images


def fit(kind, source, n_samples, max_iter, batch_size):
    """Fit once; return the seconds of the fastest epoch, the loss curve, and the number of weights."""
    make = DenseAutoencoder if kind == "dense" else ConvAutoencoder
    autoencoder = make(
        32,
        max_iter=max_iter,
        batch_size=batch_size,
        validation_fraction=min(0.1, 3000 / n_samples),
        precision="float32",
        random_state=0,
    ).fit(data_of(kind, source, n_samples))
    n_weights = sum(one.numel() for one in autoencoder.net_.module_.parameters())
    return autoencoder.history_["seconds"][1:].min(), np.array(autoencoder.loss_curve_), n_weights


def sum_seconds(n_weights, repeats):
    """Return the seconds of one sum of as many numbers as a network has weights."""
    gradients = torch.zeros(n_weights)
    torch.distributed.all_reduce(gradients)
    start = time.perf_counter()
    for _ in range(repeats):
        torch.distributed.all_reduce(gradients)
    return (time.perf_counter() - start) / repeats


def run(kind, source, n_samples, batch_size, args, counts):
    """Measure fits in this group of processes, and the parts of a step.

    Returns
    -------
    fits : list of (seconds, curve, n_weights)
        One fit for each repeat; in one process, also one with batches in two parts.
    parts : dict of int to float
        Seconds of an epoch with the part of a batch that each of `counts` processes has.
    seconds : float
        Seconds of a sum; 0 in one process.
    """
    torch.set_num_threads(1)
    fits = [fit(kind, source, n_samples, args.max_iter, batch_size) for _ in range(args.repeats)]
    if counts:
        # rounding alone: the same fit in one process, whose batches are computed in two parts
        with mock.patch.object(FitSetup, "n_parts", 2):
            fits.append(fit(kind, source, n_samples, args.max_iter, batch_size))
    parts = {
        n: fit(kind, source, n_samples // n, args.max_iter, batch_size // n)[0] for n in counts
    }
    if not torch.distributed.is_initialized():
        return fits, parts, 0.0
    return fits, parts, sum_seconds(fits[0][2], args.sums)


def measure(args, recorder):
    """Print the table of measured times."""
    print(f"\n{os.cpu_count()} cores, one thread in each process\n")
    print_header(
        "data",
        "batch",
        "processes",
        "s per epoch",
        "ratio",
        "predicted",
        "MB per step",
        "curve difference",
    )
    cases = [("dense", args.gray, args.rows, size) for size in args.batch_sizes]
    cases.append(("conv", args.color, args.images, args.batch_sizes[0]))
    for kind, source, n_samples, batch_size in cases:
        n_steps = (n_samples - min(0.1 * n_samples, 3000)) / batch_size
        seconds, curves = {}, {}
        for n in args.processes:
            counts = args.processes if n == 1 else []
            fits, measured_parts, seconds_of_sum = distributed.launch(
                run, n, kind, source, n_samples, batch_size, args, counts
            )
            if n == 1:
                parts = measured_parts
                curves[0] = fits.pop()[1]
            seconds[n] = min(one[0] for one in fits)
            _, curves[n], n_weights = fits[0]
            megabytes = 8e-6 * n_weights * (n - 1) / n
            predicted = parts[1] / (parts[n] + n_steps * seconds_of_sum)
            ratio = seconds[1] / seconds[n]
            # that of one process shows rounding alone
            other = n
            if n == 1:
                other = 0
            difference = np.abs(curves[other] / curves[1] - 1).max()
            print_row(
                kind,
                batch_size,
                n,
                f"{seconds[n]:.2f}",
                f"{ratio:.2f}",
                f"{predicted:.2f}",
                f"{megabytes:.1f}",
                f"{difference:.1e}",
            )
            path = f"{kind}/batch_{batch_size}/{n}"
            recorder.record(f"{path}/epoch_time", seconds[n], "s", args.repeats)
            recorder.record(f"{path}/speed", ratio, "ratio", args.repeats)
            recorder.record(f"{path}/predicted_speed", predicted, "ratio", 1)
            recorder.record(f"{path}/sum_volume", megabytes, "MB", 1)
            recorder.record(f"{path}/curve_difference", float(difference), "ratio", 1)
    print(f"\n{recorder.describe()}")


def predicted_step(batch_size, n_gpus, rate, n_weights, bandwidth, latency):
    """Return the seconds of a step on several GPUs: gradients of a part, and the sum of all gradients."""
    compute = max(GPU_STEP_SECONDS, math.ceil(batch_size / n_gpus) / rate)
    if n_gpus == 1:
        return compute
    volume = 8 * n_weights * (n_gpus - 1) / n_gpus
    return compute + volume / bandwidth + 2 * (n_gpus - 1) * latency


def best_count(batch_size, rate, n_weights, bandwidth, latency):
    """Return the number of GPUs, a power of 2, from which on twice as many gain less than 20 %."""
    n = 1
    while n < 4096:
        now = predicted_step(batch_size, n, rate, n_weights, bandwidth, latency)
        twice = predicted_step(batch_size, 2 * n, rate, n_weights, bandwidth, latency)
        if now / twice < 1.2:
            break
        n *= 2
    return n


def print_paper(recorder):
    """Print and record predicted times of large fits, with the default batch size and with larger ones."""
    print_header(
        "data",
        "GPUs",
        "batch",
        "epochs",
        "steps",
        "TB read",
        "GB of sums per GPU",
        "minutes on 1 GPU",
        "minutes",
        "minutes of reading",
        "useful GPUs",
    )
    for name, (n_samples, n_features, convolutional, rate, n_weights) in LARGE_FITS.items():
        plan = make_plan(
            n_samples,
            n_features,
            512,
            batch_size="auto",
            max_iter="auto",
            learning_rate_init="auto",
            early_stopping=True,
            cross_validation=False,
            convolutional=convolutional,
        )
        for machines, (n_gpus, bandwidth, latency) in NETWORKS.items():
            for factor in (1, 8, 64):
                batch_size = factor * plan.batch_size
                n_steps = plan.epochs * math.ceil(n_samples / batch_size)
                parts = (rate, n_weights, bandwidth, latency)
                step = predicted_step(batch_size, n_gpus, *parts)
                one = predicted_step(batch_size, 1, *parts)
                read_bytes = (plan.epochs + 1) * n_samples * n_features
                reading = read_bytes / READ_BYTES_PER_SECOND / math.ceil(n_gpus / 8)
                sum_bytes = 8 * n_weights * (n_gpus - 1) / n_gpus * n_steps
                useful = best_count(batch_size, *parts)
                key = f"paper/{slug(name)}/{n_gpus}_gpus/batch_{batch_size}"
                counts = {"steps": n_steps, "useful_gpus": useful, "epochs": plan.epochs}
                seconds = {
                    "time_on_one": n_steps * one,
                    "time": n_steps * step,
                    "reading_time": reading,
                }
                volumes = {"read": read_bytes / 1e6, "sums": sum_bytes / 1e6}
                for unit, values in (("count", counts), ("s", seconds), ("MB", volumes)):
                    keyed = {f"{key}/{column}": value for column, value in values.items()}
                    recorder.record_all(keyed, unit)
                print_row(
                    name,
                    machines,
                    batch_size,
                    plan.epochs,
                    f"{n_steps:,}",
                    f"{read_bytes / 1e12:.2f}",
                    f"{sum_bytes / 1e9:,.0f}",
                    f"{n_steps * one / 60:.1f}",
                    f"{n_steps * step / 60:.1f}",
                    f"{reading / 60:.1f}",
                    useful,
                )


def main():
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    Recorder.add_option(parser)
    parser.add_argument("--processes", type=int, nargs="+", default=[1, 2], help="the first is 1")
    parser.add_argument("--gray", help="images of 28 x 28, as in common.py (default generated)")
    parser.add_argument("--color", help="images of 32 x 32 x 3 (default generated)")
    parser.add_argument("--rows", type=int, default=60_000, help="rows of 784 columns")
    parser.add_argument("--images", type=int, default=10_000, help="images of 32 x 32 x 3")
    parser.add_argument(
        "--batch-sizes", type=int, nargs="+", default=[512, 2048], help="images: only the first"
    )
    parser.add_argument("--max-iter", type=int, default=3, help="epochs; the first does not count")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--sums", type=int, default=50, help="sums that are timed")
    parser.add_argument("--paper", action="store_true", help="predict large fits only")
    args = parser.parse_args()
    recorder = Recorder("distributed", args.results)
    if not args.paper:
        measure(args, recorder)
    print("\nPredicted fits on GPUs\n")
    print_paper(recorder)


if __name__ == "__main__":
    main()
