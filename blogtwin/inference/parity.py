"""The parity gate: is the exported, or served, model the one that was trained?

That a fine-tune has no effect after export is a common failure. The gate compares log-probabilities, token by token, on
the author's held-out posts: those of the exported model with those of transformers, with the trained adapter and
without it. It fails when the export is nearer to the base than to the twin, when a prompt is tokenised differently, or
when the end token is not recognised.
"""

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypedDict

import numpy as np

from blogtwin.config import Params
from blogtwin.console import echo
from blogtwin.errors import UserError
from blogtwin.models import chat
from blogtwin.models.llama_cpp import LlamaModel
from blogtwin.models.registry import BaseModelFiles
from blogtwin.paths import ADAPTER_DIR
from blogtwin.sampling import SamplingParams

if TYPE_CHECKING:
    from blogtwin.models.ollama_client import Ollama

MAX_DELTA = 0.10  # of a good export in 8 bits, |Δ log p| in nats per token
# {precision: (|Δ log p|, greedy agreement)} that a good export of a small model reaches; beyond them the gate warns.
# Rows that 256 does not divide fall back to q5_1 in q5_k_m, which costs more than the q5_0 of q4_k_m.
LIMITS = {
    "f16": (MAX_DELTA, 0.9),
    "q8_0": (MAX_DELTA, 0.75),
    "q6_k": (0.15, 0.75),
    "q5_k_m": (0.45, 0.65),
    "q4_k_m": (0.35, 0.65),
}
# Of a served twin whose base is not here: |Δ log p|, which stays under it for the same file in any engine, and the part
# of its greedy text that is the same.
MAX_DELTA_ALONE, MIN_SAME_ALONE = 0.5, 0.2
NUM_CHECKED_TOKENS = 32  # of each answer by Ollama


class Reference(TypedDict):
    """What transformers computes for one example."""

    messages: list[dict]  # the prompt
    text: str  # the rendered prompt
    prompt: list[int]  # its token ids
    completion: list[int]  # n token ids
    twin: np.ndarray  # (n, vocabulary) natural log-probabilities, with the adapter
    base: np.ndarray  # the same without it
    end: int  # id of the end-of-turn token


def reference_logprobs(
    base: BaseModelFiles, adapter: Path, examples: list[dict], system: str, tokens: int
) -> list[Reference]:
    """The references of the examples, with the first `tokens` tokens of each completion."""
    import torch
    from peft import PeftModel
    from transformers import AutoModelForCausalLM
    from transformers.utils import logging

    logging.disable_progress_bar()
    tokenizer = base.tokenizer()
    model = PeftModel.from_pretrained(
        AutoModelForCausalLM.from_pretrained(base.hf, dtype=torch.float32), adapter
    ).eval()
    references: list[Reference] = []
    for example in examples:
        messages = chat.prompt_messages(example, system)
        prompt, completion = chat.encode_example(tokenizer, messages, example["output"])
        completion = completion[:tokens]
        ids = torch.tensor([[*prompt, *completion[:-1]]])
        with torch.no_grad():
            twin = model(ids).logits[0, len(prompt) - 1 :]
            with model.disable_adapter():
                plain = model(ids).logits[0, len(prompt) - 1 :]
        references.append(
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
    return references


def compare_export(references: list[Reference], gguf: Path, adapter: Path | None = None) -> dict:
    """Compare an exported model with twin and base: mean |Δ log-probability| (delta) and greedy agreement with each."""
    deltas: dict[str, list[np.ndarray]] = {"twin": [], "base": []}
    agreements: dict[str, list[np.ndarray]] = {"twin": [], "base": []}
    with LlamaModel(gguf, adapter) as scorer:
        same_ids = all(scorer.tokenize(r["text"]) == r["prompt"] for r in references)
        ends = all(scorer.ends(r["end"]) for r in references)
        for r in references:
            exported = scorer.log_probabilities(r["prompt"], r["completion"])
            tokens = np.arange(len(r["completion"])), r["completion"]
            for name, reference in (("twin", r["twin"]), ("base", r["base"])):
                deltas[name].append(np.abs(exported[tokens] - reference[tokens]))
                agreements[name].append(exported.argmax(-1) == reference.argmax(-1))
    numbers: dict[str, Any] = {
        "tokens": int(sum(map(len, deltas["twin"]))),
        "prompt_ids_equal": same_ids,
        "end_token_stops": ends,
    }
    for name in deltas:
        numbers[f"delta_to_{name}"] = round(float(np.concatenate(deltas[name]).mean()), 4)
        numbers[f"agreement_with_{name}"] = round(float(np.concatenate(agreements[name]).mean()), 4)
    return numbers


def parity_failures(name: str, numbers: dict) -> list[str]:
    """Why an export must not be used, a clause for each reason; empty when it passes."""
    failures = []
    if not numbers["prompt_ids_equal"]:
        failures.append(f"{name} tokenises the prompt differently than training did")
    if not numbers["end_token_stops"]:
        failures.append(f"{name} does not stop at the end token it was trained with")
    if numbers["delta_to_twin"] >= numbers["delta_to_base"]:
        failures.append(
            f"{name} is nearer to the base model than to the trained twin: its log-probabilities are"
            f" {numbers['delta_to_twin']:.3f} from the twin's and {numbers['delta_to_base']:.3f} from the base's"
        )
    return failures


def parity_warnings(name: str, numbers: dict, quantization: str) -> list[str]:
    """What is unusual about an export that passes."""
    max_delta, min_agreement = LIMITS[quantization]
    warnings = []
    if numbers["delta_to_twin"] > max_delta:
        warnings.append(
            f"{name}: mean |Δ log-probability| is {numbers['delta_to_twin']:.3f}, usually under {max_delta:g}"
        )
    if numbers["agreement_with_twin"] < min_agreement:
        warnings.append(
            f"{name}: greedy agreement is {numbers['agreement_with_twin']:.2f}, usually over {min_agreement:g}"
        )
    return warnings


def check_parity(base: BaseModelFiles, folder: Path, examples: list[dict], params: Params) -> dict:
    """The content of parity.json for the exported files in `folder`.

    Raises UserError when an exported model is not the trained one.
    """
    from blogtwin.inference import parity, upstream_server

    references = parity.reference_logprobs(
        base, ADAPTER_DIR, examples, params.prepare.system, params.export.parity_tokens
    )
    result = {
        "twin": parity.compare_export(references, folder / "twin.gguf"),
        "adapter": parity.compare_export(references, base.gguf, folder / "adapter.gguf"),
    }
    # Others who run the file let llama.cpp render the template in it, which is another program than our own renderer.
    rendered = upstream_server.render_prompts(folder / "twin.gguf", [r["messages"] for r in references])
    begin = base.tokenizer().bos_token
    result["twin"]["prompt_ids_equal"] &= all(
        chat.is_same_prompt(prompt, r["text"], begin) for prompt, r in zip(rendered, references, strict=True)
    )
    problems = [p for name in result for p in parity.parity_failures(f"{name}.gguf", result[name])]
    if problems:
        raise UserError(f"The export failed the parity gate and was not kept: {'; '.join(problems)}.")
    # The adapter is compared on the base as it came, which is quantised where the base is embedded.
    for name, precision in (("twin", params.export.quantization), ("adapter", "q8_0")):
        for warning in parity.parity_warnings(f"{name}.gguf", result[name], precision):
            echo(f"note: {warning}")
    return {"quantization": params.export.quantization, "prompts": len(references), **result}


def verify_served_model(ollama: "Ollama", name: str, weights: dict[str, Path], references: list[dict]) -> dict:
    """Compare Ollama's answers with what twin and base say themselves: by the log-probabilities of their tokens, or
    where Ollama gives none, by their text. The numbers, and under `check` which it was.

    `weights`: {"twin": its GGUF, "base": the base's}, the latter only where it is on this machine. `references`:
    [{"messages", "text"}]. Raises OllamaError when the served model is nearer to the base, or far from the twin.
    """
    answers = [ollama.answer(name, r["messages"], NUM_CHECKED_TOKENS) for r in references]
    if any(answer.tokens for answer in answers):
        return _compare_log_probabilities(name, weights, references, [answer.tokens for answer in answers])
    return _compare_texts(name, weights, references, [answer.text for answer in answers])


def _compare_log_probabilities(
    name: str, weights: dict[str, Path], references: list[dict], answers: list[list[tuple[str, float]]]
) -> dict:
    from blogtwin.models.ollama_client import OllamaError

    deltas: dict[str, list[float]] = {system: [] for system in weights}
    for system, gguf in weights.items():
        with LlamaModel(gguf) as scorer:
            for reference, answer in zip(references, answers):
                ids = [scorer.tokenize(text) for text, _ in answer]
                # A token's text does not tell its id where it is half a character, which Ollama writes as U+FFFD, or
                # where it is tokenised as several tokens: only the tokens before it are compared.
                unclear = (i for i, token in enumerate(ids) if len(token) != 1 or "\ufffd" in answer[i][0])
                usable = next(unclear, len(ids))
                if usable:
                    prompt = scorer.tokenize(reference["text"])
                    expected = scorer.log_likelihoods(prompt, [token[0] for token in ids[:usable]])
                    served = np.array([logprob for _, logprob in answer[:usable]])
                    deltas[system] += np.abs(expected - served).tolist()
    if not deltas["twin"]:
        raise OllamaError(f"answered with no token of {name} that can be compared, so it can't be verified")
    numbers = {f"delta_to_{system}": round(float(np.mean(values)), 4) for system, values in deltas.items()}
    to_base = numbers.get("delta_to_base")
    if numbers["delta_to_twin"] >= (MAX_DELTA_ALONE if to_base is None else to_base):
        what = "not the twin" if to_base is None else "nearer to the base model than to the twin"
        both = f"{numbers['delta_to_twin']}" + ("" if to_base is None else f" and {to_base}")
        raise OllamaError(f"serves a model that is {what} (|Δ log-probability| {both})")
    return {"check": "log-probabilities", "tokens": len(deltas["twin"]), **numbers}


def _compare_texts(name: str, weights: dict[str, Path], references: list[dict], answers: list[str]) -> dict:
    """Where the answers leave the greedy texts of twin and base: rounding makes each leave its own model's sometime."""
    from blogtwin.models.ollama_client import OllamaError

    greedy = SamplingParams(max_tokens=NUM_CHECKED_TOKENS, temperature=0.0, top_p=1.0, repeat_penalty=1.0)
    same = {}
    for system, gguf in weights.items():
        with LlamaModel(gguf) as writer:
            own = [
                writer.write([writer.tokenize(reference["text"])], [greedy], [0])[0]["text"] for reference in references
            ]
        pairs = zip(own, answers, strict=True)
        same[system] = sum(len(os.path.commonprefix([mine.strip(), served.strip()])) for mine, served in pairs)
    characters = sum(len(served.strip()) for served in answers)
    if same["twin"] <= same.get("base", MIN_SAME_ALONE * characters):
        than = f"than to the base model: of {characters} characters {same['twin']} and {same['base']}"
        alone = f"than another model's would be: of {characters} characters {same['twin']}"
        raise OllamaError(
            f"gave no log-probabilities for {name} (Ollama 0.12.11 and newer do), and its text is no nearer to the twin"
            f" {than if 'base' in same else alone} are the same"
        )
    return {"check": "text", "characters": characters, **{f"same_as_{system}": n for system, n in same.items()}}
