"""A local server that speaks the hub's protocol, with switches to misbehave.

Read from huggingface_hub 1.33 (snapshot_download, file_download.py, utils/_http.py) and the hub's API pages: a model's
commit, its tree, and files under /resolve/. Small files are answered themselves; weights are on another host, to which
the hub redirects with their SHA-256 and size in X-Linked headers.
"""

import contextlib
import hashlib
import json
import re
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

COMMIT = "5a2d1f0c" * 5


class Hub:
    """Serves `folder` as the repository `repo`. `fault` is the misbehaviour that is on:

    gated-401   files are refused without an account that accepted the licence    gated-403   … with an account that did
    not token       the account's token is not valid                                  busy        everything is answered
    by 503 half        the weights break off in the middle, and are not found again      silent      nothing is answered
    """

    def __init__(self, repo: str, folder: Path):
        self.repo, self.folder, self.fault = repo, folder, ""
        self.requests: list[str] = []
        self.broke_off = False

    def files(self) -> dict[str, bytes]:
        return {
            f.relative_to(self.folder).as_posix(): f.read_bytes() for f in sorted(self.folder.rglob("*")) if f.is_file()
        }

    def fetched(self) -> set[str]:
        """Names of the files that were asked for."""
        return {found[1] for r in self.requests if (found := re.search(r"/resolve/\w+/(.+)$", r))}

    @contextlib.contextmanager
    def running(self):
        server = ThreadingHTTPServer(("127.0.0.1", 0), type("Handler", (Handler,), {"hub": self}))
        server.daemon_threads = True
        thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
        thread.start()
        self.port = server.server_address[1]
        try:
            yield f"http://127.0.0.1:{self.port}"
        finally:
            server.shutdown()
            server.server_close()


def is_large(name: str) -> bool:
    return name.endswith(".safetensors")


def tree_entry(name: str, content: bytes) -> dict:
    blob = hashlib.sha1(b"blob %d\0" % len(content) + content).hexdigest()
    entry = {"type": "file", "path": name, "size": len(content), "oid": blob}
    large = (
        {"lfs": {"oid": hashlib.sha256(content).hexdigest(), "size": len(content), "pointerSize": 135}}
        if is_large(name)
        else {}
    )
    return {**entry, **large}


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    hub: Hub

    def log_message(self, *_):
        pass

    def do_HEAD(self):
        self.answer()

    def do_GET(self):
        self.answer()

    def answer(self) -> None:
        path = self.path.split("?")[0]
        self.hub.requests.append(f"{self.command} {path}")
        if self.hub.fault == "silent":
            time.sleep(3)
        elif self.hub.fault == "busy":
            self.send(503)
        elif self.hub.fault == "token":
            self.send(401, headers={"X-Error-Message": "Invalid credentials in Authorization header"})
        elif path.startswith("/storage/"):
            self.send_large(path.removeprefix("/storage/"))
        elif path.startswith(f"/api/models/{self.hub.repo}"):
            self.send_about(path.removeprefix(f"/api/models/{self.hub.repo}"))
        elif path.startswith(f"/{self.hub.repo}/resolve/{COMMIT}/"):
            self.send_file(path.removeprefix(f"/{self.hub.repo}/resolve/{COMMIT}/"))
        else:  # the hub tells strangers of no repository whether it is there
            self.send(401, headers={"X-Error-Code": "RepoNotFound", "X-Error-Message": "Invalid username or password."})

    def send_about(self, what: str) -> None:
        if what in ("", "/revision/main"):
            self.send_json(
                {"id": self.hub.repo, "sha": COMMIT, "siblings": [{"rfilename": name} for name in self.hub.files()]}
            )
        elif what == f"/tree/{COMMIT}":
            self.send_json([tree_entry(name, content) for name, content in self.hub.files().items()])
        else:
            self.send(404)

    def send_file(self, name: str) -> None:
        content = self.hub.files().get(name)
        if self.hub.fault.startswith("gated"):
            self.send(
                int(self.hub.fault[-3:]),
                headers={
                    "X-Error-Code": "GatedRepo",
                    "X-Error-Message": f"Access to model {self.hub.repo} is restricted.",
                },
            )
        elif content is None:
            self.send(404, headers={"X-Error-Code": "EntryNotFound"})
        elif is_large(name):
            sha = hashlib.sha256(content).hexdigest()
            linked = {
                "X-Linked-Size": str(len(content)),
                "X-Linked-ETag": f'"{sha}"',
                "Location": f"http://localhost:{self.hub.port}/storage/{name}",
            }
            self.send(302, headers={"X-Repo-Commit": COMMIT, **linked})
        else:
            self.send(200, content, {"X-Repo-Commit": COMMIT, "ETag": f'"{tree_entry(name, content)["oid"]}"'})

    def send_large(self, name: str) -> None:
        content = self.hub.files()[name]
        if self.hub.fault != "half":
            self.send(200, content)
        elif self.hub.broke_off:
            self.send(404)
        else:
            self.hub.broke_off = self.close_connection = True
            self.send(200, content[: len(content) // 2], {"Content-Length": str(len(content))})

    def send_json(self, data) -> None:
        self.send(200, json.dumps(data).encode(), {"Content-Type": "application/json"})

    def send(self, status: int, content: bytes = b"", headers: dict | None = None) -> None:
        self.send_response(status)
        for key, value in {"Content-Length": str(len(content)), **(headers or {})}.items():
            self.send_header(key, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(content)
