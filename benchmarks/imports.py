"""Measure how long `import skae` takes, and what an installation of it weighs.

    python benchmarks/imports.py
    python benchmarks/imports.py --repeats 3             # a try

Every import is timed in a fresh process, from the first line to the last; the rows take turns, so that what else the machine
does meets all of them. Times and ratios are medians over the rounds. Sizes are those of the installed files, compiled ones left
out, of what skae needs itself or by way of others.
"""

import argparse
import re
import statistics
import subprocess
import sys
from importlib.metadata import distribution
from pathlib import Path

from common import head, row, setting

import skae

BASE = ["torch", "sklearn", "skorch"]

CODE = """
import time
start, busy = time.perf_counter(), time.process_time()
import {}
print(time.perf_counter() - start, time.process_time() - busy)
"""


def seconds(modules):
    """Time the import of some modules in a process of its own: by the clock, and of the processor."""
    code = CODE.format(", ".join(modules))
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return [float(part) for part in done.stdout.split()]


def times(repeats):
    """Print how long imports take."""
    rows = {", ".join(modules): modules for modules in (BASE, [*BASE, "skae"], ["skae"])}
    for modules in rows.values():
        seconds(modules)  # reads the files, and compiles what was not compiled
    found = {name: [] for name in rows}
    for _ in range(repeats):
        for name, modules in rows.items():
            found[name].append(seconds(modules))
    base = found[", ".join(BASE)]
    head("import", "s", "over the first row's", "CPU s", "over the first row's")
    for name, taken in found.items():
        cells = []
        for part in range(2):
            ratio = statistics.median(
                one[part] / other[part] for one, other in zip(taken, base, strict=True)
            )
            cells += [f"{statistics.median(one[part] for one in taken):.3f}", f"{ratio:.3f}"]
        row(name, *cells)


def needed(name, seen):
    """Collect the distributions that one needs, itself included; what only extras or other systems need is left out."""
    name = re.sub(r"[-_.]+", "-", name).lower()
    if name not in seen:
        seen[name] = distribution(name)
        for requirement in seen[name].requires or []:
            wanted, _, marker = requirement.partition(";")
            if (
                "extra ==" not in marker
                and "platform" not in marker
                and "python_version" not in marker
            ):
                needed(re.match(r"[\w.-]+", wanted)[0], seen)
    return seen


def weight(files):
    """Give the megabytes of files."""
    return (
        sum(path.stat().st_size for path in files if path.is_file() and path.suffix != ".pyc") / 1e6
    )


def sizes():
    """Print how large an installation is."""
    found = {
        name: weight(Path(file.locate()) for file in one.files or [])
        for name, one in needed("skae", {}).items()
    }
    found["skae"] = weight(
        Path(skae.__file__).parent.rglob("*")
    )  # also where it is installed from its repository
    head("distribution", "MB")
    for name in sorted(found, key=found.get, reverse=True):
        row(name, f"{found[name]:.1f}")
    row("together", f"{sum(found.values()):.1f}")


def main():
    """Print both tables."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--repeats", type=int, default=11, help="processes for each row (default 11)"
    )
    arguments = parser.parse_args()
    print(setting(), end="\n\n")
    times(arguments.repeats)
    print()
    sizes()


if __name__ == "__main__":
    main()
