"""`make watch`: new posts of a folder and of a feed are seen, and a training on them keeps the better twin live."""

import http.server
import shutil
import sys
import threading

import pytest

from serve.retraining import Watch, run_dvc_quietly
from tests.support.workspace import make_workspace, sh, short_suites, with_tiny

SMALL = (
    "train.max_steps=2 train.max_length=256 train.learning_rate=2e-2 export.quantization=f16 export.parity_prompts=1"
    " export.parity_tokens=30 eval.num_prompts=3 eval.max_tokens=40 eval.max_scored_tokens=32"
)

pytestmark = [pytest.mark.slow, pytest.mark.nightly, pytest.mark.dvc]


def text(number: int) -> str:
    return f"We walked home along the river on day {number}. " + " ".join(f"word{number}x{i}" for i in range(90))


@pytest.fixture
def workspace(tmp_path, monkeypatch):
    folder = make_workspace(tmp_path / "project")
    monkeypatch.chdir(folder)
    return folder


def test_new_files_of_a_folder_are_counted(workspace, tmp_path, capsys):
    posts = tmp_path / "posts"
    posts.mkdir()
    for number in range(4):
        (posts / f"{number}.md").write_text(text(number))
    watch = Watch(str(posts), run_dvc_quietly)
    assert str(watch.look()) == "4 new posts; the twin is 4 posts behind"
    assert str(watch.look()) == "no new posts; the twin is 4 posts behind"
    (posts / "late.md").write_text(text(9))
    assert str(watch.look()) == "1 new post; the twin is 5 posts behind"
    shutil.rmtree(posts)  # a disk that is not there for a while
    assert watch.look() is None and "The next look may go better." in capsys.readouterr().out
    assert len(list((workspace / "data/blog").glob("*.md"))) == 5


def test_a_feed_that_forgets_old_posts_takes_none_away(workspace):
    feed = {"posts": [1, 2, 3]}

    class Answer(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            items = "".join(
                f"<item><title>Post {n}</title><link>http://a/{n}</link><description>{text(n)}</description></item>"
                for n in feed["posts"]
            )
            self.send_response(200 if self.path == "/feed" else 404)
            self.end_headers()
            self.wfile.write(f'<rss version="2.0"><channel><title>T</title>{items}</channel></rss>'.encode())

        def log_message(self, *_):
            pass

    server = http.server.HTTPServer(("127.0.0.1", 0), Answer)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        watch = Watch(f"http://127.0.0.1:{server.server_port}/feed", run_dvc_quietly)
        assert str(watch.look()) == "3 new posts; the twin is 3 posts behind"
        feed["posts"] = [3, 4]
        assert str(watch.look()) == "1 new post; the twin is 4 posts behind"
        assert str(watch.look()) == "no new posts; the twin is 4 posts behind"
    finally:
        server.shutdown()
        server.server_close()
    assert len(list((workspace / "data/blog").iterdir())) == 2


@pytest.mark.model
def test_a_twin_is_trained_again_on_new_posts(workspace, tiny_root):
    """The one that is live afterwards is the one that the sentence names."""
    base = with_tiny(workspace, tiny_root)
    short_suites(workspace)
    posts = sorted((workspace / "data/sample").glob("*.*"), key=lambda path: path.stat().st_size)
    later = workspace.parent / "later"
    later.mkdir()
    for path in posts[16:]:
        path.unlink()
    for path in posts[:3]:
        shutil.move(path, later)
    python = sys.executable
    done = sh(workspace, f"{python} scripts/set_param.py train.base={base} {SMALL}")
    assert done.returncode == 0, done.stderr
    done = sh(workspace, f"{python} scripts/watch.py --train", timeout=1800)
    assert done.returncode == 0 and "is the first one" in done.stdout, done.stdout[-2000:] + done.stderr[-2000:]
    for path in later.iterdir():
        shutil.move(path, workspace / "data/sample")
    done = sh(workspace, f"{python} scripts/watch.py --once", timeout=600)
    assert "3 new posts; the twin is 3 posts behind" in done.stdout, done.stdout[-2000:] + done.stderr[-2000:]
    done = sh(workspace, f"{python} scripts/watch.py --train", timeout=1800)
    assert done.returncode == 0, done.stderr[-2000:]
    listed = sh(workspace, f"{python} scripts/twins.py list").stdout
    (live,) = [line.split()[1] for line in listed.splitlines() if line.startswith("→ 2")]
    assert f"versions/{live}" in done.stdout, (done.stdout[-2000:], listed)
    assert listed.count(", f16, ") == 2
