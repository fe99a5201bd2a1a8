"""Register the twin in Ollama, when Ollama is there, and check that it serves what was trained.

Reads   artifacts/gguf/twin.gguf, data/split/test.jsonl
Writes  artifacts/ollama/Modelfile      for `ollama create` by hand
        artifacts/ollama/receipt.json   what was registered, or that Ollama is absent
Run     python scripts/06_ollama_create.py
        python scripts/06_ollama_create.py --refresh    forgets a receipt that Ollama's state has overtaken (`make all` calls this)
"""

import argparse
import contextlib
import json

from _shared import GGUF, OLLAMA, SPLIT, UserError, digest, load_params, read_jsonl, run, say, write_json, writing

RECEIPT = OLLAMA / "receipt.json"
CHECKED_TOKENS = 32


def refresh(ollama) -> None:
    """Remove a receipt that is no longer true, so that `dvc repro` registers the twin without training again."""
    from serve.engines.ollama import OllamaError

    if not RECEIPT.is_file() or ollama.version() is None:
        return
    receipt = json.loads(RECEIPT.read_text())
    try:
        true = receipt["status"] == "registered" and {receipt["model"], receipt["tag"]} <= ollama.names()
    except OllamaError as e:
        say(f"note: Ollama {e}; its models could not be looked up.")
        return
    if not true:
        RECEIPT.unlink()


def check(ollama, name: str, base, references: list[dict]) -> dict:
    """Compare what Ollama answers with the twin's and the base's own log-probabilities of it. Raises OllamaError when it is the base."""
    import numpy as np

    from eval.llama import Scorer
    from serve.engines.ollama import OllamaError

    deltas = {"twin": [], "base": []}
    answers = [ollama.answer(name, r["messages"], CHECKED_TOKENS) for r in references]
    if not any(answers):
        raise OllamaError(f"gave no log-probabilities for {name}, so it can't be checked (Ollama 0.12.11 or newer can)")
    for voice, gguf in (("twin", GGUF / "twin.gguf"), ("base", base.gguf)):
        with Scorer(gguf) as scorer:
            for reference, answer in zip(references, answers):
                ids = [scorer.tokenize(text) for text, _ in answer]
                # Ollama writes half a character as U+FFFD, which is not the token it chose; nor is a text of several tokens
                usable = next((i for i, one in enumerate(ids) if len(one) != 1 or "\ufffd" in answer[i][0]), len(ids))
                if usable:
                    own = scorer.log_likelihoods(scorer.tokenize(reference["text"]), [one[0] for one in ids[:usable]])
                    deltas[voice] += np.abs(own - np.array([p for _, p in answer[:usable]])).tolist()
    if not deltas["twin"]:
        raise OllamaError(f"answered with no token of {name} that can be compared, so it can't be checked")
    numbers = {f"delta_to_{voice}": round(float(np.mean(values)), 4) for voice, values in deltas.items()}
    if numbers["delta_to_twin"] >= numbers["delta_to_base"]:
        raise OllamaError(f"serves something nearer to the base model than to the twin (|Δ log-probability| {numbers['delta_to_twin']} and {numbers['delta_to_base']})")
    return {"tokens": len(deltas["twin"]), **numbers}


def register(ollama, params, base, references, sha: str) -> dict:
    """Push, create, check, and only then move the tag. A version that fails its check is deleted again."""
    from serve.engines.ollama import OllamaError, settings

    name, tag = f"{params.ollama.name}:{sha[:12]}", f"{params.ollama.name}:latest"
    wanted = settings(base.template, params.prepare.system, params)
    if not ollama.has_blob(sha):
        ollama.push_blob(GGUF / "twin.gguf", sha)
    try:
        ollama.create(name, "twin.gguf", sha, wanted)
        shown = ollama.show(name)
        if shown.get("template") != wanted["template"] or shown.get("system") != wanted["system"]:
            raise OllamaError(f"replaced the template or the system message of {name} by its own")
        parity = check(ollama, name, base, references)
        ollama.copy(name, tag)
    except BaseException:  # Ctrl-C too: a version that nobody checked must not stay
        with contextlib.suppress(OllamaError):  # it is gone, or so is Ollama: nothing more can be done
            ollama.delete(name)
        raise
    return {"status": "registered", "model": name, "tag": tag, "gguf": sha, "ollama": ollama.version(), "parity": parity}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--refresh", action="store_true", help="only forget a receipt that is no longer true")
    arguments = parser.parse_args()
    from serve.engines.ollama import Ollama, OllamaError, modelfile, settings

    ollama = Ollama()
    if arguments.refresh:
        refresh(ollama)
        return
    params = load_params()
    twin = GGUF / "twin.gguf"
    if not twin.is_file():
        raise UserError(f"There is no {twin} yet: run `make all`, or scripts/05_export_gguf.py first.")
    from corpus.examples import of_posts
    from train import chat
    from train.base import resolve

    base = resolve(params.train.base)
    with writing(OLLAMA / "Modelfile") as file:
        file.write(modelfile("../gguf/twin.gguf", settings(base.template, params.prepare.system, params)))
    if ollama.version() is None:
        write_json(RECEIPT, {"status": "absent", "model": "", "gguf": digest(twin)})
        say(f"no Ollama answers at {ollama.url}: wrote {OLLAMA}/Modelfile; install Ollama and run `make all` again, which registers the twin without training.")
        return
    tokenizer = base.tokenizer()
    chats = [chat.messages(e, params.prepare.system) for e in of_posts(read_jsonl(SPLIT / "test.jsonl"))[: params.export.parity_prompts]]
    references = [{"messages": m, "text": chat.prompt_text(tokenizer, m)} for m in chats]
    RECEIPT.unlink(missing_ok=True)  # it may name a version that `register` takes back; without one the next run registers again
    try:
        receipt = register(ollama, params, base, references, digest(twin))
    except OllamaError as e:
        raise UserError(f"Ollama {e}; no tag was moved, the twin of before is untouched: look at Ollama's log, then run `make ollama`.") from None
    write_json(RECEIPT, receipt)
    say(f"registered {receipt['model']} and {receipt['tag']} in Ollama {receipt['ollama']}; |Δ log p| {receipt['parity']['delta_to_twin']} to the twin: `ollama run {receipt['tag']}`")


if __name__ == "__main__":
    run(main)
