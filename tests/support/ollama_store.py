"""A store as Ollama keeps it: manifests and blobs, laid out as in ollama/ollama's manifest/paths.go."""

import hashlib
import json
from pathlib import Path

HOST = "registry.ollama.ai"
MEDIA_TYPE = "application/vnd.ollama.image."


def write_blob(store: Path, data: bytes) -> str:
    """Store a layer; its digest."""
    sha = hashlib.sha256(data).hexdigest()
    path = store / f"blobs/sha256-{sha}"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    return f"sha256:{sha}"


def write_model(store: Path, name: str, *models: bytes, host: str = HOST, **layers: str) -> Path:
    """Store `name`, as USER/NAME:TAG or NAME:TAG, with the weights `models` and other layers by their kind; the
    manifest's path."""
    path, _, tag = name.partition(":")
    user, _, model = path.rpartition("/")
    kinds = [("model", data) for data in models] + [(kind, text.encode()) for kind, text in layers.items()]
    manifest = {
        "schemaVersion": 2,
        "mediaType": "application/vnd.docker.distribution.manifest.v2+json",
        "config": {
            "mediaType": "application/vnd.docker.container.image.v1+json",
            "digest": write_blob(store, b'{"model_format": "gguf"}'),
            "size": 24,
        },
        "layers": [
            {"mediaType": MEDIA_TYPE + kind, "digest": write_blob(store, data), "size": len(data)}
            for kind, data in kinds
        ],
    }
    file = store / "manifests" / host / (user or "library") / model / (tag or "latest")
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(json.dumps(manifest))
    return file
