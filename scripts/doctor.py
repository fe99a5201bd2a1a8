"""Report what this machine can do, what is missing, and which base model and preset suit it and your posts.

Reads   the machine, params.yaml, the folder of posts;
        FORCE_CPU, MAX_RAM_GB and MAX_VRAM_GB from the environment or .env
Writes  nothing; with --apply, the recommendation into params.yaml
Run     make doctor
        python scripts/doctor.py [--json] [--apply]
"""

import _path

import argparse
import contextlib
import importlib.util
import json
import sys
from pathlib import Path

from blogtwin.console import echo, run_cli
from blogtwin.errors import UserError
from blogtwin.hints import make_command, shell_command

REQUIRED_PACKAGES = ("yaml", "pydantic", "numpy", "charset_normalizer")  # of this script itself


def print_report(report: dict) -> None:
    """Print what train.diagnosis.collect() returned."""
    machine, recommended = report["machine"], report["recommended"]
    gpus = ", ".join(f"{g['name']} ({g['kind']}, {g['memory_gb']:g} GB)" for g in machine["gpus"]) or "none"
    echo(f"system     {machine['system']}")
    echo(
        f"processor  {machine['cpu']}, {machine['cores']} cores, {' '.join(machine['features']) or 'no known features'}"
    )
    echo(f"memory     {machine['ram_gb']:g} GB, {machine['disk_free_gb']:g} GB of disk free")
    echo(f"GPUs       {gpus}")
    echo(
        f"programs   Python {machine['python']}, Node {machine['node'] or 'none'}, Ollama {machine['ollama'] or 'none'}"
    )
    for name, value in machine["limits"].items():
        echo(f"limit      {name}={value}")
    echo(f"trainer    {report['trainer']['name']}, because {report['trainer']['reason']}")
    for name, gb in report["cache"].items():
        echo(f"cached     {name}, {gb:g} GB")
    if report["in_ollama"]:
        names = ", ".join(report["in_ollama"])
        echo(f"in Ollama  {names}: one is the base with `{make_command('all', BASE='ollama/NAME')}`, if it is a GGUF")
    for missing in report["missing"]:
        echo(f"{'MISSING ' if missing['needed'] else 'optional'}   {missing['what']}: {missing['fix']}")
    corpus = report["corpus"]
    if corpus["tokens"]:
        echo(f"posts      about {corpus['tokens']:,} tokens to train on ({corpus['from']})")
    else:
        echo(f"posts      {corpus['from']}")
    for line in report["bases"]:
        echo(line)
    echo(
        f"advice     {recommended['base']}, preset {recommended['preset']}, rows of {recommended['max_length']} tokens,"
        f" batch {recommended['batch_size']}, about {recommended['minutes']:g} minutes of training"
    )
    echo(f"           because {recommended['reason']}")
    echo(f"           {recommended['base']}: {recommended['weights']}")
    echo(f"           `{shell_command('python scripts/doctor.py --apply')}` writes that to params.yaml")
    echo(f"           `{make_command('all', BASE='auto')}` takes that base")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", action="store_true", help="print the report as JSON")
    parser.add_argument("--apply", action="store_true", help="write the recommendation to params.yaml")
    arguments = parser.parse_args()
    if any(importlib.util.find_spec(name) is None for name in REQUIRED_PACKAGES):
        raise UserError("The Python packages are not installed: run `make setup`.")
    from blogtwin.presets import load_presets
    from train.diagnosis import collect

    report = collect()
    if arguments.json:
        echo(json.dumps(report, indent=2))
    else:
        print_report(report)
    if arguments.apply:
        from blogtwin.edit_params import set_params

        recommended = report["recommended"]
        values = {name: str(recommended[name]) for name in ("base", "preset", "max_length", "batch_size")}
        if recommended["batch_size"] == load_presets()[recommended["preset"]]["batch_size"]:
            values["batch_size"] = "preset"
        with contextlib.redirect_stdout(sys.stderr if arguments.json else sys.stdout):
            set_params(Path("params.yaml"), {f"train.{name}": value for name, value in values.items()})


if __name__ == "__main__":
    run_cli(main)
