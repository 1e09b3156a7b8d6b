"""From rows to a page that answers: is it brittle, where, why, compared with what, how sure, and what was not asked?"""

from brittlestar.report.build import build, report_of
from brittlestar.report.page import Report
from brittlestar.report.render import render_html

__all__ = ["Report", "build", "render_html", "report_of"]
