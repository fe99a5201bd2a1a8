"""Which Python processes a command starts, and what each imports: what shall cost nothing is counted, since seconds are
the machine's."""

import json
import os
from pathlib import Path

# What reading params.yaml takes. A stage that only says how it is used, or that nothing is to be done, imports no other
# package.
LIGHT = {"annotated_types", "pydantic", "pydantic_core", "typing_extensions", "typing_inspection", "yaml"}
# An HTTP client, for what asks whether Ollama is there.
HTTP_CLIENT = {"anyio", "certifi", "h11", "httpcore2", "httpx2", "idna", "sniffio", "truststore"}
# What draws a table in the terminal.
TABLE = {"markdown_it", "mdurl", "pygments", "rich"}
# Packages that take a second or more to import, or many megabytes.
HEAVY = {
    "datasets",
    "gguf",
    "matplotlib",
    "numpy",
    "pandas",
    "peft",
    "scipy",
    "sklearn",
    "tokenizers",
    "torch",
    "transformers",
    "trl",
    "xllamacpp",
}
# Python imports it in every process, and it writes a line at its end: the arguments, and the packages that were
# installed by pip.
NOTES = """
import atexit, json, os, sys

def note():
    packages = set()
    for name, module in list(sys.modules.items()):
        file = getattr(module, "__file__", None) or ""
        if "site-packages" in file and not file.endswith("_distutils_hack/__init__.py"):
            packages.add(name.partition(".")[0])
    with open(os.environ["IMPORTS_LOG"], "a") as file:
        file.write(json.dumps({"command": sys.argv, "packages": sorted(packages)}) + "\\n")

atexit.register(note)
"""


class Watch:
    """The Python processes of the commands that are run with `environment`."""

    def __init__(self, folder: Path):
        folder.mkdir(exist_ok=True)
        (folder / "sitecustomize.py").write_text(NOTES)
        self.log = folder / "imports.jsonl"
        path = os.pathsep.join(filter(None, [str(folder), os.environ.get("PYTHONPATH", "")]))
        self.environment = {"PYTHONPATH": path, "IMPORTS_LOG": str(self.log)}

    def processes(self) -> list[tuple[str, set[str]]]:
        """(the name of the script with its arguments, the packages it had imported at its end) of each, in the order of
        their ends."""
        rows = map(json.loads, self.log.read_text().splitlines())
        return [(" ".join([Path(row["command"][0]).name, *row["command"][1:]]), set(row["packages"])) for row in rows]
