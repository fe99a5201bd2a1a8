"""Which rows fit into a token budget (train.max_tokens)."""


def select_within_token_budget(rows: list[dict], lengths: dict[str, int], epochs: int, max_tokens: int) -> list[dict]:
    """The rows whose tokens, over all epochs, stay within `max_tokens` (0: all rows), in the order of `rows`; at least
    one row. `lengths` are tokens by row id.

    In order of preference, newest first within each: rows about the author (persona), the beginnings of posts and
    their augmented prompts, later parts of posts. Many beginnings teach a voice better than a few whole posts: they
    vary more, and a twin is mostly asked for beginnings.
    """
    from corpus.examples import post_examples

    if not max_tokens:
        return rows
    later_parts = {r["id"] for r in post_examples(rows) if r["part"] > 1}
    newest_first = sorted(rows, key=lambda r: r["date"] or "", reverse=True)
    selected: set[str] = set()
    tokens = 0
    for row in sorted(newest_first, key=lambda r: (r.get("task") != "persona", r["id"] in later_parts)):
        row_tokens = lengths[row["id"]] * epochs
        if selected and tokens + row_tokens > max_tokens:
            continue  # a shorter, older row may still fit
        selected.add(row["id"])
        tokens += row_tokens
    return [row for row in rows if row["id"] in selected]
