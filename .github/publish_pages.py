"""Add a version of the documentation to a site: python .github/publish_pages.py SITE HTML VERSION URL.

HTML is copied to SITE/VERSION. SITE/switcher.json lists all versions for the version switcher, and SITE/index.html leads to the
newest release, or to "dev" before the first release.
"""

import json
import re
import shutil
import sys
from pathlib import Path


def release(name):
    """Return the numbers of a version such as "1.2", or None."""
    if not re.fullmatch(r"\d+\.\d+", name):
        return None
    return tuple(map(int, name.split(".")))


def switcher(names, url):
    """Return the entries of the version switcher: "dev", then releases from new to old."""
    releases = sorted(filter(release, names), key=release, reverse=True)
    entries = [{"version": "dev", "url": f"{url}/dev/"}] if "dev" in names else []
    entries += [{"version": name, "url": f"{url}/{name}/"} for name in releases]
    if releases:
        newest = entries[-len(releases)]
        newest |= {"name": f"{releases[0]} (stable)", "preferred": True}
    return entries


def publish(site, html, version, url):
    """Copy the pages of a version, and write the files that depend on all versions."""
    site, html, url = Path(site), Path(html), url.rstrip("/")
    if version != "dev" and release(version) is None:
        raise ValueError(f"Got version={version!r}, but expected 'dev' or a version such as '1.2'.")
    if not (html / "index.html").is_file():
        raise ValueError(f"{html} has no index.html.")
    shutil.rmtree(site / version, ignore_errors=True)
    shutil.copytree(html, site / version)
    shutil.rmtree(site / version / ".doctrees", ignore_errors=True)
    entries = switcher({path.name for path in site.iterdir() if path.is_dir()}, url)
    (site / "switcher.json").write_text(json.dumps(entries, indent=2) + "\n")
    start = next((one for one in entries if one.get("preferred")), entries[0])["version"]
    (site / "index.html").write_text(
        '<!doctype html>\n<html lang="en">\n<meta charset="utf-8">\n<title>skae</title>\n'
        f'<meta http-equiv="refresh" content="0; url={start}/">\n'
        f'<p><a href="{start}/">Documentation of skae</a></p>\n</html>\n'
    )
    (site / ".nojekyll").touch()  # folders such as _static are served


if __name__ == "__main__":
    publish(*sys.argv[1:])
