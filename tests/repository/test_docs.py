"""README and docs/ keep their word: commands exist and run, files, links and settings are there, generated parts are up
to date."""

import os
import re
import shlex
import shutil
import subprocess
from pathlib import Path

import build_docs
import pytest
import yaml

from blogtwin.config import Params
from blogtwin.reference_docs import parameter_comments
from corpus import ingest
from serve.permissions import ROUTE_ROLES, match_route
from serve.settings import Settings
from tests.support.workspace import ROOT

README = (ROOT / "README.md").read_text(encoding="utf-8")
PAGES = {
    path.relative_to(ROOT).as_posix(): path.read_text(encoding="utf-8")
    for path in [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
}
VERBS = set(re.findall(r"^([a-z-]+):.*## ", (ROOT / "Makefile").read_text(encoding="utf-8"), re.M))
# Programs of others that a command may call: they are not run here.
PROGRAMS = {"accelerate", "curl", "docker", "dvc", "ollama", "pip"}


def commands_of(page: str) -> list[str]:
    """The commands in a page's sh blocks; a line that ends in a backslash goes on."""
    blocks = re.findall(r"```sh\n(.*?)```", PAGES[page], re.S)
    return [line for block in blocks for line in re.sub(r"\\\n\s*", "", block).splitlines() if line]


def inline_code(page: str) -> list[str]:
    """What stands between single backticks, outside code blocks."""
    return re.findall(r"`([^`\n]+)`", re.sub(r"```.*?```", "", PAGES[page], flags=re.S))


COMMANDS = commands_of("README.md")
# Commands that test_pipeline.py runs for real, in its workspace (there with small numbers or another folder).
RUN_BY_PIPELINE = {"make all", "make blog FROM=~/posts", "make report", "make diff A=HEAD"}
ALL_COMMANDS = sorted({command for page in PAGES for command in commands_of(page)})
WITHOUT_SCRIPT = {
    "setup",
    "test",
    "test-fast",
    "test-nightly",
    "lint",
}  # verbs that run these tests themselves, or the tools of others


def test_readme_has_the_two_commands_and_ci_calls_the_second():
    assert COMMANDS[:2] == ["make all", "make test"]
    assert "\nmake test\n" in (ROOT / ".ci/run").read_text()


def test_readme_is_short():
    assert len(README.splitlines()) <= 150


@pytest.mark.parametrize("command", ALL_COMMANDS)
def test_every_command_exists(command):
    """make takes its verb and variables, a script its options, the server its route."""
    words = shlex.split(command)
    if words[0] == "make":
        dry_run(words[1:])
    elif words[:3] == ["python", "-m", "pytest"]:
        assert (ROOT / words[3]).is_file()
    elif words[0] == "python":
        script = (ROOT / words[1]).read_text(encoding="utf-8")
        assert [
            word for word in words[2:] if word.startswith("--") and word != "--help" and f'"{word}"' not in script
        ] == []
    else:
        assert words[0] in PROGRAMS
        assert [path for path in re.findall(r"127\.0\.0\.1:8000(/\S+)", command) if not match_route("GET", path)] == []


@pytest.mark.parametrize("command", [command for command in ALL_COMMANDS if command.split()[0] in ("make", "python")])
def test_every_command_is_run_by_a_test(command):
    """What test_pipeline does not run literally is run by a test through its script."""
    words = shlex.split(command)
    if command in RUN_BY_PIPELINE:
        assert " ".join(words[:2]) in (ROOT / "tests/pipeline/test_pipeline.py").read_text()
    elif words[0] == "python":
        assert words[1] == "-m" or is_named_by_tests(Path(words[1]).stem)
    elif words[1] not in WITHOUT_SCRIPT:
        scripts = set(re.findall(r"scripts/(\w+)\.py", dry_run(words[1:]))) - {"bootstrap"}
        assert scripts and all(map(is_named_by_tests, scripts))


def dry_run(arguments: list[str]) -> str:
    done = subprocess.run(["make", "-n", *arguments], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout


def is_named_by_tests(script: str) -> bool:
    return any(
        re.search(rf"\b{script}\b", path.read_text(encoding="utf-8"))
        for path in (ROOT / "tests").rglob("test_*.py")
        if path.name != "test_docs.py"
    )


@pytest.mark.parametrize("page", PAGES)
def test_what_a_page_names_is_there(page):
    """make verbs, scripts, files of the project, routes and settings in the text, between backticks."""
    missing = []
    for code in inline_code(page):
        if verb := re.match(r"make ([a-z-]+)", code):
            missing += [] if verb[1] in VERBS else [code]
        elif path := re.match(
            r"(?:python )?((?:blogtwin|corpus|train|eval|serve|scripts|frontend|tests|docs)/[\w./-]*)( |$)", code
        ):
            missing += [] if "NAME" in code or (ROOT / path[1]).exists() else [code]
        elif code.startswith("SERVE_"):
            missing += [] if code.split("=")[0].removeprefix("SERVE_").lower() in Settings.model_fields else [code]
        elif re.fullmatch(r"/(?:api|v1|ws)/[\w/{}-]+", code):
            missing += [] if any(code == route.split(" ")[1] for route in ROUTE_ROLES) else [code]
    assert missing == []


PARAMETERS = set(parameter_comments((ROOT / "params.yaml").read_text(encoding="utf-8")))
SECTIONS = "|".join(Params.model_fields)


@pytest.mark.parametrize("page", PAGES)
def test_parameters_that_a_page_names_are_there(page):
    """`train.epochs`, `train.epochs=3`, `prepare.augmentation.notes=1`, `train.preset: quality`, in text and in
    commands."""
    named = re.findall(
        rf"(?:^|[\s`])((?:{SECTIONS})\.[a-z_]+)(?=[\s`.=:])(?!\.(?:py|yaml|jsonl|html|tsv|gguf))", PAGES[page], re.M
    )
    assert [name for name in named if name not in PARAMETERS] == []


@pytest.mark.parametrize("page", PAGES)
def test_options_that_a_page_names_are_there(page):
    """`python scripts/03_split.py --reset`, in the text."""
    wrong = []
    for code in inline_code(page):
        if call := re.match(r"python (scripts/\w+\.py) (.*)", code):
            script = (ROOT / call[1]).read_text(encoding="utf-8")
            wrong += [code for option in re.findall(r"--[\w-]+", call[2]) if f'"{option}"' not in script]
    assert wrong == []


@pytest.mark.parametrize("heading", re.findall(r"^## “(.+)”$", PAGES["docs/troubleshooting.md"], re.M))
def test_errors_in_troubleshooting_are_raised(heading):
    """Word for word, up to what an error says of the user's values (in capitals here)."""
    code = "".join(
        path.read_text(encoding="utf-8")
        for room in ("blogtwin", "corpus", "train", "serve", "scripts")
        for path in (ROOT / room).rglob("*.py")
    )
    parts = [
        part.strip()
        for part in re.split(r"\b(?:PATH|NAME|N(?=\b)|ADDRESS|SECTION\.NAME|127\.0\.0\.1:8000|5$)|…", heading)
    ]
    assert [part for part in parts if part and part not in code] == []


@pytest.mark.parametrize("page", PAGES)
def test_links_and_pictures_lead_somewhere(page):
    dead = []
    for target in re.findall(r"\]\(([^)\s]+)\)", PAGES[page]):
        name, _, anchor = target.partition("#")
        if re.match(r"https?://", target):
            continue
        file = (ROOT / page).parent / name if name else ROOT / page
        dead += [] if file.is_file() and (not anchor or anchor in anchors(file)) else [target]
    assert dead == []


def anchors(file: Path) -> set[str]:
    """The anchors of a page's headings, as GitHub and MkDocs make them."""
    headings = re.findall(r"^#+ (.+)$", file.read_text(encoding="utf-8"), re.M)
    return {re.sub(r"[\s-]+", "-", re.sub(r"[^\w\s-]", "", heading).strip().lower()) for heading in headings}


@pytest.mark.parametrize("page", PAGES)
def test_lines_are_short_and_quotation_marks_are_english(page):
    """Tables can't be broken into lines; generated parts say what the code says."""
    own = re.sub(r"<!-- generated: .*?<!-- /generated -->", "", PAGES[page], flags=re.S)
    assert [line for line in own.splitlines() if len(line) > 120 and not line.startswith("|")] == []
    assert "«" not in own and "»" not in own


def test_readme_names_the_tree():
    """Every folder of the project, and no other."""
    block = README.split("## Project layout\n")[1].split("\n## ")[0]
    named = {line.split()[0] for line in block.splitlines() if line.startswith("    ")}
    listed = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True).stdout.split(
        "\n"
    )
    folders = {name.split("/")[0] + "/" for name in listed if "/" in name and not name.startswith(".")}
    assert {name for name in named if name.endswith("/")} == folders | {"artifacts/"}
    assert all((ROOT / name).exists() for name in named - {"artifacts/"})


def test_every_page_is_in_the_navigation():
    def names(node) -> list[str]:
        return (
            [node]
            if isinstance(node, str)
            else [name for one in (node.values() if isinstance(node, dict) else node) for name in names(one)]
        )

    found = names(yaml.safe_load((ROOT / "mkdocs.yml").read_text(encoding="utf-8"))["nav"])
    assert sorted(found) == sorted(path.name for path in (ROOT / "docs").glob("*.md"))


@pytest.mark.parametrize("page", PAGES)
def test_generated_parts_are_up_to_date(page):
    """`python scripts/build_docs.py` makes them anew: after a change in params.yaml, blogtwin/config.py,
    serve/settings.py or docs/results.json."""
    assert build_docs.generated_pages(ROOT)[ROOT / page] == PAGES[page]


needs_mkdocs = pytest.mark.skipif(not shutil.which("mkdocs"), reason="needs MkDocs: `make setup` installs it")


def test_make_docs_is_strict():
    """With --quiet MkDocs counts no warnings, and a dead link passes."""
    assert re.findall(r"mkdocs build (.*)", dry_run(["docs"])) == ["--strict"]


def build_site(folder: Path, site: Path) -> subprocess.CompletedProcess:
    command = ["mkdocs", "build", "--strict", "--config-file", folder / "mkdocs.yml", "--site-dir", site]
    return subprocess.run(command, env={**os.environ, "NO_MKDOCS_2_WARNING": "1"}, capture_output=True, text=True)


@needs_mkdocs
@pytest.mark.slow
def test_docs_build_without_a_warning_and_load_nothing_from_elsewhere(tmp_path):
    done = build_site(ROOT, tmp_path)
    assert done.returncode == 0 and "WARNING" not in done.stderr, done.stderr
    loaded = {
        m
        for page in tmp_path.rglob("*.html")
        for m in re.findall(
            r"<(?:link|script|img)\b[^>]*(?:src|href)=\"?(https?:[^\" >]+)", page.read_text(encoding="utf-8")
        )
    }
    assert loaded == set() and (tmp_path / "index.html").is_file()


@needs_mkdocs
@pytest.mark.slow
def test_a_dead_link_stops_the_build(tmp_path):
    shutil.copy(ROOT / "mkdocs.yml", tmp_path)
    shutil.copytree(ROOT / "docs", tmp_path / "docs")
    with open(tmp_path / "docs/index.md", "a", encoding="utf-8") as file:
        file.write("\n[nowhere](nowhere.md)\n")
    done = build_site(tmp_path, tmp_path / "site")
    assert done.returncode != 0 and "nowhere.md" in done.stderr


def test_the_security_checklist_names_tests_that_exist():
    """Each line has a test or a reason; a test that was renamed would leave a line without one."""
    rows = [line.split("|")[1:-1] for line in PAGES["docs/security.md"].splitlines() if line.startswith("| ")][2:]
    assert len(rows) > 25 and all(cell.strip() for row in rows for cell in row)
    named = re.findall(r"`([\w/]+\.py)::(test_\w+)`", PAGES["docs/security.md"])
    assert len(named) > 20
    for file, test in named:
        path = ROOT / (file if file.startswith("tests/") else f"tests/serve/{file}")
        assert f"def {test}(" in path.read_text(encoding="utf-8"), test


def test_pictures_are_small():
    pictures = {
        file
        for page in PAGES
        for name in re.findall(r"!\[[^]]+\]\(([^)]+)\)", PAGES[page])
        for file in [(ROOT / page).parent / name]
    }
    assert len(pictures) >= 4
    assert [file for file in pictures if not 1000 < file.stat().st_size < 100_000] == []


def test_no_private_path_or_registry_is_named():
    """No path of a developer's machine and no package registry's host in any tracked file."""
    bad = re.compile(
        r"/(?:wor" + r"k|hom" + r"e/\w+)/(?:main|shared)|pypi\." + r"org|registry\.npm" + "js|files\\.pythonhosted"
    )
    listed = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True).stdout.split("\n")
    for name in filter(None, listed):
        path = ROOT / name
        if path.suffix in (".docx",) or not path.is_file():
            continue
        assert not bad.search(path.read_text(encoding="utf-8", errors="replace")), name


def test_sample_is_what_the_issue_asks():
    """About 60 posts, 28,000 to 38,000 words; 48 .md, 6 .txt, 6 .docx; several years."""

    posts, discarded = ingest.ingest_folder(ROOT / "data/sample", 40, 1e9)
    formats = [p["format"] for p in posts]
    assert (formats.count("md"), formats.count("txt"), formats.count("docx")) == (48, 6, 6)
    assert 28_000 <= sum(p["word_count"] for p in posts) <= 38_000
    assert [d["source"] for d in discarded] == ["ABOUT"]
    assert len({p["date"][:4] for p in posts}) >= 5 and all(p["title"] and p["lang"] == "en" for p in posts)
