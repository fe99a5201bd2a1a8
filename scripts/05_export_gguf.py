"""Export the twin to GGUF, and prove that it is the model that was trained.

Reads   artifacts/adapter/, data/split/test.jsonl
Writes  artifacts/gguf/twin.gguf      base and adapter merged, quantised
        artifacts/gguf/adapter.gguf   the adapter alone
        artifacts/gguf/parity.json    how near they are to what was trained
Run     python scripts/05_export_gguf.py
"""

import argparse
import json
from pathlib import Path

from _shared import ADAPTER, GGUF, SPLIT, UserError, digest, load_params, making, read_jsonl, run, say, write_json


def metadata(params, base, backend: dict) -> dict:
    """What the files say of themselves: names and digests, never a path."""
    of = f" of {params.prepare.author}" if params.prepare.author else ""
    return {
        "general.name": f"blogtwin{of}, on {base.name}",
        **({"general.author": params.prepare.author} if params.prepare.author else {}),
        "general.license": base.license,
        "general.base_model.0.name": base.name,
        "general.base_model.0.repo": base.repo,
        "blogtwin.base_digest": base.digest,
        "blogtwin.train_digest": backend["splits"]["train"],
        "blogtwin.valid_digest": backend["splits"]["valid"],
        "blogtwin.test_digest": digest(SPLIT / "test.jsonl"),
        "blogtwin.system": params.prepare.system,
    }


def gate(base, folder: Path, examples: list[dict], params) -> dict:
    """parity.json's content. Raises UserError when an exported model is not the trained one."""
    from eval import parity
    from serve.engines import llamacpp

    references = parity.reference(base, ADAPTER, examples, params.prepare.system, params.export.parity_tokens)
    result = {
        "twin": parity.compare(references, folder / "twin.gguf"),
        "adapter": parity.compare(references, base.gguf, folder / "adapter.gguf"),
    }
    with llamacpp.serving(folder / "twin.gguf", "twin") as engine:
        same = all(llamacpp.rendered(engine, r["messages"]) == r["text"] for r in references)
    result["twin"]["prompt_ids_equal"] &= same
    problems = [p for name in result for p in parity.failures(f"{name}.gguf", result[name])]
    if problems:
        raise UserError(f"The export failed the parity gate and was not kept: {'; '.join(problems)}.")
    for name in result:
        for warning in parity.warnings(f"{name}.gguf", result[name], params.export.quantization):
            say(f"note: {warning}")
    return {"quantization": params.export.quantization, "prompts": len(references), **result}


def main() -> None:
    argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter).parse_args()
    params = load_params()
    backend_file = ADAPTER / "backend.json"
    if not backend_file.is_file():
        raise UserError(f"There is no {backend_file}: run `make all`, or scripts/04_train.py first.")
    trained = json.loads(backend_file.read_text())
    from corpus.examples import of_posts
    from train.base import resolve
    from train.export import write_adapter, write_twin

    base = resolve(params.train.base)
    if trained["base"]["digest"] != base.digest:
        raise UserError(f"{ADAPTER} was trained on {trained['base']['name']}, and train.base is {base.name}: run scripts/04_train.py again.")
    examples = of_posts(read_jsonl(SPLIT / "test.jsonl"))[: params.export.parity_prompts]
    about = metadata(params, base, trained)
    with making(GGUF) as folder:
        write_twin(base.gguf, ADAPTER, folder / "twin.gguf", params.export.quantization, base.tokenizer().chat_template, about)
        write_adapter(base.gguf, ADAPTER, folder / "adapter.gguf", about)
        result = gate(base, folder, examples, params)
        write_json(folder / "parity.json", result)
    for name in ("twin", "adapter"):
        n = result[name]
        say(f"{name}.gguf  {(GGUF / f'{name}.gguf').stat().st_size / 1e6:.0f} MB  |Δ log p| {n['delta_to_twin']:.3f} to the trained twin, {n['delta_to_base']:.3f} to the base; greedy agreement {n['agreement_with_twin']:.2f} ({n['tokens']} tokens)")
    say(f"wrote {GGUF}/twin.gguf, adapter.gguf and parity.json")


if __name__ == "__main__":
    run(main)
