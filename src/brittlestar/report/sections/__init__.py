"""The sections of a report, in the order of the page. A new one is a file, a template beside it, and a line here."""

from brittlestar.report.section import Section, listed
from brittlestar.report.sections.attacks import Attacks
from brittlestar.report.sections.breaks import Breaks
from brittlestar.report.sections.calibration import Calibration
from brittlestar.report.sections.comparison import PairedDifferences
from brittlestar.report.sections.contexts import ByContext
from brittlestar.report.sections.conventions import Conventions
from brittlestar.report.sections.corruptions import Corruptions
from brittlestar.report.sections.curves import Curves
from brittlestar.report.sections.estimated import EstimatedWithoutLabels
from brittlestar.report.sections.examples import Examples
from brittlestar.report.sections.explained import Explained
from brittlestar.report.sections.filters import Filters
from brittlestar.report.sections.frequencies import Frequencies
from brittlestar.report.sections.grid import ConditionGrid
from brittlestar.report.sections.measured import Measured
from brittlestar.report.sections.method import Method
from brittlestar.report.sections.missing import NotAsked
from brittlestar.report.sections.models import Models
from brittlestar.report.sections.nature import Nature
from brittlestar.report.sections.outside import Outside
from brittlestar.report.sections.pending import Pending
from brittlestar.report.sections.people import People
from brittlestar.report.sections.per_class import PerClass
from brittlestar.report.sections.stability import Stability
from brittlestar.report.sections.time import OverTime
from brittlestar.report.sections.transplant import Transplants

SECTIONS: tuple[type[Section], ...] = listed(
    Models,
    Corruptions,
    ConditionGrid,
    Curves,
    Breaks,
    PerClass,
    ByContext,
    Stability,
    OverTime,
    Nature,
    Transplants,
    Frequencies,
    Explained,
    Filters,
    Attacks,
    Calibration,
    Conventions,
    Outside,
    People,
    Measured,
    PairedDifferences,
    EstimatedWithoutLabels,
    Examples,
    Pending,
    NotAsked,
    Method,
)
