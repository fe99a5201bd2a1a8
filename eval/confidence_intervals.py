"""Confidence intervals for few posts: the unit is the post or the prompt, never a word or a token.

Under 20 units Student's t on the mean, from 20 on the bias-corrected and accelerated bootstrap (BCa); p-values by exact
or sampled sign flips.
"""

import math
from collections.abc import Sequence

import numpy as np
from scipy import stats

Values = Sequence[float] | np.ndarray

MIN_BOOTSTRAP_SAMPLES = 20


def mean_interval(values: Values, seed: int = 0) -> dict[str, float]:
    """{mean, lo, hi, n} of the mean of `values` without nan, 95 %; nan bounds under two values."""
    values = np.asarray([v for v in values if not math.isnan(v)], float)
    n = len(values)
    if n < 2 or np.ptp(values) == 0:
        mean = float(values.mean()) if n else math.nan
        bound = mean if n > 1 else math.nan
        return {"mean": mean, "lo": bound, "hi": bound, "n": n}
    if n < MIN_BOOTSTRAP_SAMPLES:
        half = stats.t.ppf(0.975, n - 1) * values.std(ddof=1) / math.sqrt(n)
        low, high = values.mean() - half, values.mean() + half
    else:
        low, high = stats.bootstrap(
            (values,), np.mean, method="BCa", n_resamples=4000, rng=np.random.default_rng(seed)
        ).confidence_interval
    return {"mean": float(values.mean()), "lo": float(low), "hi": float(high), "n": n}


def paired_difference(one: Values, other: Values, seed: int = 0) -> dict[str, float]:
    """`mean_interval` of one − other, unit by unit, with `p` of the two-sided sign-flip test that the mean is 0."""
    difference = np.asarray(one, float) - np.asarray(other, float)
    difference = difference[~np.isnan(difference)]
    interval = mean_interval(difference, seed)
    if len(difference) < 2 or not difference.any():
        return {**interval, "p": 1.0}
    test = stats.permutation_test(
        (difference,),
        lambda d, axis: d.mean(axis),
        permutation_type="samples",
        n_resamples=9999,
        vectorized=True,
        rng=np.random.default_rng(seed),
    )
    return {**interval, "p": float(test.pvalue)}


def required_sample_size(one: Values, other: Values) -> int | None:
    """About how many units it takes until the interval of a paired difference of this mean and spread excludes 0; None
    where that can't be estimated."""
    difference = np.asarray(one, float) - np.asarray(other, float)
    difference = difference[~np.isnan(difference)]
    if len(difference) < 2 or difference.mean() == 0:
        return None
    return math.ceil((1.96 * difference.std(ddof=1) / difference.mean()) ** 2)


def wilson_interval(wins: float, n: int) -> tuple[float, float]:
    """95 % interval of a share, 0 to 1 (Wilson 1927). Not scipy's: `wins` may be a half, for ties."""
    if n == 0:
        return math.nan, math.nan
    z, share = stats.norm.ppf(0.975), wins / n
    centre = (share + z * z / (2 * n)) / (1 + z * z / n)
    half = z / (1 + z * z / n) * math.sqrt(share * (1 - share) / n + z * z / (4 * n * n))
    return centre - half, centre + half


def e_value(wins: int, n: int) -> float:
    """Evidence against “both win equally often” that may be checked after every vote: B(1+k, 1+n−k)·2ⁿ. From 20 on the
    null hypothesis is rejected at 5 % (Ville's inequality)."""
    from scipy.special import betaln

    return float(np.exp(betaln(1 + wins, 1 + n - wins) + n * math.log(2)))


def vote_statistics(wins: int, losses: int, ties: int = 0) -> dict[str, float]:
    """The result of a blind test: share of wins (ties are halves) with its Wilson interval `lo`, `hi`, votes `n`, exact
    binomial `p` without the ties, and e-value `e`."""
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
