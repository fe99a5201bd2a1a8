"""A local server that speaks Ollama's protocol, of several versions, with switches to misbehave.

Read from ollama/ollama at 2026: server/routes.go (blobs, show, copy, delete, tags, chat), server/create.go (the stream
of /api/create), template/template.go (how a Go template without .Messages renders a chat), openai/openai.go (/v1). What
was seen of a running 0.33: create writes a GGUF anew, with the same metadata and another digest; /v1 takes 1.0 where no
temperature or top_p is sent, and no penalty; a prompt that doesn't fit is halved in silence unless `truncate` is false.
Blobs lie in a folder, models are manifests in memory, and an answer is that of llama.cpp's own server, as in Ollama, on
the pushed blob, of the prompt that the model's Ollama template renders.
"""

import contextlib
import hashlib
import json
import re
import socket
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from blogtwin.inference.upstream_server import UpstreamServer, run_upstream_server
from blogtwin.models import gguf_reader

CONTEXT = 2048  # tokens of a prompt and its answer
OPTIONS = ("repeat_penalty", "repeat_last_n", "top_k", "min_p")  # besides those that /v1 has, too
NAME = re.compile(r"[A-Za-z0-9_][\w.-]*(:[A-Za-z0-9_][\w.-]*)?")


# --- Go templates -----------------------------------------------------------------------------------------------------


def render(template: str, messages: list[dict]) -> str:
    """The prompt Ollama makes of a chat: a round per exchange, the last one cut after .Response (template.go,
    Execute)."""
    text, turn = "", {"System": "", "Prompt": "", "Response": ""}
    for message in messages:
        place = {"system": "System", "user": "Prompt", "assistant": "Response"}[message["role"]]
        if turn["Response"] or (place == "System" and turn["Prompt"]):
            text, turn = text + execute(template, turn), dict.fromkeys(turn, "")
        turn[place] = message["content"]
    return text + execute(template, turn, cut=True)


def execute(template: str, values: dict, cut: bool = False) -> str:
    """The few actions templates.yaml uses: {{ .Name }}, {{ if .Name }} and {{ end }}. Raises ValueError for any
    other."""
    out, shown = [], [True]
    for piece in re.split(r"(\{\{.*?\}\})", template):
        if found := re.fullmatch(r"\{\{ if \.(\w+) \}\}", piece):
            shown.append(bool(values[found[1]]))
        elif piece == "{{ end }}":
            shown.pop()
        elif found := re.fullmatch(r"\{\{ \.(\w+) \}\}", piece):
            out.append(values[found[1]] if all(shown) else "")
            if cut and found[1] == "Response":
                break
        elif "{{" in piece or "}}" in piece:
            raise ValueError(f"template error: unexpected {piece!r}")
        else:
            out.append(piece if all(shown) else "")
    return "".join(out)


# --- the server -------------------------------------------------------------------------------------------------------


class Refused(Exception):
    """(status, message) of an answer that says no."""


class OllamaServer:
    """`faults` holds the older versions' ways and the misbehaviours that are on:

    logprobs    answers carry no log-probabilities (before 0.12.11)
    files       /api/create reads a Modelfile alone (before 0.5.5)
    debug       `_debug_render_only` is not known, and the model answers
    keeps       create keeps a GGUF as it was pushed (before 0.30)

    upload      the connection ends in the middle of a blob        stream    … in the middle of /api/create's stream
    dies        the server goes with that connection               error     /api/create's stream says {"error": …}
    base        answers come from `base`, not from the pushed blob  template  a create keeps another template
    html        /api/tags and /api/show answer with a page         parameters  a create drops a parameter
    runner      a create succeeds, and the first answer is 500: an unknown architecture, or no runner
    adapter     a create with an adapter says {"error": …}         forgets   … leaves the adapter out
    goes        the connection ends in the middle of an answer that is streamed
    """

    def __init__(self, folder: Path, base: Path | None = None):
        self.folder, self.base = folder, base
        self.faults: set[str] = set()
        self.models: dict[str, dict] = {}
        self.requests: list[str] = []
        self.chats: list[dict] = []  # what /api/chat was asked
        self.known: dict[str, dict] = {}  # metadata of blobs
        self.engines: dict[tuple[Path, Path | None], UpstreamServer] = {}
        self.loading, self.open = threading.Lock(), contextlib.ExitStack()
        self.http = ThreadingHTTPServer(("127.0.0.1", 0), type("Bound", (Handler,), {"ollama": self}))
        self.host = f"127.0.0.1:{self.http.server_port}"
        threading.Thread(target=self.http.serve_forever, args=(0.05,), daemon=True).start()

    def close(self) -> None:
        self.http.shutdown()
        self.http.server_close()
        self.open.close()

    def blob(self, digest: str) -> Path:
        if not re.fullmatch(r"sha256[:-][0-9a-f]{64}", digest):
            raise Refused(400, "invalid digest format")
        return self.folder / digest.replace(":", "-")

    def model(self, name: str) -> dict:
        if full(name) not in self.models:
            raise Refused(404, f"model '{name}' not found")
        return self.models[full(name)]

    def engine(self, file: Path, adapter: Path | None = None):
        with self.loading:
            if (file, adapter) not in self.engines:
                running = run_upstream_server(file, CONTEXT, adapter=adapter)
                self.engines[file, adapter] = self.open.enter_context(running)
            return self.engines[file, adapter]

    def create(self, body: dict):
        """The statuses of /api/create, one by one; the manifest comes last."""
        yield "parsing GGUF"
        parent = self.model(body["from"]) if "from" in body else {}
        adapters = list(body.get("adapters", {}).values())
        for digest in [*body.get("files", {}).values(), *adapters]:
            if not self.blob(digest).is_file():
                raise Refused(500, f"open {self.blob(digest)}: no such file or directory")
            with self.blob(digest).open("rb") as blob:
                magic = blob.read(4)
            if magic != b"GGUF":
                raise Refused(400, "supplied file was not in GGUF format")
            yield f"using existing layer {digest}"
        if "error" in self.faults or ("adapter" in self.faults and adapters):
            raise Refused(500, "no space left on device")
        template = "{{ .Prompt }}" if "template" in self.faults else body.get("template", "{{ .Prompt }}")
        execute(template, {"System": "", "Prompt": "", "Response": ""})
        yield "writing manifest"
        kept = {
            "blob": parent["blob"] if parent else self.write_anew(digest),
            "template": template,
            "system": body.get("system", parent.get("system", "")),
            "parameters": {**parent.get("parameters", {}), **body.get("parameters", {})},
        }
        if "parameters" in self.faults:
            del kept["parameters"]["top_p"]
        if parent:
            inherited = parent.get("adapters", [])
            kept |= {"parent": body["from"], "adapters": [] if "forgets" in self.faults else adapters or inherited}
        self.models[full(body["model"])] = kept
        yield "success"

    def write_anew(self, digest: str) -> str:
        """A pushed GGUF as create keeps it: the same model with another digest. The pushed blob stays beside it."""
        if "keeps" in self.faults or "files" in self.faults:
            return digest
        data = self.blob(digest).read_bytes() + bytes(32)
        made = f"sha256:{hashlib.sha256(data).hexdigest()}"
        self.blob(made).write_bytes(data)
        return made

    def prune(self) -> None:
        """Delete the blobs that no model uses, as it does when it starts."""
        used = {self.blob(b) for m in self.models.values() for b in (m["blob"], *m.get("adapters", []))}
        for file in set(self.folder.iterdir()) - used:
            file.unlink()

    def metadata(self, digest: str) -> dict:
        """The keys of a GGUF that are no lists."""
        if digest not in self.known and self.blob(digest).is_file():
            try:
                fields = gguf_reader.open_gguf(self.blob(digest)).fields
            except ValueError:  # some tests' weights are a few words
                fields = {}
            values = {key: field.contents() for key, field in fields.items() if len(field.types) == 1}
            self.known[digest] = {key: value for key, value in values.items() if not key.startswith("GGUF.")}
        return self.known.get(digest, {})

    def delete(self, name: str) -> None:
        gone = self.model(name)
        del self.models[full(name)]
        for blob in {gone["blob"], *gone.get("adapters", [])}:  # layers nobody uses go with the model
            if all(blob not in (m["blob"], *m.get("adapters", [])) for m in self.models.values()):
                self.blob(blob).unlink()

    def prompt(self, model: dict, messages: list[dict]) -> str:
        if model["system"] and messages[0]["role"] != "system":
            messages = [{"role": "system", "content": model["system"]}, *messages]
        return render(model["template"], messages)

    def answer(self, body: dict) -> dict:
        """An answer of /v1/chat/completions, or of /api/generate to a `prompt`: what /v1 isn't sent is 1.0 for
        temperature and top_p, whatever the model says."""
        model = self.model(body["model"])
        if "runner" in self.faults:
            raise Refused(500, "llama runner process has terminated: unknown model architecture: 'odd'")
        adapter = next(map(self.blob, model.get("adapters", [])), None)
        engine = self.engine(self.base if "base" in self.faults else self.blob(model["blob"]), adapter)
        prompt = body["prompt"] if "prompt" in body else self.prompt(model, body["messages"])
        wanted = {"prompt": prompt, "n_predict": body.get("max_tokens", -1), "n_probs": 1}
        wanted |= {
            "temperature": body.get("temperature", 1.0),
            "top_p": body.get("top_p", 1.0),
            "stop": model["parameters"].get("stop", []),
        }
        wanted |= {k: v for k, v in model["parameters"].items() if k == "repeat_penalty"}
        wanted |= {"seed": body["seed"]} if "seed" in body else {}
        wanted |= {k: v for k, v in body.get("options", {}).items() if k in OPTIONS}  # /v1 takes none of these
        prompt_tokens = len(engine.request("POST", "/tokenize", json={"content": wanted["prompt"]})["tokens"])
        if prompt_tokens >= CONTEXT:
            if body.get("truncate", True):
                wanted["prompt"] = wanted["prompt"][-len(wanted["prompt"]) // 2 :]  # in silence, and answered 200
            else:
                raise Refused(400, too_long(prompt_tokens))
        said = engine.request("POST", "/completion", json=wanted)
        choice = {
            "index": 0,
            "message": {"role": "assistant", "content": said["content"]},
            "finish_reason": "stop" if said["stop_type"] != "limit" else "length",
        }
        if body.get("logprobs") and "logprobs" not in self.faults:
            choice["logprobs"] = {
                "content": [{k: t[k] for k in ("token", "logprob", "bytes")} for t in said["completion_probabilities"]]
            }
        return {
            "id": "chatcmpl-1",
            "object": "chat.completion",
            "model": body["model"],
            "system_fingerprint": "fp_ollama",
            "choices": [choice],
            "usage": {"prompt_tokens": said["tokens_evaluated"], "completion_tokens": said["tokens_predicted"]},
        }


def too_long(tokens: int) -> dict:
    """llama.cpp's own refusal (tools/server/server-context.cpp), which Ollama hands on."""
    message = f"request ({tokens} tokens) exceeds the available context size ({CONTEXT} tokens), try increasing it"
    kind = {"code": 400, "message": message, "type": "exceed_context_size_error"}
    return {**kind, "n_prompt_tokens": tokens, "n_ctx": CONTEXT}


def read_modelfile(text: str) -> dict:
    """A Modelfile as the body of /api/create that says the same (parser/parser.go); a blob's name begins with @."""
    body: dict = {"parameters": {}}
    for word, rest in re.findall(r'^(\w+) ("""(?s:.*?)"""|.*)$', text, re.MULTILINE):
        value = rest.removeprefix('"""').removesuffix('"""')
        if word == "PARAMETER":
            key, _, one = rest.partition(" ")
            more = [json.loads(one)]
            body["parameters"][key] = body["parameters"].get(key, []) + more if key == "stop" else more[0]
        elif word == "ADAPTER":
            body["adapters"] = {"adapter.gguf": value[1:]}
        elif word == "FROM":
            body |= {"files": {"twin.gguf": value[1:]}} if value.startswith("@") else {"from": value}
        else:
            body[word.lower()] = value
    return body


def full(name: str) -> str:
    if not NAME.fullmatch(name):
        raise Refused(400, "invalid model name")
    return name if ":" in name else f"{name}:latest"


def parameters(values: dict) -> str:
    """/api/show's text of the parameters: a line each, a list's values one by one."""
    pairs = [(key, one) for key, value in values.items() for one in (value if isinstance(value, list) else [value])]
    return "\n".join(f"{key:<30} {json.dumps(value)}" for key, value in pairs)


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    ollama: OllamaServer

    def log_message(self, *_):
        pass

    def handle_any(self):
        self.ollama.requests.append(f"{self.command} {self.path}")
        self.left = int(self.headers.get("Content-Length") or 0)
        try:
            method = getattr(self, f"{self.command.lower()}_{self.path.split('/')[2]}", None)
            if method is None:
                raise Refused(404, "404 page not found")
            method()
        except Refused as e:
            status, message = e.args
            error = (
                {"message": message, "type": "api_error", "param": None, "code": None}
                if self.path.startswith("/v1")
                else message
            )
            self.send(status, {"error": error})
        except (BrokenPipeError, ConnectionResetError):
            self.close_connection = True

    do_GET = do_HEAD = do_POST = do_DELETE = handle_any

    # --- bytes in and out

    def chunks(self):
        """The request's body, whichever way it is sent."""
        if self.headers.get("Transfer-Encoding") != "chunked":
            yield self.rfile.read(self.left)
            return
        while size := int(self.rfile.readline(), 16):
            yield self.rfile.read(size)
            self.rfile.readline()
        self.rfile.readline()

    def json(self) -> dict:
        return json.loads(b"".join(self.chunks()))

    def send(self, status: int, data=None, kind: str = "application/json") -> None:
        content = b"" if data is None else data.encode() if isinstance(data, str) else json.dumps(data).encode()
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(content)

    def cut(self) -> None:
        """End the connection without a word, and with `dies` the server too."""
        self.close_connection = True
        if "dies" in self.ollama.faults:
            self.ollama.http.shutdown()
            self.ollama.http.server_close()
        self.connection.shutdown(socket.SHUT_RDWR)

    # --- Ollama's routes

    def get_version(self):
        self.send(200, {"version": "0.30.2"})

    def head_blobs(self):
        digest = self.path.rsplit("/", 1)[1]
        self.send(200 if self.ollama.blob(digest).is_file() else 404)

    def post_blobs(self):
        digest = self.path.rsplit("/", 1)[1]
        file = self.ollama.blob(digest)
        if file.is_file():  # answered before the body is read
            self.close_connection = True
            return self.send(200)
        got, data = hashlib.sha256(), []
        for chunk in self.chunks():
            if "upload" in self.ollama.faults and data:
                return self.cut()
            got.update(chunk)
            data.append(chunk)
        if digest != f"sha256:{got.hexdigest()}":
            raise Refused(400, f'digest mismatch, expected "{digest}", got "sha256:{got.hexdigest()}"')
        file.write_bytes(b"".join(data))
        self.send(201)

    def post_create(self):
        body = self.json()
        full(body["model"])
        if "files" in self.ollama.faults:
            if not body.get("modelfile"):
                raise Refused(400, "path or modelfile are required")
            body = {"model": body["model"], **read_modelfile(body["modelfile"])}
        if not {"files", "from"} & body.keys():
            raise Refused(400, "neither 'from' or 'files' was specified")
        self.send_response(200)
        self.send_header("Content-Type", "application/x-ndjson")
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        try:
            for status in self.ollama.create(body):
                if status == "success" and "stream" in self.ollama.faults:  # the manifest is written by now
                    return self.cut()
                self.line({"status": status})
        except (Refused, ValueError) as e:
            self.line({"error": str(e.args[-1])})
        self.wfile.write(b"0\r\n\r\n")

    def line(self, event: dict) -> None:
        data = json.dumps(event).encode() + b"\n"
        self.wfile.write(b"%x\r\n%s\r\n" % (len(data), data))

    def post_show(self):
        name = self.json()["model"]
        model = self.ollama.model(name)
        if "html" in self.ollama.faults:
            return self.send(200, "<html>", "text/html")
        text = (
            f'# Modelfile generated by "ollama show"\n# FROM {name}\n\nFROM {self.ollama.blob(model["blob"])}\n'
            + "".join(f"ADAPTER {self.ollama.blob(digest)}\n" for digest in model.get("adapters", []))
            + f'TEMPLATE """{model["template"]}"""\n'
        )
        remote = {key: model[key] for key in ("remote_model", "remote_host") if key in model}
        self.send(
            200,
            {
                **remote,
                "modelfile": text,
                "parameters": parameters(model["parameters"]),
                "template": model["template"],
                "system": model["system"],
                "details": {"format": "gguf", "family": "llama", "parent_model": model.get("parent", "")},
                "model_info": self.ollama.metadata(model["blob"]),
                "capabilities": model.get("capabilities", ["completion"]),
            },
        )

    def get_tags(self):
        if "html" in self.ollama.faults:
            return self.send(200, "<html>", "text/html")
        rows = [
            {"name": name, "model": name, "digest": hashlib.sha256(json.dumps(m).encode()).hexdigest()}
            for name, m in self.ollama.models.items()
        ]
        self.send(200, {"models": rows})

    def post_copy(self):
        body = self.json()
        self.ollama.models[full(body["destination"])] = dict(self.ollama.model(body["source"]))
        self.send(200)

    def delete_delete(self):
        self.ollama.delete(self.json()["model"])
        self.send(200)

    def post_chat(self):  # /v1/chat/completions and /api/chat
        body = self.json()
        if self.path.startswith("/api"):
            return self.own_chat(body)
        whole = self.ollama.answer(body)
        if not body.get("stream"):
            return self.send(200, whole)
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        choice = whole["choices"][0]
        for number, word in enumerate(re.findall(r"\s*\S+|\s+$", choice["message"]["content"])):
            if number == 2 and "goes" in self.ollama.faults:
                return self.cut()
            self.event(whole, [{"index": 0, "delta": {"role": "assistant", "content": word}, "finish_reason": None}])
        self.event(
            whole,
            [{"index": 0, "delta": {"role": "assistant", "content": ""}, "finish_reason": choice["finish_reason"]}],
        )
        self.event(
            whole,
            [],
            usage={"prompt_tokens": 9, "completion_tokens": body["max_tokens"], "total_tokens": 9 + body["max_tokens"]},
        )
        self.wfile.write(b"e\r\ndata: [DONE]\n\n\r\n0\r\n\r\n")

    def post_generate(self) -> None:
        """/api/generate: only as it takes a prompt as it is."""
        body = self.json()
        if not body.get("raw") or body.get("template") or body.get("system"):
            raise Refused(400, "raw mode does not support template, system, or context")
        self.own_chat(body)

    def own_chat(self, body: dict) -> None:
        """/api/chat: its settings are in `options`; the stop is the model's own, and the caller's ends the text."""
        self.ollama.chats.append(body)
        if body.get("_debug_render_only") and "debug" not in self.ollama.faults:
            rendered = self.ollama.prompt(self.ollama.model(body["model"]), body["messages"])
            return self.send(200, {"model": body["model"], "_debug_info": {"rendered_template": rendered}})
        options = body["options"]
        asked = {**body, **options, "max_tokens": options["num_predict"]}
        whole = self.ollama.answer(asked)
        choice, counts = whole["choices"][0], whole["usage"]
        text = choice["message"]["content"]
        for stop in options.get("stop", []):
            text = text.partition(stop)[0]
        end = {"done": True, "done_reason": choice["finish_reason"]}
        end |= {"prompt_eval_count": counts["prompt_tokens"], "eval_count": counts["completion_tokens"]}
        if not body["stream"]:
            logprobs = {"logprobs": choice["logprobs"]["content"]} if "logprobs" in choice else {}
            return self.send(200, {"model": body["model"], **self.said(text), **end, **logprobs})
        self.send_response(200)
        self.send_header("Content-Type", "application/x-ndjson")
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        for number, word in enumerate(re.findall(r"\s*\S+|\s+$", text)):
            if number == 2 and "goes" in self.ollama.faults:
                return self.cut()
            tokens = choice.get("logprobs", {}).get("content") if number == 0 else None  # each has its own there
            more = {"logprobs": tokens} if tokens else {}
            self.line({"model": body["model"], **self.said(word), "done": False, **more})
        self.line({"model": body["model"], **self.said(""), **end})
        self.wfile.write(b"0\r\n\r\n")

    def said(self, text: str) -> dict:
        """A piece of an answer in the field that the route has for it (api/types.go)."""
        return {"response": text} if "generate" in self.path else {"message": {"role": "assistant", "content": text}}

    def event(self, whole: dict, choices: list[dict], **more) -> None:
        """A chunk of a streamed answer."""
        data = (
            b"data: "
            + json.dumps(
                {**whole, "object": "chat.completion.chunk", "created": 1, "choices": choices, **more}
            ).encode()
            + b"\n\n"
        )
        self.wfile.write(b"%x\r\n%s\r\n" % (len(data), data))
