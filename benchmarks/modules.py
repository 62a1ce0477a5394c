"""Measure own encoders and decoders: other loops with the same network, overhead of a step, and error relative to PCA.

    python benchmarks/modules.py
    python benchmarks/modules.py --only loops overhead --data fashion-mnist/
    python benchmarks/modules.py --only tables --tables adbench/ --seeds 3

`loops`: a dense network 784-512-32-512-784 is trained for the same number of epochs, with batches of 256 and Adam, by a loop of
PyTorch, by skorch, by Pythae and by skae. Each has its own schedule of the learning rate, whose maximum is the one of `RATES`
with the lowest error of 2,000 training images that are left out. The lines of code are those of the function of this script and
of the classes that it needs beside encoder and decoder, without docstrings. Memory is the growth of the resident memory of a
new process during the fit. Pythae is left out if it is not installed: ``pip install pythae``.

`overhead`: seconds per step of the same network by a loop with `index_select` and by `ModuleAutoencoder(residual=None)`. Every
loop runs with few and with many epochs, and the difference of the times is divided by the difference of the steps. Runs are
interleaved.

`tables`: test error with ``residual="pca"`` divided by that of PCA with as many components, a quarter of the features. The ten
tables are the smallest of the folder. The networks are a bad one (sigmoids, dropout of half of the units, one narrow layer), a
usual one (one hidden layer of 64 ReLUs) and a good one (256 units with layer normalization and GELU).
"""

import argparse
import contextlib
import importlib.util
import inspect
import logging
import multiprocessing
import os
import resource
import tempfile
import time
import warnings
from pathlib import Path

import numpy as np
import torch
from common import (
    Recorder,
    blobs,
    flat,
    load_images,
    mean_squared_error,
    print_header,
    print_row,
    slug,
    timed,
)
from sklearn.datasets import load_digits
from sklearn.decomposition import PCA
from sklearn.model_selection import train_test_split
from sklearn.preprocessing import StandardScaler
from skorch import NeuralNetRegressor
from skorch.callbacks import LRScheduler
from torch import nn
from torch.optim.lr_scheduler import OneCycleLR

from skae import ModuleAutoencoder

N_TABLES = 10
BATCH_SIZE = 256
RATE = 1e-3
RATES = (1e-3, 3e-3, 1e-2)
N_VALIDATION = 2000

# ----------------------------------------------------------------------------------------------------------- networks


class Encoder(nn.Sequential):
    """The encoder 784-512-32."""

    def __init__(self, n_features=784, n_components=32):
        super().__init__(nn.Linear(n_features, 512), nn.ReLU(), nn.Linear(512, n_components))


class Decoder(nn.Sequential):
    """The decoder 32-512-784."""

    def __init__(self, n_features=784, n_components=32):
        super().__init__(nn.Linear(n_components, 512), nn.ReLU(), nn.Linear(512, n_features))


def bad(n_inputs, n_outputs):
    """Return layers that lose most of the information of a table."""
    return nn.Sequential(
        nn.Linear(n_inputs, 4),
        nn.Sigmoid(),
        nn.Dropout(0.5),
        nn.Linear(4, 64),
        nn.Sigmoid(),
        nn.Dropout(0.5),
        nn.Linear(64, n_outputs),
        nn.Sigmoid(),
    )


def usual(n_inputs, n_outputs):
    """Return one hidden layer."""
    return nn.Sequential(nn.Linear(n_inputs, 64), nn.ReLU(), nn.Linear(64, n_outputs))


def good(n_inputs, n_outputs):
    """Return a wide hidden layer with layer normalization."""
    return nn.Sequential(
        nn.Linear(n_inputs, 256), nn.LayerNorm(256), nn.GELU(), nn.Linear(256, n_outputs)
    )


NETWORKS = {"bad": bad, "usual": usual, "good": good}


def as_encoder(sample_shape, n_components, network):
    """Build the encoder of a name."""
    return NETWORKS[network](sample_shape[0], n_components)


def as_decoder(sample_shape, n_components, network):
    """Build the decoder of a name."""
    return NETWORKS[network](n_components, sample_shape[0])


# -------------------------------------------------------------------------------------------------------------- loops


def loop(X, T, epochs, rate):
    """Train by a loop of PyTorch, and return the reconstructions of the test samples."""
    torch.manual_seed(0)
    X = X.astype(np.float32)
    mean, scale = X.mean(0), np.sqrt(X.var(0).mean())
    X = torch.from_numpy((X - mean) / scale)
    T = torch.from_numpy((T.astype(np.float32) - mean) / scale)
    model = nn.Sequential(Encoder(), Decoder())
    optimizer = torch.optim.Adam(model.parameters(), lr=rate, fused=True)
    n_steps = epochs * -(-len(X) // BATCH_SIZE)
    scheduler = OneCycleLR(optimizer, rate, total_steps=n_steps)
    model.train()
    for _ in range(epochs):
        for indices in torch.randperm(len(X)).split(BATCH_SIZE):
            batch = X[indices]
            optimizer.zero_grad()
            loss = nn.functional.mse_loss(model(batch), batch)
            loss.backward()
            optimizer.step()
            scheduler.step()
    model.eval()
    with torch.no_grad():
        return model(T).numpy() * scale + mean


class Reconstructor(nn.Sequential):
    """Encoder and decoder as one module of skorch."""

    def __init__(self):
        super().__init__(Encoder(), Decoder())


def skorch(X, T, epochs, rate):
    """Train by skorch, and return the reconstructions of the test samples."""
    torch.manual_seed(0)
    X = X.astype(np.float32)
    mean, scale = X.mean(0), np.sqrt(X.var(0).mean())
    X = (X - mean) / scale
    n_steps = epochs * -(-len(X) // BATCH_SIZE)
    scheduler = LRScheduler(OneCycleLR, max_lr=rate, total_steps=n_steps, step_every="batch")
    net = NeuralNetRegressor(
        Reconstructor,
        max_epochs=epochs,
        batch_size=BATCH_SIZE,
        optimizer=torch.optim.Adam,
        optimizer__fused=True,
        callbacks=[scheduler],
        iterator_train__shuffle=True,
        train_split=None,
        verbose=0,
    )
    net.fit(X, X)
    return net.predict((T.astype(np.float32) - mean) / scale) * scale + mean


def _pythae_modules():
    """Return encoder and decoder with the base classes and the outputs of Pythae."""
    from pythae.models.base.base_utils import ModelOutput
    from pythae.models.nn import BaseDecoder, BaseEncoder

    class PythaeEncoder(BaseEncoder):
        def __init__(self):
            super().__init__()
            self.layers = Encoder()

        def forward(self, x):
            return ModelOutput(embedding=self.layers(x))

    class PythaeDecoder(BaseDecoder):
        def __init__(self):
            super().__init__()
            self.layers = Decoder()

        def forward(self, z):
            return ModelOutput(reconstruction=self.layers(z))

    return PythaeEncoder(), PythaeDecoder()


def pythae(X, T, epochs, rate):
    """Train by Pythae, and return the reconstructions of the test samples."""
    from pythae.models import AE, AEConfig
    from pythae.pipelines import TrainingPipeline
    from pythae.trainers import BaseTrainerConfig

    torch.manual_seed(0)
    X = X.astype(np.float32)
    mean, scale = X.mean(0), np.sqrt(X.var(0).mean())
    X, T = (X - mean) / scale, torch.from_numpy((T.astype(np.float32) - mean) / scale)
    encoder, decoder = _pythae_modules()
    model = AE(AEConfig(input_dim=(784,), latent_dim=32), encoder=encoder, decoder=decoder)
    with tempfile.TemporaryDirectory() as folder:
        config = BaseTrainerConfig(
            output_dir=folder,
            num_epochs=epochs,
            per_device_train_batch_size=BATCH_SIZE,
            learning_rate=rate,
            optimizer_params={"fused": True},
            scheduler_cls="CosineAnnealingLR",
            scheduler_params={"T_max": epochs},
        )
        TrainingPipeline(model, config)(X)
    model.eval()
    with torch.no_grad():
        return model.reconstruct(T).numpy() * scale + mean


def skae(X, T, epochs, rate):
    """Train by skae, and return the reconstructions of the test samples."""
    autoencoder = ModuleAutoencoder(
        Encoder,
        Decoder,
        32,
        residual=None,
        solver="adam",
        max_iter=epochs,
        batch_size=BATCH_SIZE,
        learning_rate_init=rate,
        early_stopping=False,
        random_state=0,
    )
    return autoencoder.fit(X).reconstruct(T)


LOOPS = {
    "loop": (loop, []),
    "skorch": (skorch, [Reconstructor]),
    "pythae": (pythae, [_pythae_modules]),
    "skae": (skae, []),
}
"""Function of each loop, and the classes that it needs beside encoder and decoder."""


def n_lines(functions):
    """Return the lines of code of functions or classes, without definitions of functions, docstrings and empty lines."""
    n = 0
    for function in functions:
        lines = [line for line in inspect.getsource(function).splitlines() if line.strip()]
        n += len(lines) - 1  # the docstring
        if inspect.isfunction(function):
            n -= 1
    return n


def _measure_loop(name, rates, X, T, epochs, connection):
    """Train with each rate in a new process, and send seconds, error and growth of memory of each."""
    torch.set_num_threads(1)
    warnings.simplefilter("ignore")
    logging.disable(logging.INFO)
    train = LOOPS[name][0]
    results = []
    with open(os.devnull, "w") as nowhere, contextlib.redirect_stderr(nowhere):
        train(X[:512], T[:8], 1, rates[0])  # imports, and first calls of torch
        for rate in rates:
            before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
            start = time.perf_counter()
            X_hat = train(X, T, epochs, rate)
            seconds = time.perf_counter() - start
            growth = 1024 * (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)
            results.append((seconds, mean_squared_error(T, X_hat, 255), growth))
    connection.send(results)


def _in_new_process(*args):
    """Return the results of `_measure_loop` in a new process."""
    context = multiprocessing.get_context("spawn")
    here, there = context.Pipe(duplex=False)
    process = context.Process(target=_measure_loop, args=(*args, there))
    process.start()
    there.close()  # an end of the process without a result is then an EOFError
    results = here.recv()
    process.join()
    return results


def measure_loops(recorder, X, T, epochs):
    """Print and write the table of loops with the same network."""
    print(f"\n{len(X):,} training samples, {epochs} epochs, {len(T):,} test samples.\n")
    print_header("", "lines", "learning rate", "seconds", "test error", "memory, MB")
    n_held_out = min(N_VALIDATION, len(X) // 5)
    for name, (function, classes) in LOOPS.items():
        if name == "pythae" and importlib.util.find_spec("pythae") is None:
            print_row(name, *["not installed"] * 5)
            continue
        results = _in_new_process(name, RATES, X[n_held_out:], X[:n_held_out], epochs)
        rate = RATES[int(np.argmin([error for _, error, _ in results]))]
        ((seconds, error, growth),) = _in_new_process(name, [rate], X, T, epochs)
        lines = n_lines([function, *classes])
        print_row(name, lines, rate, f"{seconds:.1f}", f"{error:.5f}", f"{growth / 1e6:.0f}")
        recorder.record(f"loops/{name}/lines", lines, "count")
        recorder.record(f"loops/{name}/rate", rate, "ratio")
        recorder.record(f"loops/{name}/fit_time", seconds, "s")
        recorder.record(f"loops/{name}/error", error, "ratio")
        recorder.record(f"loops/{name}/memory", growth, "bytes")
    recorder.record("loops/epochs", epochs, "count")
    recorder.record("loops/n_samples", len(X), "count")


# ----------------------------------------------------------------------------------------------------------- overhead


def plain(X, epochs):
    """Train by a loop with `index_select`."""
    torch.manual_seed(0)
    mean, scale = X.mean(0), np.sqrt(X.var(0).mean())
    rows = torch.from_numpy((X - mean) / scale)
    model = nn.Sequential(Encoder(), Decoder())
    optimizer = torch.optim.Adam(model.parameters(), lr=RATE, fused=True)
    for _ in range(epochs):
        order = torch.randperm(len(rows))
        for indices in order.split(BATCH_SIZE):
            batch = rows.index_select(0, indices)
            optimizer.zero_grad()
            loss = (model(batch) - batch).square().mean()
            loss.backward()
            optimizer.step()


def module(X, epochs):
    """Train by skae, with a constant learning rate as in the plain loop."""
    ModuleAutoencoder(
        Encoder,
        Decoder,
        32,
        residual=None,
        max_iter=epochs,
        batch_size=BATCH_SIZE,
        learning_rate="constant",
        learning_rate_init=RATE,
        early_stopping=False,
        random_state=0,
    ).fit(X)


def measure_overhead(recorder, X, n_repeats, epochs):
    """Print and write the seconds per step of a plain loop and of skae."""
    X = X.astype(np.float32)
    n_steps = int(np.ceil(len(X) / BATCH_SIZE))
    contenders = {
        f"{name}-{n}": (lambda run=run, n=n: timed(lambda: run(X, n)))
        for name, run in (("plain", plain), ("skae", module))
        for n in (1, 1 + epochs)
    }
    times = {name: [] for name in contenders}
    for _ in range(n_repeats):
        for name, contender in contenders.items():
            times[name].append(contender()[0])
    per_step = {
        name: (np.median(times[f"{name}-{1 + epochs}"]) - np.median(times[f"{name}-1"]))
        / (epochs * n_steps)
        for name in ("plain", "skae")
    }
    overhead = per_step["skae"] / per_step["plain"] - 1
    print_header("", "ms per step")
    for name, seconds in per_step.items():
        print_row(name, f"{1000 * seconds:.3f}")
        recorder.record(f"overhead/{name}/step_time", seconds, "s", n_repeats)
    print(f"\nOverhead of skae: {100 * overhead:.1f} %.")
    recorder.record("overhead/overhead", overhead, "ratio", n_repeats)


# ------------------------------------------------------------------------------------------------------------- tables


def load_table(path, seed):
    """Return standardized training and test samples of a table, or digits for None."""
    if path is None:
        return train_test_split(load_digits().data, test_size=0.2, random_state=seed)
    with np.load(path, allow_pickle=False) as file:
        X = np.asarray(file["X"], np.float64)
    X, T = train_test_split(X, test_size=0.2, random_state=seed)
    scaler = StandardScaler().fit(X)
    return scaler.transform(X), scaler.transform(T)


def ratio(path, network, seed):
    """Return the test error of a network beside the linear part, divided by that of PCA, and the selected epoch."""
    X, T = load_table(path, seed)
    k = max(1, X.shape[1] // 4)
    pca = PCA(k, svd_solver="full").fit(X)
    autoencoder = ModuleAutoencoder(
        as_encoder,
        as_decoder,
        k,
        encoder__network=network,
        decoder__network=network,
        random_state=seed,
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        error = mean_squared_error(T, autoencoder.fit(X).reconstruct(T))
    pca_error = mean_squared_error(T, pca.inverse_transform(pca.transform(T)))
    return error / pca_error, autoencoder.best_iter_


def measure_tables(recorder, paths, networks, n_seeds):
    """Print and write the test errors relative to PCA."""
    ratios = {network: [] for network in networks}
    print_header("test error / PCA's", *networks)
    for path in [*paths, None]:
        name = "digits" if path is None else path.stem.partition("_")[2]
        cells = []
        for network in networks:
            found = [ratio(path, network, seed) for seed in range(n_seeds)]
            median = float(np.median([one for one, _ in found]))
            ratios[network].append(median)
            epochs = " ".join(str(epoch) for _, epoch in found)
            cells.append(f"{median:.4f} (epochs {epochs})")
            recorder.record(f"tables/{slug(name)}/{network}/ratio", median, "ratio", n_seeds)
        print_row(name, *cells)
    medians = {network: float(np.median(values)) for network, values in ratios.items()}
    print_row("median", *(f"{median:.4f}" for median in medians.values()))
    for network, median in medians.items():
        recorder.record(f"tables/median/{network}/ratio", median, "ratio", n_seeds)
        recorder.record(f"tables/max/{network}/ratio", max(ratios[network]), "ratio", n_seeds)


def main():
    """Print the tables and write their figures."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--only", nargs="*", choices=["loops", "overhead", "tables"])
    parser.add_argument("--data", help="images of 28 x 28 pixels; generated ones without")
    parser.add_argument("--images", type=int, default=20000, help="training images")
    parser.add_argument("--epochs", type=int, default=10)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--tables", help="folder of .npz files with X")
    parser.add_argument("--networks", nargs="*", choices=list(NETWORKS), default=list(NETWORKS))
    parser.add_argument("--seeds", type=int, default=3)
    Recorder.add_option(parser)
    args = parser.parse_args()
    recorder = Recorder("modules", args.results, packages=("skorch", "pythae"))
    wanted = args.only or ["loops", "overhead", "tables"]
    if args.data:
        X, _, T, _ = load_images(args.data)
        X, T = flat(X)[: args.images], flat(T)[:2000]
    else:
        X = (255 * flat(blobs(args.images + 500, (28, 28)))).astype(np.uint8)
        X, T = X[:-500], X[-500:]
    if "loops" in wanted:
        measure_loops(recorder, X, T, args.epochs)
    if "overhead" in wanted:
        measure_overhead(recorder, X, args.repeats, args.epochs)
    if "tables" in wanted:
        paths = []
        if args.tables:
            paths = sorted(Path(args.tables).glob("*.npz"), key=lambda path: path.stat().st_size)
        measure_tables(recorder, paths[:N_TABLES], args.networks, args.seeds)
    print(f"\n{recorder.describe()}")


if __name__ == "__main__":
    main()
