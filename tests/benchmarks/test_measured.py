"""The Sphinx role and the directive for measured figures, and the plots of the benchmark pages."""

import io
import sys
from pathlib import Path

import pytest

pytest.importorskip("sphinx")

ROOT = Path(__file__).resolve().parents[2]
EXTENSIONS = ROOT / "docs" / "_extensions"
FIGURES = ROOT / "docs" / "figures"

if not EXTENSIONS.exists():
    pytest.skip("the documentation is not part of the distribution", allow_module_level=True)

RUN = {
    "script": "detect",
    "date": "2026-01-02",
    "arguments": "--seeds 1",
    "commit": "abc1234",
    "processor": "2 x86_64 cores",
    "threads": 1,
    "versions": {"skae": "0.1.0"},
}

FIGURES_OF_TESTS = {
    "detect/glass/skae/auc": 0.9,
    "detect/glass/lof/auc": 0.8,
    "detect/wine/skae/auc": 0.7,
    "detect/mean/skae/auc": 0.8,
}


@pytest.fixture
def build(tmp_path, monkeypatch):
    """Return a function that builds one page as text and returns the page and the warnings."""
    from sphinx.application import Sphinx

    monkeypatch.syspath_prepend(EXTENSIONS)
    import measured

    path = tmp_path / "results.json"
    values = {
        key: {"value": value, "unit": "ratio", "seeds": 3}
        for key, value in FIGURES_OF_TESTS.items()
    }
    measured.results_module.merge(values, RUN, path)

    def run(text):
        source = tmp_path / "source"
        source.mkdir(exist_ok=True)
        (source / "conf.py").write_text(
            f"extensions = ['measured']\nmeasured_results = {str(path)!r}\n"
        )
        (source / "index.rst").write_text(f"Page\n====\n\n{text}\n")
        warnings = io.StringIO()
        app = Sphinx(
            source,
            source,
            tmp_path / "html",
            tmp_path / "doctrees",
            "text",
            status=None,
            warning=warnings,
            freshenv=True,
        )
        app.build()
        lines = warnings.getvalue().splitlines()
        # a second application in one process warns about nodes of the first one
        lines = [line for line in lines if "index.rst" in line]
        return (tmp_path / "html" / "index.txt").read_text(), "\n".join(lines)

    yield run
    sys.modules.pop("measured", None)


def test_role(build):
    """The role prints a formatted figure."""
    text, warnings = build("The area is :measured:`detect/glass/skae/auc|*100.1f`.")
    assert "The area is 90.0." in text
    assert not warnings


@pytest.mark.parametrize(
    ("text", "match"),
    [
        (":measured:`detect/glas/skae/auc`", "Similar keys: detect/glass/skae/auc"),
        (":measured:`detect/glass/skae/auc|.q`", "Got the format '.q' for 0.9"),
        (
            ".. measured-table:: detect/{row}/{column}/auc\n   :rows: glass\n   :columns: svm",
            "no key 'detect/glass/svm/auc'",
        ),
    ],
)
def test_unknown_keys_and_formats_are_warnings(build, text, match):
    """Unknown keys and invalid formats are warnings with a helpful message."""
    _, warnings = build(text)
    assert "WARNING" in warnings
    assert match in warnings


def test_table(build):
    """The directive prints labels, figures, the best value in bold, and the run."""
    text, warnings = build(
        ".. measured-table:: detect/{row}/{column}/auc|.2f\n"
        "   :head: Table\n"
        "   :rows: mean = Mean of all\n"
        "          *\n"
        "   :columns: skae = Detector\n"
        "             lof|.1f = Outlier factor\n"
        "   :bold: max\n"
        "   :optional:\n"
    )
    assert not warnings
    rows = [line.replace("|", " ").split() for line in text.splitlines()]
    assert ["Table", "Detector", "Outlier", "factor"] in rows
    assert ["Mean", "of", "all", "**0.80**"] in rows
    assert ["glass", "**0.90**", "0.8"] in rows
    assert ["wine", "**0.70**"] in rows
    assert sum(row[:1] == ["mean"] for row in rows) == 0
    text = " ".join(text.replace("|", " ").split())
    assert '"python benchmarks/detect.py --seeds 1", measured on 2026-01-02 with skae 0.1.0' in text


def test_content_depends_on_the_figures(build):
    """The content of if-measured needs a figure of its prefix, and unless-measured the opposite."""
    parts = [
        f".. {name}-measured:: {prefix}\n\n   Text {name} {prefix}.\n"
        for prefix in ("detect/glass", "detect/gla", "gpu")
        for name in ("if", "unless")
    ]
    text, warnings = build("\n".join(parts))
    assert not warnings
    shown = [line for line in text.splitlines() if line.startswith("Text")]
    assert shown == ["Text if detect/glass.", "Text unless detect/gla.", "Text unless gpu."]


@pytest.mark.parametrize("name", sorted(path.stem for path in FIGURES.glob("benchmark_*.py")))
def test_plots_are_drawn_from_the_data_file(name, tmp_path, monkeypatch):
    """Each plot of the benchmark pages can be drawn."""
    matplotlib = pytest.importorskip("matplotlib")
    matplotlib.use("Agg")
    monkeypatch.syspath_prepend(FIGURES)
    pytest.importorskip("_style")
    module = __import__(name)
    with matplotlib.rc_context():
        module.draw(tmp_path / "figure.svg")
    assert (tmp_path / "figure.svg").stat().st_size > 1000
    for imported in (name, "_benchmarks", "_style"):
        sys.modules.pop(imported, None)
