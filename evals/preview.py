"""The same questions to two models, answers side by side. A look, not a verdict: nothing is graded here."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import tomli
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from web4mlx.engines.base import Request, Response
from web4mlx.engines.open import open_engine
from web4mlx.errors import MissingPrerequisite, Problems, UsageError
from web4mlx.modelfile import Modelfile, sampling_options

if TYPE_CHECKING:
    from rich.console import RenderableType

SHIPPED_PROMPTS = Path(__file__).parent / "data" / "preview.toml"


class _Frozen(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Prompt(_Frozen):
    """One question; `source` says what it probes and where that comes from."""

    id: str = Field(min_length=1)
    source: str = Field(min_length=1)
    text: str = Field(min_length=1)


class PromptSet(_Frozen):
    """A versioned list of questions."""

    version: str
    prompt: tuple[Prompt, ...] = Field(min_length=1)


class Answer(_Frozen):
    """One model's answer; see `web4mlx.engines.base.Response`."""

    text: str
    finish_reason: str
    completion_tokens: int
    time_to_first_token_s: float
    tokens_per_second: float
    error: str = ""


class ModelAnswers(_Frozen):
    """One model's answers by prompt id, and what its engine says of itself."""

    model: str
    engine: dict[str, Any]
    answers: dict[str, Answer]


class Preview(_Frozen):
    """The answers of all models."""

    prompts: PromptSet
    seed: int
    models: tuple[ModelAnswers, ...]


def load_prompts(path: Path | None) -> PromptSet:
    """Read a file of prompts; None takes the shipped one.

    Raises:
        MissingPrerequisite: There is no such file.
        UsageError: It is not valid TOML, or an id appears twice.
        Problems: Lists every wrong field.
    """
    path = path or SHIPPED_PROMPTS
    try:
        prompts = PromptSet.model_validate(tomli.loads(path.read_text("utf-8")))
    except FileNotFoundError as error:
        raise MissingPrerequisite(f"{path}: no such file of prompts") from error
    except ValidationError as error:
        lines = [f"{'.'.join(map(str, item['loc']))}: {item['msg']}" for item in error.errors()]
        raise Problems(str(path), lines, f"See {SHIPPED_PROMPTS} for the form.") from error
    except ValueError as error:
        raise UsageError(f"{path}: not valid TOML: {error}") from error
    ids = [prompt.id for prompt in prompts.prompt]
    if repeated := sorted({name for name in ids if ids.count(name) > 1}):
        raise UsageError(f"{path}: ids used more than once: {', '.join(repeated)}")
    return prompts


def preview_models(
    models: Sequence[Path],
    prompts: PromptSet,
    modelfile: Modelfile,
    report: Callable[[str], None],
    *,
    seed: int,
    max_tokens: int | None = None,
) -> Preview:
    """Ask each model all questions, one model after the other.

    Args:
        models: GGUF files or model folders.
        prompts: The questions.
        modelfile: SYSTEM and parameters, for all models alike.
        report: Called with a line of progress now and then.
        seed: Of every answer.
        max_tokens: Wins over the Modelfile's cap.

    Raises:
        MissingPrerequisite: A model does not exist; found out before anything is asked.
    """
    for model in models:
        if not model.exists():
            raise MissingPrerequisite(f"{model}: no such model", "Name a GGUF file or a model folder.")
    options = sampling_options(modelfile, seed=seed, max_tokens=max_tokens)
    requests = [
        Request(prompt.id, tuple(modelfile.chat(prompt.text)), options=options) for prompt in prompts.prompt
    ]
    answered = tuple(_ask(model, requests, modelfile.context, report) for model in models)
    return Preview(prompts=prompts, seed=seed, models=answered)


def _ask(
    model: Path, requests: Sequence[Request], context: int, report: Callable[[str], None]
) -> ModelAnswers:
    answers: dict[str, Answer] = {}
    with open_engine(model, context=context) as engine:
        for response in engine.generate(requests):
            answers[response.id] = _answer(response)
            report(
                f"{model}: {len(answers)}/{len(requests)} answered, {response.tokens_per_second:.0f} tokens/s"
            )
        return ModelAnswers(model=str(model), engine=engine.describe(), answers=answers)


def _answer(response: Response) -> Answer:
    return Answer(
        text=response.text,
        finish_reason=response.finish_reason,
        completion_tokens=response.completion_tokens,
        time_to_first_token_s=response.time_to_first_token_s,
        tokens_per_second=response.tokens_per_second,
        error=response.error,
    )


def render_preview(preview: Preview) -> "RenderableType":
    """The answers as a table: a column per model, a row per question."""
    from rich.table import Table
    from rich.text import Text

    table = Table(show_lines=True, expand=True)
    for answers in preview.models:
        table.add_column(Path(answers.model).name, ratio=1, overflow="fold")
    for prompt in preview.prompts.prompt:
        table.add_row(*(Text(f"? {prompt.text}", style="bold") for _ in preview.models))
        table.add_row(*(_cell(answers.answers[prompt.id]) for answers in preview.models))
    return table


def _cell(answer: Answer) -> "RenderableType":
    from rich.text import Text

    end = "" if answer.finish_reason == "stop" else f", ended by {answer.finish_reason}"
    speed = f"{answer.completion_tokens} tokens, {answer.tokens_per_second:.0f} tokens/s{end}"
    return Text.assemble(answer.text or answer.error, "\n", (speed, "dim"))
