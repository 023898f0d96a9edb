"""How sure a count can be: the Wilson interval of a share, McNemar's test of paired verdicts."""

import math
from statistics import NormalDist

CONFIDENCE = 0.95


def wilson_interval(passed: int, total: int, confidence: float = CONFIDENCE) -> tuple[float, float]:
    """The Wilson score interval of a share (Wilson 1927); (0, 1) when nothing was counted.

    Chosen over the normal approximation because it stays inside 0 to 1 and honest near both ends, which is
    where good models score.
    """
    if total <= 0:
        return 0.0, 1.0
    z = NormalDist().inv_cdf(0.5 + confidence / 2)
    share = passed / total
    middle = share + z * z / (2 * total)
    reach = z * math.sqrt(share * (1 - share) / total + z * z / (4 * total * total))
    scale = 1 + z * z / total
    low = 0.0 if passed == 0 else (middle - reach) / scale
    high = 1.0 if passed == total else (middle + reach) / scale
    return max(0.0, low), min(1.0, high)


def mcnemar(only_first: int, only_second: int, *, mid_p: bool = True) -> float:
    """Two-sided p value of McNemar's test on the pairs that differ.

    The exact test is conservative with few differing pairs: five regressions and nothing fixed give 0.0625,
    so a real damage would be waved through. The mid-p value counts the observed split half; it hardly ever
    exceeds its nominal level and is what Fagerland, Lydersen and Laake (2013) recommend.

    Args:
        only_first: Pairs that only the first one passed.
        only_second: Pairs that only the second one passed.
        mid_p: The mid-p value; otherwise the exact conditional one.
    """
    pairs = only_first + only_second
    if pairs == 0:
        return 1.0
    fewer = min(only_first, only_second)
    tail = sum(_binomial_half(k, pairs) for k in range(fewer + 1))
    if mid_p:
        tail -= _binomial_half(fewer, pairs) / 2
    return min(1.0, 2 * tail)


def _binomial_half(k: int, n: int) -> float:
    """Probability of k heads in n throws of a fair coin; in logarithms, so that no n overflows."""
    log_choose = math.lgamma(n + 1) - math.lgamma(k + 1) - math.lgamma(n - k + 1)
    return math.exp(log_choose - n * math.log(2))
