"""The HTML report: one page that opens offline, without a script and without anything from elsewhere."""

from evals.html.render import render_html

__all__ = ["render_html"]
