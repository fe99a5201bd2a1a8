"""BLEU, chrF and ROUGE with the held-out post: how much of its content came back. They do not measure style: two posts
by one author overlap hardly more than posts by two (ROUGE-L 0.135 and 0.129 over nineteen blogs)."""

import functools
import statistics


def reference_overlap(texts: list[str], references: list[str]) -> dict[str, float]:
    """Corpus BLEU and chrF (sacrebleu, 0 to 100) and mean ROUGE-1/2/L F1 (rouge-score, with stemming, 0 to 1)."""
    import sacrebleu
    from rouge_score.rouge_scorer import RougeScorer
    from rouge_score.tokenizers import DefaultTokenizer

    tokenizer = DefaultTokenizer(use_stemmer=True)
    tokenizer.tokenize = functools.cache(tokenizer.tokenize)  # called by two measures
    scorer = RougeScorer(("rouge1", "rouge2"), tokenizer=tokenizer)
    pairs = list(zip(texts, references, strict=True))
    scores = [scorer.score(reference, text) for text, reference in pairs]
    return {
        "bleu": round(sacrebleu.corpus_bleu(texts, [references]).score, 2),
        "chrf": round(sacrebleu.corpus_chrf(texts, [references]).score, 2),
        **{kind: round(statistics.mean(s[kind].fmeasure for s in scores), 4) for kind in ("rouge1", "rouge2")},
        "rougeL": round(
            statistics.mean(
                rouge_l(tokenizer.tokenize(reference), tokenizer.tokenize(text)) for text, reference in pairs
            ),
            4,
        ),
    }


def rouge_l(reference: list[str], text: list[str]) -> float:
    """F1 of the longest common subsequence of two lists of tokens, as rouge-score defines it, whose own table in Python
    takes a hundred times as long."""
    from rapidfuzz.distance import LCSseq
    from rouge_score.scoring import fmeasure

    common = LCSseq.similarity(reference, text)
    return fmeasure(common / len(text), common / len(reference)) if common else 0.0


def overlap_metrics(texts: dict[str, list[str]], models: list[str]) -> dict[str, dict[str, float]]:
    """{system: its texts' overlap with the author's own on the same prompts}; `unrelated` is what two of the author's
    posts on different prompts overlap, the floor."""
    author = texts["author"]
    by_system = {name: reference_overlap(texts[name], author) for name in models}
    by_system["unrelated"] = reference_overlap(author[1:] + author[:1], author)
    return by_system
