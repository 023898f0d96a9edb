"""The two colour themes. Colour is never the only sign: each state also has a glyph and a word."""

from textual.theme import Theme

DARK, LIGHT = "web4mlx-dark", "web4mlx-light"
THEMES = (
    Theme(
        name=DARK, dark=True, primary="#7aa2f7", secondary="#9d8cd6", accent="#56c2b4",
        success="#7fbf7f", warning="#e0b060", error="#e57c7c",
        # greys this neutral stay greys where a terminal has 256 colours
        background="#14161b", surface="#1b1d23", panel="#24272f", foreground="#d5d9e0",
        variables={"footer-key-foreground": "#7aa2f7", "muted": "#828b9c", "line": "#333a48",
                   "faint": "#5b6a8f", "border": "#333a48", "scrollbar": "#333a48",
                   "scrollbar-background": "#14161b"},
    ),
    Theme(
        name=LIGHT, dark=False, primary="#2f5fc4", secondary="#6a4fb3", accent="#107a6c",
        success="#2c7a35", warning="#8f5b00", error="#b3312f",
        background="#fafaf8", surface="#f2f2ee", panel="#e8e8e2", foreground="#23272f",
        variables={"footer-key-foreground": "#2f5fc4", "muted": "#666d79", "line": "#cfd0ca",
                   "faint": "#aab6d0", "border": "#cfd0ca", "scrollbar": "#cfd0ca",
                   "scrollbar-background": "#fafaf8"},
    ),
)  # fmt: skip

GLYPHS = {
    "todo": "·", "queued": "◌", "held": "◌", "starting": "◔", "running": "●", "stopping": "◑", "done": "✓",
    "finished": "✓", "passed": "✓", "failed": "✗", "refused": "✗", "errored": "!", "inconclusive": "?",
    "stopped": "■", "interrupted": "■", "lost": "!", "gone": "!", "warning": "!",
}  # fmt: skip
COLOURS = {
    "running": "$accent", "starting": "$accent", "stopping": "$warning", "done": "$success",
    "finished": "$success", "passed": "$success", "failed": "$error", "refused": "$error",
    "errored": "$error", "lost": "$error", "gone": "$error", "warning": "$warning", "stopped": "$warning",
    "interrupted": "$warning", "inconclusive": "$warning",
}  # fmt: skip
WORDS = {"todo": "not yet", "refused": "said no", "held": "held"}


def sign(state: str) -> str:
    """Markup of a state: its glyph and its word, in its colour."""
    colour = COLOURS.get(state, "$muted")
    return f"[{colour}]{GLYPHS.get(state, '·')} {WORDS.get(state, state)}[/]"
