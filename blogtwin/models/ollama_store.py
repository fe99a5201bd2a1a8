"""A base model that Ollama already has: `ollama/NAME[:TAG]` is the GGUF in its store, read where it lies.

The server is asked first, because it says where the file is. Where none answers, the stores on this machine are read:
OLLAMA_MODELS, the user's own, and that of the service which Ollama's installer sets up on Linux. A store has a
manifest for each tag, JSON with the layers of the model, and a blob for each layer, named by its SHA-256 (layout:
ollama/ollama, manifest/paths.go and manifest/manifest.go).
"""

import json
import os
import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from blogtwin.errors import UserError
from blogtwin.models.ollama_client import Ollama, OllamaError

PREFIX = "ollama/"
LIBRARY = ("registry.ollama.ai", "library")  # host and user of a name that states none
HOSTS = ("registry.ollama.ai", "ollama.com")  # the second is to replace the first (ollama/ollama, #15735)
SERVICE_STORE = Path("/usr/share/ollama/.ollama/models")
MEDIA_TYPE = "application/vnd.ollama.image."
MAX_LISTED = 12  # names in a sentence
MAX_LICENSE_CHARS = 80


@dataclass(frozen=True, order=True)
class Reference:
    """A model's full name in Ollama: types/model/name.go there."""

    host: str
    user: str
    model: str
    tag: str

    def __str__(self) -> str:
        """As `ollama list` shows it: without the host and the user that are understood."""
        user = [] if (self.host, self.user) == LIBRARY else [self.user]
        host = [] if self.host == LIBRARY[0] else [self.host]
        return "/".join([*host, *user, f"{self.model}:{self.tag}"])


@dataclass(frozen=True)
class StoredModel:
    """A model whose weights are on this machine."""

    gguf: Path
    digest: str  # SHA-256 of the GGUF, as Ollama states it; empty where it doesn't
    template: str  # Ollama's own template, in Go's language
    license: str  # the first line of its text


def parse_reference(name: str) -> Reference:
    """The model that `ollama/NAME`, `ollama/NAME:TAG` or `ollama/HOST/USER/NAME:TAG` names. Raises UserError."""
    path, colon, tag = name.removeprefix(PREFIX).rpartition(":")
    if not colon or "/" in tag:
        path, tag = name.removeprefix(PREFIX), "latest"
    parts = path.split("/")
    if len(parts) > 3 or not all(re.fullmatch(r"[A-Za-z0-9_][\w.:-]*", part) for part in [*parts, tag]):
        raise UserError(
            f"train.base is {name}, which is no name of a model in Ollama: write it as `ollama list` shows it, for"
            f" example {PREFIX}llama3.2:1b."
        )
    host, user, model = [*LIBRARY[: 3 - len(parts)], *parts]
    return Reference(_known_host(host), user, model, tag)


def _known_host(host: str) -> str:
    return HOSTS[0] if host in HOSTS else host


def store_folders() -> list[Path]:
    """Where models of Ollama may lie on this machine."""
    stated = os.environ.get("OLLAMA_MODELS", "").strip().strip("\"'")
    own = [Path(stated).expanduser()] if stated else []
    return list(dict.fromkeys([*own, Path.home() / ".ollama/models", SERVICE_STORE]))


def read_tags(store: Path) -> dict[Reference, Path]:
    """{model: its manifest} of a store; empty where there is none. Raises PermissionError.

    Tags may be links. `manifest-v2` is to stand beside `manifests` (ollama/ollama, #15735); other folders are not
    looked into.
    """
    found: dict[Reference, Path] = {}
    try:
        folders = sorted(folder for folder in store.iterdir() if re.fullmatch(r"manifests?(-v\d+)?", folder.name))
    except (FileNotFoundError, NotADirectoryError):
        return found
    for folder in folders:
        for file in _files_at_depth(folder, 3):
            host, user, model, tag = file.parts[-4:]
            found.setdefault(Reference(_known_host(host), user, model, tag), file)
    return found


def _files_at_depth(folder: Path, depth: int) -> Iterator[Path]:
    """The files that lie `depth` folders below `folder`; hidden ones are not Ollama's."""
    for entry in sorted(folder.iterdir()):
        if entry.name.startswith("."):
            continue
        if depth and entry.is_dir():
            yield from _files_at_depth(entry, depth - 1)
        elif not depth and entry.is_file():
            yield entry


def find_model(name: str) -> StoredModel:
    """The model that train.base names as `ollama/…`.

    Raises UserError where Ollama doesn't have it, where its files can't be read, or where it is none that a twin can
    be trained on: a cloud model, an adapter on a base, one that reads pictures, or one in several files.
    """
    reference = parse_reference(name)
    server = Ollama()
    tags, served_path = _served_tags(server), None
    wanted = str(reference).casefold()  # Ollama finds a model by its name in any case (server/routes.go)
    if wanted in map(str.casefold, tags):
        shown = _show(server, reference)
        if shown:
            served_path = _served_path(name, shown)
            if _can_read(name, served_path):
                return _served_model(served_path, shown)
    closed = []
    for store in store_folders():
        try:
            stored = read_tags(store)
            tags |= set(map(str, stored))
            for found, manifest in stored.items():
                if str(found).casefold() == wanted:
                    return _read_manifest(name, found, manifest, store)
        except PermissionError:
            closed.append(store)
    if closed:
        raise _unreadable(name, closed[0])
    if served_path:
        raise UserError(
            f"train.base is {name}, which the Ollama at {server.url} has, and its file {served_path} is not on this"
            f" machine: run `ollama pull {reference}` here, or copy the file here and use BASE=FILE.gguf."
        )
    raise _not_there(name, reference, sorted(tags), server)


def _not_there(name: str, reference: Reference, tags: list[str], server: Ollama) -> UserError:
    if tags:
        more = f" and {len(tags) - MAX_LISTED} more" if len(tags) > MAX_LISTED else ""
        return UserError(
            f"train.base is {name}, which Ollama does not have (it has {', '.join(tags[:MAX_LISTED])}{more}): run"
            f" `ollama pull {reference}`, or use one that it has."
        )
    looked = ", ".join(map(str, store_folders()))
    return UserError(
        f"train.base is {name}, and there is no model of Ollama on this machine (looked at {server.url} and in"
        f" {looked}): run `ollama pull {reference}`, or set OLLAMA_MODELS to the folder of its models."
    )


def _served_tags(server: Ollama) -> set[str]:
    """The models of the server; none where there is no server."""
    if server.version() is None:
        return set()
    try:
        return server.names()
    except OllamaError:
        return set()


def _show(server: Ollama, reference: Reference) -> dict | None:
    try:
        return server.show(str(reference))
    except OllamaError:
        return None


def _served_path(name: str, shown: dict) -> Path:
    """Where the weights lie on the server's machine, by the first lines of the Modelfile that it shows. Raises
    UserError for a model that a twin can't be trained on."""
    files: dict[str, list[str]] = {"FROM": [], "ADAPTER": []}
    for line in str(shown.get("modelfile", "")).splitlines():
        word, _, rest = line.partition(" ")
        if word in files:
            files[word].append(rest.strip().strip('"'))
        elif line.strip() and not line.startswith("#"):
            break  # what follows may be a text of several lines, in which any line may stand
    is_remote = bool(shown.get("remote_model") or shown.get("remote_host"))
    weights = [] if is_remote else list(filter(None, files["FROM"]))
    _check_layers(name, len(weights), bool(files["ADAPTER"]), bool(shown.get("projector_info")))
    return Path(weights[0])


def _check_layers(name: str, weights: int, has_adapter: bool, has_projector: bool) -> None:
    """Raise UserError unless the model is one file of weights and nothing that changes what they do."""
    what = f"train.base is {name}, which"
    if has_adapter:
        raise UserError(f"{what} is an adapter on a base model: use the base model that it was made of.")
    if has_projector:
        raise UserError(f"{what} also reads pictures, by weights in a file of their own: use a model of text alone.")
    if weights == 0:
        raise UserError(
            f"{what} has no GGUF on this machine (a cloud model has no weights here, and other formats can't be read):"
            " use another model."
        )
    if weights > 1:
        raise UserError(f"{what} lies in {weights} files: use a model whose weights are one file.")


def _can_read(name: str, path: Path) -> bool:
    """Whether a file is on this machine. Raises UserError where it is, and this user may not read it."""
    try:
        with open(path, "rb"):
            return True
    except PermissionError:
        raise _unreadable(name, path.parent.parent) from None
    except OSError:  # the server is on another machine
        return False


def _unreadable(name: str, store: Path) -> UserError:
    """With the command that mends it: the folders above the store are passed through, only the store is opened."""
    closed = [str(folder) for folder in reversed(store.parents) if not os.access(folder, os.X_OK)]
    commands = [f"sudo chmod o+x {shlex.join(closed)}"] if closed else []
    commands.append(f"sudo chmod -R o+rX {shlex.quote(str(store))}")
    return UserError(
        f"train.base is {name}, and this user may not read Ollama's models in {store}: run `{' && '.join(commands)}`,"
        " after which everyone on this machine may, and then the same command again."
    )


def _served_model(path: Path, shown: dict) -> StoredModel:
    stated = re.fullmatch(r"sha256[-:]([0-9a-f]{64})", path.name)
    return StoredModel(
        path, stated[1] if stated else "", str(shown.get("template") or ""), _first_line(shown.get("license"))
    )


def _first_line(text: object) -> str:
    lines = (" ".join(line.split()) for line in str(text or "").splitlines())
    return next(filter(None, lines), "")[:MAX_LICENSE_CHARS]


def _read_manifest(name: str, reference: Reference, manifest: Path, store: Path) -> StoredModel:
    """The model of a manifest. Raises UserError, and PermissionError."""
    layers: dict[str, list[str]] = {}  # {kind: digests}
    try:
        for layer in json.loads(manifest.read_text(encoding="utf-8"))["layers"]:
            hexadecimal = re.fullmatch(r"sha256:([0-9a-f]{64})", layer["digest"])
            layers.setdefault(layer["mediaType"].removeprefix(MEDIA_TYPE), []).append(hexadecimal[1])  # type: ignore
    except (ValueError, KeyError, TypeError, AttributeError):
        raise UserError(
            f"train.base is {name}, and its manifest {manifest} can't be read: run `ollama pull {reference}`, which"
            " writes it again."
        ) from None
    weights = layers.get("model", [])
    _check_layers(name, len(weights), "adapter" in layers, "projector" in layers)
    try:
        texts = {
            kind: "".join(_blob(store, digest).read_text(encoding="utf-8", errors="replace") for digest in digests)
            for kind, digests in layers.items()
            if kind in ("template", "license")
        }
        return StoredModel(
            _blob(store, weights[0]), weights[0], texts.get("template", ""), _first_line(texts.get("license"))
        )
    except FileNotFoundError as e:
        raise UserError(
            f"train.base is {name}, and {e} is missing from Ollama's store: run `ollama pull {reference}`, which"
            " downloads it again."
        ) from None


def _blob(store: Path, digest: str) -> Path:
    """The file of a layer; a colon in its name is of old versions. Raises FileNotFoundError and
    PermissionError."""
    for path in (store / f"blobs/sha256-{digest}", store / f"blobs/sha256:{digest}"):
        try:
            with open(path, "rb"):
                return path
        except FileNotFoundError:
            continue
    raise FileNotFoundError(store / f"blobs/sha256-{digest}")


def list_models() -> list[str]:
    """The names of all models that Ollama's server has, or that lie on this machine, as `ollama list` shows them."""
    try:
        tags = _served_tags(Ollama())
    except UserError:  # OLLAMA_HOST is no address; a command that needs one says so
        tags = set()
    for store in store_folders():
        try:
            tags |= set(map(str, read_tags(store)))
        except PermissionError:
            continue
    return sorted(tags)
