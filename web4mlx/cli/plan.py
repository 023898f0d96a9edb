"""`web4mlx plan`."""

from pathlib import Path
from typing import TYPE_CHECKING

import typer

from web4mlx.cli.output import duration, note, print_json

if TYPE_CHECKING:
    from web4mlx.plan.report import PlanReport, Strategy


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(plan)


def plan(
    config: str = typer.Option("demo", "--config", "-c", help="A configuration file or a shipped name."),
    hours: float = typer.Option(0.0, "--hours", help="Propose samples that can be trained in so many hours."),
    memory: float = typer.Option(0.0, "--memory", help="Memory limit in GB; default: the configuration's."),
    measure: bool = typer.Option(False, "--measure", help="Load the base and take a few steps."),
    out: Path = typer.Option(None, "--out", "-o", help="Where --hours writes the configuration."),
    as_json: bool = typer.Option(False, "--json", help="Print the plan as JSON."),
) -> None:
    """Predict memory, time and disk of a training run on this machine, before anything is loaded.

    Example: web4mlx plan --config configs/balanced_training.toml --hours 10
    """
    from web4mlx.config import check_paths, find_config, load_config
    from web4mlx.plan.report import Plan

    file = find_config(config)
    settings = load_config(file)
    check_paths(settings, file)
    note("measuring this machine …")
    planned = Plan(settings, memory or None)
    report = planned.report()
    if measure and report.chosen:
        from web4mlx.plan.measure import measure_strategy

        note(f"taking a few steps: {report.chosen.description}, rows of {report.chosen.row_tokens} …")
        measured = measure_strategy(planned, report.chosen)
        report = planned.report().model_copy(update={"measured": measured})
    print_json(report) if as_json else print(render(report))
    if hours:
        propose(planned, report, hours, out or Path(f"{settings.name}_{hours:g}h.toml"), as_json)


def render(report: "PlanReport") -> str:
    """The plan as text."""
    lines = [
        f"{report.samples:,} samples, {report.tokens_per_epoch:,} tokens an epoch (mean {report.mean_tokens:.0f}, "
        f"{report.supervised_tokens_per_epoch:,} supervised), {report.dropped} dropped for their length",
        f"{report.steps:,} steps of {report.samples_per_step} samples, {report.trainable_parameters:,} trainable "
        f"parameters, {report.dtype}; {report.computed_share:.2f} computed tokens for a real one",
        "",
        f"{'':2}{'rows of':>7}  {'way':42}{'weights':>8}{'adapter':>8}{'kept':>7}{'head':>6}{'other':>6}"
        f"{'peak GB':>9}{'tokens/s':>10}{'training':>15}",
        *(_line(strategy, report) for strategy in report.strategies),
        "",
        f"memory limit {report.limit_bytes / 1e9:.1f} GB"
        + ("" if report.chosen else ": nothing fits; lower data.max_seq_length or data.row_tokens"),
        "disk: " + ", ".join(f"{size / 1e9:.1f} GB in the {name}" for name, size in report.disk_bytes.items()),
    ]
    if report.total_s:
        lines.append(f"about {duration(report.total_s)} with validations")
    if report.measured:
        m = report.measured
        lines.append(
            f"measured: peak {m['peak_bytes'] / 1e9:.2f} GB (predicted {m['predicted_peak_bytes'] / 1e9:.2f}), "
            f"{m['step_s']:.1f} s a step (predicted {m['predicted_step_s']:.1f}), "
            f"{m['tokens_per_second']:.0f} tokens/s"
        )
    return "\n".join(lines)


def _line(strategy: "Strategy", report: "PlanReport") -> str:
    mark = "→ " if strategy == report.chosen else "  " if strategy.fits else "✗ "
    parts = strategy.memory
    gigabytes = [
        parts["weights"], parts["adapters"] + parts["optimizer"], parts["activations"], parts["loss"],
        parts["transient"],
    ]  # fmt: skip
    widths = (8, 8, 7, 6, 6)
    sizes = "".join(f"{size / 1e9:{width}.2f}" for size, width in zip(gigabytes, widths, strict=True))
    return (
        f"{mark}{strategy.row_tokens:7}  {strategy.description:42}{sizes}{strategy.peak_bytes / 1e9:9.2f}"
        f"{strategy.tokens_per_second:10.0f}{duration(strategy.train_s):>15}"
    )
