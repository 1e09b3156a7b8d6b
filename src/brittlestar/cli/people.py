"""``brittlestar people``: what people see of a run's pictures, beside what its models see."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from brittlestar.cli.say import say

app = typer.Typer(no_args_is_help=True, help="Show a run's pictures to people and compare them with its models.")


@app.callback()
def root() -> None:
    """Show a run's pictures to people and compare them with its models."""


@app.command()
def table(
    trials: Annotated[Path, typer.Argument(help="A folder with a folder of CSV files for each set of pictures.")],
    out: Annotated[Path | None, typer.Option(help="Write the page here, .md; otherwise it is printed.")] = None,
) -> None:
    """Accuracy, consistency and entropy of people, from raw trials as model-vs-human keeps them (Geirhos et al.)."""
    from brittlestar.core.files import write_atomic
    from brittlestar.reproduce.human_table import as_markdown, human_table

    page = as_markdown(human_table(trials))
    if out is None:
        for line in page.splitlines():
            say(line)
        return
    write_atomic(out, page)
    say(f"written: {out}")


@app.command("export")
def export_page(
    run: Annotated[Path, typer.Argument(help="Run folder, complete for the conditions that are shown.")],
    condition: Annotated[list[str], typer.Option(help="A condition of the run, by its id; several times.")],
    out: Annotated[Path | None, typer.Option(help="Folder for the page; RUN/people-page-EXPORT otherwise.")] = None,
    trials: Annotated[int, typer.Option(help="Pictures a condition.")] = 64,
    scale: Annotated[
        str, typer.Option(help="true: as models see them; unit: stretched to one spread; both: each of the two.")
    ] = "true",
    duration: Annotated[int, typer.Option(help="Milliseconds that a picture is seen.")] = 200,
    limit: Annotated[float, typer.Option(help="Seconds to answer in; 0 for as long as it takes.")] = 0.0,
    block: Annotated[int, typer.Option(help="Trials from pause to pause.")] = 40,
    model: Annotated[str | None, typer.Option(help="Whose attacks are shown, where a condition is one.")] = None,
    seed: Annotated[int, typer.Option(help="Of the noise that follows each picture.")] = 0,
    trust: Annotated[
        bool, typer.Option("--trust", help="Run the code that the run folder names, where a model's attacks are shown.")
    ] = False,
) -> None:
    """Write an offline page that shows pictures of a run to people and saves their answers as a CSV file."""
    import torch

    from brittlestar.analyses.stimuli import show
    from brittlestar.core.errors import UsageError, require
    from brittlestar.core.files import make_folder, write_atomic
    from brittlestar.core.places import place
    from brittlestar.report.people_page import Timing, people_page
    from brittlestar.store.people import keep_export

    torch.set_num_threads(1)
    require(20 <= duration <= 10_000, f"--duration is from 20 to 10000 milliseconds, got {duration}", UsageError)
    require(0 <= limit <= 600, f"--limit is from 0 (none) to 600 seconds, got {limit}", UsageError)
    require(block >= 1, f"--block must be at least 1, got {block}", UsageError)
    folder = place(run)
    shown = show(folder, condition, trials=trials, scale=scale, seed=seed, model=model, trust=trust)
    timing = Timing(picture=duration, limit=limit, block=block)
    page = people_page(shown.export, shown.pictures, shown.practice, shown.masks, shown.shape, timing)
    target = place(out) if out is not None else folder / f"people-page-{shown.export.short}"
    make_folder(target)
    write_atomic(target / "index.html", page)
    # Last: a run knows of an export only once there is a page that asks it.
    keep_export(folder, shown.export)
    say(f"page: {target / 'index.html'} ({len(shown.pictures):,} pictures, {len(page) / 1e6:.1f} MB, no network)")
    say(f"answers come back with: brittlestar people import {run} people-{shown.export.short}-CODE-1.csv")


@app.command("import")
def import_answers(
    run: Annotated[Path, typer.Argument(help="The run folder whose pictures were shown.")],
    answers: Annotated[list[Path], typer.Argument(help="CSV files that the page saved.")],
) -> None:
    """Keep people's answers with the run and compare them with its models, both ways; the report shows it too."""
    from brittlestar.core.places import place
    from brittlestar.report import build
    from brittlestar.report.gather import gather
    from brittlestar.report.people import people_of
    from brittlestar.report.sections.people import told
    from brittlestar.store import RunStore
    from brittlestar.store.people import export_of, exports, keep_trials, stimulus_of
    from brittlestar.store.trials import read_trials

    folder = place(run)
    RunStore.open(folder)
    known = exports(folder)
    read = [(path, read_trials(path)) for path in answers]
    # All are held against the exports before the first is kept.
    checked = []
    for path, trials in read:
        export = export_of(trials, known, str(path))
        for trial in trials:
            stimulus_of(trial, export, str(path))
        checked.append((export, trials))
    for export, trials in checked:
        keep_trials(folder, export, trials)
    for found in people_of(gather([folder])):
        for line in told(found):
            say(line)
    say(f"report: {build([folder])}")
