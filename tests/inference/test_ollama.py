"""The twin in Ollama: registered whole or not at all, with the prompt it was trained on, and only if it is the twin."""

import json
import shutil
import subprocess
import sys

import pytest
import yaml

from blogtwin.config import load_params
from blogtwin.errors import UserError
from blogtwin.files import sha256_file
from blogtwin.inference import ollama as engine
from blogtwin.inference import parity
from blogtwin.models import chat, gguf_to_hf, ollama_client, registry
from blogtwin.models.llama_cpp import LlamaModel
from tests.support.ollama_server import OllamaServer, render
from tests.support.tiny_model import write_tiny_gguf
from tests.support.workspace import ROOT, environment

SYSTEM = "You write as the keeper of a lighthouse."
CHAT = [{"role": "system", "content": SYSTEM}, {"role": "user", "content": "Write about rain.\n\nIt rained “always”."}]
LONG_CHAT = [*CHAT, {"role": "assistant", "content": "Rain fell."}, {"role": "user", "content": "More."}]


@pytest.fixture(scope="module")
def code(tmp_path_factory):
    """A copy of the code."""
    root = tmp_path_factory.mktemp("project")
    for folder in ("scripts", "blogtwin", "corpus"):
        shutil.copytree(ROOT / folder, root / folder)
    return root


@pytest.fixture(scope="module")
def project(code):
    """The copy with a tiny random base, and another random model as its twin."""
    (code / "models").mkdir()
    write_tiny_gguf(code / "models/keeper.gguf")
    write_tiny_gguf(code / "twin.gguf", seed=1)
    return code


@pytest.fixture(scope="module")
def keeper(project):
    """The tiny base, made ready where the copy of the code looks for it."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(registry, "ROOT", project)
        return registry.resolve_base(str(project / "models/keeper.gguf"))


def write_workspace(folder, project):
    """A workspace that has come as far as stage 05."""
    params = yaml.safe_load((ROOT / "params.yaml").read_text())
    params["train"]["base"] = str(project / "models/keeper.gguf")
    params["prepare"]["system"] = SYSTEM
    (folder / "params.yaml").write_text(yaml.safe_dump(params))
    (folder / "artifacts/gguf").mkdir(parents=True)
    (folder / "artifacts/gguf/twin.gguf").hardlink_to(project / "twin.gguf")
    (folder / "data/split").mkdir(parents=True)
    rows = [
        {"instruction": f"Write about {what}.", "input": "", "output": "Rain."}
        for what in ("rain", "wind", "fog", "the lamp")
    ]
    (folder / "data/split/test.jsonl").write_text("".join(json.dumps(r) + "\n" for r in rows))
    return folder


def run_stage(project, folder, host: str, *arguments: str) -> subprocess.CompletedProcess:
    command = [sys.executable, str(project / "scripts/06_ollama_create.py"), *arguments]
    return subprocess.run(
        command,
        cwd=folder,
        env={**environment(folder), "OLLAMA_HOST": host},
        capture_output=True,
        text=True,
        timeout=120,
    )


@pytest.fixture
def work(project, keeper, tmp_path):
    return write_workspace(tmp_path, project)


@pytest.fixture
def stage(code, tmp_path):
    """stage(host, "--drop-stale"…) runs 06 in the test's folder."""
    return lambda *arguments: run_stage(code, tmp_path, *arguments)


@pytest.fixture
def server(code, tmp_path_factory):
    server = OllamaServer(tmp_path_factory.mktemp("blobs"), base=code / "models/keeper.gguf")
    yield server
    server.close()


@pytest.fixture(scope="module")
def registered(project, keeper, tmp_path_factory):
    """(workspace, server) after one registration, for tests that only look."""
    folder = write_workspace(tmp_path_factory.mktemp("registered"), project)
    server = OllamaServer(tmp_path_factory.mktemp("blobs"))
    done = run_stage(project, folder, server.host)
    assert done.returncode == 0, done.stderr
    yield folder, server
    server.close()


def receipt(folder) -> dict | None:
    file = folder / "artifacts/ollama/receipt.json"
    return json.loads(file.read_text()) if file.is_file() else None


def write_receipt(folder, **content) -> None:
    (folder / "artifacts/ollama").mkdir(parents=True)
    (folder / "artifacts/ollama/receipt.json").write_text(json.dumps(content))


def manifest(template: str = "t", blob: str = "0" * 64) -> dict:
    return {"blob": f"sha256:{blob}", "template": template, "system": "", "parameters": {}}


# --- registration -----------------------------------------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.model
def test_the_twin_is_registered_and_the_tag_moves_to_it(registered):
    work, server = registered
    sha = sha256_file(work / "artifacts/gguf/twin.gguf")
    made = receipt(work)
    assert (made["status"], made["model"], made["tag"], made["gguf"], made["ollama"]) == (
        "registered",
        f"blogtwin:{sha[:12]}",
        "blogtwin:latest",
        sha,
        "0.30.2",
    )
    assert server.models["blogtwin:latest"] == server.models[f"blogtwin:{sha[:12]}"]


@pytest.mark.slow
@pytest.mark.model
def test_the_receipt_proves_that_the_twin_answers_to_the_prompt_it_was_trained_on(registered):
    # Ollama's template renders the prompt: one byte off, and the log-probabilities of a random model are far off
    parity = receipt(registered[0])["parity"]
    assert parity["tokens"] >= 16
    assert parity["delta_to_twin"] < 0.02 < 0.1 < parity["delta_to_base"]


@pytest.mark.slow
@pytest.mark.model
def test_a_registered_twin_has_its_template_system_stops_and_decoding(registered):
    work, server = registered
    shown = ollama_client.Ollama(server.host).show("blogtwin")
    params = load_params(work / "params.yaml")
    assert shown["system"] == SYSTEM
    assert shown["template"] == engine.go_template("chatml")["template"]
    assert [line.split(maxsplit=1) for line in shown["parameters"].splitlines()] == [
        ["stop", '"<|im_start|>"'],
        ["stop", '"<|im_end|>"'],
        ["num_ctx", str(params.ollama.num_ctx)],
        ["temperature", str(params.eval.temperature)],
        ["top_p", str(params.eval.top_p)],
        ["repeat_penalty", str(params.eval.repeat_penalty)],
    ]


@pytest.mark.slow
@pytest.mark.model
def test_a_question_without_a_system_message_gets_the_twins_own(registered):
    ollama = ollama_client.Ollama(registered[1].host)
    one, same, other = (
        ollama.answer("blogtwin", m, 8).tokens
        for m in (CHAT[1:], CHAT, [{"role": "system", "content": "Count."}, CHAT[1]])
    )
    assert [p for _, p in one] == pytest.approx([p for _, p in same], abs=0.01)
    assert [p for _, p in one] != pytest.approx([p for _, p in other], abs=0.01)


@pytest.mark.slow
@pytest.mark.model
def test_a_second_registration_does_not_push_the_blob_again(registered, project):
    work, server = registered
    first = receipt(work)
    assert run_stage(project, work, server.host).returncode == 0
    assert sum(r.startswith("POST /api/blobs/") for r in server.requests) == 1
    assert receipt(work) == first


@pytest.mark.slow
@pytest.mark.model
def test_a_new_twin_moves_the_tag_and_keeps_the_version_before(work, server, stage):
    old = server.models["blogtwin:old"] = server.models["blogtwin:latest"] = manifest("the twin of before")
    assert stage(server.host).returncode == 0
    new = receipt(work)["model"]
    assert server.models.keys() == {"blogtwin:old", new, "blogtwin:latest"}
    assert server.models["blogtwin:latest"] == server.models[new] != old == server.models["blogtwin:old"]


@pytest.mark.slow
@pytest.mark.model
def test_without_ollama_the_stage_leaves_a_modelfile_and_says_so_in_one_line(work, stage):
    done = stage("127.0.0.1:1")
    assert done.returncode == 0 and done.stderr == ""
    (line,) = done.stdout.splitlines()
    assert "Ollama does not answer at http://127.0.0.1:1" in line
    assert receipt(work) == {"status": "absent", "model": "", "gguf": sha256_file(work / "artifacts/gguf/twin.gguf")}
    lines = (work / "artifacts/ollama/Modelfile").read_text().split("\n")
    assert lines[0] == "FROM ../gguf/twin.gguf" and (work / "artifacts/ollama" / lines[0][5:]).is_file()
    assert f'SYSTEM """{SYSTEM}"""' in lines
    assert [one for one in lines if one.startswith("PARAMETER stop")] == [
        'PARAMETER stop "<|im_start|>"',
        'PARAMETER stop "<|im_end|>"',
    ]
    params = yaml.safe_load((ROOT / "params.yaml").read_text())
    assert {f"PARAMETER {key} {params['eval'][key]}" for key in ("temperature", "top_p", "repeat_penalty")} | {
        "PARAMETER num_ctx 4096"
    } <= set(lines)


# --- misbehaviour -----------------------------------------------------------------------------------------------------

FAULTS = {
    "upload": "stopped answering at /api/blobs/",
    "upload dies": "stopped answering at /api/blobs/",
    "stream": "stopped answering while it created blogtwin:",
    "stream dies": "stopped answering while it created blogtwin:",
    "error": "could not create blogtwin:",
    "base": "nearer to the base model than to the twin",
    "template": "did not keep the template of blogtwin:",
    "parameters": "did not keep the parameter top_p of blogtwin:",
    "runner": "answered 500 to /api/chat: llama runner process has terminated: unknown model architecture",
    "logprobs base": "gave no log-probabilities",
    "html": "other than a JSON object",
}


@pytest.mark.slow
@pytest.mark.model
@pytest.mark.parametrize("faults", FAULTS)
def test_a_failed_registration_is_one_sentence_and_leaves_nothing(work, server, stage, faults):
    server.faults = set(faults.split())
    before = {"blogtwin:latest": manifest("the twin of before")}
    server.models.update(before)
    done = stage(server.host)
    assert done.returncode == 1
    (line,) = done.stderr.splitlines()
    assert line.startswith("error: Ollama ") and FAULTS[faults] in line
    assert receipt(work) is None
    if "dies" not in server.faults:  # no version is left, and the tag is where it was
        assert server.models == before


@pytest.mark.slow
@pytest.mark.model
def test_a_failed_second_registration_forgets_the_receipt_and_keeps_what_was_registered(work, server, stage):
    sha = sha256_file(work / "artifacts/gguf/twin.gguf")
    names = f"blogtwin:{sha[:12]}", "blogtwin:latest"
    server.models = dict.fromkeys(names, manifest(blob=sha))
    shutil.copy(work / "artifacts/gguf/twin.gguf", server.blob(f"sha256:{sha}"))
    write_receipt(work, status="registered", model=names[0], tag=names[1])
    server.faults = {"error"}
    assert stage(server.host).returncode == 1
    assert receipt(work) is None and server.models == dict.fromkeys(names, manifest(blob=sha))
    assert server.blob(f"sha256:{sha}").is_file()


class Answers:
    """An Ollama whose answers are these (text, log-probability) pairs."""

    def __init__(self, pairs):
        self.pairs = pairs

    def answer(self, name, messages, max_tokens):
        return ollama_client.GreedyAnswer("".join(text for text, _ in self.pairs), self.pairs)


@pytest.fixture
def check(project):
    """check(pairs): the gate of stage 06, on one answer to "Rain"; check(pairs, "base"): without that."""
    weights = {"twin": project / "twin.gguf", "base": project / "models/keeper.gguf"}
    return lambda pairs, *without: parity.verify_served_model(
        Answers(pairs),
        "blogtwin",
        {system: file for system, file in weights.items() if system not in without},
        [{"messages": CHAT, "text": "Rain"}],
    )


@pytest.mark.slow
@pytest.mark.model
def test_half_a_character_ends_what_is_compared(check, project):
    # Ollama writes it as U+FFFD, which is a token of its own in many vocabularies, and not the one that was chosen
    with LlamaModel(project / "twin.gguf") as scorer:
        first, second = scorer.log_likelihoods(scorer.tokenize("Rain"), scorer.tokenize(" fell down"))
    parity = check([(" fell", first), (" down", second), ("\ufffd", -0.1), (" down", -0.1)])
    assert parity["tokens"] == 2 and parity["delta_to_twin"] < 0.001 < 0.1 < parity["delta_to_base"]
    alone = check([(" fell", first)], "base")
    assert alone["tokens"] == 1 and alone["delta_to_twin"] < 0.001 and "delta_to_base" not in alone
    with pytest.raises(ollama_client.OllamaError, match="not the twin"):
        check([(" fell", first - 1)], "base")


@pytest.mark.slow
@pytest.mark.model
def test_an_answer_with_nothing_to_compare_is_no_proof(check):
    with pytest.raises(ollama_client.OllamaError, match="no token of blogtwin that can be compared"):
        check([("\ufffd", -0.1)])


# --- make all ---------------------------------------------------------------------------------------------------------


def test_refresh_forgets_an_absent_receipt_once_ollama_is_there(tmp_path, server, stage):
    write_receipt(tmp_path, status="absent", model="", gguf="")
    assert stage(server.host, "--drop-stale").returncode == 0
    assert receipt(tmp_path) is None


def test_refresh_keeps_an_absent_receipt_while_there_is_no_ollama(tmp_path, stage):
    write_receipt(tmp_path, status="absent", model="", gguf="")
    assert stage("127.0.0.1:1", "--drop-stale").returncode == 0
    assert receipt(tmp_path)["status"] == "absent"


def test_refresh_keeps_a_true_receipt(tmp_path, server, stage):
    write_receipt(tmp_path, status="registered", model="blogtwin:abc", tag="blogtwin:latest")
    server.models = {"blogtwin:abc": manifest(), "blogtwin:latest": manifest()}
    assert stage(server.host, "--drop-stale").returncode == 0
    assert receipt(tmp_path)["model"] == "blogtwin:abc"


@pytest.mark.parametrize("gone", ["blogtwin:abc", "blogtwin:latest"])
def test_refresh_forgets_a_receipt_whose_model_or_tag_is_gone(tmp_path, server, stage, gone):
    write_receipt(tmp_path, status="registered", model="blogtwin:abc", tag="blogtwin:latest")
    server.models = {name: manifest() for name in {"blogtwin:abc", "blogtwin:latest"} - {gone}}
    assert stage(server.host, "--drop-stale").returncode == 0
    assert receipt(tmp_path) is None


def test_refresh_is_no_hurdle_when_ollama_cannot_list_its_models(tmp_path, server, stage):
    write_receipt(tmp_path, status="registered", model="blogtwin:abc", tag="blogtwin:latest")
    server.faults = {"html"}
    done = stage(server.host, "--drop-stale")
    assert done.returncode == 0 and done.stderr == "" and len(done.stdout.splitlines()) == 1
    assert receipt(tmp_path)["model"] == "blogtwin:abc"


# --- the protocol -----------------------------------------------------------------------------------------------------


def test_a_blob_with_another_digest_is_refused_and_the_reason_told(server, tmp_path):
    # the server checks for real: what the tests above call pushed has arrived whole
    (tmp_path / "file").write_bytes(b"GGUF" * 500_000)
    with pytest.raises(ollama_client.OllamaError, match="answered 400 .* digest mismatch"):
        ollama_client.Ollama(server.host).push_blob(tmp_path / "file", "0" * 64)
    assert not list(server.folder.iterdir())


def test_a_create_from_a_blob_that_is_not_there_is_an_error(server):
    with pytest.raises(ollama_client.OllamaError, match="could not create x:1: open .*no such file"):
        ollama_client.Ollama(server.host).create("x:1", {"files": {"twin.gguf": f"sha256:{'0' * 64}"}}, {})


def test_an_error_is_told_in_its_own_words(server):
    with pytest.raises(ollama_client.OllamaError, match=r"answered 404 to /api/chat: model 'x' not found$"):
        ollama_client.Ollama(server.host).answer("x", CHAT, 8)


def test_ollama_host_is_read_as_ollama_reads_it():
    # envconfig.Host: 11434 unless there is a scheme; quotes and spaces are cut; a listening address is asked at
    # loopback
    addresses = {
        "": "http://127.0.0.1:11434",
        "0.0.0.0": "http://127.0.0.1:11434",
        ":5000": "http://127.0.0.1:5000",
        ' "box.local" ': "http://box.local:11434",
        "http://box.local": "http://box.local:80",
        "https://box.local/ollama/": "https://box.local:443/ollama",
        "http://0.0.0.0:5000/": "http://127.0.0.1:5000",
        "::1": "http://[::1]:11434",
        "[::]:5000": "http://[::1]:5000",
    }
    assert {host: ollama_client.server_address(host) for host in addresses} == addresses


@pytest.mark.parametrize("host", ["[::1", "box:port"])
def test_an_ollama_host_that_is_no_address_is_the_users_to_mend(host):
    with pytest.raises(UserError, match="OLLAMA_HOST is "):
        ollama_client.Ollama(host)


# --- templates --------------------------------------------------------------------------------------------------------

# The published chat templates, without their branches for tools.
LLAMA3 = """{{- bos_token }}
{%- if not date_string is defined %}
    {%- if strftime_now is defined %}
        {%- set date_string = strftime_now("%d %b %Y") %}
    {%- else %}
        {%- set date_string = "26 Jul 2024" %}
    {%- endif %}
{%- endif %}

{#- This block extracts the system message, so we can slot it into the right place. #}
{%- if messages[0]['role'] == 'system' %}
    {%- set system_message = messages[0]['content']|trim %}
    {%- set messages = messages[1:] %}
{%- else %}
    {%- set system_message = "" %}
{%- endif %}

{#- System message #}
{{- "<|start_header_id|>system<|end_header_id|>\\n\\n" }}
{{- "Cutting Knowledge Date: December 2023\\n" }}
{{- "Today Date: " + date_string + "\\n\\n" }}
{{- system_message }}
{{- "<|eot_id|>" }}

{%- for message in messages %}
        {{- '<|start_header_id|>' + message['role'] + '<|end_header_id|>\\n\\n'+ message['content'] | trim \
+ '<|eot_id|>' }}
{%- endfor %}
{%- if add_generation_prompt %}
    {{- '<|start_header_id|>assistant<|end_header_id|>\\n\\n' }}
{%- endif %}
"""
ZEPHYR = """{% for message in messages %}
{% if message['role'] == 'user' %}
{{ '<|user|>\n' + message['content'] + eos_token }}
{% elif message['role'] == 'system' %}
{{ '<|system|>\n' + message['content'] + eos_token }}
{% elif message['role'] == 'assistant' %}
{{ '<|assistant|>\n'  + message['content'] + eos_token }}
{% endif %}
{% if loop.last and add_generation_prompt %}
{{ '<|assistant|>' }}
{% endif %}
{% endfor %}"""


def published(template: str, messages: list[dict]) -> str:
    """The text transformers renders of a chat, with the tokens of the template's model; Ollama adds a BOS by itself."""
    from transformers.utils.chat_template_utils import render_jinja_template

    rendered, _ = render_jinja_template(
        [messages], chat_template=chat.pin_date(template), add_generation_prompt=True, bos_token="", eos_token="</s>"
    )
    return rendered[0]


@pytest.mark.parametrize("messages", [CHAT, LONG_CHAT], ids=["one question", "a conversation"])
@pytest.mark.parametrize(("name", "template"), [("llama3", LLAMA3), ("zephyr", ZEPHYR)])
def test_the_ollama_template_renders_what_the_published_one_does(name, template, messages):
    assert render(engine.go_template(name)["template"], messages) == published(template, messages)


def test_the_llama_template_has_the_same_date_on_every_day():
    assert f"Today Date: {chat.PINNED_DATE}\n" in published(LLAMA3, CHAT)
    assert f"Today Date: {chat.PINNED_DATE}\n" in engine.go_template("llama3")["template"]


@pytest.mark.slow
@pytest.mark.model
@pytest.mark.parametrize("messages", [CHAT, LONG_CHAT], ids=["one question", "a conversation"])
def test_the_chatml_template_renders_what_the_embedded_base_was_trained_on(messages):
    tokenizer = registry.resolve_base("smollm2:135m").tokenizer()
    assert render(engine.go_template("chatml")["template"], messages) == chat.render_prompt(tokenizer, messages)


def test_every_model_names_a_template_there_is():
    assert {m["template"] for m in registry.load_registry().values()} <= set(
        yaml.safe_load(engine.TEMPLATES.read_text())
    )


# --- a local base -----------------------------------------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.model
def test_a_base_given_by_its_path_never_shows_the_path(project, keeper):
    # name and repo go into the metadata of every export
    assert (keeper.name, keeper.repo, keeper.template) == ("keeper", "keeper", "chatml")
    assert keeper.gguf == project / "models/keeper.gguf"
    assert keeper.hf.parent.name.startswith("keeper-")


@pytest.mark.slow
@pytest.mark.model
def test_two_local_bases_of_one_file_name_are_kept_apart(project, keeper, tmp_path, monkeypatch):
    monkeypatch.setattr(registry, "ROOT", project)
    monkeypatch.setattr(gguf_to_hf, "dequantise", lambda *_: (None, None))
    monkeypatch.setattr(registry, "_save", lambda model, tokenizer, folder: shutil.copytree(keeper.hf, folder))
    (tmp_path / "keeper.gguf").hardlink_to(keeper.gguf)
    monkeypatch.chdir(tmp_path)
    other = registry.resolve_base("keeper.gguf")
    assert other.gguf == tmp_path / "keeper.gguf" and other.hf != keeper.hf


@pytest.mark.parametrize(("name", "template"), [("llama3", LLAMA3), ("zephyr", ZEPHYR), ("chatml", "<|im_start|>")])
def test_a_local_base_gets_the_ollama_template_of_its_own_chat_template(tmp_path, name, template):
    (tmp_path / "chat_template.jinja").write_text(template)
    assert registry._template(tmp_path) == name
