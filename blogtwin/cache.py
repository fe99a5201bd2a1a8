"""Results cached on disk by everything that decides them.

`JsonCache` is for many small results of one run: when three posts are added to a thousand, only three are work. It is a
file of lines `<hash> <JSON>`, read where it lies and written again beside itself; what a run did not ask for is not in
it afterwards. `cache_file` is for a few expensive ones, such as what a model answered: a file each, which stays.
"""

import hashlib
import json
from pathlib import Path

from blogtwin.files import atomic_open, sha256_file
from blogtwin.paths import ROOT

KEY_DIGITS = 32  # of the hash, in hex
CODE_PATTERNS = (
    "corpus/**/*.py",
    "blogtwin/text/*.py",
    "blogtwin/models/registry.py",
    "blogtwin/models/chat.py",
    "requirements.txt",
)


def cache_key(value) -> str:
    """The hash of anything that JSON can hold."""
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode("utf-8", "surrogatepass")).hexdigest()[:KEY_DIGITS]


def cache_file(folder: Path, value) -> Path:
    """Where in `folder` the result that `value` decides is cached; it may not be there yet."""
    return folder / f"{cache_key(value)}.json"


class JsonCache:
    """`get(what, make)` inside a with block; `made` counts what was not there. `decides` is what all of it depends
    on."""

    def __init__(self, path: Path, *decides):
        self.path, self.decides = path, [code_fingerprint(), *decides]
        self.places: dict[str, tuple[int, int]] = {}
        self.made = self.found = 0

    def __enter__(self):
        self.old = open(self.path, "rb") if self.path.is_file() else None
        at = 0
        for line in self.old or ():
            if line.endswith(b"\n"):  # else the disk was full
                self.places[line[:KEY_DIGITS].decode("ascii", "replace")] = (
                    at + KEY_DIGITS + 1,
                    len(line) - KEY_DIGITS - 2,
                )
            at += len(line)
        self.writing = atomic_open(self.path, "wb")
        self.new, self.written = self.writing.__enter__(), set()
        return self

    def __exit__(self, *error):
        if self.old:
            self.old.close()
        return self.writing.__exit__(*error)

    def get(self, what, make):
        """The JSON value of `what` (anything that JSON can hold), which `make()` makes where it is not known."""
        key = cache_key([*self.decides, what])
        raw = self._read(key)
        try:
            value = json.loads(raw)
            self.found += 1
        except ValueError:  # not known, or whatever became of the file
            self.made += 1
            raw = json.dumps(make()).encode()
            value = json.loads(raw)  # as it comes back the next time
        if key not in self.written:
            self.written.add(key)
            self.new.write(b"%s %s\n" % (key.encode(), raw))
        return value

    def _read(self, key: str) -> bytes:
        """What stands behind a key; nothing where it is not known."""
        if key not in self.places:
            return b""
        at, length = self.places[key]
        self.old.seek(at)
        return self.old.read(length)


def code_fingerprint() -> str:
    """A hash of all that reads, cleans and counts: another version of it makes something else."""
    files = sorted(file for pattern in CODE_PATTERNS for file in ROOT.glob(pattern))
    return hashlib.sha256("".join(sha256_file(f) for f in files).encode()).hexdigest()
