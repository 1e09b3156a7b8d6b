"""``brittlestar detect``: detectors under corruptions and with pasted objects."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from brittlestar.cli.run import numbers, typed
from brittlestar.cli.say import say
from brittlestar.core.errors import UsageError, require


def detect(
    detector: Annotated[
        list[str],
        typer.Option(
            help="[NAME=]FILE.py:factory, may be repeated: what the factory gives takes a list of images and gives "
            "boxes, scores and labels of each, as torchvision's detectors do."
        ),
    ],
    data: Annotated[Path, typer.Option(help="Folder of photographs.")],
    boxes: Annotated[
        Path | None, typer.Option(help="Their objects: a COCO .json, or a .csv of file, x, y, width, height, label.")
    ] = None,
    suite: Annotated[
        list[str] | None, typer.Option(help="Suite of corruptions, may be repeated; needs --boxes.")
    ] = None,
    objects: Annotated[
        Path | None, typer.Option(help="Folder of objects to paste in, as for `brittlestar transplant`.")
    ] = None,
    size: Annotated[
        str, typer.Option(help="The objects' longer side over the photographs' shorter one; 0: as they are.")
    ] = "0.25",
    grid: Annotated[int, typer.Option(help="Places along each side.")] = 4,
    out: Annotated[Path | None, typer.Option(help="Folder; resumed and added to.")] = None,
    samples: Annotated[int | None, typer.Option(help="How many photographs; all by default.")] = None,
    seed: Annotated[int, typer.Option(help="Of the photographs' order and of every draw.")] = 0,
    report: Annotated[bool, typer.Option(help="Write the page as well.")] = True,
) -> None:
    """Detectors: average precision under corruptions, and what pasted objects do to them and around them.

    Boxes stay where they are: corruptions that move the whole picture are left out.
    """
    from brittlestar.core import interrupts
    from brittlestar.data.boxes import open_photographs
    from brittlestar.data.objects import read_objects
    from brittlestar.models.detector import load_detector
    from brittlestar.report.detection import write_detection_page
    from brittlestar.runs.detection import asked_of, run_detection
    from brittlestar.suites import get_suite
    from brittlestar.suites.clean import CLEAN
    from brittlestar.suites.transplant import pasted_suite

    require(
        bool(suite) or objects is not None,
        "nothing is asked: give --suite (with --boxes), --objects, or both",
        UsageError,
    )
    require(
        not suite or boxes is not None, "average precision needs the objects of the photographs: --boxes", UsageError
    )
    suites = [CLEAN, *(get_suite(name) for name in suite or ())]
    photographs = open_photographs(data, boxes)
    if objects is not None:
        folder = str(objects.resolve())
        suites.append(pasted_suite(folder, read_objects(folder), sizes=numbers("size", size) or (), grid=grid))
    asked, left_out = asked_of(suites, photographs)
    notes = []
    if left_out:
        notes.append(f"Left out, as they move boxes or are no corruptions: {', '.join(left_out)}.")
    if any(one.info.shift == "elastic_transform" for one in asked):
        notes.append("Elastic transform moves pixels a little; boxes are left where they are.")
    empty = sum(not len(truth.labels) for truth in photographs.truths or ())
    if empty:
        notes.append(f"{empty:,} photographs have no box: whatever is detected in them counts as wrong.")
    detectors = [load_detector(text) for text in detector]
    wanted = sorted({str(label) for truth in photographs.truths or () for label in truth.labels})
    for one in detectors:
        strange = [name for name in wanted if one.classes is not None and name not in one.classes]
        told = f"{one.name} does not name {len(strange):,} of the {len(wanted):,} classes of --boxes"
        told += f" ({', '.join(strange[:3])}{', ...' if len(strange) > 3 else ''})"
        known = ", ".join(sorted(one.classes or ())[:5])
        require(not strange or len(strange) < len(wanted), f"{told}: it names {known}; write these", UsageError)
        if strange:
            notes.append(f"{told}: average precision counts them as 0.")
    for note in notes:
        say(note, err=True)
    target = out or Path("runs") / f"{photographs.root.resolve().name}-detections"
    outcome = run_detection(
        target,
        photographs,
        detectors,
        asked,
        seed=seed,
        samples=samples,
        command=typed(),
        say=lambda text: say(f"  {text}", err=True),
    )
    ended = "complete" if outcome.complete else "interrupted: finished blocks are kept; the same command goes on"
    say(f"{ended}; {outcome.images:,} images in this session, detections in {target}", err=True)
    if not outcome.complete:
        raise typer.Exit(interrupts.code())
    if report:
        say(f"page: {write_detection_page(target, tuple(notes))}")
