"""The scorecard: how the twin, and the base it came from, do on posts that neither has seen.

Reads   artifacts/gguf/twin.gguf, data/split/*.jsonl
Writes  artifacts/eval/metrics.json     numbers only: what `dvc metrics diff` shows
        artifacts/eval/samples.jsonl    prompt, base, twin, and what the author wrote
        artifacts/eval/report.html      for a person
        artifacts/eval/likelihood.tsv   bits per byte of each held-out post
Run     python scripts/07_eval.py --voice base    once for each base model: artifacts/eval/base.jsonl
        python scripts/07_eval.py
"""

import argparse
import statistics

from _shared import EVAL, GGUF, SPLIT, UserError, load_params, read_jsonl, run, say, write_json, write_jsonl, writing


def progress(title: str):
    """A progress bar with ETA, as a function over a list."""
    from rich.progress import track

    return lambda items: track(items, title, transient=True)


def held_out(limit: int) -> list[dict]:
    """The examples of the test posts, of `limit` of them at most (0: all): the first rows are the newest posts."""
    examples = read_jsonl(SPLIT / "test.jsonl")
    posts = list(dict.fromkeys(e["post_id"] for e in examples))
    kept = set(posts[:limit] if limit else posts)
    return [e for e in examples if e["post_id"] in kept]


def listen(voice: str, gguf, base, examples: list[dict], params) -> list[dict]:
    """All that is asked of one voice, a row an example; those with a `text` were written again."""
    from eval.llama import Scorer
    from eval.voice import generations, likelihood

    tokenizer = base.tokenizer()
    n_ctx = params.train.max_length + params.eval.max_tokens
    with Scorer(gguf, n_ctx=n_ctx) as scorer:
        rows = likelihood(scorer, tokenizer, examples, params.prepare.system, progress(f"{voice} reads the held-out posts"))
    written = generations(gguf, tokenizer.chat_template, [e for e in examples if e["task"] == "write"], params.prepare.system, params.eval, n_ctx, progress(f"{voice} writes"))
    texts = {r["id"]: r for r in written}
    return [{**row, **texts.get(row["id"], {})} for row in rows]


def score(voices: dict[str, list[dict]], examples: list[dict], training: list[str]) -> tuple[dict, list[dict]]:
    """(metrics, samples) from the rows of base and twin."""
    from corpus.similar import words
    from eval.copying import Copying
    from eval.overlap import overlap
    from eval.shape import shape
    from eval.style import same_length, style_scores
    from eval.voice import bits_per_byte, perplexity

    asked = {e["id"]: e for e in examples}
    written = {name: [r for r in rows if "text" in r] for name, rows in voices.items()}
    references = [asked[r["id"]]["output"] for r in written["twin"]]
    texts = {name: [r["text"] for r in rows] for name, rows in written.items()}
    length = min(round(statistics.median(len(t.split()) for t in group)) for group in [*texts.values(), references])
    cut = {name: [same_length(t, length) for t in group] for name, group in {**texts, "author": references}.items()}
    styles = style_scores({n: cut[n] for n in texts}, cut["author"], training)
    copying = Copying(training)
    runs = {name: [copying.run(t) for t in group] for name, group in cut.items()}

    metrics: dict = {}
    for name, rows in voices.items():
        metrics[name] = {
            "bits_per_byte": round(bits_per_byte(rows), 4),
            "perplexity": round(perplexity(rows), 3),
            "end_token_nats": round(statistics.mean(r["end_nats"] for r in rows), 3),
            "stopped": round(statistics.mean(r["end"] == "stop" for r in written[name]), 4),
            **overlap(texts[name], references),
        }
    metrics["author"] = {}
    for name in cut:
        lengths = [n for n, _, _ in runs[name]]
        metrics[name] |= {
            "style": round(float(styles[name].mean()), 4),
            **shape({**texts, "author": references}[name]),
            "copied_run_median": round(statistics.median(lengths)),
            "copied_run_max": max(lengths),
        }
    b, t = metrics["base"]["bits_per_byte"], metrics["twin"]["bits_per_byte"]
    metrics["gain"] = {"bits_per_byte": round(b - t, 4), "bits_per_byte_percent": round(100 * (b - t) / b, 2), "style": round(metrics["twin"]["style"] - metrics["base"]["style"], 4)}
    metrics["n"] = {"posts": len({e["post_id"] for e in examples}), "examples": len(examples), "prompts": len(references), "words_compared": length, "training_words": sum(len(words(t)) for t in training)}

    samples = []
    for i, row in enumerate(written["twin"]):
        sample = {"id": row["id"], "prompt": asked[row["id"]]["instruction"], "author": references[i]}
        for name in texts:
            other = written[name][i]
            assert other["id"] == row["id"], "base and twin answered different prompts"
            n, copied, _ = copying.run(other["text"])
            sample[name] = {"text": other["text"], "end": other["end"], "tokens": other["written_tokens"], "style": round(float(styles[name][i]), 3), "copied_run": n, "copied": copied}
        samples.append(sample)
    return metrics, samples


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--voice", choices=["base"], help="only let this voice read and write, and keep what it did")
    voice = parser.parse_args().voice
    params = load_params()
    examples = held_out(params.eval.prompts)
    from train.base import resolve

    base = resolve(params.train.base)
    if voice:
        write_jsonl(EVAL / "base.jsonl", listen("base", base.gguf, base, examples, params))
        say(f"wrote {EVAL}/base.jsonl")
        return
    twin = GGUF / "twin.gguf"
    if not twin.is_file():
        raise UserError(f"There is no {twin} yet: run `make all`, or scripts/05_export_gguf.py first.")
    voices = {"base": read_jsonl(EVAL / "base.jsonl"), "twin": listen("twin", twin, base, examples, params)}
    training = [r["output"] for r in read_jsonl(SPLIT / "train.jsonl")]
    metrics, samples = score(voices, examples, training)
    from eval.report import report
    from eval.voice import by_post

    per_post = {name: by_post(rows) for name, rows in voices.items()}
    with writing(EVAL / "likelihood.tsv") as file:
        file.write("post\tbase\ttwin\n")
        file.writelines(f"{i}\t{per_post['base'][i]:.4f}\t{per_post['twin'][i]:.4f}\n" for i in per_post["twin"])
    write_jsonl(EVAL / "samples.jsonl", samples)
    with writing(EVAL / "report.html") as file:
        file.write(report(metrics, samples, per_post, params.prepare.author, base.name))
    write_json(EVAL / "metrics.json", metrics)
    say(f"bits per byte {metrics['base']['bits_per_byte']:.3f} → {metrics['twin']['bits_per_byte']:.3f} ({metrics['gain']['bits_per_byte_percent']:.1f} % under the base), style {metrics['twin']['style']:.2f} (base 0, author 1), {metrics['twin']['stopped']:.0%} stop by themselves")
    say(f"wrote {EVAL}/metrics.json, samples.jsonl, likelihood.tsv and report.html")


if __name__ == "__main__":
    run(main)
