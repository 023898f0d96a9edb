"""`web4mlx ask`: one question to the model, answered piece by piece."""

from contextlib import nullcontext
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from web4mlx.cli.output import note, print_json

if TYPE_CHECKING:
    from web4mlx.engines.base import AnswerStream, Response


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(ask)


def ask(
    question: str = typer.Argument(..., help="What to ask."),
    model: Path = typer.Option(None, "--model", "-m", help="GGUF or model folder; default: the newest GGUF."),
    adapter: Path = typer.Option(None, "--adapter", help="A training run, on top of a model folder."),
    modelfile: Path = typer.Option(None, "--modelfile", help="SYSTEM and parameters; default: the config's."),
    config: str = typer.Option("demo", "--config", "-c", help="A configuration file or a shipped name."),
    db: Path = typer.Option(
        None, "--db", help="The store of documents; default: the configured one, if built."
    ),
    seed: int = typer.Option(None, "--seed", help="Same seed, same answer; default: a new one each time."),
    max_tokens: int = typer.Option(None, "--max-tokens", help="Most tokens of the answer."),
    as_json: bool = typer.Option(False, "--json", help="Print answer, counts and times as JSON."),
    no_stream: bool = typer.Option(False, "--no-stream", help="Print the answer when it is complete."),
) -> None:
    """Ask the assistant: with the Modelfile's SYSTEM and parameters, and the sources that the question needs.

    Example: web4mlx ask "What is the empty constructor pattern?" --seed 7
    """
    from web4mlx.assistant.answering import prepare, source_lines
    from web4mlx.assistant.store import Lazily, describe_store, find_store
    from web4mlx.engines.question import plan_question

    plan = plan_question(question, config, model, adapter, modelfile).with_options(seed, max_tokens)
    note(f"model: {plan.model}" + (f" with {plan.adapter}" if plan.adapter else ""))
    note(f"modelfile: {plan.modelfile}")
    if db or plan.store:
        note(f"store: {describe_store(db, plan.store or Path())}")
    found_store = find_store(db, plan.rag.settings, plan.store)
    store = Lazily(found_store) if found_store else None
    with plan.open() as engine, store or nullcontext():
        prepared = prepare(plan.request, engine, plan.context, store, plan.assistant)
        note("; ".join([f"route: {prepared.built.route.name}", *prepared.built.notes]))
        response = listen(engine.stream(prepared.request), is_silent=as_json or no_stream)
        if as_json:
            found = {"route": prepared.built.route.name, "sources": prepared.sources}
            options = {"options": asdict(plan.request.options)}
            print_json(asdict(response) | found | options | engine.describe())
        else:
            print("\n".join([response.text if no_stream else "", *source_lines(prepared)]))
    speed = f"{response.tokens_per_second:.0f} tokens/s, first after {response.time_to_first_token_s:.2f} s"
    note(f"{response.completion_tokens} tokens, {speed}, ended by {response.finish_reason}")


def listen(stream: "AnswerStream", is_silent: bool) -> "Response":
    """Read an answer to its end, and print it meanwhile."""
    for text in stream:
        if not is_silent:
            print(text, end="", flush=True)
    return stream.finish()
