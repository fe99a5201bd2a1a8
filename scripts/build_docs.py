"""Write the generated parts of README.md and docs/: parameters, presets, the server's settings, and tables of measured
figures.

Reads   params.yaml, blogtwin/config.py, blogtwin/presets.yaml, serve/settings.py, docs/results.json
Writes  README.md, docs/*.md, between `<!-- generated: NAME -->` and `<!-- /generated -->`
Run     python scripts/build_docs.py
        python scripts/build_docs.py --check   writes nothing, and fails if a page is out of date
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
from eval.results_tables import render_ladder, render_source, render_table, render_verdict
from serve.settings import Settings


def generated_pages(root: Path) -> dict[Path, str]:
    """{page: its text with every generated part up to date} of README.md and docs/ in `root`."""
    tables = json.loads((root / "docs/results.json").read_text(encoding="utf-8"))
    blocks = {
        "parameters": parameter_reference((root / "params.yaml").read_text(encoding="utf-8"), Params),
        "presets": preset_reference(load_presets()),
        "settings": settings_reference(Settings),
        "ladder": render_ladder(tables),
    }
    for name, table in tables.items():
        short = [render_table(table, readme=True), render_source(table, notes=False), render_verdict(table)]
        blocks[f"table {name}"] = f"{render_table(table)}\n\n{render_source(table)}"
        blocks[f"verdict {name}"] = render_verdict(table)
        blocks[f"short table {name}"] = "\n\n".join(short)
    pages = [root / "README.md", *sorted((root / "docs").glob("*.md"))]
    return {page: fill_markers(page.read_text(encoding="utf-8"), blocks, page.name) for page in pages}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check", action="store_true", help="only say which pages are out of date")
    check = parser.parse_args().check
    pages = generated_pages(Path())
    changed = {page: text for page, text in pages.items() if text != page.read_text(encoding="utf-8")}
    if check and changed:
        names = ", ".join(map(str, changed))
        raise UserError(f"{names} differ from what the code says: run `python scripts/build_docs.py`.")
    for page, text in changed.items():
        with atomic_open(page) as file:
            file.write(text)
        echo(f"wrote {page}")


if __name__ == "__main__":
    run_cli(main)
