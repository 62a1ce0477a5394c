"""Draw the figures of this folder in several processes."""

import importlib
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

import matplotlib.pyplot as plt

FOLDER = Path(__file__).parent


def draw(name):
    """Draw the figure of one script."""
    with plt.rc_context():
        importlib.import_module(name).draw(FOLDER / f"{name}.svg")
    plt.close("all")


def draw_outdated(n_jobs):
    """Draw each figure that is older than its script, a shared script, or the measured figures.

    Parameters
    ----------
    n_jobs : int
        Number of processes.
    """
    shared = [*FOLDER.glob("_*.py"), FOLDER.parents[1] / "benchmarks" / "results.json"]
    newest = max(path.stat().st_mtime for path in shared)
    names = []
    for script in sorted(FOLDER.glob("[!_]*.py")):
        picture = script.with_suffix(".svg")
        needed = max(newest, script.stat().st_mtime)
        if not picture.exists() or picture.stat().st_mtime < needed:
            names.append(script.stem)
    if not names:
        return
    with ProcessPoolExecutor(n_jobs, get_context("spawn")) as pool:
        list(pool.map(draw, names))
