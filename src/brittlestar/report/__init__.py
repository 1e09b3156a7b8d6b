"""From rows to a page that answers: is it brittle, where, why, compared with what, how sure, and what was not asked?"""

from brittlestar.report.build import build, content_of
from brittlestar.report.content import ReportContent
from brittlestar.report.render import render_html

__all__ = ["ReportContent", "build", "content_of", "render_html"]
