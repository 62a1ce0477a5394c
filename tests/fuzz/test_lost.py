"""Fits in several processes, one of which is killed at a random step; the fits are then continued.

``python tests/fuzz/test_lost.py 20`` kills 20 processes and prints one line for each configuration;
names of configurations may follow. After each kill, the other processes have to end with `Lost`
within 30 seconds, and none may be left. The same number of processes then continues the fit, with
the bits of an uninterrupted one, and so does another number, with the same loss curve up to
rounding.
"""

import os
import random
import shutil
import signal
import sys
import tempfile
import threading
import time
import warnings
from pathlib import Path

import numpy as np

from tests.fuzz.test_kill import (
    cross_validated,
    fingerprint,
    restored,
    run_as_script,
    tables,
    write_often,
)
from tests.own_modules import DenseDecoder, NormalEncoder
from tests.processes import run_processes

N_KILLS = 3

MAX_SECONDS = 30.0
"""Longest time from the kill of a process to the end of the others."""

MAX_DELAY = 0.01
"""Longest time in seconds from the beginning of a step to the kill."""

MAX_CURVE_DIFFERENCE = 1e-5

NUMBERS = (2, 3)
"""Numbers of processes of a fit that is killed. It is also continued by one more or one less."""


EIGHT_EPOCHS = {
    "validation_fraction": 0.1,
    "batch_size": 64,
    "max_iter": 8,
    "random_state": 0,
}
"""Parameters of a fit with some steps in each epoch, and a validation set."""


def divided(folder):
    """Fit a table with noise; each process computes a part of each batch."""
    from skae import DenseAutoencoder

    X = tables(600)
    model = DenseAutoencoder(
        3,
        corruption="gaussian",
        checkpoint_dir=folder,
        **EIGHT_EPOCHS,
    )
    return model.fit(X), X


def streamed(folder):
    """Fit rows of a file; each process reads its own blocks."""
    from skae import DenseAutoencoder

    X = tables(1200)
    file = tempfile.NamedTemporaryFile(suffix=".npy")  # noqa: SIM115
    np.save(file, X)
    file.flush()
    model = DenseAutoencoder(
        3,
        bottleneck="variational",
        validation_fraction=0.1,
        max_iter=6,
        random_state=0,
        checkpoint_dir=folder,
    )
    return model.fit(np.load(file.name, mmap_mode="r")), X


def own_network(folder):
    """Fit modules of the user."""
    from skae import ModuleAutoencoder

    X = tables(600)
    model = ModuleAutoencoder(
        NormalEncoder,
        DenseDecoder,
        3,
        bottleneck="variational",
        residual=None,
        checkpoint_dir=folder,
        **EIGHT_EPOCHS,
    )
    return model.fit(X), X


CONFIGURATIONS = [divided, streamed, restored, own_network, cross_validated]
"""Fits that are divided, and one that each process computes as a whole."""


def fit(rank, configuration, folder, victim, step, delay, times):
    """Fit in one process, and kill it if it is the victim.

    Parameters
    ----------
    rank : int
        Number of the process.
    configuration : callable
        Function of a folder that returns a fitted model, and X.
    folder : str or None
        For checkpoints.
    victim : int or None
        Number of the process that is killed.
    step : int
        The step in which it is killed.
    delay : float
        Seconds from the beginning of this step.
    times : str
        File for the time of the kill.

    Returns
    -------
    digest : str or None
        Digest of all that the fit leaves; None after a loss.
    curve : list of float or None
        Loss curve; None after a loss.
    n_steps : int
        Number of steps of this process.
    time : float
        Time of the end.
    """
    from skae._training.net import AutoencoderNet
    from skae.distributed import Lost

    counts = {"steps": 0}
    train_step = AutoencoderNet.train_step

    def kill():
        time.sleep(delay)
        Path(times).write_text(repr(time.monotonic()))
        os.kill(os.getpid(), signal.SIGKILL)

    def counted_step(net, batch, **parameters):
        counts["steps"] += 1
        if rank == victim and counts["steps"] == step:
            threading.Thread(target=kill).start()
        return train_step(net, batch, **parameters)

    AutoencoderNet.train_step = counted_step
    digest = curve = None
    try:
        model, X = configuration(folder)
        digest, curve = fingerprint(model, X), list(model.loss_curve_)
    except Lost:
        pass
    return digest, curve, counts["steps"], time.monotonic()


def processes_left():
    """Return the identifiers of other processes in the group of this process."""
    left = []
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = path.read_text().rpartition(")")[2].split()
        except OSError:  # it has ended
            continue
        pid = int(path.parent.name)
        if int(fields[2]) == os.getpgrp() and pid != os.getpid() and fields[0] != "Z":
            left.append(pid)
    return left


def has_curve(result, curve):
    """Return whether a result of `fit` has a loss curve, up to rounding."""
    if not isinstance(result, tuple) or result[1] is None:
        return False
    return np.allclose(result[1], curve, rtol=MAX_CURVE_DIFFERENCE, atol=0)


def kill_one(configuration, chance, uninterrupted, folder):
    """Kill one process of a fit, and continue the fit.

    Parameters
    ----------
    configuration : callable
        As in `fit`.
    chance : random.Random
        Selects processes and moments.
    uninterrupted : callable
        Function of a number of processes that returns the result of the uninterrupted fit.
    folder : Path
        Empty.

    Returns
    -------
    seconds : float
        Seconds until the last of the others ended.
    faults : list of str
        What went wrong.
    had_checkpoint : bool
        Whether the fit was continued from a checkpoint.
    """
    n = chance.choice(NUMBERS)
    digest, curve, n_steps, _ = uninterrupted(n)
    victim, step = chance.randrange(n), chance.randint(1, n_steps)
    same, other, times = folder / "same", folder / "other", folder / "times"
    arguments = (configuration, same, victim, step, chance.uniform(0, MAX_DELAY), times)
    results = run_processes(fit, n, *arguments)
    place = f"{configuration.__name__}, process {victim} of {n}, step {step} of {n_steps}"
    faults = [f"{place}: {left} left" for left in processes_left()]
    killed_at = float(times.read_text())
    seconds = 0.0
    for rank, result in enumerate(results):
        if rank == victim:
            continue
        if not isinstance(result, tuple):
            faults.append(f"{place}: process {rank} ended with {result!r}")
            continue
        seconds = max(seconds, result[3] - killed_at)
        if result[0] not in (None, digest):
            faults.append(f"{place}: process {rank} has another result")
    if seconds > MAX_SECONDS:
        faults.append(f"{place}: the others ended after {seconds:.1f} s")
    had_checkpoint = any(same.glob("*/*.safetensors"))
    if had_checkpoint:
        shutil.copytree(same, other)
    continued = run_processes(fit, n, configuration, same, None, 0, 0.0, times)
    if not all(isinstance(result, tuple) and result[0] == digest for result in continued):
        faults.append(f"{place}: {n} processes continued with another result: {continued}")
    n_other = chance.choice((n - 1, n + 1))
    continued = run_processes(fit, n_other, configuration, other, None, 0, 0.0, times)
    if not all(has_curve(result, curve) for result in continued):
        faults.append(f"{place}: {n_other} processes continued with another result: {continued}")
    return seconds, faults, had_checkpoint


def kill_processes(n_kills, chosen, seed=0):
    """Kill processes at random steps of fits.

    Returns
    -------
    n_faults, n_resumed : int
        The numbers of faults, and of fits that had checkpoints.
    longest : float
        Longest time in seconds until all others had ended.
    """
    write_often()
    chance = random.Random(seed)
    n_faults = n_resumed = 0
    longest = 0.0
    for i, configuration in enumerate(chosen):
        results = {}

        def uninterrupted(n, configuration=configuration, results=results):
            if n not in results:
                first, *others = run_processes(fit, n, configuration, None, None, 0, 0.0, "")
                assert all(one[:3] == first[:3] for one in others), f"{configuration} differs"
                results[n] = first
            return results[n]

        n_killed = n_with_checkpoint = 0
        slowest = 0.0
        for _ in range(i, n_kills, len(chosen)):
            with tempfile.TemporaryDirectory() as folder:
                killed = kill_one(configuration, chance, uninterrupted, Path(folder))
            seconds, faults, had_checkpoint = killed
            print("\n".join(faults), end="\n" * bool(faults), flush=True)
            n_killed, n_faults = n_killed + 1, n_faults + len(faults)
            n_with_checkpoint += had_checkpoint
            slowest = max(slowest, seconds)
        print(
            f"{configuration.__name__:20} {n_killed:4} kills, others ended in {slowest:.2f} s, "
            f"{n_with_checkpoint} fits had checkpoints",
            flush=True,
        )
        n_resumed, longest = n_resumed + n_with_checkpoint, max(longest, slowest)
    return n_faults, n_resumed, longest


def test_the_loss_of_a_process_ends_the_others_and_the_fit_can_be_continued():
    """Processes are killed at three random steps; the others end, and fits go on as if nothing happened."""
    run_as_script(__file__, N_KILLS)


if __name__ == "__main__":
    # imports of seconds, which each fork would repeat
    import torch._dynamo

    import skae  # noqa: F401

    if os.getpgrp() != os.getpid():
        os.setpgid(0, 0)
    torch.set_num_threads(1)
    warnings.simplefilter("ignore")
    names = sys.argv[2:]
    chosen = [one for one in CONFIGURATIONS if one.__name__ in (names or one.__name__)]
    n_faults, n_resumed, longest = kill_processes(int(sys.argv[1]), chosen)
    print(f"{n_faults} faults, {n_resumed} fits had checkpoints, others ended in {longest:.2f} s")
    sys.exit(int(n_faults > 0 or n_resumed == 0))
