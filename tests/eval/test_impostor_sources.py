"""Which posts of a clone count for the floor."""

import subprocess
import sys

import pytest

from blogtwin.errors import UserError
from eval.style.impostor_sources import Source, read_posts, spread_posts
from tests.support.workspace import ROOT

ENGLISH = "On day {n} I walked {n} miles to the harbour, and the boat that I wanted to see was gone again, as ever. "
FRENCH = "Le jour {n}, je suis allé au port, et le bateau que je voulais voir était encore une fois parti sans moi. "


def post(n, day, sentence=ENGLISH, repeats=20, author="Ada"):
    body = "".join(sentence.format(n=n * 100 + i) for i in range(repeats))
    return f"---\ntitle: Post {n}\ndate: {day}\nauthor: {author}\n---\n{body}\n"


@pytest.fixture
def clone(tmp_path):
    folder = tmp_path / "ada"
    files = {
        "_posts/late.md": post(1, "2023-01-01"),
        "_posts/second.md": post(2, "2021-05-01"),
        "_posts/first.md": post(3, "2020-05-01"),
        "_posts/again.md": post(3, "2021-06-01"),
        "_posts/short.md": post(4, "2020-06-01", repeats=3),
        "_posts/french.md": post(5, "2020-07-01", FRENCH),
        "_posts/guest.md": post(6, "2020-08-01", author="Bob"),
        "pages/elsewhere.md": post(7, "2020-09-01"),
    }
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)

    def git(*arguments):
        command = ["git", "-c", "user.name=a", "-c", "user.email=a@b.c", *arguments]
        return subprocess.run(command, cwd=folder, check=True, capture_output=True, text=True).stdout.strip()

    git("init", "-q")
    git("add", ".")
    git("commit", "-qm", "posts")
    return folder, git("rev-parse", "HEAD")


def source(commit):
    return Source("ada", "https://example.org/ada", commit, "CC BY 4.0", "README", "harbours", ["_posts"])


def test_only_dated_english_posts_of_one_person_count_and_each_once(clone):
    folder, commit = clone
    posts = read_posts(source(commit), folder)
    assert [text.split()[2] for text in posts] == ["300", "200"]


def test_another_commit_is_refused(clone):
    folder, _ = clone
    with pytest.raises(UserError, match="check that commit out"):
        read_posts(source("0" * 40), folder)


def test_posts_are_taken_from_the_whole_time_and_long_ones_first():
    texts = [f"{i} " + "word " * (600 if i % 2 else 300) for i in range(40)]
    picked = [int(text.split()[0]) for text in spread_posts(texts, 5)]
    assert picked == [1, 9, 17, 25, 33]


@pytest.mark.slow
def test_counting_without_a_clone_says_which_one_is_missing_and_writes_nothing(tmp_path):
    before = (ROOT / "eval/style/impostors.npz").stat().st_mtime_ns
    command = [sys.executable, "scripts/build_impostors.py", str(tmp_path)]
    found = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert found.returncode == 1 and "clone it there, then check that commit out" in found.stdout + found.stderr
    assert (ROOT / "eval/style/impostors.npz").stat().st_mtime_ns == before
