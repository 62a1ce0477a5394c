"""Configuration of the documentation. CONTRIBUTING.md describes the build.

Environment variables:

- ``DOCS_ONLINE``: link to the documentation of scikit-learn, NumPy and others, which needs a network.
- ``DOCS_VERSION``: name of the published version, such as "0.1" or "dev". It shows the version switcher.
"""

import functools
import importlib
import inspect
import os
import sys
import tomllib
from pathlib import Path

# figures are drawn without a display
os.environ.setdefault("MPLBACKEND", "Agg")
# two processes run the examples, with one thread each; a warning in an example, which runs as
# __main__, ends the build
N_JOBS = 2
os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ["PYTHONWARNINGS"] = "error::UserWarning:__main__"

import skae

DOCS = Path(__file__).parent
sys.path[:0] = [str(DOCS / "_extensions"), str(DOCS / "figures")]
PROJECT = tomllib.loads((DOCS.parent / "pyproject.toml").read_text(encoding="utf-8"))["project"]
URLS = PROJECT.get("urls", {})
SOURCE_URL = URLS.get("Source", URLS.get("Repository", "")).rstrip("/")
DOCS_URL = URLS.get("Documentation", "").rstrip("/")
DOCS_VERSION = os.environ.get("DOCS_VERSION", "")

project = "skae"
author = "The skae developers"
copyright = "The skae developers"
version = release = skae.__version__

extensions = [
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "sphinx.ext.intersphinx",
    "sphinx.ext.linkcode" if SOURCE_URL else "sphinx.ext.viewcode",
    "sphinx.ext.mathjax",
    "myst_parser",
    "numpydoc",
    "sphinx_copybutton",
    "sphinx_design",
    "sphinx_gallery.gen_gallery",
    "measured",
    "search_words",
]
exclude_patterns = ["_build", "_extensions", "_templates", "figures"]
templates_path = ["_templates"]
toc_object_entries_show_parents = "hide"  # the column at the right is narrow

html_theme = "pydata_sphinx_theme"
html_title = "skae"
html_static_path = ["_static"]
html_css_files = ["skae.css"]
html_favicon = "_static/favicon.svg"
html_search_scorer = str(DOCS / "_static" / "scorer.js")
html_show_sourcelink = False
html_theme_options = {
    "logo": {
        "image_light": "_static/logo-light.svg",
        "image_dark": "_static/logo-dark.svg",
        "alt_text": "skae - home",
    },
    "navbar_align": "left",
    "header_links_before_dropdown": 6,
    "secondary_sidebar_items": ["page-toc"],
    "show_prev_next": True,
    "show_toc_level": 2,
    "navigation_with_keys": False,
    "footer_start": ["copyright"],
    "footer_end": [],
    "pygments_light_style": "a11y-high-contrast-light",
    "pygments_dark_style": "a11y-high-contrast-dark",
}
if SOURCE_URL:
    html_theme_options["github_url"] = SOURCE_URL
if DOCS_VERSION and DOCS_URL:
    html_theme_options["navbar_end"] = ["version-switcher", "theme-switcher", "navbar-icon-links"]
    html_theme_options["check_switcher"] = False  # the file may not be published yet
    html_theme_options["switcher"] = {
        "json_url": f"{DOCS_URL}/switcher.json",
        "version_match": DOCS_VERSION,
    }
# pages without a section of their own need no list of neighbors at their left
html_sidebars = {
    page: []
    for page in (
        "index",
        "getting_started",
        "migration",
        "architecture",
        "changelog",
        "contributing",
        "search",
        "genindex",
    )
}

if os.environ.get("DOCS_ONLINE"):
    intersphinx_mapping = {
        "python": ("https://docs.python.org/3", None),
        "numpy": ("https://numpy.org/doc/stable", None),
        "pandas": ("https://pandas.pydata.org/docs", None),
        "matplotlib": ("https://matplotlib.org/stable", None),
        "sklearn": ("https://scikit-learn.org/stable", None),
        "skorch": ("https://skorch.readthedocs.io/en/stable", None),
        "torch": ("https://docs.pytorch.org/docs/stable", None),
    }
intersphinx_timeout = 30

numpydoc_show_class_members = False  # the template of a class lists its methods
autodoc_typehints = "none"  # types are described in the sections of parameters
autosummary_generate = True
autosummary_generate_overwrite = True
autosummary_imported_members = True

copybutton_prompt_text = r">>> |\.\.\. |\$ "
copybutton_prompt_is_regexp = True
copybutton_selector = "div:not(.sphx-glr-script-out) > div.highlight > pre"

GALLERY = [
    "reduction",
    "classification",
    "anomaly",
    "imputation",
    "restoration",
    "generation",
    "compression",
    "large_data",
    "networks",
    "deployment",
]
"""Folders of the gallery, in their order."""

sphinx_gallery_conf = {
    "examples_dirs": "../examples",
    "gallery_dirs": "auto_examples",
    "image_scrapers": ("matplotlib",),
    "subsection_order": [*(f"../examples/{folder}" for folder in GALLERY), "*"],
    "within_subsection_order": "FileNameSortKey",
    "thumbnail_size": (480, 320),
    "download_all_examples": False,
    "show_signature": False,
    "write_computation_times": False,
    # pages of the API list the examples that use a class
    "backreferences_dir": "generated/backreferences",
    "doc_module": ("skae",),
    "abort_on_example_error": True,
    "parallel": N_JOBS,
    "capture_repr": (),  # examples print their results
}


def linkcode_resolve(domain, info):
    """Return the address of the source of an object at GitHub.

    Parameters
    ----------
    domain : str
        "py" for Python.
    info : dict of str to str
        Module and full name of the object.

    Returns
    -------
    address : str or None
        Of its first and last line. None if there is no source.
    """
    if domain != "py" or not info["module"]:
        return None
    found = importlib.import_module(info["module"])
    try:
        for name in info["fullname"].split("."):
            found = getattr(found, name)
        found = inspect.unwrap(getattr(found, "fget", found))
        lines, first = inspect.getsourcelines(found)
        path = Path(inspect.getsourcefile(found)).relative_to(Path(skae.__file__).parent.parent)
    except (AttributeError, TypeError, OSError, ValueError):
        return None
    branch = "main" if "dev" in release or DOCS_VERSION in ("", "dev") else f"v{release}"
    return f"{SOURCE_URL}/blob/{branch}/{path.as_posix()}#L{first}-L{first + len(lines) - 1}"


def public_methods(class_):
    """Return the names of the documented methods and properties that skae defines, in the order of their source.

    Parameters
    ----------
    class_ : type
        A public class.

    Returns
    -------
    names : list of (str, str)
        Name and kind, "method" or "property". ``fit`` is first, ``__call__`` is included.
    """
    names = {}
    for base in class_.__mro__:
        if not base.__module__.startswith("skae"):
            continue
        for name, member in vars(base).items():
            if name.startswith("_") and name != "__call__":
                continue
            is_property = isinstance(member, property | functools.cached_property)
            function = getattr(member, "__func__", member)
            if member.__doc__ and (is_property or inspect.isfunction(function)):
                names.setdefault(name, "property" if is_property else "method")
    return sorted(names.items(), key=lambda item: item[0] != "fit")


def api_context():
    """Return the values that the templates of the API read: methods, and pages of the guide, by name of the object."""
    methods, guides = {}, {}
    names = ("losses", "bottlenecks", "penalties", "corruptions", "features", "datasets", "export")
    public = [skae, *(importlib.import_module(f"skae.{name}") for name in names)]
    for module in public:
        for name in module.__all__:
            member = getattr(module, name)
            if inspect.isclass(member):
                methods[f"{module.__name__}.{name}"] = public_methods(member)
    for line in (DOCS / "api" / "guides.csv").read_text(encoding="utf-8").splitlines()[1:]:
        name, page = line.split(",")
        guides.setdefault(name, []).append(page)
    return {"methods_of": methods, "guides_of": guides}


autosummary_context = api_context()


def draw_figures(app, config):
    """Draw the figures of the guide."""
    from _jobs import draw_outdated

    draw_outdated(N_JOBS)


def allow_missing_pictures(app, config):
    """Accept pages without the pictures of examples if the build has ``plot_gallery=0``."""
    if str(config.plot_gallery) in ("0", "False"):
        config.suppress_warnings.append("image.not_readable")


def setup(app):
    """Connect the functions above."""
    app.connect("config-inited", draw_figures)
    app.connect("config-inited", allow_missing_pictures)
