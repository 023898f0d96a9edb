"""What the first screen shows, once, as JSON: for scripts, and where there is no terminal."""

from dataclasses import asdict
from typing import Any

from tui.feed.advice import what_next
from tui.feed.machine import read_machine
from tui.feed.stages import StageFeed
from tui.jobs.record import list_jobs
from tui.place import Place


def summarize(place: Place) -> dict[str, Any]:
    """Stages, jobs, machine and advice of a place, as plain values."""
    jobs = list_jobs(place.outputs)
    machine = read_machine(place.outputs)
    is_live = any(job.is_alive and job.order.heavy for job in jobs) or bool(machine.lease)
    stages = StageFeed(place.settings, place.outputs).read(is_live)
    return {
        "next": asdict(what_next(stages, jobs, machine.lease)),
        "stages": [asdict(row) for row in stages],
        "jobs": [job.model_dump(mode="json") for job in jobs],
        "machine": asdict(machine),
    }
