"""API keys, and tokens for admins. A key is shown once, when it is created; keys.json has only its SHA-256.

A key has 32 random bytes, so a plain hash can't be reversed by guessing.
"""

import contextlib
import hashlib
import hmac
import json
import os
import secrets
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import jwt
from filelock import FileLock

from blogtwin.files import atomic_path
from serve.errors import ApiError

ROLES = ("user", "admin")
ALGORITHM = "HS256"
LOCAL = "local"  # whoever uses the server on its own machine, with the key of local.key or without any


@dataclass(frozen=True)
class Caller:
    name: str
    role: str  # "open" (no key), "user" or "admin"

    def has_role(self, role: str) -> bool:
        """Whether this caller has that role, or a higher one."""
        rank = ("open", *ROLES)
        return rank.index(self.role) >= rank.index(role)


class Keys:
    """The keys in a user's data folder, read again when the file changes. `token_minutes`: how long a token is
    valid."""

    def __init__(self, home: Path, token_minutes: int = 60):
        self.file, self.secret_file, self.token_minutes = home / "keys.json", home / "token.secret", token_minutes
        self.local_file = home / "local.key"
        self._file_version, self._cached = None, []

    def all(self) -> list[dict]:
        """{"name", "role", "sha256", "made"} of each key; `made`: seconds since 1970."""
        try:
            status = self.file.stat()
        except FileNotFoundError:
            return []
        version = (status.st_mtime_ns, status.st_size)
        if version != self._file_version:
            self._cached, self._file_version = json.loads(self.file.read_text(encoding="utf-8")), version
        return self._cached

    def add(self, name: str, role: str) -> str:
        """Create a key and return it; it can't be shown again. An older key of this name is replaced."""
        key = f"bt_{secrets.token_urlsafe(32)}"
        entry = {"name": name, "role": role, "sha256": _hash(key), "made": int(time.time())}
        with self._locked():
            self._write([k for k in self.all() if k["name"] != name] + [entry])
        return key

    def local(self) -> str | None:
        """The key of this machine's user, whom `make serve` prints it for: the same at every start. None where the
        user has keys of another name: then those are asked for."""
        if self.named():
            return None
        if self.local_file.is_file():
            key = self.local_file.read_text().strip()
            if any(entry["sha256"] == _hash(key) for entry in self.all()):
                return key
        key = self.add(LOCAL, "admin")
        write_private(self.local_file, key)
        return key

    def named(self) -> list[dict]:
        """The keys that somebody added, without the one of this machine's user."""
        return [key for key in self.all() if key["name"] != LOCAL or not self.local_file.is_file()]

    def remove(self, name: str) -> bool:
        """Returns False when there is no key of this name."""
        with self._locked():
            before = self.all()
            left = [k for k in before if k["name"] != name]
            self._write(left)
        return len(left) < len(before)

    def caller(self, credential: str) -> Caller:
        """The caller with this key or token. Raises ApiError 401."""
        if credential.count(".") == 2:
            return self._of_token(credential)
        hashed = _hash(credential)
        for key in self.all():
            if hmac.compare_digest(key["sha256"], hashed):
                return Caller(key["name"], key["role"])
        raise ApiError(
            401, "wrong_key", "This key is unknown.", "Create one with `python scripts/api_keys.py add NAME`."
        )

    def token(self, caller: Caller) -> tuple[str, int]:
        """A bearer token for an admin, and when it expires, in seconds since 1970."""
        expires = int(time.time()) + 60 * self.token_minutes
        return jwt.encode(
            {"sub": caller.name, "role": caller.role, "exp": expires, "aud": "blogtwin"}, self._secret(), ALGORITHM
        ), expires

    def _of_token(self, token: str) -> Caller:
        try:
            claims = jwt.decode(
                token, self._secret(), [ALGORITHM], audience="blogtwin", options={"require": ["exp", "sub", "role"]}
            )
        except jwt.ExpiredSignatureError:
            raise ApiError(
                401,
                "token_expired",
                "This token has expired.",
                "Get a new one with POST /api/v1/auth/token and an admin's key.",
            ) from None
        except jwt.InvalidTokenError:
            raise ApiError(
                401,
                "wrong_key",
                "This token was not issued by this server.",
                "Get one with POST /api/v1/auth/token and an admin's key.",
            ) from None
        known = {(k["name"], k["role"]) for k in self.all()}
        if known and (claims["sub"], claims["role"]) not in known:  # the key that it was issued for was removed
            raise ApiError(401, "wrong_key", "The key of this token was removed.", "Use a key that still exists.")
        return Caller(claims["sub"], claims["role"])

    def _secret(self) -> str:
        if not self.secret_file.is_file():
            with self._locked():
                if not self.secret_file.is_file():
                    write_private(self.secret_file, secrets.token_urlsafe(48))
        return self.secret_file.read_text()

    @contextlib.contextmanager
    def _locked(self) -> Iterator[None]:
        """Locks the files for a read and a write: the server and `scripts/api_keys.py` are two processes."""
        with FileLock(self.file.with_suffix(".lock")):
            self._file_version = None  # the other process may have written since
            yield

    def _write(self, keys: list[dict]) -> None:
        write_private(self.file, json.dumps(keys, indent=2))


def write_private(file: Path, text: str) -> None:
    """Write a file atomically that only its owner can read."""
    with (
        atomic_path(file) as temporary,
        open(os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w", encoding="utf-8") as out,
    ):
        out.write(text)


def _hash(key: str) -> str:
    return hashlib.sha256(key.encode()).hexdigest()
