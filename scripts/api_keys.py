"""API keys: who may ask the server, and as what. A key is shown once; only its hash is kept, in the user's data folder.

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
            echo(f"{key['name']:20} {key['role']:6} made {time.strftime('%Y-%m-%d', time.localtime(key['made']))}")
        return
    if not re.fullmatch(r"[\w.@-]{1,64}", arguments.name):
        raise UserError(f"The name of a key is {arguments.name!r}: use 1 to 64 letters, digits, dots or dashes.")
    known = {key["name"] for key in keys.all()}
    if arguments.action == "remove":
        if not keys.remove(arguments.name):
            raise UserError(f"There is no key {arguments.name}: known are {', '.join(sorted(known)) or 'none'}.")
        echo(f"removed {arguments.name}; its tokens are void too")
        return
    if arguments.name in known:
        raise UserError(f"There is a key {arguments.name} already: remove it first, or take another name.")
    echo(keys.add(arguments.name, arguments.role))


if __name__ == "__main__":
    run_cli(main)
