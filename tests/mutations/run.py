"""Seed faults into a copy of the package, and check that the tests that own the code fail on each.

Usage: python tests/mutations/run.py [--only NAME ...] [--jobs 2] [--list | --check | --unchanged]

The copy is in a temporary folder, so the checkout is never changed. A fault is caught if its tests
fail, and survives if they pass. A fault whose text does not occur exactly once, or whose tests
cannot be collected, is an error: it has to be updated. The exit status is the number of faults that
survived or could not be seeded.

``--check`` only checks that every text occurs exactly once and that all test files exist.
``--unchanged`` runs the tests without any fault: only if they pass, a failure shows that a fault is
caught.
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
LINKED = (
    ".ci",
    "CHANGELOG.md",
    "CONTRIBUTING.md",
    "README.md",
    "benchmarks",
    "constraints.txt",
    "docs",
    "examples",
    "pyproject.toml",
)
"""Other files and folders of the project that tests may read."""

TIMEOUT = 900
"""Seconds after which the tests of one fault are ended; a fault that makes them hang counts as caught."""


def seed(fault, folder):
    """Copy package and tests into a folder, and edit the one file of the fault, if any."""
    ignored = shutil.ignore_patterns("__pycache__", "mutations")
    for name in ("skae", "tests"):
        shutil.copytree(ROOT / name, folder / name, ignore=ignored)
    for name in LINKED:
        (folder / name).symlink_to(ROOT / name)
    if fault is not None:
        (folder / "skae" / fault.path).write_text(edited_source(fault))


def edited_source(fault):
    """Return the text of the faulty file; a ValueError says why it cannot be edited."""
    source = (ROOT / "skae" / fault.path).read_text()
    if source.count(fault.old) != 1:
        raise ValueError(
            f"the text to replace occurs {source.count(fault.old)} times in {fault.path}"
        )
    source = source.replace(fault.old, fault.new)
    compile(source, fault.path, "exec")
    return source


def problem(fault):
    """Return why a fault cannot be seeded, or an empty string."""
    try:
        edited_source(fault)
    except (OSError, ValueError, SyntaxError) as error:
        return str(error)
    missing = [test for test in fault.tests if not (ROOT / "tests" / test).is_file()]
    if missing:
        return f"no test file {', '.join(missing)}"
    return ""


def check(faults):
    """Print each fault that cannot be seeded, and return their number."""
    problems = 0
    for fault in faults:
        message = problem(fault)
        if message:
            problems += 1
            print(f"{fault.part:14} {fault.name:52} {message}")
    print(f"{len(faults) - problems} of {len(faults)} faults can be seeded")
    return problems


def outcome(fault):
    """Return "caught", "SURVIVED" or an error, and the seconds it took."""
    return run_tests(fault, fault.tests)


def run_tests(fault, tests):
    """Run test files on a copy with a fault, or without one if it is None, as in `outcome`."""
    start = time.monotonic()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        try:
            seed(fault, folder)
        except (OSError, ValueError, SyntaxError) as error:
            return f"ERROR: {error}", 0.0
        command = [
            sys.executable,
            "-m",
            "pytest",
            "-x",
            "-q",
            "-p",
            "no:cacheprovider",
            *(f"tests/{t}" for t in tests),
        ]
        environment = {**os.environ, "PYTHONPATH": str(folder), "PYTHONDONTWRITEBYTECODE": "1"}
        try:
            done = subprocess.run(
                command,
                cwd=folder,
                env=environment,
                timeout=TIMEOUT,
                capture_output=True,
                text=True,
                check=False,
            )
        except subprocess.TimeoutExpired:
            return "caught", time.monotonic() - start
    result = {0: "SURVIVED", TESTS_FAILED: "caught"}.get(done.returncode)
    if result is None:  # 2: a file could not be imported, which the fault may have caused
        broken = (
            done.returncode == 2
            and "error" in done.stdout.lower()
            and "no tests ran" not in done.stdout
        )
        result = (
            "caught"
            if broken
            else f"ERROR: pytest ended with {done.returncode}\n{done.stdout[-500:]}"
        )
    return result, time.monotonic() - start


def run_unchanged(faults, jobs):
    """Run each test file of the faults without a fault, and return the number that fail."""
    tests = sorted({test for fault in faults for test in fault.tests})
    failed = 0
    with ThreadPoolExecutor(jobs) as pool:
        results = pool.map(lambda test: run_tests(None, [test]), tests)
        for test, (result, seconds) in zip(tests, results, strict=True):
            failed += result != "SURVIVED"
            word = {"SURVIVED": "passed", "caught": "FAILED"}.get(result, result)
            print(f"{test:40} {seconds:6.1f} s  {word}", flush=True)
    return failed


def main():
    """Run the faults that are asked for, and print a line for each."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "--only", nargs="+", default=None, metavar="NAME", help="names of faults or of parts"
    )
    parser.add_argument("--jobs", type=int, default=2, help="faults at a time (default: 2)")
    parser.add_argument("--list", action="store_true", help="print the faults and seed none")
    parser.add_argument("--check", action="store_true", help="only check that faults can be seeded")
    parser.add_argument(
        "--unchanged", action="store_true", help="run the tests of the faults without any fault"
    )
    arguments = parser.parse_args()
    faults = [f for f in FAULTS if arguments.only is None or {f.name, f.part} & set(arguments.only)]
    if arguments.list:
        for fault in faults:
            print(f"{fault.part:14} {fault.name:52} {fault.path}")
        return 0
    if arguments.check:
        return check(faults)
    if arguments.unchanged:
        return run_unchanged(faults, arguments.jobs)
    not_caught = 0
    with ThreadPoolExecutor(arguments.jobs) as pool:
        for fault, (result, seconds) in zip(faults, pool.map(outcome, faults), strict=True):
            not_caught += result != "caught"
            print(f"{fault.part:14} {fault.name:52} {seconds:6.1f} s  {result}", flush=True)
    print(f"{len(faults) - not_caught} of {len(faults)} faults caught")
    return not_caught


if __name__ == "__main__":
    sys.exit(main())
