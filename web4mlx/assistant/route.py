"""Where the answer to a prompt comes from: what was trained, the team's history, examples of tool calls."""

from dataclasses import dataclass

from web4mlx.assistant.tool_need import ToolNeed, ToolNeedDetector


@dataclass(frozen=True, slots=True)
class Route:
    """What a prompt needs beside the model; nothing of both is a question for trained knowledge."""

    history: bool = False
    need: ToolNeed = ToolNeed(False)

    @property
    def name(self) -> str:
        """`trained`, `history`, `tools` or `history+tools`."""
        parts = ["history"] * self.history + ["tools"] * self.need.needs
        return "+".join(parts) or "trained"


def choose_route(prompt: str, detector: ToolNeedDetector) -> Route:
    """The route of a prompt."""
    return Route(detector.is_about_history(prompt), detector.detect(prompt))
