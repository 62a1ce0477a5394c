"""Load forged files, and count the outcomes that must not occur.

Run ``python -m tests.fuzz.forged_files 10000`` for 10,000 files; a seed may follow. Each process
loads many files, and reports the file that it is loading before a crash.
"""

import json
import multiprocessing
import os
import re
import sys
import tempfile
import time
import warnings
from pathlib import Path

import numpy as np
from sklearn.decomposition import PCA
from sklearn.frozen import FrozenEstimator
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import MinMaxScaler, StandardScaler

from skae import (
    AutoencoderImputer,
    ConvAutoencoder,
    DenseAutoencoder,
    ImageRestorer,
    LatentCodec,
    LatentSampler,
    ModuleAutoencoder,
    ReconstructionDetector,
)
from skae.bottlenecks import Quantized
from skae.export import load, save
from skae.features import PatchFeatures

from ..cases import gray_images, low_rank
from ..own_modules import DenseDecoder, DenseEncoder
from .mutations import mutate

__all__ = ["COUNTS", "attack", "write_seeds"]

MODULES = {"encoder": DenseEncoder, "decoder": DenseDecoder}
"""Modules that all files are loaded with."""

MAY_BE_UNKNOWN = ("train_loss", "validation_loss", "seconds", "learning_rate")
"""Columns of a history that have NaN where nothing was measured."""

MAX_SECONDS = 1.0  # of the processor
MAX_BYTES = 200_000_000

COUNTS = (
    "files",
    "ValueError",
    "loaded",
    "refused in use",
    "other exceptions",
    "loaded with NaN",
    "over 1 s",
    "over 200 MB",
    "opened or ran something",
    "used with other exceptions",
    "crashes",
)
"""Rows of the table; those after the fourth must be 0."""

EVENTS = (
    "compile",
    "ctypes.",
    "exec",
    "import",
    "marshal.",
    "open",
    "os.exec",
    "os.fork",
    "os.posix_spawn",
    "os.system",
    "pickle.find_class",
    "shutil.",
    "socket.",
    "subprocess.Popen",
)
"""Beginnings of audit events of Python that loading a file must not cause."""

TABLE = low_rank(60, 5)
IMAGES = gray_images(30, 6, 6)


def write_seeds(folder):
    """Write one file of each kind of estimator, and return their paths."""
    dense = DenseAutoencoder(2, hidden_layer_sizes=(3,), max_iter=1, random_state=0)
    conv = ConvAutoencoder(2, n_filters=2, max_iter=1, random_state=0)
    quantized = DenseAutoencoder(4, bottleneck=Quantized(4), max_iter=1, random_state=0)
    estimators = {
        "dense": dense.fit(TABLE),
        "quantized": quantized.fit(TABLE),
        "ordered": DenseAutoencoder(2, bottleneck="ordered", max_iter=1).fit(TABLE),
        "nan": DenseAutoencoder(2, allow_nan=True, max_iter=1).fit(TABLE),
        "targets": DenseAutoencoder(2, target_weight=1.0, max_iter=1).fit(
            TABLE, np.array(["a", "b", "c"] * 20)
        ),
        "conv": conv.fit(IMAGES),
        "features": ConvAutoencoder(
            2, features=PatchFeatures(2), n_filters=2, max_iter=1, random_state=0
        ).fit(IMAGES),
        "pipeline": make_pipeline(MinMaxScaler(), StandardScaler(), dense).fit(TABLE),
        "codec": LatentCodec(FrozenEstimator(dense.fit(TABLE)), random_state=0).fit(TABLE),
        "codec-pca": LatentCodec(PCA(2), random_state=0).fit(TABLE),
        "detector": ReconstructionDetector(dense, random_state=0).fit(TABLE),
        "detector-images": ReconstructionDetector(conv, smoothing=0.8).fit(IMAGES),
        "imputer": AutoencoderImputer(
            DenseAutoencoder(2, max_iter=1, allow_nan=True), random_state=0
        ).fit(TABLE),
        "sampler": LatentSampler(dense, random_state=0).fit(TABLE),
        "module": ModuleAutoencoder(
            DenseEncoder, DenseDecoder, 2, encoder__hidden=4, max_iter=1, random_state=0
        ).fit(TABLE),
        "module-alone": ModuleAutoencoder(
            DenseEncoder, DenseDecoder, 2, residual=None, max_iter=1, random_state=0
        ).fit(IMAGES),
        "restorer": ImageRestorer(n_filters=2, max_iter=1, random_state=0).fit(IMAGES),
    }
    paths = []
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for name, estimator in estimators.items():
            paths.append(os.path.join(folder, name))
            save(estimator, paths[-1])
    return paths


def use(estimator):
    """Call the main method of an estimator."""
    for method in ("transform", "score_samples", "predict"):
        if hasattr(estimator, method):
            X = TABLE
            if isinstance(estimator, (ConvAutoencoder, ImageRestorer)):
                X = IMAGES
            n_features = getattr(estimator, "n_features_in_", X[0].size)
            if n_features == IMAGES[0].size:
                X = IMAGES
            return getattr(estimator, method)(X)
    return estimator.compress(TABLE)


def _has_nan(estimator):
    """Return whether a loaded estimator has NaN or infinity in an array where no value is unknown."""
    waiting, seen = [estimator], set()
    while waiting:
        value = waiting.pop()
        if id(value) in seen:
            continue
        seen.add(id(value))
        if isinstance(value, np.ndarray) and value.dtype.kind == "f":
            if not np.isfinite(value).all():
                return True
        elif isinstance(value, dict):
            waiting.extend(item for name, item in value.items() if name not in MAY_BE_UNKNOWN)
        elif isinstance(value, (list, tuple)):
            waiting.extend(item for item in value if not isinstance(item, (int, float, str)))
        elif hasattr(value, "__getstate__") and hasattr(value, "__dict__"):
            if isinstance(value, type) or type(value).__module__.split(".")[0] not in (
                "skae",
                "sklearn",
            ):
                continue
            waiting.append(value.__getstate__())
    return False


def _resident_peak(reset=False):
    """Return the peak of resident memory in bytes, after a reset if the system permits it."""
    if reset:
        Path("/proc/self/clear_refs").write_text("5")
    status = Path("/proc/self/status").read_text()
    name = "VmRSS" if reset else "VmHWM"
    return 1024 * int(re.search(rf"{name}:\s+(\d+)", status).group(1))


class Auditor:
    """Record of audit events, while it is active."""

    def __init__(self, target):
        self.target = target
        self.is_active = False
        self.events = []

    def __call__(self, event, arguments):
        """Record an event, except for the opening of the forged file."""
        if self.is_active and event.startswith(EVENTS):
            # a descriptor is that of a file whose opening was an event before
            if event == "open" and arguments[0] in (self.target, *range(100)):
                return
            self.events.append(f"{event} {arguments!r:.80}")


def _work(paths, seeds, folder, connection):
    """Mutate and load files, and send the outcomes of each one."""
    warnings.simplefilter("ignore")
    contents = [Path(path).read_bytes() for path in paths]
    target = os.path.join(folder, f"forged-{os.getpid()}")
    auditor = Auditor(target)
    sys.addaudithook(auditor)
    for path in paths:
        use(load(path, modules=MODULES))  # modules are imported
    measures_memory = os.path.exists("/proc/self/clear_refs")
    for seed in seeds:
        rng = np.random.default_rng(seed)
        data, name = mutate(contents[rng.integers(len(contents))], rng)
        Path(target).write_bytes(data)
        connection.send(("start", seed, name))
        before = _resident_peak(reset=True) if measures_memory else 0
        start = time.process_time()  # other programs may keep the machine busy
        outcomes, text, estimator = [], "", None
        auditor.is_active = True
        try:
            estimator = load(target, modules=MODULES)
            outcomes.append("loaded")
        except ValueError:
            outcomes.append("ValueError")
        except Exception as error:
            outcomes.append("other exceptions")
            text = repr(error)[:200]
        auditor.is_active = False
        if auditor.events:
            outcomes.append("opened or ran something")
            text, auditor.events = str(auditor.events[:3]), []
        if time.process_time() - start > MAX_SECONDS:
            outcomes.append("over 1 s")
        if measures_memory and _resident_peak() - before - len(data) > MAX_BYTES:
            outcomes.append("over 200 MB")
        if estimator is not None:
            if _has_nan(estimator):
                outcomes.append("loaded with NaN")
            try:
                use(estimator)
            except ValueError:
                outcomes.append("refused in use")
            except Exception as error:
                outcomes.append("used with other exceptions")
                text = repr(error)[:200]
        connection.send(("end", seed, name, outcomes, text))
    connection.send(("done",))


def attack(paths, n_files, folder, seed=0):
    """Load forged files in a process of its own, which is started again after a crash.

    Parameters
    ----------
    paths : list of str
        Files to mutate.
    n_files : int
        Number of forged files.
    folder : str
        Folder for the forged files.
    seed : int, default=0
        Seed of the first file; the others have the following ones.

    Returns
    -------
    counts : dict of int
        Number of files by outcome, a key of `COUNTS`.
    failures : list of str
        Outcomes that must not occur, with seed and mutation.
    """
    counts, failures = dict.fromkeys(COUNTS, 0), []
    context = multiprocessing.get_context("spawn")
    seeds = list(range(seed, seed + n_files))
    while seeds:
        here, there = context.Pipe()
        process = context.Process(target=_work, args=(paths, seeds, folder, there))
        process.start()
        there.close()
        last = ("start", None, "")
        try:
            while last[0] != "done":
                last = here.recv()
                if last[0] == "end":
                    _, one, name, outcomes, text = last
                    counts["files"] += 1
                    for outcome in outcomes:
                        counts[outcome] += 1
                    bad = set(outcomes) - set(COUNTS[:4])
                    if bad:
                        failures.append(f"{one} {name}: {', '.join(sorted(bad))} {text}")
        except EOFError:
            counts["files"] += 1
            counts["crashes"] += 1
            failures.append(f"{last[1]} {last[2]}: crash")
        process.join()
        if last[0] == "done" or last[1] is None:
            break
        seeds = list(range(last[1] + 1, seeds[-1] + 1))
    return counts, failures


def main(n_files, seed=0):
    """Print the table of an attack, and return whether it found nothing."""
    with tempfile.TemporaryDirectory() as folder:
        counts, failures = attack(write_seeds(folder), n_files, folder, seed)
    print("\n".join(failures))
    print(json.dumps(counts, indent=1))
    return not failures and counts["files"] == n_files


if __name__ == "__main__":
    sys.exit(not main(*map(int, sys.argv[1:])))
