"""Statistics of blind comparisons: win rates with confidence intervals, Bradley–Terry strengths. Preference pairs are
serve/preference_pairs.py."""

from blogtwin.files import nan_to_none

TIE, AUTHOR = "tie", "author"
PREFERRED, MORE_SIMILAR = "preferred", "more_similar"  # which reads better; which sounds more like the author


def pair_results(votes: list[dict], question: str = PREFERRED) -> list[dict]:
    """The votes on `question` for each pair of models: {one, other, wins, losses, ties, share, lo, hi, n, p, e} of
    `one` (eval.confidence_intervals.vote_statistics)."""
    from eval import confidence_intervals

    counts: dict[tuple[str, str], list[int]] = {}
    for vote in votes:
        if vote[question] is None:
            continue
        one, other = sorted((vote["left_model"], vote["right_model"]))
        row = counts.setdefault((one, other), [0, 0, 0])
        winner = winning_system(vote, question)
        if winner is None:
            row[2] += 1
        else:
            row[0 if winner == one else 1] += 1
    return [
        {
            "one": a,
            "other": b,
            "wins": w,
            "losses": x,
            "ties": t,
            **nan_to_none(confidence_intervals.vote_statistics(w, x, t)),
        }
        for (a, b), (w, x, t) in sorted(counts.items())
    ]


def winning_system(vote: dict, question: str = PREFERRED) -> str | None:
    """The name of the model that won; None for a tie."""
    return None if vote[question] == TIE else vote[f"{vote[question]}_model"]


def bradley_terry(votes: list[dict]) -> dict[str, float]:
    """{model: chance to win against an average model}, by Bradley & Terry (1952); a tie is half a win for each. Empty
    for fewer than three models.

    Fitted by minorisation-maximisation (Hunter 2004), with a prior of one tie between each model and an average one:
    without it a model that never lost would be infinitely strong.
    """
    names = sorted({vote[f"{side}_model"] for vote in votes for side in ("left", "right")})
    if len(names) < 3:
        return {}
    wins = dict.fromkeys(names, 0.5)
    games: dict[tuple[str, str], float] = {}
    for vote in votes:
        left, right = vote["left_model"], vote["right_model"]
        games[left, right] = games.get((left, right), 0) + 1
        for name in (left, right):
            wins[name] += 0.5 if winning_system(vote) is None else float(winning_system(vote) == name)
    strength = dict.fromkeys(names, 1.0)
    for _ in range(500):
        shared = {name: 1 / (strength[name] + 1) for name in names}
        for (left, right), n in games.items():
            both = n / (strength[left] + strength[right])
            shared[left] += both
            shared[right] += both
        strength = {name: wins[name] / shared[name] for name in names}
    return {name: round(s / (s + 1), 4) for name, s in sorted(strength.items(), key=lambda item: -item[1])}


def self_recognition(votes: list[dict]) -> dict | None:
    """How often the author recognised their own text: {right, n, share, lo, hi}; None when it was never asked."""
    from eval.confidence_intervals import wilson_interval

    asked = [v for v in votes if AUTHOR in (v["left_model"], v["right_model"]) and v["own_text"]]
    if not asked:
        return None
    right = sum(v[f"{v['own_text']}_model"] == AUTHOR for v in asked)
    low, high = wilson_interval(right, len(asked))
    return {"right": right, "n": len(asked), "share": right / len(asked), "lo": low, "hi": high}
