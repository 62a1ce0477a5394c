"""Fill the measured figures of README.md from `benchmarks/results.json`.

    python docs/measured_in_readme.py --check
    python docs/measured_in_readme.py --write

A figure stands between two comments, ``<!-- measured: KEY|FORMAT -->0.88<!-- end -->``. ``--check`` lists the figures that
differ from the data file and exits with 1 if there are any; ``--write`` replaces them. An unknown key is an error of both.
"""

import argparse
import importlib.util
import re
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
MARKER = re.compile(r"(<!-- measured: ([^>]+?) -->)(.*?)(<!-- end -->)", re.DOTALL)


def load_module():
    """Return the module `benchmarks/results.py`."""
    spec = importlib.util.spec_from_file_location(
        "skae_results", ROOT / "benchmarks" / "results.py"
    )
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def fill(text, results_path):
    """Return the text with the figures of a data file, and one line for each difference.

    Raises
    ------
    KeyError
        If the data file does not contain a key.
    """
    module = load_module()
    results = module.read(results_path)
    differences = []

    def replace(match):
        key, spec = module.split_reference(match[2])
        figure = module.format_value(module.lookup(results, key)["value"], spec)
        if figure != match[3]:
            differences.append(f"{match[2]}: README has {match[3]!r}, the data file {figure!r}")
        return f"{match[1]}{figure}{match[4]}"

    return MARKER.sub(replace, text), differences


def main():
    """Check or write README.md."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    action = parser.add_mutually_exclusive_group(required=True)
    action.add_argument("--check", action="store_true", help="list differences")
    action.add_argument("--write", action="store_true", help="replace figures")
    parser.add_argument("--readme", type=Path, default=ROOT / "README.md")
    parser.add_argument("--results", type=Path, default=ROOT / "benchmarks" / "results.json")
    args = parser.parse_args()
    text = args.readme.read_text(encoding="utf-8")
    try:
        filled, differences = fill(text, args.results)
    except (KeyError, ValueError) as error:
        sys.exit(error.args[0])
    if args.write:
        args.readme.write_text(filled, encoding="utf-8")
        return
    if differences:
        sys.exit("\n".join([*differences, "Run python docs/measured_in_readme.py --write."]))


if __name__ == "__main__":
    main()
