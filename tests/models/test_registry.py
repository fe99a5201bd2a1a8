"""registry.yaml, and our chat templates for models that have none or one that Ollama can't speak."""

import pytest

from blogtwin.inference import ollama as engine
from blogtwin.models import chat, registry
from tests.support.ollama_server import render

QUESTION = [{"role": "system", "content": "You write."}, {"role": "user", "content": "Who goes there?"}]
CHAT = [*QUESTION, {"role": "assistant", "content": "A dog."}, {"role": "user", "content": "And then?"}]


@pytest.mark.parametrize("messages", [QUESTION, CHAT], ids=["one question", "a conversation"])
@pytest.mark.parametrize("name", sorted(f.stem for f in chat.TEMPLATES_DIR.glob("*.jinja")))
def test_our_chat_templates_are_the_same_in_ollamas_language(name, messages):
    """BOS is Ollama's own doing."""
    from transformers.utils.chat_template_utils import render_jinja_template

    eos = "<|endoftext|>" if name == "turns" else "</s>"
    text = (chat.TEMPLATES_DIR / f"{name}.jinja").read_text()
    rendered, _ = render_jinja_template(
        [messages], chat_template=text, add_generation_prompt=True, bos_token="", eos_token=eos
    )
    # Go's template writes the space before the answer, which in training belongs to it
    assert render(engine.go_template(name)["template"], messages).rstrip(" ") == rendered[0]


def test_every_model_says_what_is_needed():
    wanted = {"repo", "cuda", "license", "context", "billions", "template", "ram_gb", "vram_gb"}
    known = registry.load_registry()
    assert {"smollm2:135m", "llama3.2:1b"} <= set(known)
    for name, entry in known.items():
        assert wanted <= set(entry), name
        assert not {"meta-llama", "google", "mistralai"} & {entry[k].split("/")[0] for k in ("repo", "cuda")}, (
            f"{name}: gated"
        )
        assert (
            "chat" not in entry
            or (chat.TEMPLATES_DIR / f"{entry['chat']}.jinja").is_file()
            and entry["chat"] == entry["template"]
        )


def test_memory_holds_at_least_the_weights_as_each_trainer_loads_them():
    """cpu without bf16 in 32 bits, cuda in 4 (16 for embeddings) from 3 billion on, mlx in 16; and what LoRA,
    activations and the runtime take."""
    for name, entry in registry.load_registry().items():
        billions = entry["billions"]
        assert entry["ram_gb"] >= 4 * billions + 2, name
        assert entry["vram_gb"] >= (0.7 if billions >= 3 else 2) * billions + 1.5, name
        assert ("unified_gb" in entry) == ("mlx" in entry) and entry.get("unified_gb", 99) >= 2 * billions + 2.5, name


def test_a_template_and_an_end_of_ours_take_the_place_of_the_models_own(tmp_path, monkeypatch, capsys):
    from types import SimpleNamespace

    saved = {}
    tokenizer = SimpleNamespace(chat_template="its own", eos_token="<eos>", eos_token_id=107)
    model = SimpleNamespace(config=SimpleNamespace(), generation_config=SimpleNamespace())
    monkeypatch.setattr(registry.hub, "download", lambda name, entry: tmp_path)
    monkeypatch.setattr(registry.hub, "load_model_and_tokeniser", lambda *_: (model, tokenizer))
    monkeypatch.setattr(
        registry, "_save", lambda *a: saved.update(template=tokenizer.chat_template, end=tokenizer.eos_token)
    )
    monkeypatch.setattr(registry.ollama_store, "list_models", lambda: ["gemma2:2b"])
    monkeypatch.setattr(registry.hub, "is_cached", lambda entry: False)
    registry._copy_of_hub_model(registry.load_registry()["gemma2:2b"], "gemma2:2b", tmp_path)
    note, downloading = capsys.readouterr().out.splitlines()
    assert "`make all BASE=ollama/gemma2:2b` would train that one without a download" in note
    assert downloading.startswith("downloading ")
    assert saved == {"template": (chat.TEMPLATES_DIR / "gemma.jinja").read_text(), "end": "<end_of_turn>"}
    assert model.config.eos_token_id == model.generation_config.eos_token_id == 107
