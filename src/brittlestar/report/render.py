"""A report to one self-contained page: templates, styles and script in, nothing fetched."""

from __future__ import annotations

import datetime
import functools
import json
from importlib import resources
from typing import Any

import jinja2
from markupsafe import Markup

from brittlestar.core.text import readable_lines
from brittlestar.measures import Estimate
from brittlestar.report.drawing.charts import model_class
from brittlestar.report.drawing.palette import BUCKETS, MODEL_COLOURS, bucket, stylesheet
from brittlestar.report.drawing.profile import limits, rounded, said
from brittlestar.report.first_screen import LADDER, MOST_WORDS, FirstScreen, shown_number
from brittlestar.report.grids import cell_tip, largest, mean_tip
from brittlestar.report.names import middle, words_of
from brittlestar.report.page import Header, Report
from brittlestar.report.policy import policy
from brittlestar.report.section import Section
from brittlestar.report.words import away, count, decimals_of, family_title, interval, number


def render_html(report: Report, refresh: int = 0) -> str:
    """The page, reloading itself every ``refresh`` seconds. Every name is escaped; nothing is loaded from anywhere."""
    drawn = [(section, Markup(_section(report, section))) for section in report.sections]
    css, theme, room = styles(report), asset("theme.js"), asset("room.js")
    js = asset("report.js") + asset("first_screen.js") + asset("print.js") + _own(report, "js")
    return (
        environment()
        .get_template("page.html")
        .render(
            report=report,
            page=report.header,
            refresh=refresh,
            written=datetime.datetime.now(datetime.UTC).strftime("%Y-%m-%d %H:%M:%S UTC"),
            sections=drawn,
            first_screen=first_screen(report.first_screen, report.header),
            policy=policy([css], [theme, room, js]),
            css=Markup(css),
            theme=Markup(theme),
            room=Markup(room),
            js=Markup(js),
            data=Markup(json_for_script(_data(report))),
        )
    )


def _own(report: Report, kind: str) -> str:
    """The styles, or the scripts, that sections bring with them: files beside their templates, where they have any."""
    folder = resources.files("brittlestar.report").joinpath("sections")
    names = [f"{section.id}.{kind}" for section in report.sections]
    return "".join(asset(f"sections/{name}") for name in names if folder.joinpath(name).is_file())


def styles(report: Report) -> str:
    """The page's style sheet; what holds on paper comes last."""
    shared = stylesheet() + asset("report.css") + _first_screen_style()
    return shared + _own(report, "css") + asset("print.css")


def first_screen(screen: FirstScreen, header: Header, alone: bool = False) -> Markup:
    """The first screen as long as it may be; ``alone`` without links, for where there is no page around it."""
    template = environment().get_template("first_screen.html")
    data = header.data[0].name if len(header.data) == 1 else count(len(header.data), "data set")
    drawn = ""
    for brevity in LADDER:
        context = screen.context(brevity, header.title, header.statuses, data)
        # Drawn before it is counted: only the markup shows which words a reader sees at once.
        drawn = template.render(page=header, alone=alone, **context)
        if words_of(drawn) <= MOST_WORDS:
            break
    return Markup(drawn)


def standing_alone(screen: FirstScreen, header: Header) -> str:
    """The first screen with its own style, for a notebook: no script, no links, light."""
    hues = "".join(f".screen.alone .m{i}{{--c:{light}}}" for i, (light, _) in enumerate(MODEL_COLOURS))
    return f"<style>{hues}{_first_screen_style()}</style>{first_screen(screen, header, alone=True)}"


def _first_screen_style() -> str:
    """Numbers of columns are classes: the page's policy lets no element bring a style of its own."""
    return asset("first_screen.css") + "".join(f".columns-{n}{{--columns:{n}}}" for n in range(1, 41))


def _section(report: Report, section: Section) -> str:
    """A template sees its section as ``s``, the header as ``page``, and what the section's ``context`` has."""
    template = environment().get_template(f"sections/{section.id}.html")
    return template.render(s=section, page=report.header, **section.context())


@functools.cache
def environment() -> jinja2.Environment:
    """Where templates come from: the package's files, with autoescape."""
    environment = jinja2.Environment(
        loader=jinja2.FunctionLoader(asset),
        autoescape=True,
        # A misspelt name fails a test; it would otherwise leave a blank on the page.
        undefined=jinja2.StrictUndefined,
        # Whatever a name in the data holds, it neither turns nor hides the text around it.
        finalize=lambda value: readable_lines(value) if type(value) is str else value,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.globals.update(buckets=BUCKETS, mean_tip=mean_tip, cell_tip=cell_tip)
    environment.filters.update(
        hue=model_class,
        points1=lambda e: number(e.value * 100, decimals_of(e)),
        interval=interval,
        middle=middle,
        both=lambda e: f"{number(e.value * 100, decimals_of(e))} {interval(e)}",
        level=lambda header: f"{header.level * 100:.0f} %",
        along=lambda v: f"{100 * min(max(v, 0.0), 1.0):.2f}%",
        plain=lambda v: f"{v:.4g}",
        cell=lambda v: number(v * 100),
        pct=lambda v: f"{number(v * 100)} %",
        bucket=bucket,
        weight=largest,
        away=away,
        difference=_difference,
        signed=_signed,
        rounded=rounded,
        limits=limits,
        said=said,
        shown=shown_number,
        pc1=lambda e: number(e.value * 100),
        gain=lambda v: f"{v:g}",
        family=family_title,
        counted=count,
    )
    return environment


@functools.cache
def asset(name: str) -> str:
    """The text of a template, style or script: of a section (``sections/...``), else of ``assets/``."""
    folder = resources.files("brittlestar.report")
    file = folder.joinpath(name) if name.startswith("sections/") else folder.joinpath("assets", name)
    return file.read_text(encoding="utf-8")


def _data(report: Report) -> dict[str, Any]:
    """What the script needs: of the page, and of each section under names of its own."""
    largest = max(max(d.shape[1:]) for d in report.header.data)
    values: dict[str, Any] = {"models": [m.name for m in report.header.models], "smallImages": largest <= 64}
    for section in report.sections:
        values |= section.script()
    return values


def json_for_script(value: Any) -> str:
    """JSON that cannot end its script element, whatever the names in it."""
    text = json.dumps(_shown(value), ensure_ascii=True, allow_nan=False, separators=(",", ":"))
    return text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")


def _shown(value: Any) -> Any:
    """The same value with every text, keys too, as it may be shown."""
    if isinstance(value, dict):
        return {readable_lines(key) if isinstance(key, str) else key: _shown(one) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [_shown(one) for one in value]
    return readable_lines(value) if type(value) is str else value


def _signed(e: Estimate) -> str:
    return f"{number(e.value * 100, decimals_of(e), sign=True)} {interval(e)}"


def _difference(e: Estimate) -> str:
    return _signed(e) if away(e) else f"{_signed(e)} no difference shown"
