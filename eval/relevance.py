"""Relevance: is a text about its prompt? Among all prompts, how similar is it to its own?

Two similarities, because each misses something: words in common (TF-IDF), and meaning (MiniLM). The measure is a rank,
so it needs no threshold. Repeating the prompt does not count: the text is compared without its headings, without its
opening sentence wherever that stands again, and without any run of words of the prompt. The author's posts lose as
much, so their figure, and not 1, is the ceiling; titles that play with words lower it further. A single word of the
prompt counts: TF-IDF can't tell a text that mentions it in passing from one that is about it.
"""

import math
import re

import numpy as np
from sklearn.feature_extraction.text import ENGLISH_STOP_WORDS, TfidfVectorizer

from blogtwin.text.sentences import split_sentences
from blogtwin.text.tokens import WORD, tokenise_words
from eval.rounding import round_metric

CHUNK_WORDS = 128  # about as much as MiniLM reads at once (256 tokens)


def prompt_retrieval(prompts: list[str], texts: list[str]) -> dict[str, np.ndarray]:
    """Per text, (n,) each, `tfidf_auc`, `tfidf_top1`, `minilm_auc`, `minilm_top1`, where prompts[i] is the brief (title
    and topics) of texts[i].

    auc: share of the other prompts that are less similar to the text than its own (ties count half), 0 to 1; 0.5 is
    chance. top1: 1 where its own prompt is the most similar. Texts may share a prompt; with fewer than two different
    prompts everything is nan.
    """
    assert len(prompts) == len(texts), "a prompt for each text"
    briefs = list(dict.fromkeys(prompts))
    own = np.array([briefs.index(p) for p in prompts], int)
    bodies = [remove_prompt_echo(p, t) for p, t in zip(prompts, texts)]
    found: dict[str, np.ndarray] = {}
    for name, similarities in (("tfidf", tfidf_similarity), ("minilm", embedding_similarity)):
        auc = rank_auc(similarities(bodies, briefs), own) if len(briefs) > 1 else np.full(len(texts), np.nan)
        found |= {f"{name}_auc": auc, f"{name}_top1": np.where(np.isnan(auc), np.nan, auc == 1)}
    return found


def rank_auc(similarities: np.ndarray, own: np.ndarray) -> np.ndarray:
    """(n,) AUC of each row's own column among the others, from (n, briefs) similarities; own[i] is the column of row
    i."""
    own_similarity = similarities[np.arange(len(own)), own][:, None]
    lower = (similarities < own_similarity).sum(1)
    equal = (similarities == own_similarity).sum(1) - 1
    return (lower + equal / 2) / (similarities.shape[1] - 1)


def remove_prompt_echo(prompt: str, text: str) -> str:
    """The text without what it repeats of its prompt: its opening sentence, and runs of words of the prompt."""
    sentences = split_sentences(text)
    body = " ".join(sentence for sentence in sentences if sentence != sentences[0])
    return remove_prompt_spans(body, set(tokenise_words(prompt)))


def remove_prompt_spans(text: str, prompt_words: set[str]) -> str:
    """The text without each run of `prompt_words`, from the run's first to its last content word, if it has two or more
    of those."""
    kept: list[str] = []
    run: list[re.Match] = []  # content words of the run so far
    end = 0
    for match in [*WORD.finditer(text), None]:
        if match and match[0].casefold() in prompt_words:
            if match[0].casefold() not in ENGLISH_STOP_WORDS:
                run.append(match)
            continue
        if len(run) > 1:
            kept.append(text[end : run[0].start()])
            end = run[-1].end()
        run = []
    return "".join([*kept, text[end:]])


def content_words(text: str) -> list[str]:
    """The words of a text that are no stop words, in lower case."""
    return [w for w in tokenise_words(text) if w not in ENGLISH_STOP_WORDS]


def tfidf_similarity(bodies: list[str], briefs: list[str]) -> np.ndarray:
    """(texts, briefs) TF-IDF cosines."""
    if not any(map(content_words, bodies)):
        return np.zeros((len(bodies), len(briefs)))
    vectorizer = TfidfVectorizer(analyzer=content_words, sublinear_tf=True).fit(bodies + briefs)
    return (vectorizer.transform(bodies) @ vectorizer.transform(briefs).T).toarray()


def embedding_similarity(bodies: list[str], briefs: list[str]) -> np.ndarray:
    """(texts, briefs) MiniLM cosines, averaged over the chunks of a text; 0 where nothing is left of it."""
    from blogtwin.models.embeddings import embed

    chunks_of = [split_chunks(body) for body in bodies]
    cosines = embed([chunk for chunks in chunks_of for chunk in chunks]) @ embed(briefs).T
    rows, start = [], 0
    for chunks in chunks_of:
        own = cosines[start : start + len(chunks)]
        rows.append(own.mean(0) if chunks else np.zeros(len(briefs)))
        start += len(chunks)
    return np.array(rows)


def split_chunks(text: str) -> list[str]:
    """Chunks of at most CHUNK_WORDS words, of about equal length; none of a text without words."""
    if not WORD.search(text):
        return []
    words = text.split()
    num_chunks = math.ceil(len(words) / CHUNK_WORDS)
    size = math.ceil(len(words) / num_chunks)
    return [" ".join(words[at : at + size]) for at in range(0, len(words), size)]


def relevance_metrics(texts: dict[str, list[str]], briefs: list[str]) -> dict[str, dict[str, float]]:
    """{system: means of `prompt_retrieval` over its texts}; nan where none could be measured. `briefs`: one a text."""
    by_system: dict[str, dict[str, float]] = {}
    for name, group in texts.items():
        entry = by_system[name] = {}
        for measure, values in prompt_retrieval(briefs, group).items():
            entry[measure] = math.nan if np.isnan(values).all() else round_metric(np.nanmean(values))
    return by_system
