"""Where the project stands: in a larger repository or in none, in a worktree, in another user's folder, on a path that
shells dislike; and a machine on which DVC may not write where it likes to. With the real Git and DVC."""

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from blogtwin import workplace
from blogtwin.dvc import run_dvc, set_local_config
from blogtwin.errors import UserError
from serve.errors import ApiError
from tests.support.workspace import ROOT, copy_project, environment, link_venv, sh

pytestmark = [pytest.mark.slow, pytest.mark.dvc]
INGEST = "-S ingest.min_words=41 ingest"  # the first stage of an experiment, which takes a second
SETUP = "python scripts/bootstrap.py"


def unpacked(folder: Path) -> Path:
    """The project as an archive of it is unpacked: no Git. Its .venv is this Python's."""
    copy_project(folder)
    for part in ("frontend", "tests", "docs"):
        shutil.rmtree(folder / part)
    link_venv(folder)
    return folder


def commit(folder: Path, message: str = "start") -> None:
    done = sh(folder, f"git add -A && git -c user.name=t -c user.email=t@example.org commit -qm {message}")
    assert done.returncode == 0, done


def name_the_user(folder: Path) -> None:
    sh(folder, "git config user.name t && git config user.email t@example.org")


def write_posts(folder: Path, count: int = 6) -> Path:
    folder.mkdir(parents=True)
    for n in range(count):
        words = " ".join(f"w{n}x{i}" for i in range(60))
        (folder / f"2021-01-0{n + 1}-day.md").write_text(f"---\ntitle: Day {n}\n---\nIt is day {n}, as {words}.\n")
    return folder


def succeeds(folder: Path, command: str, **extra: str) -> subprocess.CompletedProcess:
    done = sh(folder, command, **extra)
    assert done.returncode == 0, done
    return done


def prepare_job(project: Path, home: Path) -> Path:
    """The workspace that a training job of the server would get."""
    code = (
        "import sys; sys.path.insert(0, '.'); from pathlib import Path; from serve.training_jobs import TrainingJobs;"
        f" from serve.errors import ApiError; home = Path({str(home)!r}); jobs = TrainingJobs(home, None)\n"
        "try: jobs.clone.prepare()\n"
        "except ApiError as e: sys.exit(f'{e.code}: {e.message} {e.hint}')"
    )
    home.mkdir(exist_ok=True)
    done = subprocess.run(
        [shutil.which("python", path=environment(project)["PATH"]), "-c", code],
        cwd=project,
        env=environment(project),
        capture_output=True,
        text=True,
    )
    assert "Traceback" not in done.stderr, done.stderr
    if done.returncode:
        raise ApiError(409, done.stderr.split(":")[0], done.stderr)
    return home / "workspace"


def test_a_project_in_a_larger_repository_has_authors_experiments_and_jobs(tmp_path):
    project = unpacked(tmp_path / "code/my blogtwin")
    (tmp_path / "code/letter.txt").write_text("private")
    sh(tmp_path / "code", "git init -q")
    commit(tmp_path / "code")
    assert succeeds(project, SETUP).stdout == "" and not (project / ".git").exists()
    posts = write_posts(tmp_path / "posts")
    succeeds(project, f"make blog AUTHOR=anna FROM={posts}")
    anna = project / "authors/anna"
    assert (anna / "dvc.yaml").is_file() and not list(anna.rglob("letter.txt"))
    (project / "eval/suites/cases/new.yaml").write_text("# new\n")
    commit(tmp_path / "code", "more")
    assert "note:" not in succeeds(project, "python scripts/author_project.py anna help").stdout
    assert (anna / "eval/suites/cases/new.yaml").is_file()
    assert (prepare_job(project, tmp_path / "home") / "eval/suites/cases/new.yaml").is_file()
    name_the_user(project)
    succeeds(project, f'make exp S="{INGEST}"')


def test_a_project_that_the_larger_repository_does_not_have_gets_its_own(tmp_path):
    (tmp_path / "notes.txt").write_text("x")
    sh(tmp_path, "git init -q")
    commit(tmp_path)
    project = unpacked(tmp_path / "blogtwin")
    said = succeeds(project, SETUP).stdout
    assert "repository of its own" in said and str(tmp_path) in said
    assert sh(project, "git rev-parse --show-toplevel").stdout.strip() == str(project)
    assert succeeds(project, SETUP).stdout == ""


def test_without_a_commit_each_verb_names_commands_that_make_one(tmp_path):
    """As they stand, on a machine where nobody told Git a name."""
    project = unpacked(tmp_path / "blogtwin")
    succeeds(project, SETUP)
    posts = write_posts(tmp_path / "posts")
    verbs = (f'make exp S="{INGEST}"', "make diff", f"make blog AUTHOR=anna FROM={posts}")
    for verb in verbs:
        done = sh(project, verb)
        assert done.returncode != 0 and "has no commit yet" in done.stderr, done
    with pytest.raises(ApiError, match="no commit yet") as error:
        prepare_job(project, tmp_path / "home")
    assert error.value.code == "no_commit"
    command = re.search(r"`(.+?)`", done.stderr)[1]
    assert "user.name" in command
    succeeds(project, command)
    for verb in verbs:
        succeeds(project, verb)
    assert prepare_job(project, tmp_path / "home").is_dir()
    assert "user.name" not in sh(project, "git log -1 --format=%an").stderr
    # The author's folder knows the name, too: its experiments are commits.
    succeeds(project, f'make exp AUTHOR=anna S="{INGEST}"')


def test_an_experiment_without_a_name_for_its_commit_says_so(tmp_path):
    project = unpacked(tmp_path / "blogtwin")
    sh(project, "git init -q")
    commit(project)
    done = sh(project, f"python scripts/run_experiment.py {INGEST}")
    assert done.returncode == 1 and "git config user.name" in done.stderr, done


@pytest.fixture(scope="module")
def committed(tmp_path_factory) -> Path:
    """A committed project with posts of the user's own, whose pointer is in no commit."""
    project = unpacked(tmp_path_factory.mktemp("machine") / "blogtwin")
    sh(project, "git init -q")
    name_the_user(project)
    commit(project)
    posts = write_posts(project.parent / "posts")
    succeeds(project, f"make blog FROM={posts}")
    return project


def test_an_experiment_in_a_copy_has_the_posts_whose_pointer_is_in_no_commit(committed):
    sh(committed, "git reset -q")
    done = succeeds(committed, f'make exp S="--temp {INGEST}"')
    assert "6 posts" in done.stdout, done


def test_posts_that_an_experiments_copy_would_lack_are_named(committed):
    write_posts(committed / "data/another")
    done = sh(committed, 'make exp S="--temp -S ingest.source=data/another ingest"')
    assert done.returncode != 0 and "`dvc add data/another`" in done.stderr, done
    shutil.rmtree(committed / "data/another")


def test_a_worktree_has_authors_experiments_and_jobs(committed, tmp_path):
    tree = tmp_path / "tree"
    succeeds(committed, f"git worktree add -q {tree} -b side")
    link_venv(tree)
    (tree / "eval/suites/cases/side.yaml").write_text("# only here\n")
    commit(tree, "side")
    succeeds(tree, f"make blog AUTHOR=anna FROM={write_posts(tmp_path / 'posts')}")
    assert (tree / "authors/anna/eval/suites/cases/side.yaml").is_file()
    for where in ("", "--temp "):
        succeeds(tree, f'make exp S="{where}{INGEST}"')
    assert (prepare_job(tree, tmp_path / "home") / "eval/suites/cases/side.yaml").is_file()


def test_settings_for_large_repositories_do_not_matter(committed):
    """feature.manyFiles: another version of the index, without its checksum."""
    succeeds(committed, "git config feature.manyFiles true && git update-index --index-version 4")
    index = (committed / ".git/index").read_bytes()
    (committed / ".git/index").write_bytes(index[:-20] + bytes(20))
    for where in ("", "--temp "):
        succeeds(committed, f'make exp S="{where}{INGEST}"')
    succeeds(committed, "git config --unset feature.manyFiles && git update-index --index-version 2")


@pytest.mark.skipif(os.name != "posix" or os.geteuid() != 0, reason="only root gives a folder away")
def test_another_users_folder_is_named_and_its_repository_left_alone(tmp_path):
    project = unpacked(tmp_path / "blogtwin")
    sh(project, "git init -q")
    commit(project)
    for path in (project, project / ".git"):
        os.chown(path, 12345, 12345)
    before = sorted(path.name for path in (project / ".git").iterdir())
    done = sh(project, "make setup", HOME=str(tmp_path))
    assert done.returncode != 0 and "belongs to another user" in done.stderr, done
    assert sorted(path.name for path in (project / ".git").iterdir()) == before
    succeeds(project, re.search(r"`(git config .+?)`", done.stderr)[1], HOME=str(tmp_path))
    assert succeeds(project, "make setup", HOME=str(tmp_path)).stdout == ""


def test_a_broken_repository_is_no_reason_to_start_another(tmp_path):
    project = unpacked(tmp_path / "blogtwin")
    (project / ".git").write_text("gitdir: /nowhere/.git/worktrees/w\n")
    done = sh(project, SETUP)
    assert done.returncode == 1 and "Git can't use" in done.stderr and (project / ".git").is_file(), done


def test_a_path_that_shells_dislike_is_a_path(tmp_path):
    project = unpacked(tmp_path / "Zoë's $HOME, new #1/blogtwin")
    succeeds(project, SETUP)
    name_the_user(project)
    commit(project)
    write_posts(project.parent / "old 'posts' of $HOME")
    for author in ("", "AUTHOR=anna "):
        succeeds(project, f"""make blog {author}FROM="../old 'posts' of \\$HOME" && make report {author}""")
    succeeds(project, f'make exp S="{INGEST}"')
    succeeds(project, f'make exp AUTHOR=anna S="{INGEST}"')
    done = sh(project, f'make exp S="--queue {INGEST}"')
    assert done.returncode != 0 and "letters outside ASCII" in done.stderr, done
    for _ in range(2):
        with pytest.raises(ApiError, match="letters outside ASCII"):
            prepare_job(project, tmp_path / "home")


def test_dvc_gets_a_folder_of_the_projects_where_it_may_not_write_to_its_own(committed, tmp_path, monkeypatch):
    """And an author's folder, whose first command of DVC runs before its `make setup`."""
    (tmp_path / "var").write_text("a file: nobody, not even root, makes a folder in it")
    monkeypatch.setattr(workplace, "DVC_SITE_CACHE", tmp_path / "var/tmp/dvc")
    monkeypatch.setattr(workplace, "ROOT", committed)
    monkeypatch.delenv("DVC_SITE_CACHE_DIR", raising=False)
    workplace.ensure_dvc_site_cache()
    assert run_dvc(committed, "config", "core.site_cache_dir").stdout.strip() == str(committed / ".dvc/tmp/site")
    before = (committed / ".dvc/config.local").read_text()
    workplace.ensure_dvc_site_cache()
    assert (committed / ".dvc/config.local").read_text() == before
    assert run_dvc(committed, "status", "ingest").returncode == 0 and (committed / ".dvc/tmp/site/repo").is_dir()
    succeeds(committed, f"make blog AUTHOR=gail FROM={write_posts(tmp_path / 'posts')}")
    told = run_dvc(committed / "authors/gail", "config", "core.site_cache_dir").stdout.strip()
    assert told == str(committed / ".dvc/tmp/site")
    (committed / ".dvc/config.local").unlink()


@pytest.mark.skipif(os.name != "posix" or os.geteuid() == 0, reason="root writes everywhere")
def test_a_folder_of_another_user_is_not_writable(tmp_path):
    (tmp_path / "dvc/repo").mkdir(parents=True)
    (tmp_path / "dvc/repo").chmod(0o500)
    assert not workplace.is_writable(tmp_path / "dvc")


def test_what_dvc_may_write_to_needs_no_setting(tmp_path, monkeypatch):
    monkeypatch.setattr(workplace, "DVC_SITE_CACHE", tmp_path / "not/yet/there")
    monkeypatch.setattr(workplace, "ROOT", tmp_path)
    workplace.ensure_dvc_site_cache()
    assert not (tmp_path / ".dvc").exists()


def test_a_project_where_nothing_can_be_written_says_so(tmp_path, monkeypatch):
    (tmp_path / "var").write_text("")
    (tmp_path / ".dvc").write_text("")
    monkeypatch.setattr(workplace, "DVC_SITE_CACHE", tmp_path / "var/dvc")
    monkeypatch.setattr(workplace, "ROOT", tmp_path)
    with pytest.raises(UserError, match="neither to"):
        workplace.ensure_dvc_site_cache()


@pytest.mark.parametrize("path", ["/a b/c", "/a's/b", "/é, x #1/$y", '/say "x"/y'])
def test_dvc_reads_the_paths_that_are_written_for_it(tmp_path, path):
    shutil.copytree(ROOT / ".dvc", tmp_path / ".dvc", ignore=shutil.ignore_patterns("tmp", "cache", "config.local"))
    set_local_config(tmp_path, cache__dir="../elsewhere")
    set_local_config(tmp_path, cache__type="copy", core__site_cache_dir=path)
    assert run_dvc(tmp_path, "config", "core.site_cache_dir", encoding="utf-8").stdout.strip() == path
    assert run_dvc(tmp_path, "config", "cache.type").stdout.strip() == "copy"
