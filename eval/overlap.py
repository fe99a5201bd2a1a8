"""BLEU, chrF and ROUGE against the held-out post: how much of its content came back. No measure of style: two posts of one
author overlap hardly more than posts of two (ROUGE-L 0.135 and 0.129 over nineteen blogs)."""

import statistics


def overlap(texts: list[str], references: list[str]) -> dict:
    """Corpus BLEU and chrF (sacrebleu, 0 to 100) and mean ROUGE-1/2/L F1 (rouge-score, with stemming, 0 to 1)."""
    import sacrebleu
    from rouge_score.rouge_scorer import RougeScorer

    kinds = ("rouge1", "rouge2", "rougeL")
    scorer = RougeScorer(kinds, use_stemmer=True)
    scores = [scorer.score(reference, text) for text, reference in zip(texts, references, strict=True)]
    return {
        "bleu": round(sacrebleu.corpus_bleu(texts, [references]).score, 2),
        "chrf": round(sacrebleu.corpus_chrf(texts, [references]).score, 2),
        **{kind: round(statistics.mean(s[kind].fmeasure for s in scores), 4) for kind in kinds},
    }
