"""The options that `vllm serve` has, found in its source by the syntax tree: importing vLLM needs a GPU's libraries.

Run     pip download --no-deps vllm && python tests/support/vllm_flags.py vllm-….whl
Writes  tests/support/vllm_flags.json: the version, the options, and the ranks that --max-lora-rank takes
"""

import ast
import json
import re
import sys
import zipfile
from pathlib import Path

FILE = Path(__file__).resolve().with_suffix(".json")


def read_wheel(wheel: Path) -> dict:
    """{"version", "flags", "ranks"} of a wheel of vLLM.

    Options are the names in calls of `add_argument`, and the fields of the classes …FrontendArgs, whose names
    vllm/entrypoints makes options of.
    """
    flags: set[str] = set()
    ranks: list[int] = []
    with zipfile.ZipFile(wheel) as archive:
        for name in archive.namelist():
            if not (
                name.startswith(("vllm/engine/", "vllm/entrypoints/", "vllm/config/lora")) and name.endswith(".py")
            ):
                continue
            for node in ast.walk(ast.parse(archive.read(name))):
                if isinstance(node, ast.Call) and getattr(node.func, "attr", "") == "add_argument":
                    names = [one.value for one in node.args if isinstance(one, ast.Constant)]
                    flags |= {one for one in names if str(one).startswith("--")}
                elif isinstance(node, ast.ClassDef) and node.name.endswith("FrontendArgs"):
                    fields = [one.target.id for one in node.body if isinstance(one, ast.AnnAssign)]
                    flags |= {f"--{field.replace('_', '-')}" for field in fields}
                elif isinstance(node, ast.Assign) and getattr(node.targets[0], "id", "") == "MaxLoRARanks":
                    ranks = sorted(one.value for one in ast.walk(node.value) if isinstance(one, ast.Constant))
    version = re.match(r"vllm-([\d.]+\d)", wheel.name)
    return {"version": version[1] if version else "", "flags": sorted(flags), "ranks": ranks}


if __name__ == "__main__":
    found = read_wheel(Path(sys.argv[1]))
    FILE.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
    print(f"wrote {FILE.name}: vLLM {found['version']}, {len(found['flags'])} options, ranks {found['ranks']}")
