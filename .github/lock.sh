#!/usr/bin/env bash
# Write the lock files of the workflows: all packages that are installed, with their hashes, for Python 3.11 and later.
# Needs uv (`pip install uv`). Versions are those of constraints.txt; packages that it does not name keep the locked version.
# To update these too: bash .github/lock.sh --upgrade
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

compile() {
    uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-annotate --no-emit-index-url \
        --no-emit-find-links --default-index https://pypi.org/simple --custom-compile-command "bash .github/lock.sh" "$@"
}

# torch is in requirements-torch.txt; hatchling and editables build the package, which is installed without build isolation
printf 'hatchling\neditables\n' | compile --config-file .github/uv.toml --constraints constraints.txt --all-extras --no-emit-package torch \
    --output-file .github/requirements-ci.txt pyproject.toml - "$@"
compile --no-config --output-file .github/requirements-tools.txt .github/requirements-tools.in "$@"
