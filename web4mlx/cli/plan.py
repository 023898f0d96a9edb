"""`web4mlx plan`."""

from pathlib import Path
from typing import TYPE_CHECKING

import typer

from web4mlx.cli.output import EventPrinter, duration, note, print_json
from web4mlx.errors import CheckFailed

if TYPE_CHECKING:
    from web4mlx.plan.proposal import Proposal
    from web4mlx.plan.report import PlanReport, Strategy

WIDTHS = (8, 8, 7, 6, 6)


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(plan)


def plan(
    config: str = typer.Option("demo", "--config", "-c", help="A configuration file or a shipped name."),
    hours: float = typer.Option(0.0, "--hours", min=0, help="Propose what can be trained in so many hours."),
    memory: float = typer.Option(0.0, "--memory", min=0, help="GB; default: the configuration's limit."),
    measure: bool = typer.Option(False, "--measure", help="Load the base and take a few real steps."),
    out: Path = typer.Option(None, "--out", "-o", help="Where --hours writes the configuration."),
    as_json: bool = typer.Option(False, "--json", help="Print the plan as JSON."),
) -> None:
    """Predict memory, time and disk of a training run on this machine, before anything is loaded.

    Example: web4mlx plan --config configs/balanced_training.toml --hours 10
    """
    from web4mlx.config import check_paths, find_config, load_config
    from web4mlx.events import EventLog
    from web4mlx.machine.blas import preload_blas

    preload_blas()
    from web4mlx.plan.measure import measured_report
    from web4mlx.plan.proposal import write_proposal
    from web4mlx.plan.report import Plan

    file = find_config(config)
    settings = load_config(file)
    check_paths(settings, file)
    note("reading the samples and measuring this machine …")
    whole = Plan(settings, memory or None)
    report = measured_report(whole) if measure else whole.report()
    proposal = None
    if hours:
        log = EventLog(None, settings.name, "plan", EventPrinter())
        out = out or Path(f"{settings.name}_{hours:g}h.toml")
        proposal = write_proposal(whole, report, hours, file, out, log)
    if as_json:
        proposed = proposal.model_dump(mode="json") if proposal else None
        print_json(report.model_dump(mode="json") | {"proposal": proposed})
    else:
        print(render(report) + (render_proposal(proposal) if proposal else ""))
    if report.chosen is None:
        raise CheckFailed(
            f"no way to train fits {report.limit_bytes / 1e9:.1f} GB",
            "Lower data.max_seq_length and data.row_tokens, or train with training.base_bits = 4.",
        )


def render(report: "PlanReport") -> str:
    """The plan as text."""
    head = (
        f"{report.samples:,} samples, {report.tokens_per_epoch:,} tokens an epoch (mean "
        f"{report.mean_tokens:.0f}, {report.supervised_tokens_per_epoch:,} supervised), "
        f"{report.dropped} dropped for their length\n"
        f"{report.steps:,} steps of {report.samples_per_step} samples, {report.trainable_parameters:,} "
        f"trainable parameters, {report.dtype}, {report.computed_share:.2f} computed tokens for a real one\n"
    )
    names = ("weights", "adapter", "kept", "head", "other")
    titles = "".join(f"{name:>{width}}" for name, width in zip(names, WIDTHS, strict=True))
    lines = [head, f"  {'rows of':7}  {'way':42}{titles}{'peak GB':>9}{'tokens/s':>10}{'training':>16}"]
    lines += [render_strategy(strategy, report) for strategy in report.strategies]
    lines.append(f"\nmemory limit {report.limit_bytes / 1e9:.1f} GB")
    disk = ", ".join(f"{size / 1e9:.1f} GB in the {name}" for name, size in report.disk_bytes.items())
    lines.append(f"disk: {disk}")
    if report.total_s:
        lines.append(f"time: about {duration(report.total_s)} with validations")
    if report.measured:
        measured = report.measured
        speeds = report.precisions or {}
        lines.append(
            "products: " + ", ".join(f"{name} {speed / 1e9:.0f} GFLOP/s" for name, speed in speeds.items())
        )
        lines.append(
            f"measured: peak {measured['peak_bytes'] / 1e9:.2f} GB, predicted "
            f"{measured['predicted_peak_bytes'] / 1e9:.2f}; {measured['step_s']:.1f} s a step, predicted "
            f"{measured['predicted_step_s']:.1f}; {measured['tokens_per_second']:.0f} tokens/s"
        )
    return "\n".join(lines)


def render_strategy(strategy: "Strategy", report: "PlanReport") -> str:
    """One line of the table; an arrow marks the chosen way, a cross what does not fit."""
    mark = "→" if strategy == report.chosen else " " if strategy.fits else "✗"
    parts = strategy.memory
    held = (
        parts["weights"], parts["adapters"] + parts["optimizer"], parts["activations"], parts["loss"],
        parts["transient"],
    )  # fmt: skip
    sizes = "".join(f"{size / 1e9:{width}.2f}" for size, width in zip(held, WIDTHS, strict=True))
    return (
        f"{mark} {strategy.row_tokens:7}  {strategy.description:42}{sizes}{strategy.peak_bytes / 1e9:9.2f}"
        f"{strategy.tokens_per_second:10.0f}{duration(strategy.train_s):>16}"
    )


def render_proposal(proposal: "Proposal") -> str:
    """The proposal as text."""
    return (
        f"\n\nin {proposal.hours:g} h: {proposal.samples:,} samples, {proposal.share_of_tokens:.0%} of the "
        "tokens: no copies, the best first, every file in its share\n"
        f"train them: web4mlx train --config {proposal.config}"
    )
