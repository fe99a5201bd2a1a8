"""The embedded engine, a real process with a tiny random model in the real llama.cpp: what it serves is what is scored,
whoever else is answered, and it ends when nobody wants it any more."""

import contextlib
import itertools
import json
import os
import shutil
import signal
import subprocess
import sys
import threading
import time

import httpx
import numpy as np
import psutil
import pytest

from blogtwin.inference import llama_server
from blogtwin.models.llama_cpp import LlamaModel
from blogtwin.sampling import SamplingParams
from tests.support.server_process import write_adapter_gguf
from tests.support.workspace import ROOT

pytestmark = [pytest.mark.slow, pytest.mark.model]
TEMPLATE = "{% for m in messages %}<|im_start|>{{ m.role }}\n{{ m.content }}<|im_end|>\n{% endfor %}"
LONG = "The ferry was late again. " * 30  # several pieces of a prompt
CONTEXT = 8192


@pytest.fixture(scope="module")
def adapter(tiny, tmp_path_factory):
    return write_adapter_gguf(tiny, tmp_path_factory.mktemp("adapter") / "adapter.gguf", strength=0.05)


@pytest.fixture(scope="module")
def engine(tiny, adapter):
    with llama_server.serve_model(tiny.gguf, "tiny", adapter, TEMPLATE, CONTEXT, parallel=2) as running:
        yield running


@pytest.fixture(scope="module")
def model(tiny, adapter):
    with LlamaModel(tiny.gguf, adapter, 1024, 3) as loaded:
        yield loaded


def post(engine, path="completions", **asked) -> httpx.Response:
    key = {"Authorization": f"Bearer {engine.api_key}"}
    return httpx.post(f"{engine.base_url}/{path}", json=asked, headers=key, timeout=120, trust_env=False)


def ask(engine, prompt: str, **asked) -> dict:
    """The only choice of a plain completion."""
    return post(engine, prompt=prompt, **asked).json()["choices"][0]


def is_busy(engine) -> bool:
    url, key = engine.base_url.removesuffix("/v1") + "/busy", {"Authorization": f"Bearer {engine.api_key}"}
    return httpx.get(url, headers=key, trust_env=False).json()["busy"]


def together(work, values) -> None:
    """`work` for each value, all at once."""
    threads = [threading.Thread(target=work, args=(value,)) for value in values]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def wait_until(holds, seconds: float = 60) -> None:
    end = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < end
        time.sleep(0.01)


@contextlib.contextmanager
def streaming(engine, path="completions", **asked):
    """The lines of an answer that is streamed; leaving the block closes the connection."""
    key = {"Authorization": f"Bearer {engine.api_key}"}
    asked = {"stream": True, "max_tokens": 6000, **asked}
    with (
        httpx.Client(timeout=120, trust_env=False) as client,
        client.stream("POST", f"{engine.base_url}/{path}", json=asked, headers=key) as answer,
    ):
        yield answer.iter_lines()


def read_chat(text: str) -> str:
    """The prompt of a chat with one message."""
    return f"<|im_start|>user\n{text}<|im_end|>\n"


def log_likelihoods(model, text: str, entries: list[dict], strength: float = 1.0) -> tuple[np.ndarray, np.ndarray]:
    """Natural log-probabilities of the tokens of an answer to a chat: as the engine tells them, and as the model has
    them. Up to the first special token: they have no bytes, by which to know one from another."""
    entries = list(itertools.takewhile(lambda entry: entry["bytes"], entries))
    number = {model.piece(token): token for token in reversed(range(model.n_vocab))}
    ids = [number[bytes(entry["bytes"])] for entry in entries]
    model.worker.submit(model.renew_context).result()
    model.worker.submit(model.set_strength, strength).result()
    try:
        expected = model.log_likelihoods(model.tokenize(read_chat(text)), ids)
    finally:
        model.worker.submit(model.renew_context).result()
    return np.array([entry["logprob"] for entry in entries]), expected


# --- served is scored -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("prompt", ["Rain", LONG], ids=["one piece", "several pieces"])
def test_a_seeded_answer_has_the_scorecards_tokens_whatever_was_answered_before(engine, model, prompt):
    sampling = SamplingParams(40)
    for seed in range(3):
        (scored,) = model.write([model.tokenize(prompt)], [sampling], [seed])
        served = ask(engine, prompt, max_tokens=40, seed=seed, logprobs=0)
        assert served["text"].strip() == scored["text"]
        assert served["logprobs"]["tokens"] == [model.text([token]) for token in scored["ids"]]
        ask(engine, LONG[: 40 * seed + 20], max_tokens=9)  # leaves another cache behind


def test_an_answer_over_the_api_is_the_one_that_the_scorecard_collects(tiny, tmp_path, monkeypatch):
    """The whole way: the API with its engine, and the generation of the scorecard, from the same example."""
    from blogtwin.config import load_params
    from corpus.examples import WRITE_TEMPLATES
    from eval import systems
    from serve.main import create_app
    from serve.settings import Settings
    from tests.serve.test_engines import ready

    text = (ROOT / "params.yaml").read_text().replace("base: smollm2:135m", f"base: {tiny.gguf}")
    (tmp_path / "params.yaml").write_text(text)
    monkeypatch.chdir(tmp_path)
    adapter = write_adapter_gguf(tiny, tmp_path / "artifacts/gguf/adapter.gguf", strength=0.05)
    params = load_params()
    titles = ["The ladder", "A very long title, " + "with a ferry in it " * 12 + "and no end"]
    examples = [{"instruction": WRITE_TEMPLATES[0].replace("{title}", title), "input": ""} for title in titles]
    sampling = SamplingParams.from_params(params.eval)
    with ready(create_app(Settings(_env_file=None, engine="llamacpp", home=tmp_path / "home"))) as http:
        for name, used in (("finetuned", adapter), ("base", None)):
            system = systems.System(name, http.app.state.serve.pool.loaded[name].model.system)
            with LlamaModel(tiny.gguf, used, 1024, 12) as model:
                for title, example in zip(titles, examples, strict=True):
                    file = used or tiny.gguf  # by which the scorecard tells models apart
                    (scored,) = systems.generate_posts(model, file, system, [example], tiny.tokenizer(), sampling)
                    asked = {"prompt": title, "task": "write", "model": name, "seed": sampling.seed}
                    served = http.post("/api/generate", json=asked).json()
                    assert served["text"].strip() == scored["text"]
                    assert (served["tokens"], served["finish_reason"]) == (scored["written_tokens"], scored["end"])


def test_a_chat_is_read_by_the_template(engine, model):
    messages = [{"role": "user", "content": "Rain"}]
    served = post(engine, "chat/completions", messages=messages, max_tokens=20, seed=1).json()
    prompt = read_chat("Rain")
    assert served["choices"][0]["message"]["content"] == ask(engine, prompt, max_tokens=20, seed=1)["text"]
    assert served["usage"]["prompt_tokens"] == len(model.tokenize(prompt))


def test_two_streams_at_once_each_go_on_with_their_own_words(engine, model):
    """Beside others an answer rounds otherwise, so its tokens are not compared, but their probabilities: those of
    another answer's words would be out by nats."""
    found = {}

    def stream(text: str) -> None:
        asked = {"messages": [{"role": "user", "content": text}], "max_tokens": 60, "logprobs": True, "seed": 1}
        with streaming(engine, "chat/completions", **asked) as lines:
            chunks = [json.loads(line[6:])["choices"][0] for line in lines if line.startswith("data: {")]
        found[text] = [entry for chunk in chunks if chunk["logprobs"] for entry in chunk["logprobs"]["content"]]
        assert len(chunks) > 30  # as they are written

    texts = ["Rain", LONG]
    together(stream, texts)
    for text, other in (texts, texts[::-1]):
        told, expected = log_likelihoods(model, text, found[text])
        _, of_other = log_likelihoods(model, other, found[text])
        assert len(told) > 10
        assert np.abs(told - expected).max() < 0.5 < np.abs(told - of_other).max()


def test_log_probabilities_and_counts_are_told(engine, model):
    answer = post(engine, prompt="Rain", max_tokens=5, seed=1, logprobs=3, temperature=0, repeat_penalty=1.0).json()
    choice = answer["choices"][0]
    assert "".join(choice["logprobs"]["tokens"]) == choice["text"] and choice["finish_reason"] == "length"
    assert [len(top) for top in choice["logprobs"]["top_logprobs"]] == [3] * 5
    assert choice["logprobs"]["token_logprobs"] == [max(t.values()) for t in choice["logprobs"]["top_logprobs"]]
    assert answer["usage"] == {"prompt_tokens": 1, "completion_tokens": 5, "total_tokens": 6}


def test_a_stop_string_ends_the_answer_before_it(engine):
    free = ask(engine, "Rain", max_tokens=30, seed=4)["text"]
    stop = free[10:14]
    stopped = ask(engine, "Rain", max_tokens=30, seed=4, stop=[stop])
    assert (stopped["text"], stopped["finish_reason"]) == (free[: free.index(stop)], "stop")


# --- the strength of the style ----------------------------------------------------------------------------------------


def test_strength_0_is_the_model_without_its_adapter(engine, tiny):
    with LlamaModel(tiny.gguf, None, 512, 1) as base:
        (plain,) = base.write([base.tokenize(LONG[:200])], [SamplingParams(30)], [3])
    none, full = (ask(engine, LONG[:200], max_tokens=30, seed=3, style_strength=s)["text"] for s in (0, 1))
    assert none.strip() == plain["text"] != full.strip()


def test_answers_of_different_strengths_at_once_have_each_its_own(engine, model):
    """Also after another strength has left its cache of the same prompt behind."""
    found = {}

    def write(strength: float) -> None:
        asked = {"max_tokens": 40, "logprobs": True, "style_strength": strength}
        answer = post(engine, "chat/completions", messages=[{"role": "user", "content": LONG}], **asked)
        found[strength] = answer.json()["choices"][0]["logprobs"]["content"]

    for _ in range(2):
        together(write, [0.0, 1.0])
    for strength, entries in found.items():
        told, expected = log_likelihoods(model, LONG, entries, strength)
        _, of_other = log_likelihoods(model, LONG, entries, 1 - strength)
        assert np.abs(told - expected).max() < 0.5 < np.abs(told - of_other).max()


def test_a_model_without_adapter_refuses_a_strength(tiny):
    with llama_server.serve_model(tiny.gguf, "tiny", chat_template=TEMPLATE, n_ctx=256) as engine:
        refused = post(engine, prompt="Rain", style_strength=0.5)
    assert refused.status_code == 400 and "adapter" in refused.json()["error"]["message"]


# --- what is refused --------------------------------------------------------------------------------------------------


def test_a_prompt_without_room_for_an_answer_is_refused_with_the_counts(engine):
    refused = post(engine, prompt="rain " * CONTEXT, max_tokens=5)
    message = refused.json()["error"]["message"]
    assert refused.status_code == 400 and "context" in message and str(CONTEXT) in message and "8193" in message


def test_an_answer_ends_where_the_context_does(tiny):
    with llama_server.serve_model(tiny.gguf, "tiny", chat_template=TEMPLATE, n_ctx=256) as engine:
        answer = post(engine, prompt="rain " * 200, max_tokens=500).json()
    assert answer["usage"]["total_tokens"] == 256 and answer["choices"][0]["finish_reason"] == "length"


@pytest.mark.parametrize("key", ["", "Bearer wrong"])
def test_without_the_key_nothing_is_told(engine, key):
    for path in ("/v1/models", "/busy"):
        url = engine.base_url.removesuffix("/v1") + path
        assert httpx.get(url, headers={"Authorization": key}, trust_env=False).status_code == 401


def test_a_field_of_the_wrong_kind_is_refused_by_name(engine):
    refused = post(engine, prompt="Rain", temperature="warm")
    assert refused.status_code == 400 and "temperature" in refused.json()["error"]["message"]


# --- a client that leaves, a process that ends ------------------------------------------------------------------------


def test_a_client_that_leaves_in_the_middle_of_an_answer_frees_its_place(engine):
    with streaming(engine, prompt="Rain") as lines:
        next(lines)
        assert is_busy(engine)
    wait_until(lambda: not is_busy(engine), 2)
    assert ask(engine, "Rain", max_tokens=3)["text"]


def test_a_client_that_leaves_while_its_prompt_is_read_frees_its_place(engine):
    whole = "rain " * (CONTEXT - 100)
    started = time.monotonic()
    ask(engine, whole, max_tokens=1, seed=1)
    seconds = time.monotonic() - started
    with streaming(engine, prompt=whole, seed=1, max_tokens=1):
        wait_until(lambda: is_busy(engine))
    left = time.monotonic()
    wait_until(lambda: not is_busy(engine))
    assert time.monotonic() - left < seconds / 2


def test_a_client_that_leaves_a_whole_answer_frees_its_place(engine):
    key = {"Authorization": f"Bearer {engine.api_key}"}
    asked = {"prompt": "Rain", "max_tokens": 6000}
    with pytest.raises(httpx.ReadTimeout):
        httpx.post(f"{engine.base_url}/completions", json=asked, headers=key, timeout=0.3, trust_env=False)
    wait_until(lambda: not is_busy(engine), 2)


def test_more_requests_than_places_wait_for_their_turn(engine):
    found = []
    together(lambda n: found.append(ask(engine, f"Rain {n}", max_tokens=20)["text"]), range(6))
    assert len(found) == 6 and all(found)


SCRIPT = """
import os, signal, sys
sys.path.insert(0, {root!r})
def main():
    import psutil
    from blogtwin.inference import llama_server
    with llama_server.serve_model({model!r}, "tiny", n_ctx=256) as engine:
        child, = [p for p in psutil.Process().children(recursive=True) if "spawn_main" in " ".join(p.cmdline())]
        print(child.pid, engine.base_url, engine.api_key, flush=True)
        sys.stdin.readline()
        {then}
    print("left", flush=True)
if __name__ == "__main__":
    main()
"""


@contextlib.contextmanager
def started(tmp_path, model, then: str = "pass"):
    """(a process that serves a model, its lines, the process of its engine, address and key)."""
    script = tmp_path / "script.py"
    script.write_text(SCRIPT.format(root=str(ROOT), model=str(model), then=then))
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    with subprocess.Popen([sys.executable, script], start_new_session=True, **pipes) as parent:
        pid, url, key = parent.stdout.readline().split()
        try:
            yield parent, psutil.Process(int(pid)), url, key
        finally:
            parent.kill()


def is_gone(process: psutil.Process) -> bool:
    return not process.is_running() or process.status() == psutil.STATUS_ZOMBIE


def test_the_engine_dies_with_a_parent_that_is_killed(tiny, tmp_path):
    with started(tmp_path, tiny.gguf) as (parent, engine, _, _):
        parent.kill()
        wait_until(lambda: is_gone(engine), 10)


LEAVES_EARLY = """
import os, signal, sys, threading
sys.path.insert(0, {root!r})
def leave():
    import psutil
    while True:
        for child in psutil.Process().children():
            if "spawn_main" in " ".join(child.cmdline()):
                print(child.pid, flush=True)
                os.kill(os.getpid(), signal.SIGKILL)
def main():
    from blogtwin.inference import llama_server
    threading.Thread(target=leave, daemon=True).start()
    with llama_server.serve_model({model!r}, "tiny", n_ctx=256):
        sys.stdin.readline()
if __name__ == "__main__":
    main()
"""


def test_the_engine_ends_when_its_parent_is_killed_while_it_loads(tiny, tmp_path):
    script = tmp_path / "script.py"
    script.write_text(LEAVES_EARLY.format(root=str(ROOT), model=str(tiny.gguf)))
    with subprocess.Popen(
        [sys.executable, script], stdout=subprocess.PIPE, text=True, start_new_session=True
    ) as parent:
        pid = int(parent.stdout.readline())
    wait_until(lambda: not psutil.pid_exists(pid) or is_gone(psutil.Process(pid)), 30)


def test_the_engine_ends_and_frees_its_memory_with_the_block(tiny, tmp_path):
    with started(tmp_path, tiny.gguf) as (parent, engine, _, _):
        assert engine.memory_info().rss > 20e6
        parent.stdin.write("\n")
        parent.stdin.flush()
        assert parent.stdout.readline() == "left\n"
        assert is_gone(engine)


def test_ctrl_c_is_for_the_parent_alone(tiny, tmp_path):
    with started(tmp_path, tiny.gguf) as (_, engine, url, key):
        engine.send_signal(signal.SIGINT)
        answer = httpx.get(f"{url}/models", headers={"Authorization": f"Bearer {key}"}, trust_env=False)
        assert answer.status_code == 200 and not is_gone(engine)


def test_a_process_that_ends_while_it_loads_is_an_error_and_no_wait(tiny, tmp_path, monkeypatch):
    monkeypatch.setattr(llama_server, "run_engine", os._exit)
    with pytest.raises(OSError, match="ended without a word"), llama_server.serve_model(tiny.gguf, "tiny"):
        pass


def test_a_model_that_is_not_there_is_llama_cpps_own_reason(tmp_path):
    shutil.copy(__file__, tmp_path / "text.gguf")
    for name in ("text.gguf", "nowhere.gguf"):
        with pytest.raises(OSError, match=f"can't load .*{name}.*fail"), llama_server.serve_model(tmp_path / name, "x"):
            pass
