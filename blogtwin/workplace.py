"""What `make setup` sees to around the project: a Git repository, and a folder where DVC may write.

Standard library only, because nothing is installed yet.
"""

import os
import shutil
import subprocess
from pathlib import Path

from blogtwin.dvc import set_local_config
from blogtwin.errors import UserError
from blogtwin.paths import ROOT
from blogtwin.repository import find_repository, is_tracked

DVC_SITE_CACHE = Path("/var/tmp/dvc")  # DVC's own choice, shared by all users of a machine


def ensure_git() -> None:
    """Make the project a Git repository, if it was downloaded as an archive: DVC stores its experiments in Git.

    In a larger repository that tracks the project nothing is to be done; in one that does not, the project gets a
    repository of its own, because only files that Git knows take part in experiments. Raises UserError for a
    repository that Git does not open: to start another one in its place would hide it.
    """
    if not shutil.which("git"):
        return
    around = find_repository(ROOT)
    if around and (not around.prefix or is_tracked(ROOT)):
        return
    subprocess.run(["git", "init", "-q"], cwd=ROOT, check=True)
    inside = f" of its own (the one in {around.top} does not have it)" if around else ""
    print(
        f"made this folder a Git repository{inside}, which DVC needs; commit when you like, with `git add -A` (your"
        " posts are ignored)"
    )


def ensure_dvc_site_cache() -> None:
    """Where DVC may not write to its folder in /var, which another user may own or which may be read-only, give it one
    in the project. Raises UserError where that fails."""
    if os.environ.get("DVC_SITE_CACHE_DIR") or is_writable(DVC_SITE_CACHE):
        return
    config = ROOT / ".dvc/config.local"
    if config.is_file() and "site_cache_dir" in config.read_text(encoding="utf-8", errors="replace"):
        return
    folder = ROOT / ".dvc/tmp/site"
    try:
        set_local_config(ROOT, core__site_cache_dir=str(folder))
    except OSError as e:
        raise UserError(f"DVC can write neither to {DVC_SITE_CACHE} nor to {config} ({e.strerror}).") from None
    print(f"{DVC_SITE_CACHE} can't be written to: DVC keeps its notes about files in {folder.relative_to(ROOT)}")


def is_writable(folder: Path) -> bool:
    """Whether DVC can make its folders in `folder`: it and those in it that DVC shares are writable, or can be made."""
    if not folder.exists():
        return folder.parent != folder and is_writable(folder.parent)
    inner = [folder / "repo"] if (folder / "repo").exists() else []
    return all(one.is_dir() and os.access(one, os.W_OK | os.X_OK) for one in [folder, *inner])
