"""The A/A test: the same model twice, so that every difference is chance; how much of it each gate sees."""

from collections.abc import Sequence

from evals.compare import comparable_pairs, require_same_suite
from evals.statistics import wilson_interval
from web4mlx.errors import UsageError
from web4mlx.reports import HarnessReport, Record, Subject, Verdict

SAME = ("model_sha256", "system_sha256", "messages_sha256", "context", "template_sha256", "options")


class HarnessNoise(Record):
    """How much one harness moves when nothing but chance changed.

    `flip_rate` is the share of the comparable cases whose verdict changed, `interval` its 95 % Wilson
    interval; `is_stable` says whether the gate's verdict stayed the same.
    """

    test_name: str
    title: str
    pairs: int
    flipped: int
    flip_rate: float
    interval: tuple[float, float]
    score_a: float
    score_b: float
    threshold: float
    gate_a: Verdict
    gate_b: Verdict
    is_stable: bool


class Noise(Record):
    """The same model twice; `is_stable` when no gate changed its verdict."""

    subject: Subject
    seeds: tuple[int, int]
    harnesses: tuple[HarnessNoise, ...]
    is_stable: bool


def aa_noise(a: Sequence[HarnessReport], b: Sequence[HarnessReport]) -> Noise:
    """Measure the noise of each gate that both evaluations have.

    Raises:
        UsageError: They differ in more than the seed, or not even in it, or share no scored case.
    """
    require_same_suite(a, b)
    first, second = a[0].subject, b[0].subject
    for field in SAME:
        if _without_seed(first, field) != _without_seed(second, field):
            raise UsageError(f"{field} differs: noise is measured on the same model, asked the same way")
    if first.seed == second.seed:
        raise UsageError(
            f"both were asked with seed {first.seed}: the same answers again show no noise",
            "Run one of them with another --seed.",
        )
    of_b = {report.test_name: report for report in b}
    measured = [_measure(report, of_b[report.test_name]) for report in a if report.test_name in of_b]
    if not any(noise.pairs for noise in measured):
        raise UsageError("the two evaluations have no scored case in common")
    return Noise(
        subject=first,
        seeds=(first.seed, second.seed),
        harnesses=tuple(measured),
        is_stable=all(noise.is_stable for noise in measured),
    )


def _without_seed(subject: Subject, field: str) -> object:
    if field == "options":
        return {name: value for name, value in subject.options.items() if name != "seed"}
    return getattr(subject, field)


def _measure(a: HarnessReport, b: HarnessReport) -> HarnessNoise:
    pairs = comparable_pairs(a, b)
    flipped = sum(first.verdict != second.verdict for first, second in pairs)
    return HarnessNoise(
        test_name=a.test_name,
        title=a.title,
        pairs=len(pairs),
        flipped=flipped,
        flip_rate=flipped / len(pairs) if pairs else 0.0,
        interval=wilson_interval(flipped, len(pairs)),
        score_a=a.score,
        score_b=b.score,
        threshold=a.threshold,
        gate_a=a.gate,
        gate_b=b.gate,
        is_stable=a.gate == b.gate,
    )
