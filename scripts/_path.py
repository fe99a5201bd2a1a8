"""Imported by every script before anything of the project: puts the project's root on sys.path, and makes Ctrl-C end
without a traceback.

The path follows the script instead of an installed package, because a clone of the project may share this one's .venv:
an author's (authors/anna), or the copy that DVC's queue runs. Each must import its own code.
"""

import importlib
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
importlib.import_module("blogtwin.console").install_excepthook()
