"""Look for new posts by itself, and train the twin on them again; a worse twin never replaces a better one.

Reads   the folder, export or feed that FROM names; without FROM, the folder ingest.source
Writes  data/blog, and with --train or --after what `make all` writes; artifacts/twins/live.json
Run     python scripts/watch.py --from ~/posts                      make watch FROM=~/posts EVERY=60
        python scripts/watch.py --from https://… --after 20         make watch FROM=… AFTER=20
        python scripts/watch.py --train                             make retrain
"""

import _path

import argparse
import time

from blogtwin.config import load_params
from blogtwin.console import echo, run_cli
from blogtwin.hints import make_command


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--from", dest="source", default="", help="a folder of posts, an export, or a feed's address")
    parser.add_argument("--every", type=float, default=60, help="minutes between two looks (default: 60)")
    parser.add_argument("--after", type=int, default=0, help="train again when that many posts are new; 0: only say it")
    parser.add_argument("--once", action="store_true", help="look once")
    parser.add_argument("--train", action="store_true", help="do not look: train now")
    options = parser.parse_args()
    load_params()
    from serve.retraining import Watch, retrain, run_dvc_here, run_dvc_quietly

    if options.train:
        if retrain(load_params(), run_dvc_here) is None:
            echo("the twin is up to date, or is the first one")
        return
    watch = Watch(options.source, run_dvc_quietly)
    while True:
        found = watch.look()
        if found and 0 < options.after <= found.behind:
            with watch.goes_on():
                retrain(load_params(), run_dvc_here)
        elif found and found.behind:
            echo(f"`{make_command('retrain')}` trains it on them; the twin of now stays if that one is worse")
        if options.once:
            return
        time.sleep(max(1, options.every * 60))


if __name__ == "__main__":
    run_cli(main)
