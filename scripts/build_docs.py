"""Write the generated parts of README.md and docs/: parameters, presets, the server's settings, and tables of measured
figures.

Reads   params.yaml, blogtwin/config.py, blogtwin/presets.yaml, serve/settings.py, docs/results.json
Writes  README.md, docs/*.md, between `<!-- generated: NAME -->` and `<!-- /generated -->`
Run     python scripts/build_docs.py          `--check` writes nothing, and fails when a page is out of date
"""

import _path

import argparse
import json
from pathlib import Path

from blogtwin.config import Params
from blogtwin.console import echo, run_cli
from blogtwin.errors import UserError
from blogtwin.files import atomic_open
from blogtwin.presets import load_presets
from blogtwin.reference_docs import fill_markers, parameter_reference, preset_reference, settings_reference
from eval.results_tables import render_source, render_table, render_verdict
from serve.settings import Settings


def generated_pages(root: Path) -> dict[Path, str]:
    """{page: its text with every generated part made anew}."""
    blocks = {
        "parameters": parameter_reference((root / "params.yaml").read_text(encoding="utf-8"), Params),
        "presets": preset_reference(load_presets()),
        "settings": settings_reference(Settings),
    }
    for name, table in json.loads((root / "docs/results.json").read_text(encoding="utf-8")).items():
        blocks |= {
            f"table {name}": f"{render_table(table)}\n\n{render_source(table)}",
            f"verdict {name}": render_verdict(table),
        }
        blocks |= {
            f"short table {name}": (
                f"{render_table(table, readme=True)}\n\n{render_source(table, notes=False)}\n\n{render_verdict(table)}"
            )
        }
    pages = [root / "README.md", *sorted((root / "docs").glob("*.md"))]
    return {page: fill_markers(page.read_text(encoding="utf-8"), blocks, page.name) for page in pages}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check", action="store_true", help="only say which pages are out of date")
    check = parser.parse_args().check
    changed = {page: text for page, text in generated_pages(Path()).items() if text != page.read_text(encoding="utf-8")}
    if check and changed:
        raise UserError(
            f"{', '.join(map(str, changed))} differ from what the code says: run `python scripts/build_docs.py`."
        )
    for page, text in changed.items():
        with atomic_open(page) as file:
            file.write(text)
        echo(f"wrote {page}")


if __name__ == "__main__":
    run_cli(main)
