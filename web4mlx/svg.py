"""What SVG pictures are made of: the frame, a text, a bar, a line. It knows nothing of what they show."""

from collections.abc import Iterable
from xml.sax.saxutils import escape

STYLE = (
    ".bar { fill: #3b6ea5 } .bar1 { fill: #d9902f } .bar2 { fill: #7a9e6b } .axis { stroke: #222 } "
    ".grid { stroke: #e4e4e4 } .small { fill: #555 } .limit { stroke: #b03030 } "
    ".value { paint-order: stroke; stroke: #fff; stroke-width: 3px } "
    "text.limit { stroke: none; fill: #b03030 }"
)


def draw_picture(width: int, height: int, title: str, parts: Iterable[str]) -> str:
    """A whole SVG picture on white, with a title at its top left.

    Args:
        width: of the picture, in its own units.
        height: of the picture.
        title: plain text.
        parts: what else is on it, as SVG elements, the lowest first.
    """
    head = (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" role="img"\n'
        f'  font-family="sans-serif" font-size="12">\n'
        f"<title>{escape(title)}</title>\n<style>{STYLE}</style>\n"
        f'<rect width="{width}" height="{height}" fill="#fff"/>'
    )
    return "\n".join([head, draw_text(20, 24, title, size=15), *parts, "</svg>", ""])


def draw_text(
    x: float, y: float, content: str, *, anchor: str = "start", kind: str = "", size: int = 0
) -> str:
    """A line of plain text with its baseline at `y`; `kind` is a class of the style."""
    more = (f' class="{kind}"' if kind else "") + (f' font-size="{size}"' if size else "")
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}"{more}>{escape(content)}</text>'


def draw_bar(x: float, y: float, width: float, height: float, tip: str, kind: str = "bar") -> str:
    """A bar from its top left corner, with a text that shows under the pointer."""
    place = f'x="{x:.1f}" y="{y:.1f}" width="{width:.1f}" height="{height:.1f}"'
    return f'<rect class="{kind}" {place}><title>{escape(tip)}</title></rect>'


def draw_line(x1: float, y1: float, x2: float, y2: float, kind: str = "axis") -> str:
    """A line; one of the kind `limit` is dashed."""
    dashes = ' stroke-dasharray="5 4"' if kind == "limit" else ""
    return f'<line class="{kind}" x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}"{dashes}/>'
