"""Add, list and remove API keys: who may use the server, and in which role. A key is shown once; only its hash is
stored, in the user's data folder.

Run     python scripts/api_keys.py add NAME --role user|admin
        python scripts/api_keys.py list
        python scripts/api_keys.py remove NAME
"""

import _path

import argparse
import re
import time

from blogtwin.console import echo, run_cli
from blogtwin.errors import UserError


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("action", choices=["add", "list", "remove"])
    parser.add_argument("name", nargs="?", default="")
    parser.add_argument("--role", choices=["user", "admin"], default="user")
    arguments = parser.parse_args()
    from serve.auth import Keys
    from serve.settings import Settings

    keys = Keys(Settings().home)
    if arguments.action == "list":
        for key in keys.all():
            created = time.strftime("%Y-%m-%d", time.localtime(key["made"]))
            echo(f"{key['name']:20} {key['role']:6} created {created}")
        return
    if not re.fullmatch(r"[\w.@-]{1,64}", arguments.name):
        raise UserError(f"The name of a key is {arguments.name!r}: use 1 to 64 letters, digits, dots or dashes.")
    names = {key["name"] for key in keys.all()}
    if arguments.action == "remove":
        if not keys.remove(arguments.name):
            raise UserError(f"There is no key {arguments.name}: the keys are {', '.join(sorted(names)) or 'none'}.")
        echo(f"removed {arguments.name}; its tokens are invalid too")
        return
    if arguments.name in names:
        raise UserError(f"There is already a key {arguments.name}: remove it first, or use another name.")
    echo(keys.add(arguments.name, arguments.role))


if __name__ == "__main__":
    run_cli(main)
