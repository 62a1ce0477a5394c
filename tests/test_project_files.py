"""Workflows, lock files, conda recipe and citation: pinned, hashed, and consistent with pyproject.toml."""

import importlib.util
import json
import re
import tomllib
from pathlib import Path

import pytest
from packaging.markers import default_environment
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

import skae

ROOT = Path(__file__).parent.parent
GITHUB = ROOT / ".github"

if not GITHUB.is_dir():
    pytest.skip("needs a checkout: the sdist has no .github", allow_module_level=True)

PYPROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
PROJECT = PYPROJECT["project"]
WORKFLOWS = sorted((GITHUB / "workflows").glob("*.yml"))
PYTHONS = ["3.11", "3.12", "3.13"]

CONDA_NAMES = {"torch": "pytorch", "matplotlib": "matplotlib-base"}
"""Names of packages that conda-forge names differently from PyPI."""

RECIPE_EXTRAS = ["compression", "images", "plot", "safe", "onnx"]
"""Extras of users. Their bounds are constraints of the recipe."""


def load_script(name):
    """Import a script of .github."""
    spec = importlib.util.spec_from_file_location(name, GITHUB / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def load_yaml(path):
    """Return the content of a YAML file."""
    return pytest.importorskip("yaml").safe_load(path.read_text())


def lock_entries(name):
    """Return requirement and hashes of each entry of a lock file."""
    text = (GITHUB / f"requirements-{name}.txt").read_text()
    text = re.sub(r"^#.*\n", "", text, flags=re.MULTILINE).replace("\\\n", " ")
    entries = []
    for line in filter(None, map(str.strip, text.splitlines())):
        requirement, *hashes = line.split("--hash=")
        entries.append((Requirement(requirement), [one.strip() for one in hashes]))
    return entries


def locked_versions(python, *names):
    """Return the version of each package that the lock files install on a version of Python on Linux."""
    environment = default_environment() | {
        "python_version": python,
        "python_full_version": f"{python}.9",
        "sys_platform": "linux",
        "os_name": "posix",
        "platform_system": "Linux",
        "platform_machine": "x86_64",
    }
    versions = {}
    for name in names:
        for requirement, _ in lock_entries(name):
            if requirement.marker is None or requirement.marker.evaluate(environment):
                key = canonicalize_name(requirement.name)
                assert key not in versions, f"two versions of {key} on Python {python}"
                (specifier,) = requirement.specifier
                assert specifier.operator == "=="
                versions[key] = specifier.version
    return versions


def requirements_of(*extras):
    """Return the requirements of the package and of its extras, without those on itself."""
    lines = list(PROJECT["dependencies"])
    for extra in extras:
        lines += PROJECT["optional-dependencies"][extra]
    requirements = map(Requirement, lines)
    return {canonicalize_name(one.name): one for one in requirements if one.name != "skae"}


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.name)
def test_actions_are_pinned_by_commit(path):
    """Each action is a commit of 40 hex digits, with its version in a comment."""
    lines = re.findall(r"\buses:\s*(.+)", path.read_text())
    assert lines
    for line in lines:
        assert re.fullmatch(r"[\w.-]+/[\w./-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+", line), line


def test_an_action_has_one_commit_in_all_workflows():
    """Workflows do not use different commits or versions of an action."""
    text = "\n".join(path.read_text() for path in WORKFLOWS)
    pins = set(re.findall(r"\buses:\s*(.+)", text))
    assert len({pin.partition("@")[0] for pin in pins}) == len(pins)


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.name)
def test_workflows_have_least_permissions(path):
    """A workflow has no permissions; each job lists its own, and stores no token in the checkout."""
    workflow = load_yaml(path)
    assert workflow["permissions"] == {}
    for name, job in workflow["jobs"].items():
        assert job["permissions"], name
        assert job["timeout-minutes"] <= 90
        for step in job["steps"]:
            if step.get("uses", "").startswith("actions/checkout@"):
                assert step["with"]["persist-credentials"] is False
            # values of events can hold commands: scripts read them from the environment
            assert "${{" not in step.get("run", "")


def test_only_publishing_jobs_can_write():
    """All permissions to write, and the jobs that have them."""
    writing = set()
    for path in WORKFLOWS:
        for name, job in load_yaml(path)["jobs"].items():
            for scope, level in job["permissions"].items():
                assert level in {"read", "write"}
                if level == "write":
                    writing.add((path.stem, name, scope))
    assert writing == {
        ("docs", "publish", "contents"),
        ("release", "pypi", "id-token"),
        ("release", "github", "contents"),
    }


@pytest.mark.parametrize("path", sorted((GITHUB / "ISSUE_TEMPLATE").glob("*.yml")), ids=str)
def test_issue_templates_are_valid(path):
    """A form has a name, a description, and fields with labels."""
    form = load_yaml(path)
    if path.name == "config.yml":
        assert form["blank_issues_enabled"] is False
        return
    assert form["name"]
    assert form["description"]
    identifiers = [field["id"] for field in form["body"]]
    assert len(set(identifiers)) == len(identifiers)
    for field in form["body"]:
        assert field["type"] in {"textarea", "input", "dropdown"}
        assert field["attributes"]["label"]


@pytest.mark.parametrize("name", ["ci", "torch", "tools"])
def test_every_locked_package_has_a_hash(name):
    """Each entry has sha256 hashes, and no other index or folder is named."""
    text = (GITHUB / f"requirements-{name}.txt").read_text()
    options = [line for line in text.splitlines() if line.startswith("-")]
    assert not options
    assert "file:" not in text
    entries = lock_entries(name)
    assert entries
    for requirement, hashes in entries:
        assert hashes, requirement
        for one in hashes:
            assert re.fullmatch(r"sha256:[0-9a-f]{64}", one), requirement


@pytest.mark.parametrize("python", PYTHONS)
def test_the_lock_has_the_versions_of_the_constraints(python):
    """Every pin of constraints.txt is locked with the same version. If not: bash .github/lock.sh."""
    locked = locked_versions(python, "ci", "torch")
    lines = (ROOT / "constraints.txt").read_text().splitlines()
    pins = dict(line.split("==") for line in lines if line and not line.startswith("#"))
    assert {name: locked.get(canonicalize_name(name)) for name in pins} == pins


@pytest.mark.parametrize("python", PYTHONS)
def test_the_lock_satisfies_all_requirements(python):
    """Every requirement of the package, its extras and its build is locked with a valid version."""
    locked = locked_versions(python, "ci", "torch")
    requirements = requirements_of(*PROJECT["optional-dependencies"])
    requirements |= {one: Requirement(one) for one in PYPROJECT["build-system"]["requires"]}
    for name, requirement in requirements.items():
        assert name in locked, f"{name} is not locked: bash .github/lock.sh"
        assert locked[name] in requirement.specifier, name


def test_the_lock_has_no_cuda_libraries():
    """The dependencies of torch are those of the CPU build, of the locked version."""
    locked = locked_versions("3.12", "ci", "torch")
    assert not [name for name in locked if name.startswith(("nvidia", "cuda", "triton"))]
    (metadata,) = tomllib.loads((GITHUB / "uv.toml").read_text())["dependency-metadata"]
    assert metadata["version"] == locked["torch"]
    for requirement in map(Requirement, metadata["requires-dist"]):
        assert locked[canonicalize_name(requirement.name)] in requirement.specifier


def test_the_recipe_has_the_requirements_of_the_package():
    """Versions, requirements and constraints of the conda recipe are those of pyproject.toml."""
    recipe = load_yaml(ROOT / "conda" / "recipe.yaml")

    def conda(requirements):
        """Return requirements as conda writes them."""
        return {
            f"{CONDA_NAMES.get(name, name)} {one.specifier}" for name, one in requirements.items()
        }

    required = requirements_of()
    extras = requirements_of(*RECIPE_EXTRAS)
    python = f">={recipe['context']['python_min']}"
    assert python == PROJECT["requires-python"]
    run = {one.replace("${{ python_min }}", "3.11") for one in recipe["requirements"]["run"]}
    assert run == conda(required) | {f"python {python}"}
    constraints = set(recipe["requirements"]["run_constraints"])
    assert constraints == conda(extras) - conda(required)
    assert recipe["context"]["version"] == skae.__version__
    assert set(PYPROJECT["build-system"]["requires"]) <= set(recipe["requirements"]["host"])
    for key, value in {
        "summary": PROJECT["description"],
        "license": PROJECT["license"],
        "homepage": PROJECT["urls"]["Homepage"],
        "documentation": PROJECT["urls"]["Documentation"],
        "repository": PROJECT["urls"]["Source"],
    }.items():
        assert recipe["about"][key] == value


def test_the_citation_has_version_and_addresses_of_the_package():
    """Metadata of CITATION.cff are those of pyproject.toml."""
    citation = load_yaml(ROOT / "CITATION.cff")
    assert citation["cff-version"] == "1.2.0"
    assert citation["version"] == skae.__version__
    assert citation["license"] == PROJECT["license"]
    assert citation["authors"] == PROJECT["authors"]
    assert citation["url"] == PROJECT["urls"]["Homepage"]
    assert citation["repository-code"] == PROJECT["urls"]["Source"]
    assert {"message", "title", "type"} <= set(citation)


def test_files_name_one_repository():
    """The owner of the repository is that of pyproject.toml in all files around the package."""
    source = PROJECT["urls"]["Source"]
    owner, name = source.removeprefix("https://github.com/").split("/")
    pages = f"https://{owner}.github.io/{name}"
    assert PROJECT["urls"]["Documentation"] == pages
    assert PROJECT["urls"]["Issues"] == f"{source}/issues"
    paths = [*GITHUB.rglob("*.yml"), *GITHUB.rglob("*.sh"), *ROOT.glob("*.md"), *ROOT.glob("*.cff")]
    paths += [ROOT / "pyproject.toml", ROOT / "conda" / "recipe.yaml"]
    for path in paths:
        text = path.read_text()
        for address in re.findall(rf"https://github\.com/[\w.-]+/{name}\b", text):
            assert address == source, path
        for address in re.findall(rf"https://[\w.-]+\.github\.io/{name}\b", text):
            assert address == pages, path


def test_pages_of_all_versions_are_published(tmp_path):
    """Versions are listed from new to old; the newest release is preferred, and the start page."""
    publish_pages = load_script("publish_pages")
    html = tmp_path / "html"
    site = tmp_path / "site"
    site.mkdir()
    (html / "_static").mkdir(parents=True)
    (html / "index.html").write_text("first")
    publish_pages.publish(site, html, "dev", "https://example.org/x/")
    assert "url=dev/" in (site / "index.html").read_text()
    for version in ("0.9", "0.10"):
        publish_pages.publish(site, html, version, "https://example.org/x")
    (html / "index.html").write_text("second")
    publish_pages.publish(site, html, "dev", "https://example.org/x")
    assert json.loads((site / "switcher.json").read_text()) == [
        {"version": "dev", "url": "https://example.org/x/dev/"},
        {
            "version": "0.10",
            "url": "https://example.org/x/0.10/",
            "name": "0.10 (stable)",
            "preferred": True,
        },
        {"version": "0.9", "url": "https://example.org/x/0.9/"},
    ]
    assert "url=0.10/" in (site / "index.html").read_text()
    assert (site / "dev" / "index.html").read_text() == "second"
    assert (site / "0.9" / "index.html").read_text() == "first"
    for version in ("0.2rc1", "../x", ""):
        with pytest.raises(ValueError, match="expected 'dev' or a version"):
            publish_pages.publish(site, html, version, "https://example.org/x")
    with pytest.raises(ValueError, match=r"no index\.html"):
        publish_pages.publish(site, tmp_path, "dev", "https://example.org/x")


def test_release_notes_are_a_section_of_the_changelog(tmp_path):
    """The notes are the text below the heading; other versions and undated sections are errors."""
    release_notes = load_script("release_notes")
    assert set(release_notes.versions().values()) == {skae.__version__}
    for name in ("skae", "conda"):
        (tmp_path / name).mkdir()
    (tmp_path / "skae" / "_version.py").write_text('"""X."""\n\n__version__ = "1.2.0"\n')
    (tmp_path / "conda" / "recipe.yaml").write_text('context:\n  version: "1.2.0"\n')
    (tmp_path / "CITATION.cff").write_text("cff-version: 1.2.0\nversion: 1.2.0\n")
    changelog = tmp_path / "CHANGELOG.md"
    changelog.write_text(
        "# Changelog\n\n## [1.2.0] - 2030-01-02\n\n### Added\n\n- New.\n\n## [1.1.0] - 2029-01-02\n\n- Old.\n"
    )
    assert release_notes.notes("v1.2.0", tmp_path) == "### Added\n\n- New.\n"
    with pytest.raises(ValueError, match=r"Got the tag 'v1\.1\.0'"):
        release_notes.notes("v1.1.0", tmp_path)
    changelog.write_text("## [1.2.0] - Unreleased\n\n- New.\n")
    with pytest.raises(ValueError, match="Got the date 'Unreleased'"):
        release_notes.notes("v1.2.0", tmp_path)
    changelog.write_text("## [1.1.0] - 2029-01-02\n")
    with pytest.raises(ValueError, match="no section"):
        release_notes.notes("v1.2.0", tmp_path)
