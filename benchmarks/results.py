"""Read, format and write the data file of measured figures, `benchmarks/results.json`.

    python benchmarks/results.py FILE       # add the figures of a data file from another machine

The module needs the standard library only, so that the documentation and the check of the README can use it.

A key is a path of lower-case words: ``script/data/.../quantity``, for example ``detect/tables/mean/skae/roc_auc``. The file
holds two objects::

    {
      "runs": {RUN: {"script": ..., "arguments": ..., "date": ..., "commit": ..., "threads": ..., "versions": {...}}},
      "values": {KEY: {"value": NUMBER, "unit": UNIT, "seeds": NUMBER OF SEEDS, "run": RUN}}
    }

Each value refers to the run that measured it. A later run replaces the values with the same keys and keeps the others, and
a run without values is removed.
"""

import argparse
import difflib
import hashlib
import json
import math
import os
import re
import tempfile
from pathlib import Path

__all__ = [
    "RESULTS_PATH",
    "add_figures",
    "describe_run",
    "format_value",
    "lookup",
    "merge",
    "read",
    "run_name",
    "slug",
    "split_reference",
    "write",
]

RESULTS_PATH = Path(__file__).resolve().parent / "results.json"

UNITS = (
    "ratio",
    "s",
    "us",
    "MB",
    "bytes",
    "bits",
    "dB",
    "mse",
    "count",
    "rows/s",
    "nats",
    "distance",
    "TFLOP/s",
)
"""Units of values. Errors have the unit "mse" or "ratio"; accuracies and areas under curves are ratios between 0 and 1."""

KEY = re.compile(r"[a-z0-9][a-z0-9_.=-]*(/[a-z0-9][a-z0-9_.=-]*)+")


def slug(text):
    """Return a text as one part of a key: lower case, with underscores between words."""
    return re.sub(r"[^a-z0-9.=-]+", "_", str(text).lower()).strip("_.")


def read(path=RESULTS_PATH):
    """Read a data file; a missing file has no runs and no values."""
    path = Path(path)
    if not path.exists():
        return {"runs": {}, "values": {}}
    results = json.loads(path.read_text(encoding="utf-8"))
    return {"runs": results["runs"], "values": results["values"]}


def write(results, path=RESULTS_PATH):
    """Write a data file: sorted keys, one line a value, replaced in one step."""
    path = Path(path)
    lines = ["{", '  "runs": {']
    lines += _lines(results["runs"])
    lines += ["  },", '  "values": {']
    lines += _lines(results["values"])
    lines += ["  }", "}", ""]
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with open(handle, "w", encoding="utf-8") as file:
            file.write("\n".join(lines))
        os.chmod(temporary, 0o644)
        os.replace(temporary, path)
    except BaseException:
        os.unlink(temporary)
        raise


def _lines(entries):
    """Return one line of JSON for each entry, sorted by key."""
    lines = [
        f"    {json.dumps(key)}: {json.dumps(entries[key], sort_keys=True)}"
        for key in sorted(entries)
    ]
    return [f"{line}," for line in lines[:-1]] + lines[-1:]


def run_name(run):
    """Return the name of a run: eight hexadecimal digits of its metadata."""
    return hashlib.sha256(json.dumps(run, sort_keys=True).encode()).hexdigest()[:8]


def merge(values, run, path=RESULTS_PATH):
    """Write values of one run into a data file, and keep the other values of the file.

    Parameters
    ----------
    values : dict of str to dict
        Key to value, unit and number of seeds.
    run : dict
        Metadata of the run.
    path : str or Path, default=RESULTS_PATH
        Data file. It is created if it does not exist.

    Raises
    ------
    ValueError
        If a key, a unit or a value is not valid.
    """
    for key, entry in values.items():
        if not KEY.fullmatch(key):
            raise ValueError(f"Got the key {key!r}, but expected lower-case words with slashes.")
        if entry["unit"] not in UNITS:
            raise ValueError(f"Got unit={entry['unit']!r} for {key}, but expected one of {UNITS}.")
        if not math.isfinite(entry["value"]):
            raise ValueError(f"Got value={entry['value']} for {key}, but expected a finite number.")
    results = read(path)
    name = run_name(run)
    results["runs"][name] = run
    for key, entry in values.items():
        results["values"][key] = {**entry, "run": name}
    used = {entry["run"] for entry in results["values"].values()}
    results["runs"] = {key: run for key, run in results["runs"].items() if key in used}
    write(results, path)


def add_figures(source, path=RESULTS_PATH):
    """Add the figures of another data file, such as one from another machine.

    Parameters
    ----------
    source : str or Path
        Data file of `merge`.
    path : str or Path, default=RESULTS_PATH
        Data file that receives the figures. It keeps its other figures.

    Returns
    -------
    n_figures : int
        Number of figures of the source.
    """
    results = read(source)
    for name, run in results["runs"].items():
        values = {
            key: {field: entry[field] for field in ("value", "unit", "seeds")}
            for key, entry in results["values"].items()
            if entry["run"] == name
        }
        merge(values, run, path)
    return len(results["values"])


def split_reference(reference):
    """Split ``KEY|FORMAT`` into the key and the format, which is empty if it is missing."""
    key, _, spec = reference.partition("|")
    return key.strip(), spec.strip()


def lookup(results, key):
    """Return the entry of a key.

    Raises
    ------
    KeyError
        If the file has no such key. The message contains the most similar keys.
    """
    if key not in results["values"]:
        similar = difflib.get_close_matches(key, results["values"], n=3, cutoff=0.5)
        hint = f" Similar keys: {', '.join(similar)}." if similar else ""
        raise KeyError(f"benchmarks/results.json has no key {key!r}.{hint}")
    return results["values"][key]


def format_value(value, spec=""):
    """Format a number.

    Parameters
    ----------
    value : int or float
        Number.
    spec : str, default=""
        Python's format specification, such as ``.2f``, ``,.0f`` or ``.1%``. A leading ``*FACTOR`` multiplies first:
        ``*100.1f`` prints 0.8813 as 88.1. The default prints integers with thousands separators and other numbers with
        three significant digits.

    Returns
    -------
    text : str
        Formatted number.
    """
    if spec.startswith("*"):
        factor = re.match(r"\*(1(?:e-?\d+|0*))", spec)
        if factor is None:
            raise ValueError(f"Got the format {spec!r}, but expected *FACTOR to be a power of ten.")
        value, spec = value * float(factor[1]), spec[factor.end() :]
    if not spec:
        spec = ",d" if isinstance(value, int) else ".3g"
    try:
        return format(value, spec)
    except ValueError as error:
        raise ValueError(f"Got the format {spec!r} for {value}: {error}.") from None


def describe_run(run):
    """Return one sentence on a run: date, commit, versions, threads and processor."""
    if "measured_on" in run:
        measured = f"{run['date']} with {run['measured_on']}"
    else:
        measured = f"{run['date']} with skae {run['versions']['skae']}"
        if run.get("commit"):
            measured += f" at {run['commit']}"
    names = {"sklearn": "scikit-learn", "torch": "PyTorch", "numpy": "NumPy", "python": "Python"}
    versions = [
        f"{names.get(name, name)} {version}"
        for name, version in run["versions"].items()
        if name != "skae"
    ]
    threads = f"{run['threads']} thread{'s' if run['threads'] != 1 else ''}"
    return f"{measured}, {', '.join(versions)}; {threads} on {run['processor']}."


def main():
    """Add the figures of a data file to `benchmarks/results.json`."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("file", type=Path)
    arguments = parser.parse_args()
    print(f"{add_figures(arguments.file)} figures")


if __name__ == "__main__":
    main()
