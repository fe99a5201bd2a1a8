"""`make blog`: the writer's own posts come in, and no word of them is ever one `git add -A` away from a commit."""

import http.server
import os
import re
import shutil
import subprocess
import sys
import threading

import pytest
import yaml

from corpus import ingest
from tests.support.blog_exports import RSS, put, wxr, wxr_item
from tests.support.workspace import environment, make_workspace, sh

pytestmark = [pytest.mark.slow, pytest.mark.dvc]
SECRET = "the blue heron stood behind the boiler"
WORDS = (
    f"I never told anyone, but {SECRET}, and " + "we walked home along the river and talked about nothing at all. " * 5
)


@pytest.fixture(scope="module")
def clean_workspace(tmp_path_factory):
    return make_workspace(tmp_path_factory.mktemp("project"))


@pytest.fixture
def workspace(clean_workspace, tmp_path):
    """A fresh copy of the committed project."""
    shutil.copytree(
        clean_workspace,
        tmp_path / "project",
        symlinks=True,
        copy_function=os.link,
        ignore=shutil.ignore_patterns("base"),
    )
    folder = tmp_path / "project"
    shutil.copy(clean_workspace / "params.yaml", folder / "params.new")  # a copy and not a link: it will be changed
    os.replace(folder / "params.new", folder / "params.yaml")
    return folder


@pytest.fixture
def posts(tmp_path):
    """Private posts outside the project, with what folders of posts have in them."""
    folder = tmp_path / "my posts"
    (folder / "2020").mkdir(parents=True)
    for n in range(8):
        (folder / f"2020/post {n}.md").write_text(
            f"---\ntitle: Post {n}\ndate: 2020-01-0{n + 1}\n---\n{WORDS} {n} {' '.join(f'w{n}x{i}' for i in range(80))}"
        )
    (folder / ".git").mkdir()
    (folder / ".git/config").write_text(SECRET)
    return folder


def blog(workspace, *arguments):
    command = [sys.executable, "scripts/import_posts.py", *map(str, arguments)]
    return subprocess.run(
        command, cwd=workspace, env=environment(workspace), capture_output=True, text=True, timeout=120
    )


def assert_one_sentence(done, *words):
    assert done.returncode == 1, done
    assert done.stderr.startswith("error: ") and done.stderr.count("\n") == 1, done.stderr
    assert all(word in done.stderr for word in words), done.stderr


def assert_git_sees_no_text(workspace):
    """Everything Git would commit now, name and content: no private post, no file of a stage that holds their words."""
    assert sh(workspace, "git add -A").returncode == 0
    names = sh(workspace, "git ls-files").stdout.splitlines()
    private = [n for n in names if re.match(r"data/(?!sample/|[^/]*\.dvc$)|artifacts/(?!.*(metrics\.json|\.tsv)$)", n)]
    assert private == []
    assert sh(workspace, f"git grep --cached -i '{SECRET}' -- ':!tests'").stdout == ""
    return names


def test_own_posts_are_copied_kept_by_dvc_and_never_seen_by_git(workspace, posts):
    done = blog(workspace, posts)
    assert done.returncode == 0, done.stderr
    assert "copied 8 files" in done.stdout
    assert sorted(p.name for p in (workspace / "data/blog").rglob("*.md")) == [f"post {n}.md" for n in range(8)]
    assert not (workspace / "data/blog/.git").exists()
    assert yaml.safe_load((workspace / "params.yaml").read_text())["ingest"]["source"] == "data/blog"
    assert "data/blog.dvc" in assert_git_sees_no_text(workspace), (
        "Git must see the pointer, or DVC can't bring the posts back"
    )
    assert sh(workspace, "git status --porcelain").stdout.splitlines() == ["A  data/blog.dvc", "M  params.yaml"]
    assert sh(workspace, "dvc status data/blog.dvc").stdout.strip() == "Data and pipelines are up to date."


def test_git_sees_no_text_after_the_stages_nor_after_one_that_fails(workspace, posts):
    """DVC takes its own lines out of .gitignore when a stage fails; ours must hold without them."""
    assert blog(workspace, posts).returncode == 0
    done = sh(workspace, "dvc repro ingest")
    assert done.returncode == 0, done.stderr
    assert SECRET in (workspace / "data/raw/posts.jsonl").read_text()
    assert_git_sees_no_text(workspace)
    params = (workspace / "params.yaml").read_text()
    (workspace / "params.yaml").write_text(
        params.replace("min_words: 40", "min_words: 100000")
    )  # every post is too short
    assert sh(workspace, "dvc repro ingest").returncode != 0
    assert (workspace / "data/raw/discarded.jsonl").exists(), "the failing stage leaves a file DVC does not own yet"
    assert "data/blog.dvc" in assert_git_sees_no_text(workspace)
    (workspace / "params.yaml").write_text(params.replace("min_words: 40", "min_words: none"))
    assert sh(workspace, "dvc repro ingest").returncode != 0
    assert_git_sees_no_text(workspace)


def test_new_posts_replace_the_old_copy(workspace, posts):
    """What is gone from the folder is gone from the copy; the comments of params.yaml stay."""
    assert blog(workspace, posts).returncode == 0
    before = (workspace / "params.yaml").read_text()
    (posts / "2020/post 0.md").unlink()
    (posts / "new.txt").write_text(WORDS)
    done = blog(workspace, posts)
    assert done.returncode == 0, done.stderr
    assert len(list((workspace / "data/blog").rglob("*.*"))) == 8 and (workspace / "data/blog/new.txt").exists()
    assert (workspace / "params.yaml").read_text() == before and before.count("#") > 30


def test_odd_files_are_copied_or_passed_over(workspace, posts):
    """Links become files, so the copy is whole; a pipe, a circle and a link to nowhere stop nothing."""
    elsewhere = posts.parent / "elsewhere.md"
    elsewhere.write_text(WORDS + "elsewhere")
    (posts / "link.md").symlink_to(elsewhere)
    (posts / "dangling.md").symlink_to("nowhere.md")
    (posts / "loop").symlink_to(".")
    os.mkfifo(posts / "pipe.md")
    (posts / "new\nline 🫖.md").write_text(WORDS + "line")
    done = blog(workspace, posts)
    assert done.returncode == 0, done.stderr
    copied = {p.name for p in (workspace / "data/blog").iterdir()}
    assert copied == {"2020", "link.md", "new\nline 🫖.md"} and not (workspace / "data/blog/link.md").is_symlink()


@pytest.mark.parametrize(
    "wrong, words",
    [
        ("", "FROM is empty"),
        ("no/such folder", "not there"),
        ("params.yaml", "a file of no known format"),
        (".", "contains data/blog"),
        ("data", "contains data/blog"),
        ("..", "contains data/blog"),
    ],
)
def test_a_wrong_folder_is_one_sentence_and_changes_nothing(workspace, wrong, words):
    assert_one_sentence(blog(workspace, wrong), words, "name the folder")
    assert sh(workspace, "git status --porcelain").stdout == "" and not (workspace / "data/blog").exists()


def test_an_empty_folder_is_one_sentence_and_keeps_the_copy_of_before(workspace, posts, tmp_path):
    assert blog(workspace, posts).returncode == 0
    (tmp_path / "empty").mkdir()
    assert_one_sentence(blog(workspace, tmp_path / "empty"), "holds no files")
    assert len(list((workspace / "data/blog").rglob("*.md"))) == 8
    assert sorted(p.name for p in (workspace / "data").iterdir() if p.name.endswith(".tmp")) == []


def test_the_copy_itself_is_no_source(workspace, posts):
    """To replace data/blog by a part of itself would lose the rest."""
    assert blog(workspace, posts).returncode == 0
    for inside in ("data/blog", "data/blog/2020"):
        assert_one_sentence(blog(workspace, inside), "data/blog itself")
    assert len(list((workspace / "data/blog").rglob("*.md"))) == 8


def test_make_blog_is_the_same_from_the_command_people_type(workspace, posts):
    """Through Make: a path with a space, and no FROM at all."""
    assert "FROM is empty" in sh(workspace, "make blog").stderr
    done = sh(workspace, f"make blog FROM='{posts}'")
    assert done.returncode == 0, done.stderr
    assert_git_sees_no_text(workspace)


def test_one_export_file_becomes_the_blog_and_its_report_stays_private(workspace, tmp_path):
    items = [wxr_item(slug=f"p{n}", title=f"Post {n}", body=f"<p>{WORDS} {n}</p>") for n in range(6)]
    done = sh(workspace, f"make blog FROM='{put(tmp_path, 'my export.xml', wxr(*items))}'")
    assert done.returncode == 0 and "copied 1 file from" in done.stdout, done.stderr
    done = sh(workspace, "make report")
    assert done.returncode == 0 and "6 posts" in done.stdout, done.stderr
    assert "Not enough: 6 posts" in (workspace / "artifacts/data/report.html").read_text()
    assert_git_sees_no_text(workspace)


def test_a_feed_at_an_address_becomes_the_blog(workspace):
    class Answer(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_response(200 if self.path == "/feed" else 404)
            self.end_headers()
            self.wfile.write(RSS.encode())

        def log_message(self, *_):
            pass

    server = http.server.HTTPServer(("127.0.0.1", 0), Answer)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        address = f"http://127.0.0.1:{server.server_port}"
        assert_one_sentence(blog(workspace, f"{address}/none"), "can't be fetched", "404")
        assert blog(workspace, f"{address}/feed").returncode == 0
    finally:
        server.shutdown()
        server.server_close()
    assert (workspace / "data/blog/feed.xml").read_text() == RSS


def test_the_days_git_knows_come_along(workspace, posts):
    """A copy has no history: they are written down beside it."""
    (posts / "undated.md").write_text(WORDS + "undated")
    shutil.rmtree(posts / ".git")
    environment = {
        **os.environ,
        "GIT_AUTHOR_DATE": "2016-05-05T12:00:00Z",
        "GIT_COMMITTER_DATE": "2016-05-05T12:00:00Z",
    }
    subprocess.run(
        "git init -q && git add -A && git -c user.name=a -c user.email=a@b.c commit -qm x",
        shell=True,
        cwd=posts,
        env=environment,
        check=True,
    )
    assert blog(workspace, posts).returncode == 0
    found, left = ingest.ingest_folder(workspace / "data/blog", 5, 1e7)
    assert {p["source"]: p["date"] for p in found}["undated.md"] == "2016-05-05" and not left
