"""The Fourier section (temporary maths)."""
from __future__ import annotations
import numpy as np
from brittlestar.report.content import BandRow, Line, Point, Spectrum, SpectrumMap
from brittlestar.report.numbers import mean_est

def build_spectrum(gathered, numbers):
    subjects = [s for s in gathered.subjects if s.of_kind("fourier")]
    if not subjects: return None
    size = subjects[0].data.shape[1]; half = size // 2
    maps = []; per = []
    for s in subjects:
        v = np.full((size, size), np.nan); l = v.copy(); h = v.copy(); radii = {}
        for info in s.of_kind("fourier"):
            e = numbers.error(s, info.id); u, w = info.config["u"], info.config["v"]
            for a, b in ((u, w), (-u, -w)):
                a = a if a < size - half else a - size; b = b if b < size - half else b - size
                v[b + half, a + half], l[b + half, a + half], h[b + half, a + half] = e.value, e.low, e.high
            radii[info.id] = float(np.hypot(u, w))
        maps.append(SpectrumMap(model=s.entry, value=v, low=l, high=h, samples=s.entry.samples)); per.append(radii)
    lines = []
    for s, radii in zip(subjects, per):
        pts = []
        for r in range(0, half + 1):
            cs = [c for c, x in radii.items() if abs(x - r) <= 0.5]
            if cs: pts.append(Point(x=float(r), label=str(r), estimate=numbers.mean_error(s, cs)))
        lines.append(Line(model=s.entry, points=tuple(pts)))
    b1, b2 = half / 3, 2 * half / 3
    bands = []
    for name, lo, hi, reach in (("low", 0, b1, f"up to {b1:.1f} cycles"), ("mid", b1, b2, f"{b1:.1f} to {b2:.1f} cycles"), ("high", b2, 99, f"above {b2:.1f} cycles")):
        cs = [c for c, x in per[0].items() if lo <= x < hi]
        bands.append(BandRow(name=name, reach=reach, frequencies=len(cs), errors=tuple(numbers.mean_error(s, cs) for s in subjects), differences=tuple(None if i == 0 else mean_est(-(np.mean([s.rows[c].correct for c in cs], 0) - np.mean([subjects[0].rows[c].correct for c in cs], 0))) for i, s in enumerate(subjects))))
    return Spectrum(maps=tuple(maps), profile=tuple(lines), bands=tuple(bands), borders=(b1, b2), norm="L2 norm 4", size=size, covered="All 784 frequencies.")
