"""The screens in the order of their tabs. Each module is imported when its screen is first wanted."""

from dataclasses import dataclass, replace
from functools import cache
from importlib import import_module
from typing import TYPE_CHECKING, cast

from tui.actions import EVERYWHERE_ACTIONS, Action

if TYPE_CHECKING:
    from tui.screens.pane import Pane


@dataclass(frozen=True)
class Entry:
    """One tab: its name, its title, and the class `tui.screens.<module>.<class>`."""

    name: str
    title: str
    class_name: str


SCREENS = (
    Entry("overview", "Overview", "Overview"),
    Entry("training", "Training", "Training"),
    Entry("data", "Data", "Data"),
    Entry("gates", "Gates", "Gates"),
    Entry("rag", "RAG", "Rag"),
    Entry("smoke", "Smoke", "Smoke"),
    Entry("models", "Models", "Models"),
    Entry("logs", "Logs", "Logs"),
)


def screen_class(name: str) -> "type[Pane]":
    """The class of a screen."""
    entry = next(entry for entry in SCREENS if entry.name == name)
    return cast("type[Pane]", getattr(import_module(f"tui.screens.{name}"), entry.class_name))


@cache
def actions_of(name: str) -> tuple[Action, ...]:
    """The actions of a screen, with its name filled in."""
    return tuple(replace(action, where=name) for action in screen_class(name).ACTIONS)


@cache
def action_table() -> tuple[Action, ...]:
    """All actions: those of the dashboard, then screen by screen."""
    return (*EVERYWHERE_ACTIONS, *(action for entry in SCREENS for action in actions_of(entry.name)))
