"""Figures of `benchmarks/results.json` for the plots of the benchmark pages."""

import importlib.util
import re
from pathlib import Path

BENCHMARKS = Path(__file__).resolve().parents[2] / "benchmarks"


def load():
    """Return the entries of the data file by key."""
    spec = importlib.util.spec_from_file_location("skae_results", BENCHMARKS / "results.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.read()["values"]


ENTRIES = load()


def value(key):
    """Return the figure of a key."""
    return ENTRIES[key]["value"]


def matching(template):
    """Return the figures of a template by the part of the key that replaces ``*``, sorted by that part.

    Parameters
    ----------
    template : str
        Key with one ``*``, which stands for one part of the key.

    Returns
    -------
    values : dict of str to float
        Names to figures; names of digits are converted to int and sorted as numbers.
    """
    pattern = re.compile(re.escape(template).replace(r"\*", "([^/]+)"))
    found = {}
    for key, entry in ENTRIES.items():
        match = pattern.fullmatch(key)
        if match:
            name = int(match[1]) if match[1].isdigit() else match[1]
            found[name] = entry["value"]
    return dict(sorted(found.items()))


def same_run(key, other):
    """Return whether one run measured two figures."""
    return ENTRIES[key]["run"] == ENTRIES[other]["run"]
