"""Files that once made a reader fail, found by ``benchmarks/fuzz.py``: each is read, or refused in words."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmark_tools import benchmark

KEPT = sorted(path for path in (Path(__file__).parent / "fuzz").glob("*/*") if path.is_file())


@pytest.mark.parametrize("path", KEPT, ids=lambda path: f"{path.parent.name}/{path.name}")
def test_a_file_that_made_a_reader_fail_does_so_no_more(path: Path, tmp_path: Path) -> None:
    answer = benchmark("fuzz_targets").run_target(path.parent.name, path.read_bytes(), tmp_path)
    assert answer == "read" or len(answer) > 20


@pytest.mark.parametrize("target", ["images", "parquet", "npz", "classes", "safetensors", "checkpoint"])
def test_whole_files_are_read(target: str, tmp_path: Path) -> None:
    targets = benchmark("fuzz_targets")
    answers = []
    for number, content in enumerate(targets.seeds(target)):
        folder = tmp_path / str(number)
        folder.mkdir()
        answers.append(targets.run_target(target, content, folder))
    assert answers.count("read") >= len(answers) / 2, answers


def test_what_no_reader_may_do_is_seen(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    targets = benchmark("fuzz_targets")
    outside = tmp_path / "outside"
    inside = tmp_path / "inside"
    inside.mkdir()

    def writes(content: bytes, folder: Path) -> None:
        (folder / "own").write_bytes(content)
        outside.write_bytes(content)

    def starts(content: bytes, folder: Path) -> None:
        import subprocess

        subprocess.run(["true"], check=True)

    def unpickles(content: bytes, folder: Path) -> None:
        import pickle

        pickle.loads(pickle.dumps(Path("x")))

    for number, target in enumerate((writes, starts, unpickles)):
        monkeypatch.setitem(targets.TARGETS, "bad", target)
        with pytest.raises(targets.Escaped):
            targets.run_target("bad", bytes([number]), inside)
    assert (inside / "own").exists() and not outside.exists()
