"""Is it about what was asked: among all prompts, how near does a text come to its own?

Two readings, since each misses something: words in common (TF-IDF), and meaning (MiniLM). The measure is a rank, so
that it needs no threshold. To parrot the brief is not to be about it: what is compared is the text without its
headings, without its opening sentence wherever that comes again, and without any run of the brief's words. The author's
posts lose as much, so their figure, and not 1, is the ceiling; titles that play with words put it lower still. One word
of the brief by itself counts: whoever names it in passing can't be told from whoever writes about it, least of all by
TF-IDF.
"""

import numpy as np
from sklearn.feature_extraction.text import ENGLISH_STOP_WORDS, TfidfVectorizer

from blogtwin.text.sentences import split_sentences
from blogtwin.text.tokens import WORD, tokenise_words

CHUNK_WORDS = 128  # words: about as much as MiniLM reads at once (256 tokens)


def prompt_retrieval(prompts: list[str], texts: list[str]) -> dict[str, np.ndarray]:
    """Per text, (n,) each, `tfidf_auc`, `tfidf_top1`, `minilm_auc`, `minilm_top1`, where prompts[i] is the brief (title
    and topics) of texts[i].

    auc: share of the other prompts that are less like the text than its own (ties count half); 0.5 is chance. top1:
    whether none is as like. Texts may share a prompt; with fewer than two different prompts all is nan.
    """
    assert len(prompts) == len(texts), "a prompt for each text"
    briefs = list(dict.fromkeys(prompts))
    own = np.array([briefs.index(p) for p in prompts], int)
    bodies = [remove_prompt_echo(p, t) for p, t in zip(prompts, texts)]
    found = {}
    for name, similarities in (("tfidf", tfidf_similarity), ("minilm", embedding_similarity)):
        auc = rank_auc(similarities(bodies, briefs), own) if len(briefs) > 1 else np.full(len(texts), np.nan)
        found |= {f"{name}_auc": auc, f"{name}_top1": np.where(np.isnan(auc), np.nan, auc == 1)}
    return found


def rank_auc(similarities: np.ndarray, own: np.ndarray) -> np.ndarray:
    """(n,) AUC of each row's own column among the others, from (n, briefs) similarities."""
    mine = similarities[np.arange(len(own)), own][:, None]
    lower, equal = (similarities < mine).sum(1), (similarities == mine).sum(1) - 1
    return (lower + equal / 2) / (similarities.shape[1] - 1)


def remove_prompt_echo(prompt: str, text: str) -> str:
    """What a text says of its own; see above."""
    found = split_sentences(text)
    return remove_prompt_spans(" ".join(s for s in found if s != found[0]), set(tokenise_words(prompt)))


def remove_prompt_spans(text: str, asked: set[str]) -> str:
    """The text less each run of words of `asked`, from its first to its last content word, if it has two or more of
    those."""
    kept, run, end = [], [], 0
    for match in [*WORD.finditer(text), None]:
        word = match and match[0].casefold()
        if word in asked:
            run += [] if word in ENGLISH_STOP_WORDS else [match]
            continue
        if len(run) > 1:
            kept.append(text[end : run[0].start()])
            end = run[-1].end()
        run = []
    return "".join([*kept, text[end:]])


def content_words(text: str) -> list[str]:
    """Words without the stop words."""
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

    pieces = [split_chunks(b) for b in bodies]
    cosines = embed([c for one in pieces for c in one]) @ embed(briefs).T
    ends = np.cumsum([len(one) for one in pieces], dtype=int)
    return np.array(
        [cosines[end - len(one) : end].mean(0) if one else np.zeros(len(briefs)) for one, end in zip(pieces, ends)]
    )


def split_chunks(text: str) -> list[str]:
    """Pieces of at most CHUNK words, of about one length; none of a text without words."""
    found = text.split() if WORD.search(text) else []
    size = -(-len(found) // -(-len(found) // CHUNK_WORDS)) if found else 1
    return [" ".join(found[at : at + size]) for at in range(0, len(found), size)]
