"""The tables that `dvc plots` draws."""

from blogtwin.paths import EVAL_DIR


def plot_tables(card) -> dict:
    """{path: lines} of the tables that `dvc plots` draws."""
    likelihood = [f"{row['post']}\t{row['base']:.4f}\t{row['twin']:.4f}\n" for row in card.by_post]
    style = [
        f"{voice}\t{said['style']['masked']}\n"
        for sample in card.samples
        for voice, said in sample.items()
        if isinstance(said, dict) and said["style"].get("masked") is not None
    ]
    habits = [
        f"{habit}\t{voice}\t{distance}\n"
        for voice, one in card.metrics.items()
        for habit, distance in one.get("habits", {}).items()
        if habit != "within_half"
    ]
    return {
        EVAL_DIR / "likelihood.tsv": ["post\tbase\ttwin\n", *likelihood],
        EVAL_DIR / "style.tsv": ["voice\tstyle\n", *style],
        EVAL_DIR / "who.tsv": ["wrote\tsaid\n", *(f"{wrote}\t{said}\n" for wrote, said in card.who)],
        EVAL_DIR / "habits.tsv": ["habit\tvoice\tdistance\n", *habits],
    }
