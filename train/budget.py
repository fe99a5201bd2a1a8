"""Which rows fit into a token budget (train.max_tokens)."""

import hashlib

NOTES_TASKS = ("notes",)  # rows that teach to tell what notes say
NOTES_SHARE = 0.4  # of train.max_tokens, which these rows may take besides


def select_within_token_budget(rows: list[dict], lengths: dict[str, int], epochs: int, max_tokens: int) -> list[dict]:
    """The rows whose tokens, over all epochs, stay within `max_tokens` (0: all rows), in the order of `rows`; at least
    one row. `lengths` are tokens by row id.

    In order of preference, newest first within each: rows about the author (persona), the beginnings of posts and
    their augmented prompts, later parts of posts. Many beginnings teach a voice better than a few whole posts: they
    vary more, and a twin is mostly asked for beginnings.

    Passages with notes have a budget of their own, NOTES_SHARE of `max_tokens`, or what the posts leave of it: the
    voice is learnt from the posts, and would lose what they take. They are spread over the blog.
    """
    from corpus.examples import post_examples

    if not max_tokens:
        return rows
    later_parts = {r["id"] for r in post_examples(rows) if r["part"] > 1}
    with_notes = [r for r in rows if r.get("task") in NOTES_TASKS]
    others = [r for r in rows if r.get("task") not in NOTES_TASKS]
    newest_first = sorted(others, key=lambda r: r["date"] or "", reverse=True)
    preferred = sorted(newest_first, key=lambda r: (r.get("task") != "persona", r["id"] in later_parts))
    selected, tokens = _take(preferred, lengths, epochs, max_tokens)
    spread = sorted(with_notes, key=lambda r: hashlib.sha256(r["id"].encode()).digest())
    notes, _ = _take(spread, lengths, epochs, max(NOTES_SHARE * max_tokens, max_tokens - tokens))
    selected |= notes
    return [row for row in rows if row["id"] in selected]


def _take(rows: list[dict], lengths: dict[str, int], epochs: int, max_tokens: float) -> tuple[set[str], int]:
    """(ids of the rows that fit, at least one where there is any, their tokens over all epochs); a shorter row may fit
    after one that does not."""
    selected: set[str] = set()
    tokens = 0
    for row in rows:
        row_tokens = lengths[row["id"]] * epochs
        if not selected or tokens + row_tokens <= max_tokens:
            selected.add(row["id"])
            tokens += row_tokens
    return selected, tokens
