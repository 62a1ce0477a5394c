"""Seed faults into a copy of the package, and check that the tests that own the code fail on each.

Usage: python tests/mutations/run.py [--only NAME ...] [--jobs 2] [--list]

The copy lies in a temporary folder, so the checkout is never changed. A fault is caught if its tests fail, and survives if they
pass. A fault whose text no longer occurs exactly once, or whose tests cannot be collected, is an error: it has to be updated.
The exit status is the number of faults that survived or could not be seeded.
"""

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from faults import FAULTS

ROOT = Path(__file__).resolve().parents[2]
TESTS_FAILED = 1  # pytest's exit status
TIMEOUT = 900
"""Seconds after which the tests of one fault are ended; a fault that makes them hang counts as caught."""


def seed(fault, folder):
    """Copy package and tests into a folder, and edit the one file of the fault."""
    ignored = shutil.ignore_patterns("__pycache__", "mutations")
    for name in ("skae", "tests"):
        shutil.copytree(ROOT / name, folder / name, ignore=ignored)
    for name in ("pyproject.toml", "README.md", "CHANGELOG.md", "constraints.txt", "docs", "examples"):
        (folder / name).symlink_to(ROOT / name)
    path = folder / "skae" / fault.path
    source = path.read_text()
    if source.count(fault.old) != 1:
        raise ValueError(f"the text to replace occurs {source.count(fault.old)} times in {fault.path}")
    path.write_text(source.replace(fault.old, fault.new))


def outcome(fault):
    """Return "caught", "SURVIVED" or an error, and the seconds it took."""
    start = time.monotonic()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        try:
            seed(fault, folder)
        except (OSError, ValueError) as error:
            return f"ERROR: {error}", 0.0
        command = [sys.executable, "-m", "pytest", "-x", "-q", "-p", "no:cacheprovider", *(f"tests/{t}" for t in fault.tests)]
        environment = {**os.environ, "PYTHONPATH": str(folder), "PYTHONDONTWRITEBYTECODE": "1"}
        try:
            done = subprocess.run(
                command, cwd=folder, env=environment, timeout=TIMEOUT, capture_output=True, text=True, check=False
            )
        except subprocess.TimeoutExpired:
            return "caught", time.monotonic() - start
    result = {0: "SURVIVED", TESTS_FAILED: "caught"}.get(done.returncode)
    if result is None:  # 2: a file could not be imported, which the fault may have caused
        broken = done.returncode == 2 and "error" in done.stdout.lower() and "no tests ran" not in done.stdout
        result = "caught" if broken else f"ERROR: pytest ended with {done.returncode}\n{done.stdout[-500:]}"
    return result, time.monotonic() - start


def main():
    """Run the faults that are asked for, and print a line for each."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", nargs="+", default=None, metavar="NAME", help="names of faults or of parts")
    parser.add_argument("--jobs", type=int, default=2, help="faults at a time (default: 2)")
    parser.add_argument("--list", action="store_true", help="print the faults and seed none")
    arguments = parser.parse_args()
    faults = [f for f in FAULTS if arguments.only is None or {f.name, f.part} & set(arguments.only)]
    if arguments.list:
        for fault in faults:
            print(f"{fault.part:10} {fault.name:45} {fault.path}")
        return 0
    not_caught = 0
    with ThreadPoolExecutor(arguments.jobs) as pool:
        for fault, (result, seconds) in zip(faults, pool.map(outcome, faults), strict=True):
            not_caught += result != "caught"
            print(f"{fault.part:10} {fault.name:45} {seconds:6.1f} s  {result}", flush=True)
    print(f"{len(faults) - not_caught} of {len(faults)} faults caught")
    return not_caught


if __name__ == "__main__":
    sys.exit(main())
