"""A GGUF becomes the model for transformers that llama.cpp runs: its weights of every type, its vocabulary, its rotary
frequencies and its chat template."""

import gguf
import numpy as np
import pytest
from gguf import GGMLQuantizationType as Type

from blogtwin.errors import UserError
from blogtwin.files import sha256_file
from blogtwin.models import chat, gguf_reader, gguf_to_hf, ollama_store, registry
from blogtwin.models.llama_cpp import LlamaModel
from tests.support.ollama_store import write_model
from tests.support.tiny_model import write_tiny_gguf

TYPES = ["F32", "F16", "BF16", "Q8_0", "Q4_0", "Q4_1", "Q5_0", "Q5_1", "Q2_K", "Q3_K", "Q4_K", "Q5_K", "Q6_K"]
CHATML = (chat.TEMPLATES_DIR / "chatml.jinja").read_text()
SPECIAL = {"bos_token": "<s>", "eos_token": "</s>"}


def factors(n: int, theta: float, **rope: float) -> np.ndarray:
    """rope_freqs.weight as llama.cpp's converter writes it (conversion/llama.py)."""
    low, high = (rope["length"] / rope[name] for name in ("low", "high"))
    out = []
    for wavelength in 2 * np.pi * theta ** (np.arange(n) / n):
        smooth = (rope["length"] / wavelength - rope["low"]) / (rope["high"] - rope["low"])
        between = 1 / ((1 - smooth) / rope["factor"] + smooth)
        out.append(1 if wavelength < high else rope["factor"] if wavelength > low else between)
    return np.array(out, np.float32)


LLAMA32 = {"length": 8192, "low": 1.0, "high": 4.0, "factor": 32.0}


# --- rotary frequencies -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("factor", [8.0, 32.0])
@pytest.mark.parametrize("head", [16, 64, 128])
def test_the_scaling_of_llama_3_is_found_from_its_factors(head, factor):
    """Of a head of 16, one frequency is scaled by a factor between, which alone would not tell the two bends."""
    found = gguf_to_hf.llama3_rope(factors(head // 2, 500000.0, **{**LLAMA32, "factor": factor}), 500000.0)
    assert found == {"factor": factor, **gguf_to_hf.LLAMA3_ROPE}


def test_another_scaling_of_the_same_kind_is_found_from_its_factors():
    rope = {"length": 3000, "low": 1.0, "high": 6.5, "factor": 5.0}
    found = gguf_to_hf.llama3_rope(factors(64, 10000.0, **rope), 10000.0)
    assert found == {
        "factor": 5.0,
        "low_freq_factor": 1.0,
        "high_freq_factor": pytest.approx(6.5, abs=0.01),
        "original_max_position_embeddings": pytest.approx(3000, abs=2),
    }


def test_factors_of_another_kind_are_no_llama_3():
    assert gguf_to_hf.llama3_rope(np.linspace(1, 40, 32), 10000.0) is None


@pytest.fixture
def header(tmp_path):
    """header(fields, tensors): a GGUF of llama's architecture with no more than these."""

    def write(fields: dict, tensors: tuple[str, ...] = ()):
        writer = gguf.GGUFWriter(tmp_path / "header.gguf", "llama")
        for key, value in fields.items():
            writer.add_string(key, value) if isinstance(value, str) else writer.add_uint16(key, value)
        for name in tensors:
            writer.add_tensor(name, np.ones(32, np.float32))
        writer.write_header_to_file()
        writer.write_kv_data_to_file()
        writer.write_tensors_to_file()
        writer.close()
        return gguf_reader.open_gguf(tmp_path / "header.gguf")

    return write


def test_a_scaling_that_is_only_named_is_refused(header):
    with pytest.raises(UserError, match="rotary frequencies are scaled in a way that is not known"):
        gguf_to_hf.rope_scaling(header({"llama.rope.scaling.type": "linear"}, ("rope_freqs.weight",)), "x")
    assert gguf_to_hf.rope_scaling(header({"llama.rope.scaling.type": "none"}), "x") == {}


@pytest.mark.parametrize(
    "fields, tensors, reason",
    [
        ({"split.count": 3}, (), "one of 3 parts"),
        ({}, ("v.blk.0.attn_q.weight",), "reads pictures"),
        ({}, ("mm.0.weight",), "reads pictures"),
    ],
)
def test_a_part_of_a_model_and_one_with_eyes_are_refused(fields, tensors, reason, header):
    with pytest.raises(UserError, match=f"^train.base is x, .*{reason}"):
        gguf_to_hf._check_contents(header(fields, tensors), "x")
    gguf_to_hf._check_contents(header({"split.count": 1}, ("blk.0.attn_q.weight",)), "x")


# --- chat templates ---------------------------------------------------------------------------------------------------

GO = {
    "llama3": "{{- if .System }}<|start_header_id|>system<|end_header_id|>",
    "chatml": "<|im_start|>user\n{{ .Prompt }}<|im_end|>",
    "qwen3": "<|im_start|>user\n{{ .Prompt }}<|im_end|>\n<|im_start|>assistant\n{{ if not .Think }}<think>\n\n</think>",
    "gemma": "<start_of_turn>user\n{{ .Prompt }}<end_of_turn>",
    "phi3": "<|user|>\n{{ .Prompt }}<|end|>",
    "mistral": "[INST] {{ .Prompt }} [/INST]",
    "zephyr": "<|user|>\n{{ .Prompt }}</s>",
    None: "{{ .Prompt }}",
}


@pytest.mark.parametrize("family", GO)
def test_a_family_is_recognised_by_ollamas_template(family):
    assert chat.family(GO[family]) == family


@pytest.mark.parametrize(
    "template, says",
    [
        (CHATML, True),
        ("{% for m in messages %}{% if m.role == 'user' %}{{ m.content }}{% endif %}{% endfor %}", False),
        ("{{ raise_exception('System role not supported') }}", False),
        ("{{ messages[0].content.parts[7] + 1 }}", False),
    ],
)
def test_a_template_that_says_no_system_message_is_known(template, says):
    assert chat.says_system(template, SPECIAL) == says


def test_the_end_of_an_answer_is_the_token_that_the_template_writes_after_it():
    assert chat.answer_end(CHATML, SPECIAL, ["<|im", "<|im_end|>", "</s>"]) == "<|im_end|>"
    assert chat.answer_end(CHATML.replace("<|im_end|>", "\n"), SPECIAL, ["<|im_end|>"]) is None


# --- whole models -----------------------------------------------------------------------------------------------------


@pytest.fixture
def prepare(tmp_path, monkeypatch):
    """prepare(file, **layers): the base `ollama/tiny:1` made of a GGUF that lies in a store."""
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("OLLAMA_HOST", "127.0.0.1:1")
    monkeypatch.delenv("OLLAMA_MODELS", raising=False)
    monkeypatch.setattr(ollama_store, "SERVICE_STORE", tmp_path / "service")
    monkeypatch.setattr(registry, "ROOT", tmp_path)

    def prepare(path, **layers):
        write_model(tmp_path / ".ollama/models", "tiny:1", path.read_bytes(), **layers)
        return registry.resolve_base("ollama/tiny:1")

    return prepare


def distance(base, length: int, is_scaled: bool = True) -> float:
    """Mean |Δ log p| per token between transformers and llama.cpp on 24 tokens after `length` others; with the rotary
    frequencies as they are before any scaling, where `is_scaled` is False."""
    import torch
    from transformers import AutoConfig, AutoModelForCausalLM

    ids = np.random.default_rng(5).integers(100, 40000, length + 24).tolist()
    with LlamaModel(base.gguf, n_ctx=length + 32) as scorer:
        served = scorer.log_likelihoods(ids[:length], ids[length:])
    config = AutoConfig.from_pretrained(base.hf)
    if not is_scaled:
        config.rope_parameters = {"rope_type": "default", "rope_theta": config.rope_parameters["rope_theta"]}
    model = AutoModelForCausalLM.from_pretrained(base.hf, config=config, dtype=torch.float32).eval()
    with torch.no_grad():
        logits = model(torch.tensor([ids[:-1]]), logits_to_keep=24).logits[0]
    trained = torch.log_softmax(logits, -1)[range(24), ids[length:]].numpy()
    return float(np.abs(trained - served).mean())


@pytest.mark.slow
@pytest.mark.model
def test_weights_of_every_type_are_those_that_llama_cpp_runs(prepare, tmp_path):
    """Each matrix has another type: one that is read wrongly changes every probability."""
    types = [Type[name] for name in TYPES]
    file = write_tiny_gguf(tmp_path / "tiny.gguf", kinds=types, hidden=256)  # K-quants need rows of 256
    assert {t.tensor_type for t in gguf_reader.open_gguf(file).tensors} == set(types)
    made = prepare(file)
    assert made.digest == sha256_file(file) and made.gguf.parent.name == "blobs"
    assert distance(made, 40) < 0.15  # llama.cpp rounds what it multiplies with 4 bits, too


@pytest.mark.slow
@pytest.mark.model
def test_a_llama_3_2_is_the_same_on_both_sides_beyond_8192_tokens(prepare, tmp_path):
    """Embeddings that are also the output, rope_freqs, Q8_0, a split of text of its own, and a long context."""
    file = write_tiny_gguf(
        tmp_path / "tiny.gguf",
        kinds=[Type.Q8_0],
        rope_freqs=factors(8, 500000.0, **LLAMA32),
        context=131072,
        theta=500000.0,
        fields={"tokenizer.ggml.pre": "llama-bpe"},
    )
    made = prepare(file, template=GO["llama3"], license="LLAMA 3.2 COMMUNITY LICENSE AGREEMENT")
    assert made.context == 131072 and made.name == "ollama/tiny:1" and made.template == "chatml"
    assert made.license == "LLAMA 3.2 COMMUNITY LICENSE AGREEMENT"
    near, far, unscaled = distance(made, 200), distance(made, 8300), distance(made, 8300, is_scaled=False)
    assert max(near, far) < 0.05, (near, far)
    assert unscaled > 4 * far, (far, unscaled)  # a scaling that is lost is seen


@pytest.mark.slow
@pytest.mark.model
def test_a_model_is_prepared_once_and_read_where_it_lies(prepare, tmp_path, capsys):
    file = write_tiny_gguf(tmp_path / "tiny.gguf")
    first = prepare(file)
    told = capsys.readouterr()
    assert not list((tmp_path / "artifacts").rglob("*.gguf")) and "downloading" not in told.out
    assert "it/s]" not in told.err  # the bar of another library
    assert registry.resolve_base("ollama/tiny:1") == first and capsys.readouterr().out == ""
    other = prepare(write_tiny_gguf(tmp_path / "tiny.gguf", seed=1))  # pulled again, as a newer version
    assert other.digest != first.digest and "preparing" in capsys.readouterr().out


@pytest.mark.slow
@pytest.mark.model
def test_a_gguf_without_a_template_is_given_that_of_ollamas_family(prepare, tmp_path):
    bare = write_tiny_gguf(tmp_path / "tiny.gguf", fields={"tokenizer.chat_template": None})
    made = prepare(bare, template=GO["chatml"])
    assert made.tokenizer().chat_template == CHATML and made.tokenizer().eos_token == "<|im_end|>"


@pytest.mark.slow
@pytest.mark.model
def test_an_unknown_architecture_is_refused(prepare, tmp_path):
    data = write_tiny_gguf(tmp_path / "tiny.gguf").read_bytes()
    (tmp_path / "tiny.gguf").write_bytes(data.replace(b"llama", b"glm9x"))
    with pytest.raises(UserError, match=r"^train.base is ollama/tiny:1, and .*glm9x is not supported"):
        prepare(tmp_path / "tiny.gguf")


@pytest.mark.slow
@pytest.mark.model
def test_an_unknown_scaling_of_rotary_frequencies_is_refused(prepare, tmp_path):
    file = write_tiny_gguf(tmp_path / "tiny.gguf", rope_freqs=np.linspace(1, 40, 8))
    with pytest.raises(UserError, match="^train.base is ollama/tiny:1, whose rotary frequencies are scaled"):
        prepare(file)
