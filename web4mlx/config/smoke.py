"""The part of a configuration that is about the smoke tests: what they expect, and how fast."""

from typing import Annotated

from pydantic import Field

from web4mlx.config.section import Section

Milliseconds = Annotated[float, Field(gt=0)]


class SmokeConfig(Section):
    """Budgets and expected content of the three smoke tests.

    Times count from the question, retrieval included, on a model that is loaded and has answered before.
    `trained_content` is what the answer to the first test must speak of; `|` separates alternatives, upper
    and lower case are the same.
    """

    trained_first_token_ms: Milliseconds = 200
    history_first_token_ms: Milliseconds = 800
    tools_total_ms: Milliseconds = 3000
    trained_content: Annotated[tuple[str, ...], Field(min_length=1)] = (
        "constructor",
        "init",
        "scenario|state",
    )
