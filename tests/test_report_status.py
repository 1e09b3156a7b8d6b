"""What a reader must know first: not finished, near chance; and what was asked is never called not asked."""

from __future__ import annotations

import csv
import dataclasses
import io
import json
from pathlib import Path

import numpy as np
import pytest

import brittlestar as bs
import synthetic
from brittlestar.report.build import write
from brittlestar.report.gather import gather
from brittlestar.report.series import broken_below
from brittlestar.report.status import Status
from brittlestar.store import RunStore
from brittlestar.suites import get_suite
from brittlestar.suites.base import Suite
from report_tools import Seen, seen
from test_run_first import Bright, Constant, data


def ended(store: RunStore, stop: str, **fields: object) -> RunStore:
    """The run with its last session ended otherwise."""
    manifest = store.manifest
    last = dataclasses.replace(manifest.sessions[-1], stop=stop, **fields)  # type: ignore[arg-type]
    dataclasses.replace(manifest, sessions=[*manifest.sessions[:-1], last]).save(store.path)
    return RunStore.open(store.path)


@pytest.fixture(scope="module")
def cut(tmp_path_factory: pytest.TempPathFactory) -> RunStore:
    """40 conditions with 60 images, the rest with 50."""
    folder = tmp_path_factory.mktemp("cut")
    return synthetic.make_run(folder / "run", models=1, samples=60, partial=50, attacks=False)


def only(content: Seen, kind: str) -> Status:
    (found,) = [s for s in content.statuses if s.kind == kind]
    return found


def test_a_run_that_is_not_finished_says_so_first_everywhere(cut: RunStore) -> None:
    content = seen([ended(cut, "interrupted")])
    status = only(content, "not finished")
    conditions = len(cut.manifest.conditions)
    text = (
        f"NOT FINISHED: 40 of {conditions} conditions are complete; {conditions - 40} have fewer images than were asked"
    )
    assert f"{status.lead} {status.text}".startswith(f"{text} (50 to 60 of 60 images). It was interrupted.")
    first = content.markdown().splitlines()[2]
    assert first.startswith(f"**NOT FINISHED:** 40 of {conditions}")
    told = json.loads(content.summary())
    assert list(told)[:2] == ["title", "statuses"] and told["statuses"][0]["text"].startswith(text)
    page = content.html()
    said = '<details class="status not-finished"><summary><b>NOT FINISHED:</b> 40 of'
    assert 0 < page.index(said) < page.index('<div class="split')
    rows = list(csv.DictReader(io.StringIO(content.csv())))
    states = {row["condition"]: row["status"] for row in rows if row["measure"] == "accuracy"}
    assert (
        states["clean"] == "" and sum(s == "not yet done: 50 of 60 images" for s in states.values()) == conditions - 40
    )


@pytest.mark.parametrize(
    ("stop", "words"),
    [
        ("budget", "It stopped at its time budget of 20 s."),
        ("failed", "Its last session failed: what is lacking could not be done."),
        ("running", "Its last session died."),
    ],
)
def test_why_it_is_not_finished(cut: RunStore, stop: str, words: str) -> None:
    content = seen([ended(cut, stop, budget_s=20.0)])
    assert only(content, "not finished").text.endswith(f"{words} The same command goes on where it stopped.")
    (families,) = {m.text.split(",")[0] for m in content.pending}
    assert families == ("Failed" if stop == "failed" else "Not yet done")


def test_a_run_that_stopped_at_its_precision_is_finished(cut: RunStore) -> None:
    assert seen([ended(cut, "precision", rule="anytime", precision=0.1)]).statuses == ()
    whole = ended(cut, "complete", samples=50, rule="fixed")
    assert seen([whole]).statuses == (), "what was asked last counts"
    ended(cut, "complete", samples=60)


def test_what_was_asked_and_has_no_answer_is_not_called_not_asked(tmp_path: Path) -> None:
    store = synthetic.make_run(tmp_path / "run", models=1, samples=60, attacks=False)
    blur = [i for i in store.manifest.conditions.values() if i.family == "blur"]
    gone = [dataclasses.replace(i, id=f"{i.id}/more", fingerprint=f"{n:016x}") for n, i in enumerate(blur)]
    later = [dataclasses.replace(i, family="weather", shift=f"w{i.shift}", id=f"weather/{i.id}") for i in gone]
    later = [dataclasses.replace(i, fingerprint=f"{99 + n:016x}") for n, i in enumerate(later)]
    store.register_conditions([*gone, *later])
    content = seen([ended(store, "budget", budget_s=20.0)])
    assert "weather" not in content.not_asked and "attacks" in content.not_asked
    assert content.not_here == "blur and weather."
    (lacking,) = [m for m in content.pending if m.title == "Blur"]
    assert lacking.text == f"Not yet done, of {2 * len(blur)}: {len(blur)} conditions without an answer (natural)."
    assert f"{2 * len(blur)} have none" in only(content, "not finished").text
    rows = [r for r in csv.DictReader(io.StringIO(content.csv())) if r["n"] == "0"]
    assert len(rows) == 2 * len(blur)
    assert {(r["value"], r["status"], r["measure"]) for r in rows} == {("", "not yet done", "accuracy")}
    page = content.html()
    assert "What was asked and is not here" in page
    assert "Asked and not here: blur and weather." in content.markdown()


def test_a_model_that_has_no_rows_yet_is_counted(tmp_path: Path) -> None:
    store = synthetic.make_run(tmp_path / "run", models=2, samples=60, attacks=False)
    third = dict(store.manifest.models["natural"]) | {"name": "late", "fingerprint": "f" * 16}
    store.register_model(third)
    content = seen([ended(store, "running")])
    text = only(content, "not finished").text
    total = len(store.manifest.conditions)
    assert text.startswith(f"0 of {total} conditions are complete for every model; {total} have none for some model")
    assert all("late" in m.text for m in content.pending)


def test_attacks_on_models_without_gradients_are_left_out_not_lacking(tmp_path: Path) -> None:
    model = {"plain": lambda x: np.asarray(x).mean((1, 2, 3))[:, None] * np.arange(4)}
    run = bs.evaluate(model, data(40), suite="broad", out=tmp_path / "run", samples=20, shifted=True)
    content = seen([run.path])
    assert content.statuses == ()
    (left,) = content.pending
    assert left.title == "Attacks" and left.text == "Left out for plain: no gradients reach its images."
    assert "attacks" not in content.not_asked.replace("attacks without gradients", "")


def test_a_model_near_chance_is_the_only_headline(tmp_path: Path) -> None:
    models = {"sound": Bright().eval(), "rolled": Bright(shift=1).eval(), "half": Bright(shift=1, share=0.4).eval()}
    run = bs.evaluate(models, data(), suite="noise", out=tmp_path / "run", samples=120, anyway=True)
    content = seen([run.path])
    status = only(content, "near chance")
    assert status.model is not None and status.model.name == "rolled"
    (accuracy,) = status.estimates
    assert (accuracy.value, accuracy.n) == (0.0, 120) and "25.0" in status.text
    assert [v.model.name if v.model else None for v in content.verdicts] == [None, "sound", "half"]
    said = " ".join(s.lead + s.text for v in content.verdicts for s in v.findings)
    assert "rolled" not in said
    assert content.comparison is not None
    assert {(p.model.name, p.against.name) for p in content.comparison.pairs} == {("half", "sound")}
    rows = list(csv.DictReader(io.StringIO(content.csv())))
    assert {r["status"] for r in rows if r["model"] == "rolled"} == {"near chance"}
    assert {r["status"] for r in rows if r["model"] != "rolled"} == {""}
    assert not any("minus" in r["measure"] for r in rows if r["model"] == "rolled")
    assert "**NEAR CHANCE:** rolled is right in 0.0 %" in content.markdown()


def test_alone_and_first_it_is_compared_with_none(tmp_path: Path) -> None:
    models = {"rolled": Bright(shift=1).eval(), "sound": Bright().eval()}
    run = bs.evaluate(models, data(), suite=["noise", "fourier"], out=tmp_path / "run", samples=40, anyway=True)
    content = seen([run.path])
    assert [v.model.name for v in content.verdicts if v.model] == ["sound"] and content.comparison is None
    assert content.spectrum is not None and [m.model.name for m in content.spectrum.maps] == ["sound"]
    assert not any("minus" in r.measure for r in content.results)
    alone = bs.evaluate(
        {"rolled": models["rolled"]}, data(), suite=["noise"], out=tmp_path / "alone", samples=40, anyway=True
    )
    content = seen([alone.path])
    assert content.verdicts == () and [s.kind for s in content.statuses] == ["near chance"]


def test_images_declared_shifted_have_ordinary_findings(tmp_path: Path) -> None:
    run = bs.evaluate(
        {"rolled": Bright(shift=1).eval()}, data(), suite="noise", out=tmp_path / "run", samples=60, shifted=True
    )
    content = seen([run.path])
    assert content.statuses == () and len(content.verdicts) == 1
    assert ("Declared", "shifted: unlike what the models were made for") in content.provenance[0].items


def test_without_clean_rows_the_first_answers_are_told(tmp_path: Path) -> None:
    noise = get_suite("noise")
    bare = Suite("bare", "no clean images", lambda shape, storage: noise.build(shape, storage)[1:3])
    run = bs.evaluate(
        {"rolled": Bright(shift=1).eval()}, data(), suite=bare, out=tmp_path / "run", samples=40, anyway=True
    )
    content = seen([run.path])
    assert only(content, "near chance").estimates[0].n == 20 and content.verdicts == ()


def test_chance_is_that_of_the_labels(tmp_path: Path) -> None:
    images, labels = data(400, 4)
    keep = (labels == 2) | np.isin(np.arange(400) % 16, [1, 4, 7])
    given = (images[keep], labels[keep])
    run = bs.evaluate({"fixed": Constant().eval()}, given, suite="clean", out=tmp_path / "r", anyway=True)
    subject = gather([run.path]).subjects[0]
    assert subject.chance == pytest.approx(float((labels[keep] == 2).mean())) and subject.chance == 100 / 175
    assert subject.chance == subject.data.chance


@pytest.mark.parametrize(
    ("clean", "guess", "level"), [(0.8, 0.1, 0.4), (0.8, 0.5, 0.65), (0.8, 1.0, 0.4), (0.95, 0.9, 0.925)]
)
def test_broken_is_half_way_to_guessing(clean: float, guess: float, level: float) -> None:
    class Numbers:
        def accuracy(self, subject: object, condition: str) -> object:
            return type("E", (), {"value": clean})

    subject = type("S", (), {"clean": object(), "chance": guess})
    assert broken_below(subject, Numbers()) == pytest.approx(level)  # type: ignore[arg-type]


def test_what_is_written_is_what_is_said(cut: RunStore, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    from brittlestar.cli.report import write_report

    ended(cut, "interrupted")
    assert [s.kind for s in write([cut.path], out=tmp_path / "a").statuses] == ["not finished"]
    write_report([cut.path], tmp_path / "b")
    out = capsys.readouterr().out
    assert out.startswith("NOT FINISHED: 40 of ") and out.splitlines()[1].startswith("report: ")
    assert "\u202f" not in out and "\u00a0" not in out


def test_a_guard_is_told_too(cut: RunStore) -> None:
    about = dict(cut.manifest.models["natural"]) | {"guards": ["model natural normalises its images itself"]}
    manifest = dataclasses.replace(cut.manifest, models={"natural": about})
    manifest.save(cut.path)
    content = seen([ended(RunStore.open(cut.path), "precision")])
    assert only(content, "guard").text == "Model natural normalises its images itself."
