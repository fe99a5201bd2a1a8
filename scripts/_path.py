"""What every script needs before its first import of the project: the project's root on sys.path, and Ctrl-C without a
traceback.

The path follows the script, not an installed package: authors/anna is a clone that shares this project's .venv, and
DVC's queue runs a copy of the project with the same Python; each must import its own code.
"""

import importlib
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
importlib.import_module("blogtwin.console").install_excepthook()
