"""Run the Python blocks of the documentation, so that no page says what does not work, or warns.

    python docs/run_blocks.py README.md docs/*.rst

The blocks of one page are run in their order, in one namespace.
"""

import re
import sys
import textwrap
import time
import warnings
from pathlib import Path

BLOCK = re.compile(
    r"^```python\n(.*?)^```$|^\.\. code-block:: python\n\n((?:    [^\n]*\n|\n)+)",
    re.DOTALL | re.MULTILINE,
)
"""A block in Markdown, or one in reStructuredText."""

for page in map(Path, sys.argv[1:]):
    text, names, start = page.read_text(), {"__name__": "page"}, time.perf_counter()
    blocks = list(BLOCK.finditer(text))
    for block in blocks:
        line = text[: block.start()].count("\n") + (1 if block[1] else 2)
        source = "\n" * line + textwrap.dedent(block[1] or block[2])
        with warnings.catch_warnings():
            warnings.simplefilter("error", UserWarning)  # also ConvergenceWarning
            exec(compile(source, str(page), "exec"), names)
    print(f"{page}: {len(blocks)} blocks, {time.perf_counter() - start:.1f} s", flush=True)
