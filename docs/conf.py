import os
import warnings

# pictures are drawn without a display
os.environ.setdefault("MPLBACKEND", "Agg")

import skae

# a warning in an example, which runs as __main__, ends the build; ConvergenceWarning is one of these
warnings.filterwarnings("error", category=UserWarning, module="__main__")

project = "skae"
author = "The skae developers"
copyright = "The skae developers"
version = release = skae.__version__

extensions = [
    "sphinx.ext.autodoc",
    "myst_parser",
    "numpydoc",
    "sphinx_gallery.gen_gallery",
]
exclude_patterns = ["_build"]
toc_object_entries_show_parents = "hide"  # the column at the right is narrow
html_theme = "pydata_sphinx_theme"
html_title = "skae"
html_static_path = ["_static"]
html_css_files = ["narrow.css"]
html_theme_options = {
    "secondary_sidebar_items": ["page-toc"],
    "header_links_before_dropdown": 6,
    "show_prev_next": False,
    "footer_start": ["copyright"],
    "footer_end": [],
}
# pages without neighbours below them need no list of neighbours at their left
html_sidebars = {
    page: []
    for page in (
        "coming_from",
        "benchmarks",
        "road",
        "words",
        "changelog",
        "contributing",
        "getting_started",
        "api",
    )
}
html_show_sourcelink = False

numpydoc_show_class_members = False
# types stand in the sections of parameters, in words
autodoc_typehints = "none"

sphinx_gallery_conf = {
    "examples_dirs": "../examples",
    "gallery_dirs": "auto_examples",
    "image_scrapers": ("matplotlib",),
    "within_subsection_order": "FileNameSortKey",
    "download_all_examples": False,
    "show_signature": False,
    # the API lists the examples that use a class
    "backreferences_dir": "generated/backreferences",
    "doc_module": ("skae",),
    "abort_on_example_error": True,
    "capture_repr": (),  # what a block prints is said by print
}


def allow_missing_pictures(app, config):
    """Accept pages without the pictures of examples where ``plot_gallery=0`` leaves these out."""
    if str(config.plot_gallery) in ("0", "False"):
        config.suppress_warnings.append("image.not_readable")


def setup(app):
    """Connect the functions above."""
    app.connect("config-inited", allow_missing_pictures)
