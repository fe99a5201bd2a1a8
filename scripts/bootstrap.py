"""Create .venv, install what the project needs, and bring an older params.yaml up to date. Does nothing if that is done
already.

Only the standard library, and no syntax that an older Python can't parse: it must get as far as saying that it is too
old.

Run     make setup
        python3 scripts/bootstrap.py --lock        writes constraints.txt (`make lock`)
"""

import sys
from pathlib import Path


def main() -> None:
    if sys.version_info < (3, 11):  # noqa: UP036  an older Python runs this script first
        sys.exit(
            f"error: Python 3.11 or newer is needed, and {sys.executable} is {sys.version.split()[0]}: "
            "run `make setup PYTHON=python3.11`, with the name of yours."
        )
    sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
    from blogtwin import installation, workplace
    from blogtwin.errors import UserError

    if sys.argv[1:] == ["--lock"]:
        installation.lock()
        return
    try:
        workplace.ensure_git()
        installation.set_up()
        workplace.ensure_dvc_site_cache()
    except UserError as e:
        sys.exit(f"error: {e}")
    installation.upgrade_params()


if __name__ == "__main__":
    try:
        main()
    except KeyboardInterrupt:
        print("\nstopped: run `make setup` again; packages already installed are kept.", file=sys.stderr)
        sys.exit(130)
