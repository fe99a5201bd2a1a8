"""How often the gates of the verdict that count texts pass, fail, or can't tell, by the share of texts that is true.

The rates are exact, not drawn: eval/gates.py adds up all ways in which the texts of each round can fall.

Run     python scripts/simulate_gates.py [--prompts 12]
"""

import _path

import argparse

from blogtwin.console import echo, run_cli

SHARES = {"copying": (0.0, 0.01, 0.05, 0.1, 0.16, 0.3), "fluent": (0.1, 0.2, 0.35, 0.5, 0.65, 0.75, 0.9)}


def main() -> None:
    from eval.gates import COPYING, FLUENT, Outcome

    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--prompts", type=int, default=12, help="texts of a round: eval.num_prompts")
    given = parser.parse_args()
    titles = {"copying": "texts over the copying limit", "fluent": "texts in the author's range, in one measure"}
    for name, gate in (("copying", COPYING), ("fluent", FLUENT)):
        echo(f"{titles[name]:44}" + "".join(f"{outcome:>12}" for outcome in Outcome) + "       texts")
        for share in SHARES[name]:
            found = gate.outcome_rates(share, given.prompts)
            cells = "".join(f"{found[outcome]:12.1%}" for outcome in Outcome)
            echo(f"{share:44.0%}{cells}{found['texts']:12.1f}")


if __name__ == "__main__":
    run_cli(main)
