"""Sphinx extension for measured figures, which are read from `benchmarks/results.json`.

The role ``:measured:`` prints one figure. A format may follow the key after a vertical bar; `benchmarks/results.py` describes
the formats::

    The mean ROC-AUC is :measured:`detect/tables/mean/skae/roc_auc|.3f`.

The directive ``measured-table`` prints a table of figures, and below it the runs that measured them. ``{row}`` and ``{column}``
in its argument are replaced by the names of rows and columns::

    .. measured-table:: detect/tables/{row}/{column}/roc_auc|*100.1f
       :head: Table
       :rows: glass = Glass
              *
       :columns: skae = ReconstructionDetector
                 lof = LocalOutlierFactor
       :bold: max

- Rows and columns have the form ``name = label``. The label is optional, and a column may have its own format: ``name|.2f``.
- A row with ``*`` stands for all names in the file.
- ``:bold:`` marks the minimum or the maximum of each row.
- ``:optional:`` leaves cells without a figure empty.

An unknown key is a warning, and ``sphinx-build -W`` fails. The content of ``if-measured`` is left out as long as the file has
no figure of a prefix, and the content of ``unless-measured`` from then on::

    .. if-measured:: gpu

       A default fit takes :measured:`gpu/fashion-mnist/dense/fit_time|.2f` seconds.
"""

import importlib.util
import re
from pathlib import Path

from docutils import nodes
from docutils.parsers.rst import directives
from sphinx.util import logging
from sphinx.util.docutils import SphinxDirective, SphinxRole

BENCHMARKS = Path(__file__).resolve().parents[2] / "benchmarks"

logger = logging.getLogger(__name__)


def load_module():
    """Return the module `benchmarks/results.py`."""
    spec = importlib.util.spec_from_file_location("skae_results", BENCHMARKS / "results.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


results_module = load_module()


def read_results(config):
    """Return the figures; the configuration value ``measured_results`` is the path of the file."""
    return results_module.read(config.measured_results)


def format_reference(results, reference):
    """Return the formatted figure of ``KEY`` or ``KEY|FORMAT``."""
    key, spec = results_module.split_reference(reference)
    return results_module.format_value(results_module.lookup(results, key)["value"], spec)


class MeasuredRole(SphinxRole):
    """Print one figure."""

    def run(self):
        """Return the text of the figure."""
        self.env.note_dependency(str(self.config.measured_results))
        try:
            text = format_reference(read_results(self.config), self.text)
        except (KeyError, ValueError) as error:
            logger.warning("%s", error.args[0], location=self.get_location(), type="measured")
            text = "?"
        return [nodes.inline(text, text, classes=["measured"])], []


def split_option(text):
    """Split lines of ``name = label`` into pairs; the label is None if it is missing."""
    pairs = []
    for line in re.split(r"\n|;", text):
        name, equals, label = line.strip().partition(" = ")
        if name:
            pairs.append((name.strip(), label.strip() if equals else None))
    return pairs


def expand_rows(results, template, rows, columns):
    """Replace the rows with ``*`` by all names for which the file has a figure of any column."""
    expanded = []
    taken = {name for name, _ in rows}
    for name, label in rows:
        if "*" not in name:
            expanded.append((name, label or name))
            continue
        for column, _ in columns:
            key, _ = results_module.split_reference(template)
            column, _ = results_module.split_reference(column)
            pattern = re.escape(key.replace("{column}", column))
            pattern = pattern.replace(r"\{row\}", re.escape(name).replace(r"\*", "([^/]+)"))
            for candidate in sorted(results["values"]):
                found = re.fullmatch(pattern, candidate)
                full_name = found and name.replace("*", found[1])
                if found and full_name not in taken:
                    taken.add(full_name)
                    expanded.append((full_name, found[1].replace("_", " ")))
    return expanded


def fill_table(results, template, rows, columns, *, bold=None, optional=False):
    """Return the cells of a table as text, and the names of the runs of its figures.

    Raises
    ------
    KeyError
        If the file does not contain a figure that is not optional, or contains no figure of a row.
    """
    template_key, template_spec = results_module.split_reference(template)
    cells, runs = [], []
    for row, label in expand_rows(results, template, rows, columns):
        line, values = [], []
        for column, _ in columns:
            column_key, spec = results_module.split_reference(column)
            key = template_key.replace("{row}", row).replace("{column}", column_key)
            if optional and key not in results["values"]:
                line.append("")
                values.append(None)
                continue
            entry = results_module.lookup(results, key)
            line.append(results_module.format_value(entry["value"], spec or template_spec))
            values.append(entry["value"])
            if entry["run"] not in runs:
                runs.append(entry["run"])
        present = [value for value in values if value is not None]
        if not present:
            raise KeyError(f"benchmarks/results.json has no figure for the row {row!r}.")
        if bold:
            best = {"min": min, "max": max}[bold](present)
            best_text = line[values.index(best)]
            line = [f"**{text}**" if text == best_text else text for text in line]
        cells.append([label, *line])
    return cells, runs


class MeasuredTable(SphinxDirective):
    """Print a table of figures and the runs that measured them."""

    required_arguments = 1
    final_argument_whitespace = True
    option_spec = {
        "head": directives.unchanged,
        "rows": directives.unchanged_required,
        "columns": directives.unchanged_required,
        "bold": lambda text: directives.choice(text, ("min", "max")),
        "optional": directives.flag,
    }

    def run(self):
        """Return the table and a paragraph on its runs."""
        self.env.note_dependency(str(self.config.measured_results))
        results = read_results(self.config)
        columns = split_option(self.options["columns"])
        try:
            cells, runs = fill_table(
                results,
                self.arguments[0],
                split_option(self.options["rows"]),
                columns,
                bold=self.options.get("bold"),
                optional="optional" in self.options,
            )
        except (KeyError, ValueError) as error:
            logger.warning("%s", error.args[0], location=self.get_location(), type="measured")
            return []
        header = [self.options.get("head", ""), *(label or name for name, label in columns)]
        lines = [".. list-table::", "   :header-rows: 1", "   :class: measured-table", ""]
        for line in (header, *cells):
            for i, cell in enumerate(line):
                lines.append(f"   {'* -' if i == 0 else '  -'} {cell}".rstrip())
        lines += ["", *describe_runs(results, runs)]
        return self.parse_text_to_nodes("\n".join(lines))


class IfMeasured(SphinxDirective):
    """Print the content if the file has a figure whose key begins with a prefix."""

    required_arguments = 1
    has_content = True
    is_wanted = True

    def run(self):
        """Return the content, or nothing."""
        self.env.note_dependency(str(self.config.measured_results))
        prefix = f"{self.arguments[0].rstrip('/')}/"
        keys = read_results(self.config)["values"]
        if any(key.startswith(prefix) for key in keys) != self.is_wanted:
            return []
        return self.parse_content_to_nodes()


class UnlessMeasured(IfMeasured):
    """Print the content if the file has no figure whose key begins with a prefix."""

    is_wanted = False


def describe_runs(results, names):
    """Return a paragraph on one run, or a list of several runs, as lines of reStructuredText."""
    sentences = []
    for name in names:
        run = results["runs"][name]
        command = f"python benchmarks/{run['script']}.py {run['arguments']}".strip()
        sentences.append(f"``{command}``, measured on {results_module.describe_run(run)}")
    lines = [".. rst-class:: measured-runs", ""]
    if len(sentences) == 1:
        return [*lines, sentences[0]]
    return [*lines, *(f"- {sentence}" for sentence in sentences)]


def setup(app):
    """Register the role and the directive."""
    app.add_config_value("measured_results", BENCHMARKS / "results.json", "env", types=[str, Path])
    app.add_role("measured", MeasuredRole())
    app.add_directive("measured-table", MeasuredTable)
    app.add_directive("if-measured", IfMeasured)
    app.add_directive("unless-measured", UnlessMeasured)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
