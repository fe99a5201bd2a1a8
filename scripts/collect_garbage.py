"""Print what is on the disk, in GB, and delete what nothing needs any more, after asking.

serve/housekeeping.py decides what is needed.

Reads   artifacts/, authors/*/, DVC's cache and the projects that share it, the server's chats
Run     make gc                   make gc ARGS=--dry-run       make gc ARGS=--yes
"""

import _path

import argparse

from blogtwin.console import echo, run_cli


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--dry-run", action="store_true", help="only print what is there")
    parser.add_argument("--yes", action="store_true", help="free it without asking")
    arguments = parser.parse_args()
    from blogtwin.disk_usage import disk_bytes
    from serve import housekeeping
    from train.checkpoints import CHECKPOINTS_DIR, incomplete_checkpoints, unfinished_runs

    projects = housekeeping.projects_here()
    sharers = housekeeping.refuse_while_in_use()
    checkpoints = [
        housekeeping.CheckpointFolder(p / CHECKPOINTS_DIR, unfinished_runs(p), incomplete_checkpoints(p))
        for p in projects
    ]
    kinds = housekeeping.survey(projects, sharers, checkpoints)
    housekeeping.report(kinds)
    size = f"{disk_bytes([path for kind in kinds for path in kind.unneeded]) / 1e9:.2f} GB"
    if not any(kind.unneeded for kind in kinds):
        echo("nothing to free: everything is needed")
    elif arguments.dry_run:
        echo(f"{size} could be freed; nothing was (--dry-run)")
    elif arguments.yes or is_confirmed(f"free {size}? [y/N] "):
        housekeeping.refuse_while_in_use()  # a stage may have started since
        housekeeping.free(kinds, sharers)
        echo(f"freed {size}")
    else:
        echo("nothing was freed")


def is_confirmed(question: str) -> bool:
    try:
        return input(question).strip().lower() in ("y", "yes")
    except EOFError:  # nobody is there to answer
        echo()
        return False


if __name__ == "__main__":
    run_cli(main)
