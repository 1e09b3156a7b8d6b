"""Predictions that somebody else's pipeline made, measured without it."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pytest
from scipy import special

from brittlestar.core.errors import DataError
from brittlestar.data import open_source
from brittlestar.data.label_spaces import label_space
from brittlestar.data.predictions import answered, places_of, read_predictions
from brittlestar.store import RunStore
from tiny import called

N, K = 40, 4


@pytest.fixture
def data(tmp_path: Path) -> Path:
    x = np.random.default_rng(0).integers(0, 256, (N, 8, 8, 3), dtype=np.uint8)
    classes = np.array(["ant", "bee", "cat", "dog"])
    np.savez(tmp_path / "data.npz", x=x, y=np.arange(N) % K, classes=classes)
    return tmp_path / "data.npz"


def table(path: Path, columns: dict[str, Any]) -> Path:
    names = list(columns)
    rows = zip(*columns.values(), strict=True)
    path.write_text("\n".join([",".join(names), *(",".join(f'"{cell}"' for cell in row) for row in rows)]) + "\n")
    return path


def scores(seed: int = 1) -> Any:
    """(n, classes) logits in the listing's order, right in most cases."""
    logits = np.random.default_rng(seed).normal(size=(N, K))
    logits[np.arange(N), np.arange(N) % K] += 1.5
    return logits


def measured(tmp_path: Path, data: Path, file: Path, *more: object) -> Any:
    out = tmp_path / f"run-{file.name}"
    done = called("run", "--data", data, "--predictions", f"theirs={file}", "--out", out, *more)
    assert done.returncode == 0, done.stderr
    return RunStore.open(out)


def rows_of(store: RunStore, condition: str = "clean") -> Any:
    fingerprint = store.manifest.conditions[condition].fingerprint
    return store.read(store.manifest.models["theirs"]["fingerprint"], [fingerprint])[fingerprint]


def test_logits_probabilities_and_parquet_give_the_rows_of_a_model(tmp_path: Path, data: Path) -> None:
    source, logits = open_source(str(data)), scores()
    mixed = np.random.default_rng(5).permutation(N)
    p = special.softmax(logits, 1)
    wide = {f"z_{k}": logits[mixed, k] for k in range(K)}
    one = table(tmp_path / "logits.csv", {"id": source.ids[mixed], **wide})
    np.savez(tmp_path / "shares.npz", name=np.array(source.names())[mixed], probabilities=p[mixed])
    frame = {"id": source.ids[mixed].astype(object), **{f"p_{k}": p[mixed, k] for k in range(K)}}
    con = duckdb.connect()
    con.register("frame", frame)
    con.execute(f"COPY (SELECT * FROM frame) TO '{tmp_path / 'shares.parquet'}' (FORMAT parquet)")
    order = source.order(0)
    for file in (one, tmp_path / "shares.npz", tmp_path / "shares.parquet"):
        store = measured(tmp_path, data, file, "--no-report")
        rows = rows_of(store)
        assert np.array_equal(rows.prediction, logits[order].argmax(1))
        assert np.allclose(special.softmax(rows.logits, 1), p[order], atol=1e-6)
        assert np.array_equal(rows.label, source.labels[order])
        assert store.manifest.sessions[-1].stop == "complete"


def test_labels_alone_give_accuracy_and_say_what_is_not_there(tmp_path: Path, data: Path) -> None:
    source, answers = open_source(str(data)), scores().argmax(1)
    names = np.array(source.info.classes)[answers]
    file = table(tmp_path / "labels.csv", {"name": source.names(), "prediction": names})
    store = measured(tmp_path, data, file)
    rows = rows_of(store)
    assert rows.labels_only and rows.correct.mean() == np.mean(answers == source.labels)
    out = store.path / "report"
    results = (out / "results.csv").read_text()
    assert "clean,accuracy" in results.replace('"', "") and "ece" not in results and "nan" not in results.lower()
    assert "needs confidences, and of this model only labels were given" in (out / "report.html").read_text()
    told = called("audit", store.path)
    assert told.returncode == 2 and "cannot be asked again" in told.stderr


def test_a_column_says_under_which_condition_rows_were_answered(tmp_path: Path, data: Path) -> None:
    source = open_source(str(data))
    both = np.concatenate([scores(), scores(9) - scores()])
    file = table(
        tmp_path / "shifted.csv",
        {
            "name": [*source.names(), *source.names()],
            "condition": ["clean"] * N + ["brightness/delta=0.1"] * N,
            **{f"z_{k}": both[:, k] for k in range(K)},
        },
    )
    unknown = called("run", "--data", data, "--predictions", file, "--out", tmp_path / "none")
    assert unknown.returncode == 2 and "name the suite that holds it" in unknown.stderr
    known = next(c for c in called("show", "suite", "broad").stdout.split() if c.startswith("brightness/"))
    file.write_text(file.read_text().replace("brightness/delta=0.1", known))
    store = measured(tmp_path, data, file, "--suite", "broad", "--no-report")
    assert list(store.manifest.conditions) == ["clean", known]
    assert np.array_equal(rows_of(store, known).prediction, both[N:][source.order(0)].argmax(1))


def test_the_order_counts_only_on_request(tmp_path: Path, data: Path) -> None:
    file = table(tmp_path / "bare.csv", {f"z_{k}": scores()[:, k] for k in range(K)})
    refused = called("run", "--data", data, "--predictions", file, "--out", tmp_path / "run")
    assert refused.returncode == 2 and "does not say which row is of which image" in refused.stderr
    store = measured(tmp_path, data, file, "--in-order", "--no-report")
    assert np.array_equal(rows_of(store).prediction, scores()[open_source(str(data)).order(0)].argmax(1))
    short = read_predictions(table(tmp_path / "short.csv", {"prediction": [0] * 39}))
    with pytest.raises(DataError, match="39 rows and the data 40 images"):
        places_of(short, open_source(str(data)), True)


def test_missing_doubled_and_strange_samples_are_counted(tmp_path: Path, data: Path) -> None:
    source = open_source(str(data))
    names = [*source.names()[:30], *source.names()[:5], "elsewhere.png"]
    told = read_predictions(table(tmp_path / "wrong.csv", {"name": names, "prediction": [0] * 36}))
    with pytest.raises(DataError, match=r"36 rows for 40 images: 5 stand there twice.*1 are none of.*10 of the data's"):
        places_of(told, source, False)


@pytest.mark.parametrize(
    ("columns", "said"),
    [
        ({"id": ["a"], "score": [1]}, r"no answers \(its columns are score\)"),
        ({"id": ["a"], "z_0": [1], "z_2": [1]}, "z_0 to z_1 must all be there"),
        ({"id": ["a"], "z_0": [1], "z_1": ["x"]}, "logits are no numbers"),
        ({"id": ["a"], "z_0": [1], "z_1": ["nan"]}, "1 rows are missing or not finite"),
        ({"id": ["a"], "p_0": [0.7], "p_1": [0.7]}, "do not sum to 1: name logits"),
        ({"id": ["a"], "p_0": [0.7], "p_1": [0.3], "prediction": [0]}, "probabilities and prediction"),
        ({"id": ["a"], "prediction": [""]}, "1 rows have no prediction"),
    ],
)
def test_tables_that_do_not_say_what_they_hold_are_refused(tmp_path: Path, columns: Any, said: str) -> None:
    with pytest.raises(DataError, match=said):
        read_predictions(table(tmp_path / "table.csv", columns))


def test_answers_that_are_no_class_and_other_numbers_of_columns_are_refused(tmp_path: Path, data: Path) -> None:
    source = open_source(str(data))
    strange = table(tmp_path / "strange.csv", {"id": source.ids, "prediction": ["ant", "eel"] * 20})
    told = called("run", "--data", data, "--predictions", strange, "--out", tmp_path / "a")
    assert told.returncode == 2 and "1 of the answers are none of the 4 classes: eel" in told.stderr
    wide = table(tmp_path / "wide.csv", {"id": source.ids, **{f"z_{k}": np.arange(N) for k in range(6)}})
    told = called("run", "--data", data, "--predictions", wide, "--out", tmp_path / "b")
    assert told.returncode == 2 and "6 columns of logits and the data 4 classes" in told.stderr
    told = called("run", "--data", data, "--out", tmp_path / "c")
    assert told.returncode == 2 and "give --model, or --predictions" in told.stderr


def test_another_file_under_the_same_name_is_another_model(tmp_path: Path, data: Path) -> None:
    source = open_source(str(data))
    for seed, code in ((1, 0), (1, 0), (2, 2)):
        file = table(tmp_path / "t.csv", {"id": source.ids, **{f"z_{k}": scores(seed)[:, k] for k in range(K)}})
        out = tmp_path / "run"
        done = called("run", "--data", data, "--predictions", f"theirs={file}", "--out", out, "--no-report")
        assert done.returncode == code, done.stderr
    assert "theirs has changed" in done.stderr


def test_outputs_of_a_model_are_read_in_the_label_space(tmp_path: Path, data: Path) -> None:
    source = open_source(str(data))
    space = {"classes": {"ant": [0, 4], "bee": 1, "cat": 2, "dog": [3, 5]}, "merge": "sum", "outputs": 6}
    (tmp_path / "space.json").write_text(json.dumps(space))
    outputs = np.random.default_rng(4).normal(size=(N, 6))
    file = table(tmp_path / "outputs.csv", {"id": source.ids, **{f"z_{k}": outputs[:, k] for k in range(6)}})
    store = measured(tmp_path, data, file, "--label-space", tmp_path / "space.json")
    rows, order = rows_of(store), source.order(0)
    expected = label_space(space)
    assert np.array_equal(rows.prediction, expected.scores(outputs[order]).argmax(1))
    assert np.array_equal(rows.others, expected.answers(outputs[order]))
    results = (store.path / "report" / "results.csv").read_text()
    for name, k in (("all", 0), ("mean", 1), ("max", 2)):
        line = next(line for line in results.splitlines() if f",clean,accuracy_{name}," in line)
        assert float(line.split(",")[4]) == pytest.approx((rows.others[:, k] == rows.label).mean(), abs=1e-5)
    merged = expected.scores(outputs)
    # Somebody else may have merged them already.
    ready = table(tmp_path / "ready.csv", {"id": source.ids, **{f"z_{k}": merged[:, k] for k in range(K)}})
    own = rows_of(measured(tmp_path, data, ready, "--label-space", tmp_path / "space.json", "--no-report"))
    assert np.array_equal(own.prediction, rows.prediction) and own.others is None


def test_what_is_not_measured_of_a_file_is_said(tmp_path: Path, data: Path) -> None:
    source = open_source(str(data))
    file = table(tmp_path / "t.csv", {"id": source.ids, **{f"z_{k}": scores()[:, k] for k in range(K)}})
    words = ["run", "--data", data, "--predictions", file, "--out", tmp_path / "run"]
    done = called(*words, "--suite", "noise", "--no-report")
    assert done.returncode == 0 and "t has no predictions under 31 conditions of the suite" in done.stderr
    for flag, value in (("--samples", 10), ("--precision", 0.1)):
        told = called(*words, flag, value)
        assert told.returncode == 2 and f"{flag} need a model" in told.stderr
    told = called(*words, "--model", "t=torch:model.py:model")
    assert told.returncode == 2 and "a model and a file of predictions are called t: write NAME=FILE" in told.stderr


def test_contexts_are_kept_beside_predictions(tmp_path: Path) -> None:
    x, site = np.random.default_rng(0).integers(0, 256, (N, 8, 8, 3), dtype=np.uint8), np.array(["n", "s"] * (N // 2))
    np.savez(tmp_path / "data.npz", x=x, y=np.arange(N) % K, site=site)
    source = open_source(str(tmp_path / "data.npz"))
    file = table(tmp_path / "t.csv", {"id": source.ids, **{f"z_{k}": scores()[:, k] for k in range(K)}})
    store = measured(tmp_path, tmp_path / "data.npz", file, "--contexts", "site")
    assert store.contexts()["site"].tolist() == site[source.order(0)].tolist()
    results = (store.path / "report" / "results.csv").read_text()
    right = scores()[site == "n"].argmax(1) == (np.arange(N) % K)[site == "n"]
    assert f"accuracy:site=n,{right.mean():.6g}," in results


def test_titles_that_two_classes_have_tell_no_answer(tmp_path: Path) -> None:
    read = read_predictions(table(tmp_path / "t.csv", {"id": ["a", "b"], "prediction": ["crane", "hen"]}))
    assert answered(dataclasses.replace(read, values=np.array(["hen"])), ["n1", "n2", "n3"], ["crane", "hen", "crane"])
    with pytest.raises(DataError, match="none of the 3 classes: crane"):
        answered(read, ["n1", "n2", "n3"], ["crane", "hen", "crane"])
