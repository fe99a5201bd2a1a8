"""Results cached on disk under a hash of everything that they depend on.

`JsonCache` is for many small results of one run: after three posts were added to a thousand, only those three are
computed. It is one file of lines `<hash> <JSON>`, which is read in place and rewritten by each run; results that a run
did not ask for are dropped. `cache_file` is for a few expensive results, such as the answers of a language model: each
has a file of its own, which stays.
"""

import hashlib
import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, BinaryIO

from blogtwin.files import atomic_open, sha256_file
from blogtwin.paths import ROOT

KEY_DIGITS = 32  # length of a key: hex digits of the hash
# The code whose changes make cached results invalid.
CODE_PATTERNS = (
    "corpus/**/*.py",
    "blogtwin/text/*.py",
    "blogtwin/models/registry.py",
    "blogtwin/models/chat.py",
    "blogtwin/models/gguf_to_hf.py",
    "requirements.txt",
)


def cache_key(value: Any) -> str:
    """Hash of a JSON value: KEY_DIGITS hex digits."""
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode("utf-8", "surrogatepass")).hexdigest()[:KEY_DIGITS]


def cache_file(folder: Path, value: Any) -> Path:
    """Path in `folder` of the result that depends on `value`, a JSON value. The file may not exist yet."""
    return folder / f"{cache_key(value)}.json"


class JsonCache:
    """A cache file, open inside a `with` block. `misses` and `hits` count the results that this run computed and read.

    All results depend on `dependencies` (JSON values) and on the project's code.
    """

    def __init__(self, path: Path, *dependencies: Any):
        self.path = path
        self.dependencies = [code_fingerprint(), *dependencies]
        self.positions: dict[str, tuple[int, int]] = {}  # {key: (offset of the JSON, its length)}, in bytes
        self.misses = self.hits = 0
        self.old_file: BinaryIO | None = None

    def __enter__(self) -> "JsonCache":
        self.old_file = open(self.path, "rb") if self.path.is_file() else None
        offset = 0
        for line in self.old_file or ():
            if line.endswith(b"\n"):  # a line without an end was cut off by a full disk
                key = line[:KEY_DIGITS].decode("ascii", "replace")
                self.positions[key] = (offset + KEY_DIGITS + 1, len(line) - KEY_DIGITS - 2)
            offset += len(line)
        self.replacement = atomic_open(self.path, "wb")
        self.new_file = self.replacement.__enter__()
        self.written_keys: set[str] = set()
        return self

    def __exit__(self, *error: Any) -> bool | None:
        if self.old_file:
            self.old_file.close()
        return self.replacement.__exit__(*error)

    def get(self, inputs: Any, compute: Callable[[], Any]) -> Any:
        """The cached result for `inputs` (JSON), or `compute()` as it will be read back (tuples become lists)."""
        key = cache_key([*self.dependencies, inputs])
        raw = self._read(key)
        try:
            value = json.loads(raw)
            self.hits += 1
        except ValueError:  # no such key, or a damaged file
            self.misses += 1
            raw = json.dumps(compute()).encode()
            value = json.loads(raw)
        if key not in self.written_keys:
            self.written_keys.add(key)
            self.new_file.write(b"%s %s\n" % (key.encode(), raw))
        return value

    def _read(self, key: str) -> bytes:
        """The JSON under a key; empty where there is none."""
        if self.old_file is None or key not in self.positions:
            return b""
        offset, length = self.positions[key]
        self.old_file.seek(offset)
        return self.old_file.read(length)


def code_fingerprint(patterns: Sequence[str] = CODE_PATTERNS) -> str:
    """Hash of the code that reads, cleans and counts posts, or of other files of the project: another version may give
    other results."""
    files = sorted(file for pattern in patterns for file in ROOT.glob(pattern))
    return hashlib.sha256("".join(sha256_file(f) for f in files).encode()).hexdigest()
