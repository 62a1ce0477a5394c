"""Run the Python blocks of the documentation; a UserWarning is an error.

    python docs/run_blocks.py README.md docs/*.rst

The blocks of one page are run in their order, in one namespace.
"""

import argparse
import os
import re
import textwrap
import time
import warnings
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

BLOCK = re.compile(
    r"^```python\n(.*?)^```$|^\.\. code-block:: python\n\n((?:    [^\n]*\n|\n)+)",
    re.DOTALL | re.MULTILINE,
)
"""A block in Markdown, or one in reStructuredText."""


def run(path):
    """Run the blocks of one page, and return a line for the log."""
    page, names, start = Path(path), {"__name__": "page"}, time.perf_counter()
    text = page.read_text()
    blocks = list(BLOCK.finditer(text))
    for block in blocks:
        line = text[: block.start()].count("\n") + (1 if block[1] else 2)
        source = "\n" * line + textwrap.dedent(block[1] or block[2])
        with warnings.catch_warnings():
            warnings.simplefilter("error", UserWarning)  # also ConvergenceWarning
            exec(compile(source, str(page), "exec"), names)
    return f"{page}: {len(blocks)} blocks, {time.perf_counter() - start:.1f} s"


def main():
    """Run the pages of the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("pages", nargs="+")
    parser.add_argument("--jobs", type=int, default=2, help="number of processes (default: 2)")
    arguments = parser.parse_args()
    # two processes with several threads each would wait for each other
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    with ProcessPoolExecutor(arguments.jobs, get_context("spawn")) as pool:
        for line in pool.map(run, arguments.pages):
            print(line, flush=True)


if __name__ == "__main__":
    main()
