"""The parity gate: is the exported, or served, model the one that was trained?

"My fine-tune had no effect after export" is this field's commonest failure. The gate compares log-probabilities, token
by token, on the author's held-out posts: transformers with the trained adapter against what was exported, and against
the base. It fails when the export is nearer to the base than to the twin, when a prompt becomes other token ids, or
when the end token is lost.
"""

from pathlib import Path

import numpy as np

from blogtwin.console import echo
from blogtwin.errors import UserError
from blogtwin.models import chat
from blogtwin.models.llama_cpp import LlamaModel
from blogtwin.models.registry import BaseModelFiles
from blogtwin.paths import ADAPTER_DIR, GGUF_DIR

MAX_DELTA, MIN_AGREEMENT = 0.10, {"f16": 0.9, "q8_0": 0.75}  # what a good export reaches; beyond it the gate warns


def reference_logprobs(
    base: BaseModelFiles, adapter: Path, examples: list[dict], system: str, tokens: int
) -> list[dict]:
    """What transformers says: per example the prompt, the completion ids and (n, vocabulary) log-probabilities of twin
    and base."""
    import torch
    from peft import PeftModel
    from transformers import AutoModelForCausalLM
    from transformers.utils import logging

    logging.disable_progress_bar()
    tokenizer = base.tokenizer()
    model = PeftModel.from_pretrained(
        AutoModelForCausalLM.from_pretrained(base.hf, dtype=torch.float32), adapter
    ).eval()
    out = []
    for example in examples:
        messages = chat.prompt_messages(example, system)
        prompt, completion = chat.encode_example(tokenizer, messages, example["output"])
        completion = completion[:tokens]
        ids = torch.tensor([[*prompt, *completion[:-1]]])
        with torch.no_grad():
            twin = model(ids).logits[0, len(prompt) - 1 :]
            with model.disable_adapter():
                plain = model(ids).logits[0, len(prompt) - 1 :]
        out.append(
            {
                "messages": messages,
                "text": chat.render_prompt(tokenizer, messages),
                "prompt": prompt,
                "completion": completion,
                "twin": torch.log_softmax(twin, -1).numpy(),
                "base": torch.log_softmax(plain, -1).numpy(),
                "end": tokenizer.eos_token_id,
            }
        )
    return out


def compare_export(references: list[dict], gguf: Path, adapter: Path | None = None) -> dict:
    """Numbers of one exported model against both references; see `verdict`."""
    deltas, agreements = {"twin": [], "base": []}, {"twin": [], "base": []}
    with LlamaModel(gguf, adapter) as scorer:
        same_ids = all(scorer.tokenize(r["text"]) == r["prompt"] for r in references)
        ends = all(scorer.ends(r["end"]) for r in references)
        for r in references:
            got = scorer.log_probabilities(r["prompt"], r["completion"])
            at = np.arange(len(r["completion"])), r["completion"]
            for name in deltas:
                deltas[name].append(np.abs(got[at] - r[name][at]))
                agreements[name].append(got.argmax(-1) == r[name].argmax(-1))
    numbers = {"tokens": int(sum(map(len, deltas["twin"]))), "prompt_ids_equal": same_ids, "end_token_stops": ends}
    for name in deltas:
        numbers[f"delta_to_{name}"] = round(float(np.concatenate(deltas[name]).mean()), 4)
        numbers[f"agreement_with_{name}"] = round(float(np.concatenate(agreements[name]).mean()), 4)
    return numbers


def parity_failures(name: str, numbers: dict) -> list[str]:
    """Sentences that say why an export must not be used; empty when it passes."""
    found = []
    if not numbers["prompt_ids_equal"]:
        found.append(f"{name} reads the prompt as other token ids than training did")
    if not numbers["end_token_stops"]:
        found.append(f"{name} does not stop at the end token it was trained with")
    if numbers["delta_to_twin"] >= numbers["delta_to_base"]:
        found.append(
            f"{name} is nearer to the base model than to the trained twin: its log-probabilities are"
            f" {numbers['delta_to_twin']:.3f} from the twin's and {numbers['delta_to_base']:.3f} from the base's"
        )
    return found


def parity_warnings(name: str, numbers: dict, quantization: str) -> list[str]:
    found = []
    if numbers["delta_to_twin"] > MAX_DELTA:
        found.append(f"{name}: mean |Δ log-probability| is {numbers['delta_to_twin']:.3f}, usually under {MAX_DELTA}")
    if numbers["agreement_with_twin"] < MIN_AGREEMENT[quantization]:
        found.append(
            f"{name}: greedy agreement is {numbers['agreement_with_twin']:.2f}, usually over"
            f" {MIN_AGREEMENT[quantization]}"
        )
    return found


def check_parity(base, folder: Path, examples: list[dict], params) -> dict:
    """parity.json's content. Raises UserError when an exported model is not the trained one."""
    from blogtwin.inference import llama_server, parity

    references = parity.reference_logprobs(
        base, ADAPTER_DIR, examples, params.prepare.system, params.export.parity_tokens
    )
    result = {
        "twin": parity.compare_export(references, folder / "twin.gguf"),
        "adapter": parity.compare_export(references, base.gguf, folder / "adapter.gguf"),
    }
    with llama_server.serve_model(folder / "twin.gguf", "twin") as engine:
        same = all(llama_server.render_prompt(engine, r["messages"]) == r["text"] for r in references)
    result["twin"]["prompt_ids_equal"] &= same
    problems = [p for name in result for p in parity.parity_failures(f"{name}.gguf", result[name])]
    if problems:
        raise UserError(f"The export failed the parity gate and was not kept: {'; '.join(problems)}.")
    for name in result:
        for warning in parity.parity_warnings(f"{name}.gguf", result[name], params.export.quantization):
            echo(f"note: {warning}")
    return {"quantization": params.export.quantization, "prompts": len(references), **result}


NUM_CHECKED_TOKENS = 32


def verify_served_model(ollama, name: str, base, references: list[dict]) -> dict:
    """Compare what Ollama answers with the twin's and the base's own log-probabilities of it. Raises OllamaError when
    it is the base."""
    import numpy as np

    from blogtwin.inference.ollama import OllamaError
    from blogtwin.models.llama_cpp import LlamaModel

    deltas = {"twin": [], "base": []}
    answers = [ollama.answer(name, r["messages"], NUM_CHECKED_TOKENS) for r in references]
    if not any(answers):
        raise OllamaError(f"gave no log-probabilities for {name}, so it can't be checked (Ollama 0.12.11 or newer can)")
    for voice, gguf in (("twin", GGUF_DIR / "twin.gguf"), ("base", base.gguf)):
        with LlamaModel(gguf) as scorer:
            for reference, answer in zip(references, answers):
                ids = [scorer.tokenize(text) for text, _ in answer]
                # Ollama writes half a character as U+FFFD, which is not the token it chose; nor is a text of several
                # tokens
                usable = next((i for i, one in enumerate(ids) if len(one) != 1 or "\ufffd" in answer[i][0]), len(ids))
                if usable:
                    own = scorer.log_likelihoods(scorer.tokenize(reference["text"]), [one[0] for one in ids[:usable]])
                    deltas[voice] += np.abs(own - np.array([p for _, p in answer[:usable]])).tolist()
    if not deltas["twin"]:
        raise OllamaError(f"answered with no token of {name} that can be compared, so it can't be checked")
    numbers = {f"delta_to_{voice}": round(float(np.mean(values)), 4) for voice, values in deltas.items()}
    if numbers["delta_to_twin"] >= numbers["delta_to_base"]:
        raise OllamaError(
            "serves something nearer to the base model than to the twin (|Δ log-probability|"
            f" {numbers['delta_to_twin']} and {numbers['delta_to_base']})"
        )
    return {"tokens": len(deltas["twin"]), **numbers}
