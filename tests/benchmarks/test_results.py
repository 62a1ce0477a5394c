"""The data file of the benchmarks: writing, formatting, and the command that runs all scripts."""

import importlib.util
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]

if not (ROOT / "benchmarks").exists():
    pytest.skip("the benchmarks are not part of the distribution", allow_module_level=True)


def load(path):
    """Import a file as a module."""
    spec = importlib.util.spec_from_file_location(path.stem, path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


results = load(ROOT / "benchmarks" / "results.py")
readme = load(ROOT / "docs" / "measured_in_readme.py")

RUN = {
    "script": "detect",
    "date": "2026-01-02",
    "arguments": "--seeds 1",
    "commit": "abc1234",
    "processor": "2 x86_64 cores",
    "threads": 1,
    "versions": {"skae": "0.1.0", "torch": "2.7"},
}


def entry(value, unit="ratio", seeds=3):
    """Return a value with its unit and number of seeds."""
    return {"value": value, "unit": unit, "seeds": seeds}


def test_figures_of_another_machine_are_added(tmp_path):
    """The figures of another data file are added with their runs, and replace equal keys."""
    path, other = tmp_path / "results.json", tmp_path / "other.json"
    later = {**RUN, "script": "gpu", "date": "2026-02-03"}
    results.merge({"detect/a/x": entry(0.5), "gpu/a/x": entry(1.0, "s")}, RUN, path)
    results.merge({"gpu/a/x": entry(2.0, "s"), "gpu/b/x": entry(3.0, "s")}, later, other)
    assert results.add_figures(other, path) == 2
    found = results.read(path)
    assert {key: value["value"] for key, value in found["values"].items()} == {
        "detect/a/x": 0.5,
        "gpu/a/x": 2.0,
        "gpu/b/x": 3.0,
    }
    assert found["runs"][found["values"]["gpu/b/x"]["run"]] == later
    assert found["runs"][found["values"]["detect/a/x"]["run"]] == RUN


def test_merge_replaces_equal_keys_and_keeps_the_others(tmp_path):
    """A later run replaces equal keys; runs without values are removed."""
    path = tmp_path / "results.json"
    results.merge({"detect/a/x": entry(0.5), "detect/b/x": entry(0.6)}, RUN, path)
    later = {**RUN, "date": "2026-02-03"}
    results.merge({"detect/b/x": entry(0.7)}, later, path)
    found = results.read(path)
    assert {key: value["value"] for key, value in found["values"].items()} == {
        "detect/a/x": 0.5,
        "detect/b/x": 0.7,
    }
    assert found["runs"][found["values"]["detect/a/x"]["run"]] == RUN
    assert found["runs"][found["values"]["detect/b/x"]["run"]] == later
    results.merge({"detect/a/x": entry(0.4)}, later, path)
    assert list(results.read(path)["runs"].values()) == [later]


def test_file_is_sorted_json_with_one_line_per_value(tmp_path):
    """The file is sorted JSON, and no temporary file is left."""
    path = tmp_path / "results.json"
    results.merge({"b/x": entry(1), "a/x": entry(2)}, RUN, path)
    text = path.read_text()
    assert json.loads(text)["values"].keys() == {"a/x", "b/x"}
    assert text.index('"a/x"') < text.index('"b/x"')
    assert len(text.splitlines()) == 9
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize(
    ("key", "value", "match"),
    [
        ("Detect/x", entry(1.0), "key"),
        ("detect", entry(1.0), "key"),
        ("detect/x", entry(float("nan")), "finite"),
        ("detect/x", entry(1.0, unit="miles"), "unit"),
    ],
)
def test_invalid_values_are_refused(tmp_path, key, value, match):
    """Invalid keys, values and units raise an error before anything is written."""
    path = tmp_path / "results.json"
    with pytest.raises(ValueError, match=match):
        results.merge({key: value}, RUN, path)
    assert not path.exists()


@pytest.mark.parametrize(
    ("value", "spec", "text"),
    [
        (0.88126, "", "0.881"),
        (60000, "", "60,000"),
        (0.88126, ".2f", "0.88"),
        (0.88126, "*100.1f", "88.1"),
        (0.88126, ".1%", "88.1%"),
        (25510204, "*1e-6.1f", "25.5"),
    ],
)
def test_format_value(value, spec, text):
    """Formats are those of Python, with an optional power of ten."""
    assert results.format_value(value, spec) == text


def test_unknown_keys_name_similar_ones():
    """The message of an unknown key contains similar keys."""
    found = {"values": {"detect/tables/skae": entry(1.0)}}
    with pytest.raises(KeyError, match=r"no key 'detect/table/skae'.*detect/tables/skae"):
        results.lookup(found, "detect/table/skae")


def test_describe_run():
    """The sentence on a run contains date, versions, threads and processor."""
    sentence = results.describe_run(RUN)
    assert sentence == (
        "2026-01-02 with skae 0.1.0 at abc1234, PyTorch 2.7; 1 thread on 2 x86_64 cores."
    )
    earlier = results.describe_run({**RUN, "measured_on": "skae 0.1.0 at 1234567"})
    assert earlier.startswith("2026-01-02 with skae 0.1.0 at 1234567, PyTorch 2.7")


def test_data_file_of_the_repository_is_valid(tmp_path):
    """The data file is as the module writes it, and contains no paths."""
    found = results.read()
    assert found["values"]
    assert {value["run"] for value in found["values"].values()} == set(found["runs"])
    copy = tmp_path / "copy.json"
    results.write(found, copy)
    assert copy.read_text() == results.RESULTS_PATH.read_text()
    for name, run in found["runs"].items():
        assert name == results.run_name(run)
        assert os.sep not in run["arguments"]


def test_figures_of_the_readme_are_those_of_the_data_file():
    """No figure of the README differs from the data file."""
    _, differences = readme.fill((ROOT / "README.md").read_text(), results.RESULTS_PATH)
    assert differences == []


def test_readme_is_filled(tmp_path):
    """Figures between markers are replaced, and unknown keys are errors."""
    path = tmp_path / "results.json"
    results.merge({"detect/x": entry(0.8813)}, RUN, path)
    text = "ROC-AUC <!-- measured: detect/x|.2f -->0.5<!-- end -->."
    filled, differences = readme.fill(text, path)
    assert filled == "ROC-AUC <!-- measured: detect/x|.2f -->0.88<!-- end -->."
    assert len(differences) == 1
    assert readme.fill(filled, path) == (filled, [])
    with pytest.raises(KeyError, match="detect/y"):
        readme.fill(text.replace("detect/x", "detect/y"), path)


def run_all(*arguments):
    """Run the command for all scripts."""
    command = [sys.executable, str(ROOT / "benchmarks" / "all.py"), *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_quick_run_writes_figures_and_a_log(tmp_path):
    """A quick job writes its figures and its log, and leaves the data file of the repository unchanged."""
    path = tmp_path / "results.json"
    before = results.RESULTS_PATH.read_text()
    done = run_all(
        "--quick", "--only", "against_pca", "--results", path, "--logs", tmp_path / "logs"
    )
    assert done.returncode == 0, done.stdout + done.stderr
    found = results.read(path)
    ratio = results.lookup(found, "against_pca/tables/first/quarter/ratio")
    assert 0 < ratio["value"] < 2
    assert ratio["unit"] == "ratio"
    assert ratio["seeds"] == 1
    (run,) = found["runs"].values()
    assert run["script"] == "against_pca"
    assert run["threads"] == 1
    assert {"skae", "torch", "scikit-learn", "numpy"} <= run["versions"].keys()
    assert "0 of 2 sets" in (tmp_path / "logs" / "against_pca.log").read_text()
    assert results.RESULTS_PATH.read_text() == before


def test_all_goes_on_after_a_failure(tmp_path, monkeypatch, capsys):
    """Failures and missing requirements are reported, and later jobs run."""
    module = load(ROOT / "benchmarks" / "all.py")
    monkeypatch.setattr(module, "FOLDER", tmp_path)
    (tmp_path / "bad.py").write_text("raise SystemExit('broken')")
    (tmp_path / "good.py").write_text("print('fine')")
    jobs = [module.Job(name, f"{name}.py", "", 1) for name in ("bad", "good")]
    jobs.append(module.Job("absent", "good.py {mnist}", "", 1))
    jobs.append(module.Job("unavailable", "good.py", "", 1, ("no_such_package",)))
    report, n_failures = module.run_all(
        jobs, {"mnist": None}, tmp_path, tmp_path / "r.json", quick=True, required=False
    )
    assert n_failures == 1
    assert [line.split(":")[0] for line in report] == [
        "failed  bad",
        "done  good",
        "skipped  absent",
        "skipped  unavailable",
    ]
    assert "broken" in capsys.readouterr().out
    accelerated = module.Job("accelerated", "good.py", "", 1, gpu=True)
    monkeypatch.setattr(module, "has_gpu", lambda: False)
    assert module.missing_requirement(accelerated, {}) == "no CUDA GPU"
    assert module.missing_requirement(accelerated, {}, quick=True) is None
    assert (tmp_path / "good.log").read_text() == "fine\n"


def test_every_script_has_a_job_with_quick_arguments():
    """No script is missing from the list of jobs."""
    module = load(ROOT / "benchmarks" / "all.py")
    scripts = {path.name for path in (ROOT / "benchmarks").glob("*.py")}
    shared = {"all.py", "baselines.py", "common.py", "gpu_report.py", "peers.py", "results.py"}
    assert {job.command.split()[0] for job in module.JOBS} == scripts - shared
    assert all(job.quick for job in module.JOBS)
    assert len({job.name for job in module.JOBS}) == len(module.JOBS)
