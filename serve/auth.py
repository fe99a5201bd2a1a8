"""API keys and the admin's tokens. A key is shown once, when it is made; keys.json holds only SHA-256 of it.

A key is 32 random bytes, so that a plain hash can't be reversed by guessing.
"""

import contextlib
import hashlib
import hmac
import json
import os
import secrets
import time
from dataclasses import dataclass
from pathlib import Path

import jwt
from filelock import FileLock

from blogtwin.files import atomic_path
from serve.errors import ApiError

ROLES = ("user", "admin")
ALGORITHM = "HS256"


@dataclass(frozen=True)
class Caller:
    name: str
    role: str  # "open" (nobody), "user" or "admin"

    def may(self, role: str) -> bool:
        rank = ("open", *ROLES)
        return rank.index(self.role) >= rank.index(role)


class Keys:
    """The keys in a user's data folder; read again when the file changes."""

    def __init__(self, home: Path, token_minutes: int = 60):
        self.file, self.secret_file, self.token_minutes = home / "keys.json", home / "token.secret", token_minutes
        self._read, self._known = None, []

    def all(self) -> list[dict]:
        """{"name", "role", "sha256", "made"} of each."""
        try:
            status = self.file.stat()
        except FileNotFoundError:
            return []
        seen = (status.st_mtime_ns, status.st_size)
        if seen != self._read:
            self._known, self._read = json.loads(self.file.read_text(encoding="utf-8")), seen
        return self._known

    def add(self, name: str, role: str) -> str:
        """Make a key; the only time it is seen."""
        key = f"bt_{secrets.token_urlsafe(32)}"
        made = {"name": name, "role": role, "sha256": _hash(key), "made": int(time.time())}
        with self._alone():
            self._write([k for k in self.all() if k["name"] != name] + [made])
        return key

    def remove(self, name: str) -> bool:
        with self._alone():
            before = self.all()
            left = [k for k in before if k["name"] != name]
            self._write(left)
        return len(left) < len(before)

    def caller(self, credential: str) -> Caller:
        """Who holds this key or token. Raises ApiError 401."""
        if credential.count(".") == 2:
            return self._of_token(credential)
        hashed = _hash(credential)
        for key in self.all():
            if hmac.compare_digest(key["sha256"], hashed):
                return Caller(key["name"], key["role"])
        raise ApiError(
            401, "wrong_key", "This key is not known.", "Make one with `python scripts/api_keys.py add NAME`."
        )

    def token(self, caller: Caller) -> tuple[str, int]:
        """(a bearer token of an admin, when it expires in seconds since 1970)."""
        expires = int(time.time()) + 60 * self.token_minutes
        return jwt.encode(
            {"sub": caller.name, "role": caller.role, "exp": expires, "aud": "blogtwin"}, self._secret(), ALGORITHM
        ), expires

    def _of_token(self, token: str) -> Caller:
        try:
            said = jwt.decode(
                token, self._secret(), [ALGORITHM], audience="blogtwin", options={"require": ["exp", "sub", "role"]}
            )
        except jwt.ExpiredSignatureError:
            raise ApiError(
                401,
                "token_expired",
                "This token has expired.",
                "POST /api/v1/auth/token with an admin's key gives a new one.",
            ) from None
        except jwt.InvalidTokenError:
            raise ApiError(
                401, "wrong_key", "This token is not ours.", "POST /api/v1/auth/token with an admin's key gives one."
            ) from None
        known = {(k["name"], k["role"]) for k in self.all()}
        if known and (said["sub"], said["role"]) not in known:  # the key it was made with has been taken away
            raise ApiError(
                401, "wrong_key", "The key of this token was removed.", "Ask with a key that is still there."
            )
        return Caller(said["sub"], said["role"])

    def _secret(self) -> str:
        if not self.secret_file.is_file():
            with self._alone():
                if not self.secret_file.is_file():
                    _private(self.secret_file, secrets.token_urlsafe(48))
        return self.secret_file.read_text()

    @contextlib.contextmanager
    def _alone(self):
        """Around reading a file and writing it again: the server and `scripts/api_keys.py` are two processes."""
        with FileLock(self.file.with_suffix(".lock")):
            self._read = None  # what is known may be older than what is there
            yield

    def _write(self, keys: list[dict]) -> None:
        _private(self.file, json.dumps(keys, indent=2))


def _private(file: Path, text: str) -> None:
    """Write a file that only its owner can read, whole or not at all."""
    with (
        atomic_path(file) as temporary,
        open(os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w", encoding="utf-8") as out,
    ):
        out.write(text)


def _hash(key: str) -> str:
    return hashlib.sha256(key.encode()).hexdigest()
