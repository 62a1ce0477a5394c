"""Measure the time of `import skae` and the size of an installation.

    python benchmarks/imports.py
    python benchmarks/imports.py --repeats 3

Each import is timed in a new process, from the first line to the last. The rows are interleaved. Times and ratios are
medians over the rounds. Sizes are those of the installed files without compiled ones, for skae and its direct and
indirect dependencies.
"""

import argparse
import re
import statistics
import subprocess
import sys
from importlib.metadata import distribution
from pathlib import Path

from common import Recorder, print_header, print_row, slug

import skae

DEPENDENCIES = ["torch", "sklearn", "skorch"]

CODE = """
import time
start, cpu_start = time.perf_counter(), time.process_time()
import {}
print(time.perf_counter() - start, time.process_time() - cpu_start)
"""


def import_seconds(modules):
    """Return the wall time and the CPU time of the import of some modules in a new process."""
    code = CODE.format(", ".join(modules))
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return [float(seconds) for seconds in done.stdout.split()]


def compare_times(n_repeats, recorder):
    """Print the table of import times."""
    rows = {
        "dependencies": DEPENDENCIES,
        "dependencies_and_skae": [*DEPENDENCIES, "skae"],
        "skae": ["skae"],
    }
    for modules in rows.values():
        import_seconds(modules)  # reads and compiles the files
    results = {name: [] for name in rows}
    for _ in range(n_repeats):
        for name, modules in rows.items():
            results[name].append(import_seconds(modules))
    print_header("import", "s", "over the first row's", "CPU s", "over the first row's")
    for name, runs in results.items():
        cells = []
        for column, quantity in enumerate(("wall_time", "cpu_time")):
            pairs = zip(runs, results["dependencies"], strict=True)
            ratio = statistics.median(run[column] / base[column] for run, base in pairs)
            seconds = statistics.median(run[column] for run in runs)
            recorder.record(f"{name}/{quantity}", seconds, "s", n_repeats)
            recorder.record(f"{name}/{quantity}_ratio", ratio, "ratio", n_repeats)
            cells += [f"{seconds:.3f}", f"{ratio:.3f}"]
        print_row(", ".join(rows[name]), *cells)


def collect_dependencies(name, seen):
    """Collect a distribution and its dependencies, without those of extras and of other platforms."""
    name = re.sub(r"[-_.]+", "-", name).lower()
    if name not in seen:
        seen[name] = distribution(name)
        for requirement in seen[name].requires or []:
            required, _, marker = requirement.partition(";")
            if not any(word in marker for word in ("extra ==", "platform", "python_version")):
                collect_dependencies(re.match(r"[\w.-]+", required)[0], seen)
    return seen


def total_megabytes(paths):
    """Return the size of files in MB."""
    sizes = (path.stat().st_size for path in paths if path.is_file() and path.suffix != ".pyc")
    return sum(sizes) / 1e6


def compare_sizes(recorder):
    """Print the table of sizes."""
    sizes = {
        name: total_megabytes(Path(file.locate()) for file in found.files or [])
        for name, found in collect_dependencies("skae", {}).items()
    }
    # an editable installation has no files of its own
    sizes["skae"] = total_megabytes(Path(skae.__file__).parent.rglob("*"))
    print_header("distribution", "MB")
    for name in sorted(sizes, key=sizes.get, reverse=True):
        print_row(name, f"{sizes[name]:.1f}")
    print_row("total", f"{sum(sizes.values()):.1f}")
    largest = sorted(sizes, key=sizes.get, reverse=True)[:5]
    figures = {f"size/{slug(name)}": sizes[name] for name in {*largest, "skae"}}
    recorder.record_all(figures | {"size/total": sum(sizes.values())}, "MB")


def main():
    """Print both tables and write their figures."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--repeats", type=int, default=11, help="processes per row (default 11)")
    Recorder.add_option(parser)
    args = parser.parse_args()
    recorder = Recorder("imports", args.results)
    compare_times(args.repeats, recorder)
    print()
    compare_sizes(recorder)
    print(f"\n{recorder.describe()}")


if __name__ == "__main__":
    main()
