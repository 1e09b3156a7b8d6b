"""The Fourier map of a model: error when one sinusoid is added to every image, its rings and its bands."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Self

import numpy as np
from markupsafe import Markup

from brittlestar.measures import Sensitivity
from brittlestar.report.compared import band_name
from brittlestar.report.drawing import maps
from brittlestar.report.drawing.charts import COLUMN, LARGE, Figure, Look, curve_table, curves, model_class
from brittlestar.report.gather import Gathered
from brittlestar.report.panels import Panel
from brittlestar.report.section import Finding, Result, Section
from brittlestar.report.spectrum import Spectrum, build_spectrum
from brittlestar.report.status import trusted
from brittlestar.report.subjects import ModelEntry
from brittlestar.report.values import estimate_values, sensitivity_values
from brittlestar.report.words import images, share


@dataclass(frozen=True, kw_only=True)
class Frequencies(Section):
    """Which frequencies a model leans on.

    Fields:
        spectrum: Maps, rings and bands.
        models: Of the report.
        data: Names of the data sets, by place.
        told: Findings on the models that are not near chance.
    """

    id: ClassVar[str] = "frequencies"
    nav: ClassVar[str] = "Frequencies"
    title: ClassVar[str] = "Which frequencies it leans on"
    without: ClassVar[Mapping[str, Any]] = {"bands": ()}

    spectrum: Spectrum
    models: tuple[ModelEntry, ...]
    data: tuple[str, ...]
    told: tuple[Finding, ...]

    @classmethod
    def build(cls, gathered: Gathered) -> Self | None:
        spectrum = _spectrum(gathered)
        if spectrum is None:
            return None
        sure = {s.entry.key for s in gathered.once(trusted).subjects}
        told = [
            finding
            for place, m in enumerate(spectrum.maps)
            if m.model.key in sure
            for finding in _leaning(spectrum, place)
        ]
        return cls(
            spectrum=spectrum,
            models=tuple(s.entry for s in gathered.subjects),
            data=tuple(d.name for d in gathered.data),
            told=tuple(told),
        )

    def findings(self) -> Iterator[Finding]:
        yield from self.told

    def results(self) -> Iterator[Result]:
        first = self.spectrum.maps[0].model.name
        for place, found in enumerate(self.spectrum.maps):
            for band in self.spectrum.bands:
                claim = band.sensitivities[place]
                told = [("error_rate", band.errors[place]), (f"error_minus_{first}", band.differences[place])]
                if claim is not None:
                    told += [
                        (f"accuracy_beyond_clean_minus_{first}", claim.additive),
                        (f"kept_above_chance_minus_{first}", claim.ratio),
                    ]
                for measure, estimate in told:
                    if estimate is not None:
                        yield Result(
                            model=found.model.name,
                            data=self.data[found.model.data],
                            condition=f"fourier/{band.name}",
                            measure=measure,
                            estimate=estimate,
                        )

    def claims(self) -> Iterator[Sensitivity]:
        for band in self.spectrum.bands:
            yield from (claim for claim in band.sensitivities if claim is not None)

    def summary(self, corrected: Mapping[int, Sensitivity]) -> Mapping[str, Any]:
        return {
            "bands": [
                {
                    "band": band.name,
                    "reach": band.reach,
                    "frequencies": band.frequencies,
                    "models": [
                        {
                            "model": m.model.name,
                            "error": estimate_values(error),
                            "error_difference": estimate_values(difference) if difference else None,
                            "sensitivity": sensitivity_values(corrected.get(id(claim))),
                        }
                        for m, error, difference, claim in zip(
                            self.spectrum.maps, band.errors, band.differences, band.sensitivities, strict=True
                        )
                    ],
                }
                for band in self.spectrum.bands
            ]
        }

    def figures(self) -> Mapping[str, Markup]:
        drawn = _drawn(self.spectrum, COLUMN, scaled=True)
        keys = {m.model.name: m.model.key for m in self.spectrum.maps}
        return {
            **{f"frequencies/map-{keys[f.title]}": f.svg for f in drawn["maps"]},
            **{f"frequencies/difference-{keys[f.title]}": f.svg for f in drawn["differences"]},
            "frequencies/profile": drawn["profile"],
        }

    def context(self) -> Mapping[str, Any]:
        drawn = _drawn(self.spectrum)
        return {**drawn, "table": curve_table([_profile_panel(self.spectrum)], self.models)}

    def script(self) -> Mapping[str, Any]:
        return {"maps": _map_data(self.spectrum)}


def _spectrum(gathered: Gathered) -> Spectrum | None:
    """The maps of the models that are not near chance; the others' only where there are no more, and not compared."""
    sure, numbers = gathered.once(trusted), gathered.numbers
    found = build_spectrum(sure, numbers) if sure.subjects else None
    if found is not None or len(sure.subjects) == len(gathered.subjects):
        return found
    found = build_spectrum(gathered, numbers)
    if found is None:
        return None
    bands = []
    for band in found.bands:
        # Comparisons of models near chance would be made of guesses.
        none = (None,) * len(band.differences)
        bands.append(dataclasses.replace(band, differences=none, sensitivities=none))
    return dataclasses.replace(found, bands=tuple(bands), compared=False)


def _leaning(spectrum: Spectrum, place: int) -> list[Finding]:
    model = spectrum.maps[place].model
    if len(spectrum.bands) < 2:
        return []
    low, high = spectrum.bands[0], spectrum.bands[-1]
    a, b = low.errors[place], high.errors[place]
    base = f"{images(a.n)}, {spectrum.norm}"
    if a.high < b.low:
        weak, strong, first, second = low, high, b, a
    elif b.high < a.low:
        weak, strong, first, second = high, low, a, b
    else:
        text = f"error is {share(a)} under waves {low.reach} and {share(b)} {high.reach} ({base})."
        return [
            Finding(
                model=model,
                lead=f"{band_name(low.name).capitalize()} or {band_name(high.name)} frequencies, no difference shown:",
                text=text,
                estimates=(a, b),
            )
        ]
    text = f"waves {strong.reach} bring its error to {share(first)}, "
    text += f"those {weak.reach} to {share(second)} ({base})."
    return [
        Finding(
            model=model, lead=f"Leans on {band_name(strong.name)} frequencies:", text=text, estimates=(first, second)
        )
    ]


def _profile_panel(s: Spectrum) -> Panel:
    return Panel(
        family="fourier", title="Error by frequency", axis="radius (cycles per image)", lines=s.profile, key="profile"
    )


def _drawn(s: Spectrum, size: Look = LARGE, scaled: bool = False) -> dict[str, Any]:
    """The maps and their differences from the first on common scales, and the profile over radius.

    ``scaled`` draws the scale below every map.
    """
    values = np.concatenate([m.value[np.isfinite(m.value)] for m in s.maps])
    low, high = float(np.floor(values.min() * 20) / 20), float(np.ceil(values.max() * 20) / 20)
    # One error everywhere would leave the scale without a length.
    high = max(high, low + 0.05)
    first = s.maps[0]
    pairs = [
        (m, m.value - first.value)
        for m in s.maps[1:]
        if s.compared and m.model.data == first.model.data and m.value.shape == first.value.shape
    ]
    most = max((float(np.nanmax(np.abs(d))) for _, d in pairs), default=0.0)
    limit = max(float(np.ceil(most * 20) / 20), 0.05)
    plane = maps.Plane(s.rows, s.columns, s.borders)
    look = dataclasses.replace(
        size,
        error=True,
        clean=False,
        even=False,
        borders=s.borders,
        regions=tuple(b.name for b in s.bands),
    )
    return {
        "maps": [
            Figure(m.model.name, maps.error_map(m.model, m.value, low, high, plane, scaled), hue=model_class(m.model))
            for m in s.maps
        ],
        "differences": [
            Figure(
                m.model.name,
                maps.difference_map(m.model, first.model, d, limit, plane, scaled),
                hue=model_class(m.model),
                against=first.model.name,
            )
            for m, d in pairs
        ],
        "difference_limit": round(limit * 100),
        "map_scale": {"low": f"{low * 100:.0f}", "high": f"{high * 100:.0f}", "image": maps.bar()},
        "profile": curves(_profile_panel(s), look),
    }


def _map_data(s: Spectrum) -> dict[str, Any]:
    def tenths(values: Any) -> list[int | None]:
        # As whole numbers, which take fewer bytes: a map has hundreds, and two limits for each.
        return [None if not np.isfinite(v) else round(float(v) * 1000) for v in values.ravel()]

    return {
        "rows": s.rows,
        "columns": s.columns,
        "models": [
            {"name": m.model.name, "n": m.samples, "v": tenths(m.value), "l": tenths(m.low), "h": tenths(m.high)}
            for m in s.maps
        ],
    }
