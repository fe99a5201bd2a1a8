"""The page, as a person uses it: built, small, and driven by a browser on the real server. Needs Node and Chromium, and skips without."""

import os
import shutil
import subprocess

import pytest
from conftest import ROOT

pytestmark = pytest.mark.slow
FRONTEND = ROOT / "frontend"
CHROMIUM = os.environ.get("CHROMIUM_PATH", "/usr/bin/chromium")
need_node = pytest.mark.skipif(not (shutil.which("npm") and (FRONTEND / "node_modules").is_dir()), reason="needs Node, and npm ci in frontend/")
need_browser = pytest.mark.skipif(not os.access(CHROMIUM, os.X_OK), reason=f"needs Chromium at {CHROMIUM} (CHROMIUM_PATH)")


def said(*command: str, **options) -> str:
    done = subprocess.run(command, cwd=FRONTEND, capture_output=True, text=True, timeout=600, **options)
    assert done.returncode == 0, f"{done.stdout[-6000:]}\n{done.stderr[-2000:]}"
    return done.stdout


@pytest.fixture(scope="module")
def built():
    said("sh", "scripts/build.sh")
    assert (FRONTEND / "dist/index.html").is_file()


@need_node
def test_parts_and_types():
    """Stream reader, hooks and Markdown by Vitest; the types, also those of the API, hold."""
    said("npm", "run", "--silent", "check")
    said("npm", "run", "--silent", "test")


@need_node
def test_first_load_stays_within_its_budget(built):
    assert "first load" in said("npm", "run", "--silent", "size")


@need_node
@need_browser
def test_every_place_works_in_a_browser(built, served, tmp_path):
    """Each place from a click to what is kept; three widths, light and dark, axe; nothing leaves the origin."""
    from serving import Server

    page = served / "frontend/dist"  # the server takes the page from its project's folder
    if not page.exists():
        shutil.copytree(FRONTEND / "dist", page)
    server = Server(served, tmp_path / "home").ready()
    try:
        print(said("node", "scenarios/run.mjs", server.url, str(ROOT / "artifacts/screenshots"), env={**os.environ, "CHROMIUM_PATH": CHROMIUM}))
    finally:
        server.stop()


def test_without_node_one_sentence_says_so(tmp_path):
    """`make serve` serves the API then."""
    tools = tmp_path / "bin"
    tools.mkdir()
    for name in ("sh", "dirname"):
        (tools / name).symlink_to(shutil.which(name))
    frontend = tmp_path / "frontend"
    (frontend / "scripts").mkdir(parents=True)
    shutil.copy(FRONTEND / "scripts/build.sh", frontend / "scripts")
    done = subprocess.run(["sh", str(frontend / "scripts/build.sh")], env={"PATH": str(tools)}, capture_output=True, text=True)
    assert done.returncode == 0 and done.stdout.count("\n") == 1 and "Node.js" in done.stdout
