"""Make .venv and install into it what the project needs, and bring an older params.yaml up to date; does nothing when
that is done.

Standard library only, and no syntax that an older Python can't read: it must get as far as the sentence about its age.

Run     make setup
        python3 scripts/bootstrap.py --lock        writes constraints.txt (`make lock`)
"""

import sys
from pathlib import Path


def main() -> None:
    if sys.version_info < (3, 11):  # noqa: UP036  this script is what an older Python meets first
        sys.exit(
            f"error: Python 3.11 or newer is needed, and {sys.executable} is {sys.version.split()[0]}: "
            "run `make setup PYTHON=python3.11`, or whatever yours is called."
        )
    sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
    from blogtwin import installation

    if sys.argv[1:] == ["--lock"]:
        installation.lock()
        return
    installation.ensure_git()
    installation.set_up()
    installation.upgrade_params()


if __name__ == "__main__":
    try:
        main()
    except KeyboardInterrupt:
        print("\nstopped: run `make setup` again, packages already installed are kept.", file=sys.stderr)
        sys.exit(130)
