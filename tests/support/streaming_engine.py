"""A server of OpenAI's protocol that streams words, and remembers who asked which model: the other side of the wire of
SERVE_ENGINE=openai."""

import json
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class StreamingEngine:
    """`asked`: the bodies of all requests. Each answer repeats the question's last word `words` times, `pause` seconds
    apart."""

    def __init__(self, words: int = 5, pause: float = 0.01):
        self.asked: list[dict] = []
        engine = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self):
                data = b'{"object": "list", "data": []}'
                self.send_response(200)
                self.send_header("content-length", str(len(data)))
                self.end_headers()
                self.wfile.write(data)

            def do_POST(self):
                body = json.loads(self.rfile.read(int(self.headers["content-length"])))
                engine.asked.append(body)
                said = body["messages"][-1]["content"].split()[-1]
                self.send_response(200)
                self.send_header("content-type", "text/event-stream")
                self.send_header("transfer-encoding", "chunked")
                self.end_headers()
                for number in range(words + 1):
                    ends = number == words
                    delta = {} if ends else {"role": "assistant", "content": f"{said} "}
                    choice = {"index": 0, "delta": delta, "finish_reason": "stop" if ends else None}
                    self.chunk({"choices": [choice]}, body["model"])
                    time.sleep(pause)
                used = {"prompt_tokens": 3, "completion_tokens": words, "total_tokens": words + 3}
                self.chunk({"choices": [], "usage": used}, body["model"])
                self.write(b"data: [DONE]\n\n")
                self.write(b"")

            def chunk(self, fields: dict, model: str):
                about = {"id": "1", "object": "chat.completion.chunk", "created": 1, "model": model, **fields}
                self.write(f"data: {json.dumps(about)}\n\n".encode())

            def write(self, data: bytes):
                self.wfile.write(f"{len(data):x}\r\n".encode() + data + b"\r\n")
                self.wfile.flush()

            def log_message(self, *_):
                pass

        class Server(ThreadingHTTPServer):
            request_queue_size = 256
            daemon_threads = True

        self.http = Server(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.http.serve_forever, args=(0.05,), daemon=True).start()
        self.url = f"http://127.0.0.1:{self.http.server_port}/v1"

    def close(self) -> None:
        self.http.shutdown()
        self.http.server_close()
