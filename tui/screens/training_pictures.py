"""What the plots of a run show."""

from tui.feed.run import RunReadings
from tui.widgets.plot import Curve, Picture
from tui.words import short, size


def loss_picture(run: RunReadings, other: RunReadings | None, last: float, log: bool) -> Picture:
    """Training loss as a band, its smoothed mean, validation as marks, the other run dashed."""
    loss = run.curves["loss"]
    curves = []
    if other is not None:
        curves.append(Curve(*other.curves["loss"].smooth_points(), "other", "dashed", other.name[-15:]))
    curves.append(Curve(*loss.points(), "faint", "band", "each report"))
    curves.append(Curve(*loss.smooth_points(), "main", "line", "smoothed"))
    curves.append(Curve(*run.validation.points(), "mark", "marks", "validation"))
    value = short(loss.smoothed[-1]) if loss.smoothed else ""
    empty = "the first report comes after the first step"
    return Picture("loss, log" if log else "loss", value, tuple(curves), None, log, 0.0, last, empty)


def small_picture(
    title: str, name: str, run: RunReadings, other: RunReadings | None, last: float, limit: float | None
) -> Picture:
    """One of the small plots; memory in GB with its limit."""
    curve = run.curves[name]
    x, y = curve.points()
    value = ""
    if curve.last is not None:
        value = f"{size(curve.last)} of {size(limit)}" if limit else short(curve.last)
    scaled = type(y)("d", (number / 1e9 for number in y)) if limit else y
    curves = [Curve(x, scaled, "main", "line")]
    if other is not None and not limit:
        curves.insert(0, Curve(*other.curves[name].points(), "other", "dashed"))
    return Picture(title, value, tuple(curves), limit / 1e9 if limit else None, False, 0.0, last)
