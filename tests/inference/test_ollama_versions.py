"""Ollama of every version: what the server can do is found by asking it, never by its number."""

import json
import shutil

import pytest

from blogtwin.config import load_params
from blogtwin.files import sha256_file
from blogtwin.inference import chat_stream, ollama_register
from blogtwin.inference import ollama as settings_module
from blogtwin.models import registry
from blogtwin.models.gguf_export import write_lora_gguf, write_merged_gguf
from blogtwin.models.ollama_client import Ollama, OllamaError
from tests.support.adapters import EXAMPLES, make_adapter, place_export
from tests.support.ollama_server import OllamaServer, parameters
from tests.support.tiny_model import write_tiny_gguf
from tests.support.workspace import ROOT

SETTINGS = {
    "template": "{{ if .System }}{{ .System }}\n{{ end }}{{ .Prompt }}",
    "system": 'You are “A”.\nWrite "short".',
    "parameters": {"stop": ["<|im_start|>", "<|im_end|>"], "num_ctx": 4096, "temperature": 0.9, "repeat_penalty": 1.1},
}


@pytest.fixture(scope="module")
def exported(tmp_path_factory):
    """(base, folder with twin.gguf and adapter.gguf)."""
    root = tmp_path_factory.mktemp("exported")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(registry, "ROOT", root)
        base = registry.resolve_base(str(write_tiny_gguf(root / "keeper.gguf")))
    adapter = make_adapter(base, root / "adapter")
    own = {"blogtwin.train_digest": "1234", "blogtwin.base_digest": base.digest}
    write_merged_gguf(base.gguf, adapter, root / "twin.gguf", "q8_0", base.tokenizer().chat_template, own)
    write_lora_gguf(base.gguf, adapter, root / "adapter.gguf", {})
    return base, root


@pytest.fixture
def server(exported, tmp_path, monkeypatch):
    """A server, in the folder of a twin that is exported."""
    place_export(exported[1], tmp_path)
    (tmp_path / "blobs").mkdir()
    server = OllamaServer(tmp_path / "blobs", base=exported[0].gguf)
    monkeypatch.chdir(tmp_path)
    yield server
    server.close()


@pytest.fixture
def register(exported, server):
    """register(): the receipt of a registration."""
    params = load_params(ROOT / "params.yaml")

    def register() -> dict:
        sha = sha256_file("artifacts/gguf/twin.gguf")
        return ollama_register.register_and_record(Ollama(server.host), params, exported[0], EXAMPLES[:2], sha)

    return register


def pushes(server) -> int:
    return sum(request.startswith("POST /api/blobs/") for request in server.requests)


@pytest.mark.slow
@pytest.mark.model
def test_a_gguf_that_create_wrote_anew_is_known_by_its_own_keys_and_not_pushed_again(register, server):
    first = register()
    pushed = server.blob(f"sha256:{first['gguf']}")
    assert server.models[first["model"]]["blob"] != f"sha256:{first['gguf']}" and pushed.is_file()
    server.prune()  # a restart
    assert not pushed.is_file()
    assert register() == first and pushes(server) == 1
    info = server.known[server.models[first["model"]]["blob"]]
    info["blogtwin.train_digest"] = "another training"
    register()
    assert pushes(server) == 2


@pytest.mark.slow
@pytest.mark.model
def test_a_version_that_is_an_adapter_is_no_whole_twin(server, exported):
    sha = "sha256:" + "0" * 64
    shutil.copy(exported[1] / "twin.gguf", server.blob(sha))
    server.models["blogtwin:1"] = {"blob": sha, "template": "", "system": "", "parameters": {}}
    assert ollama_register.has_twin(Ollama(server.host), "blogtwin:1")
    server.models["blogtwin:1"]["adapters"] = [sha]
    assert not ollama_register.has_twin(Ollama(server.host), "blogtwin:1")
    assert not ollama_register.has_twin(Ollama(server.host), "blogtwin:2")


@pytest.mark.slow
@pytest.mark.model
def test_without_log_probabilities_the_text_is_compared_and_the_receipt_says_so(register, server):
    server.faults = {"logprobs"}
    receipt = register()
    parity = receipt["parity"]
    assert parity["check"] == "text" and parity["same_as_twin"] > parity["same_as_base"]
    assert "by its text, since it gives no log-probabilities" in ollama_register.describe_receipt(receipt)
    server.faults = set()
    again = register()
    assert again["parity"]["check"] == "log-probabilities"
    assert f"|Δ log p| {again['parity']['delta_to_twin']}" in ollama_register.describe_receipt(again)


@pytest.mark.slow
@pytest.mark.model
def test_an_ollama_that_reads_a_modelfile_alone_is_given_one(register, server):
    """With the settings, to the letter: that they are kept is checked."""
    server.faults = {"files", "logprobs", "debug"}
    receipt = register()
    assert receipt["prompts"] == "not asked" and pushes(server) == 1
    assert server.requests.count("POST /api/create") == 2  # as it is today, and then of old
    kept = server.models["blogtwin:latest"]
    params = load_params(ROOT / "params.yaml")
    wanted = settings_module.model_settings("chatml", params.prepare.system, params)
    assert {key: kept[key] for key in wanted} == wanted


@pytest.mark.slow
@pytest.mark.model
def test_a_prompt_that_is_rendered_otherwise_is_no_twin(register, server, monkeypatch):
    """A newline more, which log-probabilities alone may not tell."""
    assert register()["prompts"] == "equal"
    monkeypatch.setattr(server, "prompt", lambda model, messages: OllamaServer.prompt(server, model, messages) + "\n")
    with pytest.raises(Exception, match="Ollama renders a prompt of blogtwin:.* otherwise than training did"):
        register()


# --- settings ---------------------------------------------------------------------------------------------------------


def shown(settings: dict, **changed) -> dict:
    """What /api/show says of a model with these settings."""
    return {**settings, "parameters": parameters(settings["parameters"]), **changed}


def test_settings_that_were_kept_are_found_kept():
    assert settings_module.lost_settings(shown(SETTINGS), SETTINGS) == []


@pytest.mark.parametrize("name", SETTINGS["parameters"])
def test_a_parameter_that_was_dropped_or_changed_is_named(name):
    fewer = {key: value for key, value in SETTINGS["parameters"].items() if key != name}
    dropped = shown({**SETTINGS, "parameters": fewer})
    changed = shown({**SETTINGS, "parameters": {**SETTINGS["parameters"], name: ["x"] if name == "stop" else 7}})
    for one in (dropped, changed):
        assert settings_module.lost_settings(one, SETTINGS) == [f"parameter {name}"]


def test_a_template_and_a_system_message_that_were_replaced_are_named():
    replaced = shown(SETTINGS, template="{{ .Prompt }}", system=None)
    assert settings_module.lost_settings(replaced, SETTINGS) == ["template", "system"]


def test_what_a_base_says_of_sampling_is_not_handed_on_to_its_adapter():
    parent = {"parameters": 'stop "<|end|>"\ntop_k                  20\nnum_gpu 3\ntemperature 0.1'}
    made = settings_module.override_inherited(SETTINGS, parent)
    assert made["parameters"] == {"top_k": 40, **SETTINGS["parameters"]}


# --- /v1 and /api/chat ------------------------------------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.model
def test_the_check_asks_for_greedy_answers_that_no_setting_of_the_model_changes(register, server):
    register()
    asked = [body for body in server.chats if not body.get("_debug_render_only")]
    assert asked and not [request for request in server.requests if request.startswith("POST /v1")]
    for body in asked:
        assert (body["options"]["temperature"], body["options"]["repeat_penalty"]) == (0, 1.0)
        assert (body["truncate"], body["shift"], body["think"]) == (False, False, False)


def test_a_form_of_answer_that_is_not_known_is_an_error(monkeypatch):
    ollama = Ollama("127.0.0.1:1")
    monkeypatch.setattr(ollama, "_json", lambda *_, **__: {"answer": "x"})
    with pytest.raises(OllamaError, match="^answered /api/chat in a form that is not known"):
        ollama.answer("x", [], 8)


RUNNER = {"code": 400, "message": "it does not fit", "type": "exceed_context_size_error"}


@pytest.mark.parametrize(
    "body, message",
    [
        ({"error": "model 'x' not found"}, "model 'x' not found"),
        ({"error": {**RUNNER, "n_prompt_tokens": 4528, "n_ctx": 4096}}, None),
        ({"error": "exceeds the context: n_prompt_tokens=4528, n_ctx=4096"}, None),
        ({"error": "request (4528 tokens) exceeds the available context size (4096 tokens), try increasing it"}, None),
        ({"error": RUNNER}, "it does not fit"),
        ("<html>", '"<html>"'),
    ],
)
def test_a_prompt_that_does_not_fit_is_told_with_both_numbers_in_whatever_form_they_come(body, message):
    said = chat_stream.ollama_message(json.dumps(body).encode())
    assert said == (message or "the prompt has 4528 tokens, and the context holds 4096")
