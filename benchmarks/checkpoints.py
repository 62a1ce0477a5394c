"""Measure the cost of `checkpoint_dir`: processor seconds of a fit with and without checkpoints, and of writing.

    python benchmarks/checkpoints.py --idx fashion-mnist/       # fits of about a minute

Each repeat fits with and without checkpoints, in alternating order. The seconds of a fit are those of the processor, in all
threads. Two parts of a fit with checkpoints are measured by themselves: the digest of data and parameters, and the writing of
states and of the result, of which `written` is the number. A last row is a fit that was finished before, and returns at once.
"""

import argparse
import contextlib
import tempfile
import time
import warnings
from unittest import mock

import numpy as np
from common import (
    Recorder,
    add_image_source,
    as_floats,
    blobs,
    flat,
    load_images,
    print_header,
    print_row,
)

from skae import DenseAutoencoder
from skae._training import checkpoints

N_GENERATED = 60_000
"""Number of generated images."""


class Clock:
    """Processor seconds and number of calls of functions that are replaced in a block."""

    def __init__(self):
        self.seconds = 0.0
        self.n_calls = 0

    def measure(self, function):
        """Return the function with a measurement of each call."""

        def measured(*arguments, **keywords):
            start = time.process_time()
            try:
                return function(*arguments, **keywords)
            finally:
                self.seconds += time.process_time() - start
                self.n_calls += 1

        return measured


def fit_seconds(X, args, folder):
    """Fit once, and return processor seconds of the fit, of the digest and of writing, and the number of files."""
    digest, writing = Clock(), Clock()
    replaced = [
        mock.patch.object(checkpoints, "digest_fit", digest.measure(checkpoints.digest_fit)),
        mock.patch.object(
            checkpoints.FitCheckpoints, "_save", writing.measure(checkpoints.FitCheckpoints._save)
        ),
    ]
    autoencoder = DenseAutoencoder(
        args.n_components,
        max_iter=args.max_iter,
        precision="float32",
        random_state=0,
        checkpoint_dir=folder,
    )
    with contextlib.ExitStack() as stack:
        stack.enter_context(warnings.catch_warnings())
        warnings.simplefilter("ignore")
        for replacement in replaced:
            stack.enter_context(replacement)
        start, wall = time.process_time(), time.perf_counter()
        autoencoder.fit(X)
        seconds, wall = time.process_time() - start, time.perf_counter() - wall
    return seconds, wall, digest.seconds, writing.seconds, writing.n_calls


def main():
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    add_image_source(parser, generated=True)
    Recorder.add_option(parser)
    parser.add_argument("--n-samples", type=int, default=None, help="number of images to use")
    parser.add_argument("--n-components", type=int, default=32)
    parser.add_argument("--max-iter", type=int, default=20, help="number of epochs")
    parser.add_argument("--repeats", type=int, default=3)
    args = parser.parse_args()
    images = blobs(N_GENERATED, (28, 28)) if args.source is None else load_images(args.source)[0]
    X = flat(as_floats(images[: args.n_samples]))
    recorder = Recorder("checkpoints", args.results)
    print(f"\n{len(X)} images, {args.max_iter} epochs; seconds of the processor\n")
    print_header("fit", "seconds", "wall seconds", "digest", "writing", "written")
    totals = {"without": [], "with": []}
    for repeat in range(args.repeats):
        names = ["without", "with"]
        if repeat % 2:
            names.reverse()
        for name in names:
            with tempfile.TemporaryDirectory() as folder:
                results = [fit_seconds(X, args, folder if name == "with" else None)]
                if name == "with" and repeat == args.repeats - 1:
                    results.append(fit_seconds(X, args, folder))
            totals[name].append(results[0][0])
            for label, result in zip(
                (f"{name} checkpoints", "finished before"), results, strict=False
            ):
                *seconds, n_written = result
                print_row(label, *(f"{value:.2f}" for value in seconds), n_written)
            if name == "with":
                share = (results[0][2] + results[0][3]) / results[0][0]
    medians = {name: float(np.median(values)) for name, values in totals.items()}
    increase = medians["with"] / medians["without"] - 1
    recorder.record("time_without", medians["without"], "s", args.repeats)
    recorder.record("time_with", medians["with"], "s", args.repeats)
    recorder.record("increase", increase, "ratio", args.repeats)
    recorder.record("share_of_writing", share, "ratio", 1)
    print(
        f"\nMedians: {medians['without']:.2f} s without and {medians['with']:.2f} s with checkpoints "
        f"({increase:+.2%}). Digest and writing take {share:.2%} of the last fit. {recorder.describe()}"
    )


if __name__ == "__main__":
    main()
