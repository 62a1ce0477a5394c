"""The report of `gpu.py`: figures, goals and checks as one table, in a file after each section."""

import json
import time
import traceback
import warnings
from pathlib import Path

import torch
from common import print_header, print_row
from sklearn.exceptions import ConvergenceWarning

__all__ = ["Report"]

SCALES = {"s": (1.0, ".3f"), "us": (1.0, ".0f"), "MB": (1.0, ",.0f"), "rows/s": (1.0, ",.0f")}
SCALES |= {"ratio": (1.0, ".4g"), "mse": (1.0, ".5f"), "dB": (1.0, ".2f"), "count": (1.0, ",.0f")}
SCALES |= {"TFLOP/s": (1.0, ",.1f")}
COLUMNS = ("quantity", "value", "expected", "status")


class Report:
    """Collect rows and failures, and write them after each section.

    Parameters
    ----------
    recorder : common.Recorder
        Receives all figures.
    path : Path or None
        JSON file if it ends with ``.json``, else Markdown.
    seconds : float
        Sections that would begin later than this do not run, and count as failures.
    """

    def __init__(self, recorder, path, seconds):
        self.recorder = recorder
        self.path = path
        self.seconds = seconds
        self.began = time.perf_counter()
        self.rows = []
        self.tracebacks = {}

    def figure(self, key, value, unit="s", n_seeds=1, *, below=None, above=None):
        """Add a measured figure; a goal that is missed is no failure.

        Parameters
        ----------
        key : str
            Key in the data file, without the name of the script.
        value : float
            The figure.
        unit : str, default="s"
            One of `results.UNITS`.
        n_seeds : int, default=1
            Number of runs of which the figure is the median.
        below, above : float, default=None
            The goal.
        """
        expected, status = "", ""
        if below is not None:
            expected, is_reached = f"< {below:g}", value < below
        if above is not None:
            expected, is_reached = f">= {above:g}", value >= above
        if expected:
            status = "reached" if is_reached else "missed"
        scale, spec = SCALES[unit]
        self._add(key, f"{value * scale:{spec}} {unit}", expected, status)
        self.recorder.record(key, value, unit, n_seeds)

    def check(self, key, is_right, value="", expected=""):
        """Add a check; a wrong one is a failure."""
        self._add(key, str(value), str(expected), "ok" if is_right else "WRONG")

    def check_close(self, key, values, expected, tolerance):
        """Check the largest difference of two arrays, relative to the largest expected number."""
        values, expected = _on_cpu(values), _on_cpu(expected)
        if values.shape != expected.shape:
            self.check(key, False, tuple(values.shape), f"shape {tuple(expected.shape)}")
            return
        largest = float(expected.abs().nan_to_num().max()) or 1.0
        same_nan = bool((values.isnan() == expected.isnan()).all())
        difference = float((values - expected).abs().nan_to_num().max()) / largest
        self.check(
            key, same_nan and difference <= tolerance, f"{difference:.1e}", f"<= {tolerance:g}"
        )

    def note(self, key, value):
        """Add a row of text."""
        self._add(key, str(value), "", "")

    def _add(self, *cells):
        self.rows.append(cells)
        print_row(*cells)

    def run(self, name, function):
        """Run one section; an exception is a failure, and later sections still run."""
        start = time.perf_counter()
        if start - self.began > self.seconds:
            self._add(name, "", f"before {self.seconds:g} s", "not run")
            return
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", ConvergenceWarning)
                function()
        except Exception as error:
            self.tracebacks[name] = traceback.format_exc()
            self._add(
                name, f"{type(error).__name__}: {error}"[:300].replace("\n", " "), "", "failed"
            )
        finally:
            if torch.cuda.is_available():
                torch.cuda.empty_cache()
            self._add(
                f"{name}: time of the section", f"{time.perf_counter() - start:.1f} s", "", ""
            )
            self.write()

    @property
    def failures(self):
        """Rows with a wrong check, and sections that failed or did not run."""
        return [row for row in self.rows if row[-1] in ("WRONG", "failed", "not run")]

    def begin(self):
        """Print the header of the table."""
        print_header(*COLUMNS)

    def write(self):
        """Write the table, the tracebacks and the description of the run."""
        if self.path is None:
            return
        if self.path.suffix == ".json":
            rows = [dict(zip(COLUMNS, row, strict=True)) for row in self.rows]
            content = {"run": self.recorder.run, "rows": rows, "tracebacks": self.tracebacks}
            text = json.dumps(content, indent=1)
        else:
            lines = [
                self.recorder.describe(),
                "",
                f"| {' | '.join(COLUMNS)} |",
                "|---|--:|--:|---|",
            ]
            lines += [f"| {' | '.join(row)} |" for row in self.rows]
            for name, text in self.tracebacks.items():
                lines += ["", f"{name}:", "", "```", text, "```"]
            text = "\n".join(lines)
        Path(self.path).write_text(text + "\n", encoding="utf-8")


def _on_cpu(values):
    """Return an array or tensor as float64 on the CPU."""
    return torch.as_tensor(values).detach().cpu().double()
