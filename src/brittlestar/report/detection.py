"""The page of a folder of detections: average precision by corruption, and what pasted objects do."""

from __future__ import annotations

import csv
import io
import itertools
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from markupsafe import Markup

from brittlestar.core.files import write_atomic
from brittlestar.core.sealed import write_json
from brittlestar.core.text import readable, table_cell
from brittlestar.core.version import VERSION
from brittlestar.measures import Estimate, NoSamplesError
from brittlestar.measures.detection import Precision, SeenBoxes, TrueBoxes, average_precision, draws, matched
from brittlestar.measures.pasted import (
    DISTANCES,
    Placed,
    change_difference,
    distinct_labels,
    identity_entropy,
    non_local_change,
    score_drift,
    transplant_recall,
)
from brittlestar.report.drawing.palette import stylesheet
from brittlestar.report.policy import policy
from brittlestar.report.render import asset, environment
from brittlestar.report.words import count, interval, number, points
from brittlestar.store.detections import DetectionStore

CLEAN, TRANSPLANT = "clean", "transplant"


@dataclass(frozen=True, kw_only=True)
class PrecisionCell:
    """One condition of one detector; ``less`` against the same photographs clean."""

    condition: str
    label: str
    ap: Estimate
    ap50: Estimate
    less: Estimate | None


@dataclass(frozen=True, kw_only=True)
class PrecisionRow:
    """One corruption, weak to strong."""

    title: str
    cells: tuple[PrecisionCell, ...]


@dataclass(frozen=True, kw_only=True)
class PastedRow:
    """What one treatment does; ``None`` where no image counts."""

    condition: str
    title: str
    label: str
    recall: Estimate | None
    entropy: Estimate | None
    labels: Estimate | None
    change: Estimate | None
    strata: tuple[tuple[str, Estimate | None], ...]
    drift: Estimate | None


@dataclass(frozen=True, kw_only=True)
class DetectorPart:
    """What the page says of one detector.

    Fields:
        name, spec: Which.
        images: Photographs that it answered to.
        clean: Of the photographs as they are; ``None`` without boxes, and where it saw none of them.
        rows: Corruptions.
        pasted: Treatments of pasted objects.
        beyond: Non-local change of the object less that of the grey patch, by size and edge.
    """

    name: str
    spec: str
    images: int
    clean: PrecisionCell | None
    rows: tuple[PrecisionRow, ...]
    pasted: tuple[PastedRow, ...]
    beyond: Mapping[str, Estimate]


def read_answers(store: DetectionStore, detector: str, condition: str) -> dict[int, tuple[SeenBoxes, ...]]:
    """What a detector (its identity) saw under a condition (its fingerprint), by photograph, a frame each."""
    found: dict[int, tuple[SeenBoxes, ...]] = {}
    for rows, images, frames in store.blocks(detector, condition):
        for image in images.tolist():
            kept = (rows.of(image, frame) for frame in range(frames))
            found.setdefault(image, tuple(SeenBoxes(rows.box[k], rows.score[k], rows.label[k]) for k in kept))
    return found


def build_parts(store: DetectionStore) -> tuple[DetectorPart, ...]:
    """Everything that the page says."""
    return tuple(_part(store, name, about) for name, about in store.manifest["detectors"].items())


def _part(store: DetectionStore, name: str, about: Mapping[str, Any]) -> DetectorPart:
    conditions = store.manifest["conditions"]
    answers = {i: read_answers(store, about["identity"], c["fingerprint"]) for i, c in conditions.items()}
    bare = answers.get(CLEAN, {})
    rows: dict[str, list[PrecisionCell]] = {}
    clean = None
    truth = _truth(store)
    if truth is not None:
        before = _precision(bare, truth, sorted(bare))
        clean = None if before is None else _cell(CLEAN, "clean", before, None)
        for i, info in conditions.items():
            shared = sorted(answers[i].keys() & bare.keys())
            now = _precision(answers[i], truth, shared) if info["kind"] == "shift" else None
            whole = len(shared) == len(bare)
            base = before if whole or now is None else _precision(bare, truth, shared)
            if now is not None:
                title = info["title"] + (f", {info['series']}" if info["series"] else "")
                rows.setdefault(title, []).append(_cell(i, info["label"], now, base))
    pasted, beyond = _pasted(store, answers, conditions)
    return DetectorPart(
        name=readable(name),
        spec=readable(str(about["spec"])),
        images=len(bare),
        clean=clean,
        rows=tuple(PrecisionRow(title=readable(t), cells=tuple(cells)) for t, cells in rows.items()),
        pasted=tuple(pasted),
        beyond=beyond,
    )


def _truth(store: DetectionStore) -> dict[int, TrueBoxes] | None:
    images = store.manifest["data"]["images"]
    if not images or "boxes" not in images[0]:
        return None
    return {
        place: TrueBoxes(
            np.array(one["boxes"], np.float64).reshape(-1, 4),
            np.array(one["labels"], np.str_),
            np.array(one["crowd"], bool),
        )
        for place, one in enumerate(images)
    }


def _precision(
    answers: Mapping[int, tuple[SeenBoxes, ...]], truth: Mapping[int, TrueBoxes], places: list[int]
) -> Precision | None:
    if not places:
        return None
    try:
        found = matched([answers[p][0] for p in places], [truth[p] for p in places])
    except NoSamplesError:
        return None
    # Of the number of images alone: conditions of the same images are drawn alike, so that differences are paired.
    return average_precision(found, draws(len(places)))


def _cell(condition: str, label: str, now: Precision, base: Precision | None) -> PrecisionCell:
    return PrecisionCell(
        condition=condition,
        label=label,
        ap=now.estimate("ap"),
        ap50=now.estimate("ap50"),
        less=None if base is None else now.less(base),
    )


def _pasted(
    store: DetectionStore, answers: Mapping[str, Mapping[int, tuple[SeenBoxes, ...]]], conditions: Mapping[str, Any]
) -> tuple[list[PastedRow], dict[str, Estimate]]:
    rows: list[PastedRow] = []
    kept: dict[str, dict[str, dict[int, Placed]]] = {}
    for i, info in conditions.items():
        if info["kind"] != TRANSPLANT:
            continue
        placed = {}
        for place in sorted(answers[i].keys() & answers.get(CLEAN, {}).keys()):
            at = store.manifest["pasted"][i][str(place)]
            side = min(store.manifest["data"]["images"][place]["size"])
            before = answers[CLEAN][place][0]
            placed[place] = Placed(at["label"], np.array(at["boxes"], np.float64), before, answers[i][place], side)
        if placed:
            treatment = str(info["config"]["treatment"])
            kept.setdefault(info["label"], {})[treatment] = placed
            rows.append(_pasted_row(i, info, treatment, [*placed.values()]))
    beyond = {}
    for label, by_treatment in kept.items():
        if {"donor", "grey"} <= set(by_treatment):
            shared = sorted(by_treatment["donor"].keys() & by_treatment["grey"].keys())
            donor, grey = ([by_treatment[t][p] for p in shared] for t in ("donor", "grey"))
            found = _known(change_difference, donor, grey)
            beyond.update({} if found is None else {label: found})
    return rows, beyond


def _pasted_row(condition: str, info: Mapping[str, Any], treatment: str, placed: list[Placed]) -> PastedRow:
    own = treatment == "donor"
    strata = []
    for near, far in itertools.pairwise(DISTANCES):
        found = _known(lambda p, n=near, f=far: non_local_change(p, n, f), placed)
        ends = f"{number(near, 2)} to {number(far, 2)}" if np.isfinite(far) else f"from {number(near, 2)}"
        strata.append((ends, found))
    return PastedRow(
        condition=condition,
        title="Object" if own else info["title"],
        label=info["label"],
        # A patch is nothing that could be found.
        recall=_known(transplant_recall, placed) if own else None,
        entropy=_known(identity_entropy, placed),
        labels=_known(distinct_labels, placed),
        change=_known(non_local_change, placed),
        strata=tuple(strata),
        drift=_known(score_drift, placed),
    )


def _known(measure: Any, *arguments: Any) -> Estimate | None:
    try:
        found: Estimate = measure(*arguments)
    except NoSamplesError:
        return None
    return found


def results(parts: tuple[DetectorPart, ...]) -> Iterator[tuple[str, str, str, Estimate]]:
    """(detector, condition, measure, estimate) of everything."""
    for part in parts:
        cells = [part.clean] if part.clean is not None else []
        for cell in [*cells, *(c for row in part.rows for c in row.cells)]:
            yield part.name, cell.condition, "ap", cell.ap
            yield part.name, cell.condition, "ap50", cell.ap50
            if cell.less is not None:
                yield part.name, cell.condition, "ap_less_clean", cell.less
        for row in part.pasted:
            values = {
                "transplant_recall": row.recall,
                "identity_entropy_bits": row.entropy,
                "distinct_labels": row.labels,
                "non_local_change": row.change,
                "score_drift": row.drift,
                **{f"non_local_change_distance_{ends.replace(' ', '_')}": e for ends, e in row.strata},
            }
            for measure, estimate in values.items():
                if estimate is not None:
                    yield part.name, row.condition, measure, estimate
        for label, estimate in part.beyond.items():
            yield part.name, label, "non_local_change_beyond_grey", estimate


def write_detection_page(folder: Path, notes: tuple[str, ...] = ()) -> Path:
    """``detection.html`` (self-contained), ``detection.csv`` and ``detection.json`` in ``FOLDER/report``; the first."""
    store = DetectionStore.open(folder)
    parts = build_parts(store)
    target = folder / "report"
    target.mkdir(parents=True, exist_ok=True)
    css = stylesheet() + asset("report.css") + asset("reproduction.css") + asset("detection.css")
    data = store.manifest["data"]
    last = store.manifest["sessions"][-1]
    page = environment().get_template("detection.html")
    text = page.render(
        parts=parts,
        title=f"{', '.join(part.name for part in parts)} on {data['name']}",
        images=count(max(part.images for part in parts), "photograph") if parts else "",
        unfinished=last["stop"] != "complete",
        command=last["command"],
        notes=notes,
        css=Markup(css),
        policy=policy([css]),
        version=VERSION,
        both=lambda e, scale=100.0: f"{number(e.value * scale, 1 if scale > 1 else 2)} {interval_of(e, scale)}",
        points=lambda e: points(e, sign=True),
    )
    write_atomic(target / "detection.html", text)
    lines = [("detector", "condition", "measure", "value", "low", "high", "n", "level", "method")]
    table = io.StringIO()
    writer = csv.writer(table, lineterminator="\n")
    for line in lines:
        writer.writerow(line)
    told = list(results(parts))
    for name, condition, measure, e in told:
        first = [table_cell(text) for text in (name, condition, measure)]
        writer.writerow([*first, *(f"{v:.8g}" for v in (e.value, e.low, e.high)), e.n, f"{e.level:g}", e.method])
    write_atomic(target / "detection.csv", table.getvalue())
    finite = [
        {"detector": d, "condition": c, "measure": m, **{k: _plain(v) for k, v in e.as_json().items()}}
        for d, c, m, e in told
    ]
    write_json(target / "detection.json", {"results": finite}, indent=1)
    return target / "detection.html"


def _plain(value: Any) -> Any:
    # JSON knows no infinity.
    return None if isinstance(value, float) and not np.isfinite(value) else value


def interval_of(estimate: Estimate, scale: float) -> str:
    """The interval, with two decimals where the number is no share."""
    if scale > 1:
        return interval(estimate)
    return f"[{number(estimate.low, 2)}, {number(estimate.high, 2)}]"
