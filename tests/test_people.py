"""People beside models: their answers kept with the run, and what is said of both."""

from __future__ import annotations

import dataclasses
import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import synthetic
from brittlestar.core.errors import DataError
from brittlestar.core.sealed import Damaged
from brittlestar.report import build
from brittlestar.report.gather import gather
from brittlestar.report.people import PeopleExport, people_of
from brittlestar.report.sections.people import told
from brittlestar.store import RunStore
from brittlestar.store.people import Export, Stimulus, exports, image_name, keep_export, keep_trials
from brittlestar.store.trials import Trial, as_csv
from tiny import called

NOISE = "gaussian_noise/sigma=0.12"


@pytest.fixture(scope="module")
def three(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return synthetic.make_run(tmp_path_factory.mktemp("three") / "run", samples=300).path


@pytest.fixture
def asked(three: Path, tmp_path: Path) -> tuple[RunStore, Export]:
    """Three models with rows, and an export of pictures under two conditions that nobody has answered."""
    shutil.copytree(three, tmp_path / "run")
    store = RunStore.open(tmp_path / "run")
    _, labels = store.samples()
    titles = [str(c) for c in store.manifest.data["classes"]]
    listed = ("clean", NOISE)
    stimuli = [
        Stimulus(number=i, position=i, condition=listed[i // 150], scale="true", label=int(labels[i]))
        for i in range(300)
    ]
    export = Export(digest="0123456789abcdef" * 4, classes=tuple(titles), stimuli=tuple(stimuli))
    keep_export(store.path, export)
    return store, export


def answers(export: Export, subject: str, responses: dict[int, int]) -> list[Trial]:
    """Trials of a person who answers these classes to these pictures."""
    return [
        Trial(
            subject,
            1,
            i + 1,
            0.5,
            export.classes[response],
            export.classes[export.stimuli[number].label],
            export.stimuli[number].shown_as,
            image_name(i + 1, export, subject, export.stimuli[number]),
        )
        for i, (number, response) in enumerate(responses.items())
    ]


def compared(store: RunStore) -> PeopleExport:
    (found,) = people_of(gather([store.path]))
    return found


def rows_of(store: RunStore, model: str, condition: str) -> Any:
    print_ = store.manifest.conditions[condition].fingerprint
    return store.read(store.manifest.models[model]["fingerprint"], [print_], detail=False)[print_]


def test_a_person_who_is_always_right_reads_all_that_models_miss(asked: tuple[RunStore, Export]) -> None:
    store, export = asked
    keep_trials(store.path, export, answers(export, "p1", {s.number: s.label for s in export.stimuli}))
    found = compared(store)
    for one in found.models:
        assert one.missed is not None and one.missed.value == 1 and one.missed.low > 0.5
        assert one.unreadable is None
        halves = (("clean", slice(0, 150)), (NOISE, slice(150, 300)))
        wrong = sum(int((~rows_of(store, one.model.name, c).correct[half]).sum()) for c, half in halves)
        assert one.missed.n == wrong > 5
    assert [c.accuracy.value for c in found.conditions] == [1, 1]
    assert found.conditions[0].kappa is None, "there is no second person"


def test_a_person_who_answers_as_a_model_does_has_its_kappa_and_reads_none_of_its_misses(
    asked: tuple[RunStore, Export],
) -> None:
    store, export = asked
    said = {s.number: int(rows_of(store, "natural", s.condition).prediction[s.position]) for s in export.stimuli}
    keep_trials(store.path, export, answers(export, "p1", said))
    keep_trials(store.path, export, answers(export, "p2", said))
    found = compared(store)
    own = next(one for one in found.models if one.model.name == "natural")
    assert own.missed is not None and own.missed.value == 0
    assert own.read is not None and own.read.value == 1
    assert own.kappa.value == 1
    for condition in found.conditions:
        beside = next(b for b in condition.models if b.model.name == "natural")
        assert beside.accuracy.value == pytest.approx(condition.accuracy.value)
        assert beside.entropy == pytest.approx(condition.entropy)
        assert condition.kappa is not None and condition.kappa.value == 1
        others = [b.kappa.value for b in condition.models if b.model.name != "natural"]
        assert max(others) < 1


@pytest.mark.slow
def test_people_at_chance_cannot_read_a_condition_once_there_are_enough_of_them(asked: tuple[RunStore, Export]) -> None:
    store, export = asked
    noisy = [s for s in export.stimuli if s.condition == NOISE]
    generator = np.random.default_rng(1)

    def guess(subject: str) -> list[Trial]:
        said = {s.number: s.label for s in export.stimuli if s.condition == "clean"}
        # One answer in ten is right, for everybody.
        right = set(generator.permutation(len(noisy))[:15].tolist())
        said |= {s.number: s.label if i in right else (s.label + 1) % 10 for i, s in enumerate(noisy)}
        return answers(export, subject, said)

    keep_trials(store.path, export, guess("p0"))
    found = compared(store)
    assert found.unreadable == (), "150 trials do not show it"
    assert found.needed > 150
    for number in range(1, 8):
        keep_trials(store.path, export, guess(f"p{number}"))
    found = compared(store)
    assert [c.condition for c in found.unreadable] == [NOISE]
    assert found.unreadable[0].limit < found.chance + 0.05
    for one in found.models:
        rows = rows_of(store, one.model.name, NOISE)
        assert one.unreadable is not None
        assert (one.unreadable.value, one.unreadable.n) == (pytest.approx(float(rows.correct.mean())), len(rows))
    text = "\n".join(told(found))
    assert "People cannot read" in text and "where people cannot" in text
    page = build([store.path]).read_text()
    assert "People cannot read" in page
    summary = json.loads((store.path / "report" / "summary.json").read_text())
    assert summary["people"][0]["conditions"][1]["unreadable"] is True
    results = (store.path / "report" / "results.csv").read_text()
    assert "people_right_where_it_is_wrong" in results and "accuracy_where_people_cannot_read" in results


def changed(trials: list[Trial], **fields: str) -> list[Trial]:
    return [dataclasses.replace(trials[0], **fields), *trials[1:]]


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"image": "0001_fedcba987654_p1_clean_x_00_00000.png"}, "mixes trials of 2 exports"),
        ({"image": "holiday.png"}, "is no picture of an export"),
        ({"category": "no such class"}, "picture 0 was"),
        ({"condition": "fog"}, "picture 0 was"),
        ({"response": "no such class"}, "is none of the classes"),
    ],
)
def test_answers_that_do_not_fit_the_export_are_refused(
    asked: tuple[RunStore, Export], fields: dict[str, str], message: str, tmp_path: Path
) -> None:
    store, export = asked
    trials = answers(export, "p1", dict.fromkeys(range(5), 0))
    (tmp_path / "bad.csv").write_text(as_csv(changed(trials, **fields)))
    answer = called("people", "import", store.path, tmp_path / "bad.csv")
    assert answer.returncode == 2
    assert message in answer.stderr
    assert not list((store.path / "people" / export.short).glob("trials-*"))


def test_answers_to_another_export_and_second_answers_are_refused(
    asked: tuple[RunStore, Export], tmp_path: Path
) -> None:
    store, export = asked
    other = dataclasses.replace(export, digest="f" * 64)
    (tmp_path / "other.csv").write_text(as_csv(answers(other, "p1", {0: 1})))
    answer = called("people", "import", store.path, tmp_path / "other.csv")
    assert answer.returncode == 2
    assert f"answers another export ({'f' * 12}); this run has {export.short}" in answer.stderr
    first = answers(export, "p1", {0: 1, 1: 1})
    keep_trials(store.path, export, first)
    keep_trials(store.path, export, first)
    with pytest.raises(DataError, match="has answered picture"):
        keep_trials(store.path, export, answers(export, "p1", {1: 2, 2: 2}))
    (kept,) = (store.path / "people" / export.short).glob("trials-*.csv")
    kept.write_text(kept.read_text().replace("p1,", "p2,"))
    with pytest.raises(Damaged, match="is damaged"):
        people_of(gather([store.path]))


def test_exports_are_read_back(asked: tuple[RunStore, Export]) -> None:
    store, export = asked
    assert exports(store.path) == [export]
