"""Which rows a token budget has room for."""


def select_within_token_budget(rows: list[dict], lengths: dict[str, int], epochs: int, max_tokens: int) -> list[dict]:
    """The rows whose tokens, over all epochs, stay within `max_tokens` (0: all rows): what is said of the author, then
    the openings of all posts and what is asked for in other ways before any later part, newest first. At least one row.

    Many beginnings teach a voice more than a few posts to their ends: they differ more, and a beginning is what a twin
    is asked for.
    """
    from corpus.examples import post_examples

    if not max_tokens:
        return rows
    later = {r["id"] for r in post_examples(rows) if r["part"] > 1}
    newest_first = sorted(rows, key=lambda r: r["date"] or "", reverse=True)
    kept, spent = set(), 0
    for row in sorted(newest_first, key=lambda r: (r.get("task") != "persona", r["id"] in later)):
        cost = lengths[row["id"]] * epochs
        if kept and spent + cost > max_tokens:
            continue  # a shorter, older one may still fit
        kept.add(row["id"])
        spent += cost
    return [row for row in rows if row["id"] in kept]
