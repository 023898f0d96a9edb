"""Fill the template. Everything is escaped; the page forbids itself scripts and foreign resources."""

from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from web4mlx.reports import FinalReport, HarnessReport

if TYPE_CHECKING:
    from jinja2 import Template

TEMPLATE = "report.html.j2"


@cache
def _template() -> "Template":
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment.get_template(TEMPLATE)


def render_html(final: FinalReport, reports: Sequence[HarnessReport]) -> str:
    """The page of a decision.

    Args:
        final: The decision.
        reports: Of the harnesses and of the canaries, in the order in which they are to be shown.
    """
    from evals.html.view import build_page

    return _template().render(page=build_page(final, reports))
