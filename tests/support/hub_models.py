"""Small random models as the hub has them: weights, tokenizer and configuration files in a folder."""

import json

import torch

# Llama 3 scales its rotary frequencies, and its chat template asks what day it is.
ROPE = {
    "rope_type": "llama3",
    "factor": 32.0,
    "high_freq_factor": 4.0,
    "low_freq_factor": 1.0,
    "original_max_position_embeddings": 256,
}
DATED = (
    "{%- if not date_string is defined %}{%- set date_string = strftime_now('%d %b %Y') %}{%- endif %}{{-"
    " '<|im_start|>system\nToday: ' + date_string + '<|im_end|>\n' }}"
)
# Qwen3's template without its branches for tools and for earlier thoughts: it thinks unless it is told not to.
QWEN3 = """{%- for message in messages %}
    {%- if message.role == "assistant" %}
        {{- '<|im_start|>assistant\n' }}
        {%- if loop.last %}
            {{- '<think>\n\n</think>\n\n' }}
        {%- endif %}
        {{- message.content + '<|im_end|>\n' }}
    {%- else %}
        {{- '<|im_start|>' + message.role + '\n' + message.content + '<|im_end|>' + '\n' }}
    {%- endif %}
{%- endfor %}
{%- if add_generation_prompt %}
    {{- '<|im_start|>assistant\n' }}
    {%- if enable_thinking is defined and enable_thinking is false %}
        {{- '<think>\n\n</think>\n\n' }}
    {%- endif %}
{%- endif %}"""


def random_model(kind: str, vocabulary: int, **settings):
    """A small model with grouped queries, in bf16."""
    import transformers

    torch.manual_seed(0)
    sizes = {
        "hidden_size": 64,
        "intermediate_size": 128,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "num_key_value_heads": 2,
        "max_position_embeddings": 2048,
    }
    tokens = {"vocab_size": vocabulary, "bos_token_id": 1, "eos_token_id": 2, "pad_token_id": 2}
    config = getattr(transformers, f"{kind}Config")(**sizes, **tokens, initializer_range=0.15, **settings)
    return transformers.AutoModelForCausalLM.from_config(config).to(torch.bfloat16)


def edit(path, **changes) -> None:
    path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))


def write_repository(folder, tokenizer) -> None:
    """What the hub has of a model: the files of transformers 4, and some that a twin has no need of."""
    random_model(
        "Llama", len(tokenizer), tie_word_embeddings=True, rope_theta=500000.0, rope_scaling=ROPE
    ).save_pretrained(folder)
    config = json.loads((folder / "config.json").read_text())
    del config["rope_parameters"]
    config["torch_dtype"] = config.pop("dtype")
    (folder / "config.json").write_text(
        json.dumps({**config, "rope_theta": 500000.0, "rope_scaling": ROPE, "transformers_version": "4.45.0"})
    )
    (folder / "generation_config.json").write_text(
        json.dumps({"temperature": 0.6, "top_p": 0.9, "eos_token_id": [2, 0]})
    )  # no do_sample: not quite valid
    tokenizer.save_pretrained(folder)
    # The converter takes a vocabulary that falls back to bytes for SentencePiece; this one, made of a GGUF, only says
    # so.
    path = folder / "tokenizer.json"
    path.write_text(path.read_text().replace('"byte_fallback": true', '"byte_fallback": false'))
    (folder / "chat_template.jinja").write_text(DATED + tokenizer.chat_template)
    for name in (
        "README.md",
        "original/params.json",
        "onnx/model.safetensors",
        "consolidated.safetensors",
        "pytorch_model.bin",
    ):
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_text("{}")


def write_sentencepiece(folder, kind: str = "SmolLM3", **settings) -> None:
    """A model with a vocabulary of the kind of TinyLlama: SentencePiece, with a tokenizer.json of the older form."""
    import io

    import sentencepiece
    from transformers import LlamaTokenizer

    words = (
        "the ferry came late and the engine was cold so I made tea for all hands who stood by the harbour wall singing"
        " songs of old ships"
    )
    words = words.split(" ")
    lines = (" ".join(words[(i * j) % len(words)] for j in range(1, 30)) for i in range(1, 200))
    model = io.BytesIO()
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=lines,
        model_writer=model,
        vocab_size=400,
        model_type="bpe",
        byte_fallback=True,
        remove_extra_whitespaces=False,
        normalization_rule_name="identity",
        hard_vocab_limit=False,
        minloglevel=2,
    )
    folder.mkdir()
    (folder / "tokenizer.model").write_bytes(model.getvalue())
    tokenizer = LlamaTokenizer.from_pretrained(folder, legacy=False)
    tokenizer.add_special_tokens({"additional_special_tokens": ["<|end|>"]})
    tokenizer.chat_template = (
        "{% for m in messages %}{{ '<|' + m.role + '|>\n' + m.content + '</s>\n' }}{% endfor %}{% if"
        " add_generation_prompt %}{{ '<|assistant|>\n' }}{% endif %}"
    )
    random_model(kind, len(tokenizer), **settings).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    normalizer = {
        "type": "Sequence",
        "normalizers": [
            {"type": "Prepend", "prepend": "▁"},
            {"type": "Replace", "pattern": {"String": " "}, "content": "▁"},
        ],
    }
    edit(folder / "tokenizer.json", normalizer=normalizer, pre_tokenizer=None)
    edit(folder / "tokenizer_config.json", tokenizer_class="LlamaTokenizer")
