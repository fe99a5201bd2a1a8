"""Intervals for few posts: the unit is the post or the prompt, never a word or a token.

Under 20 units Student's t on the mean, from 20 on the bias-corrected bootstrap; p-values by exact or sampled sign
flips.
"""

import math

import numpy as np
from scipy import stats

MIN_BOOTSTRAP_SAMPLES = 20


def mean_interval(values, seed: int = 0) -> dict:
    """{mean, lo, hi, n} of the mean of `values`, 95 %; nan bounds under two values."""
    values = np.asarray([v for v in values if not math.isnan(v)], float)
    n = len(values)
    if n < 2 or np.ptp(values) == 0:
        centre = float(values.mean()) if n else math.nan
        return {"mean": centre, "lo": centre if n > 1 else math.nan, "hi": centre if n > 1 else math.nan, "n": n}
    if n < MIN_BOOTSTRAP_SAMPLES:
        half = stats.t.ppf(0.975, n - 1) * values.std(ddof=1) / math.sqrt(n)
        low, high = values.mean() - half, values.mean() + half
    else:
        low, high = stats.bootstrap(
            (values,), np.mean, method="BCa", n_resamples=4000, rng=np.random.default_rng(seed)
        ).confidence_interval
    return {"mean": float(values.mean()), "lo": float(low), "hi": float(high), "n": n}


def paired_difference(one, other, seed: int = 0) -> dict:
    """`mean_interval` of one − other, unit by unit, with `p`, the two-sided sign-flip test that their mean is zero."""
    difference = np.asarray(one, float) - np.asarray(other, float)
    difference = difference[~np.isnan(difference)]
    found = mean_interval(difference, seed)
    if len(difference) < 2 or not difference.any():
        return {**found, "p": 1.0}
    test = stats.permutation_test(
        (difference,),
        lambda d, axis: d.mean(axis),
        permutation_type="samples",
        n_resamples=9999,
        vectorized=True,
        rng=np.random.default_rng(seed),
    )
    return {**found, "p": float(test.pvalue)}


def required_sample_size(one, other) -> int | None:
    """About how many units it would take for the interval of a paired difference as large and as spread as this to
    leave out 0."""
    difference = np.asarray(one, float) - np.asarray(other, float)
    difference = difference[~np.isnan(difference)]
    if len(difference) < 2 or difference.mean() == 0:
        return None
    return math.ceil((1.96 * difference.std(ddof=1) / difference.mean()) ** 2)


def wilson_interval(wins: float, n: int) -> tuple[float, float]:
    """95 % interval of a share (Wilson 1927)."""
    if n == 0:
        return math.nan, math.nan
    z, share = stats.norm.ppf(0.975), wins / n
    centre = (share + z * z / (2 * n)) / (1 + z * z / n)
    half = z / (1 + z * z / n) * math.sqrt(share * (1 - share) / n + z * z / (4 * n * n))
    return centre - half, centre + half


def e_value(wins: int, n: int) -> float:
    """Evidence against «both win equally often» that may be looked at after every vote: B(1+k, 1+n−k)·2ⁿ; 20 is enough
    (Ville)."""
    from scipy.special import betaln

    return float(np.exp(betaln(1 + wins, 1 + n - wins) + n * math.log(2)))


def vote_statistics(wins: int, losses: int, ties: int = 0) -> dict:
    """A blind test's result: share of wins with ties as halves, Wilson interval, exact binomial p (ties left out),
    e-value."""
    n, decided = wins + losses + ties, wins + losses
    low, high = wilson_interval(wins + ties / 2, n)
    p = float(stats.binomtest(wins, decided).pvalue) if decided else 1.0
    return {
        "share": (wins + ties / 2) / n if n else math.nan,
        "lo": low,
        "hi": high,
        "n": n,
        "p": p,
        "e": e_value(wins, decided),
    }
