#!/usr/bin/env bash
# Publish a version of the documentation on the branch gh-pages: publish_pages.sh HTML VERSION
# The branch has one commit, which is replaced: pictures of old builds would otherwise grow it by megabytes a day.
set -euo pipefail

html=$1
version=$2
folder=$(dirname "${BASH_SOURCE[0]}")
remote="$GITHUB_SERVER_URL/$GITHUB_REPOSITORY.git"
url=$(python3 -c 'import sys, tomllib
print(tomllib.load(open(sys.argv[1], "rb"))["project"]["urls"]["Documentation"])' "$folder/../pyproject.toml")

# the token is passed to git by its environment, and is stored in no file
export GIT_CONFIG_COUNT=1
export GIT_CONFIG_KEY_0="http.$GITHUB_SERVER_URL/.extraheader"
GIT_CONFIG_VALUE_0="AUTHORIZATION: basic $(printf 'x-access-token:%s' "$GITHUB_TOKEN" | base64 -w0)"
export GIT_CONFIG_VALUE_0

# another build may push between the fetch and the push
for attempt in 1 2 3; do
    site=$(mktemp -d)
    git init --quiet --initial-branch gh-pages "$site"
    git -C "$site" remote add origin "$remote"
    published=$(git ls-remote --heads "$remote" gh-pages | cut -f 1)
    if [ -n "$published" ]; then
        git -C "$site" fetch --quiet --depth 1 origin gh-pages
        published=$(git -C "$site" rev-parse FETCH_HEAD)
        git -C "$site" read-tree -u --reset FETCH_HEAD
    fi
    python3 "$folder/publish_pages.py" "$site" "$html" "$version" "$url"
    git -C "$site" add --all
    git -C "$site" -c user.name="github-actions[bot]" -c user.email="41898282+github-actions[bot]@users.noreply.github.com" \
        commit --quiet --message "Documentation of $version, from $GITHUB_SHA"
    if git -C "$site" push --quiet --force-with-lease="gh-pages:$published" origin gh-pages; then
        exit 0
    fi
    echo "attempt $attempt: gh-pages has changed" >&2
done
exit 1
