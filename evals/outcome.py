"""What a checker says about one response."""

from dataclasses import dataclass, field

from web4mlx.reports import Figure, Verdict


@dataclass(frozen=True, slots=True)
class Outcome:
    """A verdict, the reasons for anything else than `passed`, and readings beside it.

    `reasons` are short and stable, such as "no ## Check": reports group failures by them. Details that
    differ from case to case stand after a colon.
    """

    verdict: Verdict
    reasons: tuple[str, ...] = ()
    figures: dict[str, Figure] = field(default_factory=dict)


def outcome(reasons: list[str], **figures: Figure) -> Outcome:
    """Passed when there is no reason against it."""
    return Outcome("failed" if reasons else "passed", tuple(reasons), figures)
