"""One event as one line of text, as it stands in the logs screen."""

import time

from web4mlx import events
from web4mlx.cli.output import duration, progress_line, sampled_line, served_line, step_line
from web4mlx.events import parse_event


def event_line(line: str) -> str:
    """A line of an event log for people; a line that is no event stays as it is."""
    try:
        event = parse_event(line)
    except ValueError:
        return line
    clock = time.strftime("%H:%M:%S", time.localtime(event.ts))
    return f"{clock}  {event.stage:<9} {describe(event)}"


def describe(event: events.Event) -> str:
    """What an event says, without its time and stage."""
    match event:
        case events.Step():
            return step_line(event)
        case events.Served():
            return served_line(event)
        case events.Progress():
            return progress_line(event).partition("] ")[2]
        case events.Started():
            return "started  " + ", ".join(f"{key} {value}" for key, value in event.plan.items())
        case events.Validation():
            best = ", the best so far" if event.is_best else ""
            return f"step {event.step}: validation loss {event.loss:.4f} over {event.rows} rows{best}"
        case events.Checkpoint():
            return f"step {event.step}: checkpoint {event.path}"
        case events.Sampled():
            return sampled_line(event)
        case events.Warned():
            return f"warning: {event.message}  {event.advice}"
        case events.Metric():
            return f"{event.name}: {event.value:g} {event.unit}"
        case events.Case():
            return f"{event.verdict}  case {event.case_id}"
        case events.Gate():
            return f"{event.verdict}  {event.name}  {event.detail}"
        case events.Finished():
            return f"done in {duration(event.duration_s)}  {event.artifact}"
        case events.Failed():
            return f"failed: {event.message}  {event.hint}"
    return event.stage
