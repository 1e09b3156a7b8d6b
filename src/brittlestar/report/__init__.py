"""From rows to a page that answers: is it brittle, where, why, compared with what, how sure, and what was not asked?"""

from brittlestar.report.build import build, first_screen_html, report_of
from brittlestar.report.page import Report
from brittlestar.report.render import render_html

__all__ = ["Report", "build", "first_screen_html", "render_html", "report_of"]
