"""The twins that are kept: list them, make another one live, carry one away, and bring it in.

Reads   artifacts/gguf/, artifacts/eval/, artifacts/twins/
Writes  artifacts/twins/        a folder per version, and which one is live
        blogtwin-NAME.zip       pack
Run     python scripts/twins.py list                        make twins
        python scripts/twins.py keep                        `make all` runs it
        python scripts/twins.py use 2026-11-29              make use TWIN=2026-11-29
        python scripts/twins.py pack                        make pack TWIN=…
        python scripts/twins.py unpack blogtwin-….zip       make unpack FROM=blogtwin-….zip
"""

import _path

import argparse
from pathlib import Path

from blogtwin.config import load_params
from blogtwin.console import echo, run_cli
from blogtwin.errors import UserError
from blogtwin.hints import make_command, shell_command
from blogtwin.twins.store import held_version, is_kept


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("verb", choices=("list", "keep", "use", "pack", "unpack"))
    parser.add_argument("which", nargs="?", default="", help="a twin (its name, date or digest), or a package's file")
    arguments = parser.parse_args()
    verb, which, params = arguments.verb, arguments.which, load_params()
    if verb == "keep" and is_kept() and not held_version():
        return  # before anything heavy is imported: `make all` ends so when nothing changed
    from serve import kept_twins

    if verb == "list":
        kept_twins.print_versions()
    elif verb == "keep":
        kept_twins.keep_and_compare(params)
    elif verb == "use":
        if not which.strip():
            raise UserError(
                f"Say which twin: `{make_command('use', TWIN='newest')}`; `{make_command('twins')}` lists them."
            )
        version = kept_twins.use(which, params)
        echo(f"{version.name} is the twin now; a server that runs answers with it when it is started again")
    elif verb == "pack":
        file = kept_twins.pack(which, params)
        echo(f"wrote {file.resolve()}, {file.stat().st_size / 1e6:.0f} MB: `{make_command('unpack', FROM=file.name)}`")
    else:
        if not which.strip():
            raise UserError(f"Say which file: `{make_command('unpack', FROM='blogtwin-….zip')}`.")
        version = kept_twins.unpack(Path(which).expanduser(), params)
        ask = shell_command('python scripts/ask.py "a prompt"')
        echo(f"unpacked {version.name}, which is the twin now: `{make_command('serve')}`, or `{ask}`")


if __name__ == "__main__":
    run_cli(main)
