"""Paths and locks on object storage: in memory here, on a real S3 server in ``./dev test --slow``."""

from __future__ import annotations

import io
import pickle
import secrets
from pathlib import Path
from typing import Any

import pytest

from brittlestar.core import object_lock
from brittlestar.core.errors import StoreError, UsageError
from brittlestar.core.files import new_folder_for, put_in_place
from brittlestar.core.object_lock import object_held, object_locked
from brittlestar.core.places import ObjectPath, file_system, place
from object_store import s3_bucket


@pytest.fixture(scope="module", params=["memory", pytest.param("s3", marks=pytest.mark.slow)])
def storage(request: pytest.FixtureRequest) -> str:
    return "memory://bucket" if request.param == "memory" else s3_bucket()


@pytest.fixture
def root(storage: str) -> ObjectPath:
    folder = place(f"{storage}/{secrets.token_hex(4)}/run")
    assert isinstance(folder, ObjectPath)
    return folder


def test_addresses_are_told_from_paths() -> None:
    for text in ("runs/digits", "/data/s3:", "s3", "C:/runs", "ftp://host/x"):
        assert place(text) == Path(text) and not isinstance(place(text), ObjectPath), text
    for same in ("s3://bucket/run", Path("s3://bucket/run"), "s3:///bucket/run/", place("s3://bucket/run")):
        assert str(place(same)) == "s3://bucket/run" and place(same) == place("s3://bucket/run"), same


def test_paths_are_put_together_and_taken_apart() -> None:
    root = place("s3://bucket/run")
    file = root / "rows" / "abc" / "b0-4.parquet"
    assert isinstance(file, ObjectPath) and isinstance(file.parent, ObjectPath)
    assert str(file) == "s3://bucket/run/rows/abc/b0-4.parquet" and str(file.parent) == "s3://bucket/run/rows/abc"
    assert (file.name, file.stem, file.suffix) == ("b0-4.parquet", "b0-4", ".parquet")
    assert str(file.relative_to(root)) == "rows/abc/b0-4.parquet" and str(file.with_name("x")).endswith("/abc/x")
    assert pickle.loads(pickle.dumps(file)) == file and hash(file) == hash(place(str(file)))
    assert file.absolute() is file.resolve() is file
    assert sorted([root / "b", root / "a"])[0].name == "a"


def test_what_would_come_to_the_local_file_system_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    path: Any = place("memory://bucket/x")
    for act in (lambda: io.FileIO(path), path.touch, lambda: path.open("w"), lambda: path.chmod(0o600)):
        with pytest.raises(TypeError, match="memory://bucket/x lies on object storage"):
            act()
    assert not list(tmp_path.iterdir())


def test_objects_are_written_found_moved_and_removed(root: ObjectPath) -> None:
    assert not root.exists() and not root.is_dir() and list(root.rglob("*")) == []
    (root / "rows" / "a" / "one.parquet").write_bytes(b"\x00one")
    (root / "rows" / "a" / "x[1]*.parquet").write_bytes(b"odd")
    (root / "manifest.json").write_text("{\u00e9}")
    assert root.is_dir() and not root.is_file() and (root / "rows").exists()
    assert (root / "manifest.json").is_file() and not (root / "manifest.json").is_dir()
    assert {path.name for path in root.iterdir()} == {"rows", "manifest.json"}
    assert [path.name for path in sorted((root / "rows" / "a").iterdir())] == ["one.parquet", "x[1]*.parquet"]
    assert len([*root.rglob("*.parquet")]) == len([*root.glob("rows/*/*.parquet")]) == 2 and not [
        *root.glob("*.parquet")
    ]
    assert (root / "rows" / "a" / "one.parquet").read_bytes() == b"\x00one"
    assert (root / "manifest.json").read_text(encoding="utf-8") == "{\u00e9}"
    told = (root / "manifest.json").stat()
    assert told.st_size == 4 and told.st_mtime > 1e9 and told.st_mtime_ns > 1e18
    with (root / "manifest.json").open("rb") as file:
        assert file.read() == "{\u00e9}".encode()
    moved = (root / "manifest.json").rename(root / "damaged" / "manifest.json")
    assert not (root / "manifest.json").exists() and moved.read_text() == "{\u00e9}"
    moved.unlink()
    moved.unlink(missing_ok=True)
    with pytest.raises(FileNotFoundError):
        moved.read_bytes()
    root.remove_all()
    root.remove_all()
    assert not [*root.rglob("*")]


def test_a_folder_takes_the_place_of_another_with_its_list_last(
    root: ObjectPath, monkeypatch: pytest.MonkeyPatch
) -> None:
    (root / "list.json").write_text("old")
    (root / "gone.png").write_text("old")
    written: list[str] = []
    plain = ObjectPath.write_bytes

    def noted(self: ObjectPath, data: bytes) -> int:
        written.append(self.name)
        return plain(self, data)

    monkeypatch.setattr(ObjectPath, "write_bytes", noted)
    made = new_folder_for(root)
    for name in ("list.json", "z.png", "a.png"):
        (made / name).write_text(f"new {name}")
    put_in_place(made, root, "list.json")
    assert not made.exists()
    assert written == ["a.png", "z.png", "list.json"]
    assert {path.name: path.read_text() for path in root.iterdir()} == {n: f"new {n}" for n in written}


def test_one_of_two_holds_a_lock(root: ObjectPath) -> None:
    lock = root / "lock"
    assert isinstance(lock, ObjectPath) and not object_held(lock)
    with object_locked(lock, "run"):
        assert object_held(lock)
        told = r"is in use by process \d+ on .*, which was there \d+ s ago"
        with pytest.raises(StoreError, match=told), object_locked(lock, "run"):
            raise AssertionError("two hold it")
        assert lock.exists(), "whoever is refused takes nothing away"
    assert not lock.exists()
    with object_locked(lock, "run"):
        pass


def test_the_lock_of_a_process_that_died_is_taken_over_once(root: ObjectPath, monkeypatch: pytest.MonkeyPatch) -> None:
    lock = root / "lock"
    assert isinstance(lock, ObjectPath)
    lock.write_bytes(b'{"owner": "process 7 on a machine that is no more", "token": "its own"}')
    with (
        pytest.raises(StoreError, match="in use by process 7 on a machine that is no more"),
        object_locked(lock, "run"),
    ):
        raise AssertionError("it is fresh")
    monkeypatch.setattr(object_lock, "STALE", -1.0)
    monkeypatch.setattr(object_lock, "_SETTLE", 0.0)
    assert not object_held(lock)
    read = object_lock._read

    def another_is_faster(path: ObjectPath) -> dict[str, Any]:
        holder = read(path)
        if holder.get("token") == "its own":
            path.write_bytes(b'{"owner": "a faster one", "token": "faster"}')
        return holder

    if lock.parts[0] == "s3:":
        # Between being looked at and being written the lock has got another holder.
        monkeypatch.setattr(object_lock, "_read", lambda path: read(path))
        tag = object_lock._tag
        monkeypatch.setattr(object_lock, "_tag", lambda path: (tag(path), another_is_faster(path))[0])
        with pytest.raises(StoreError, match="in use by process 7"), object_locked(lock, "run"):
            raise AssertionError("two took it over")
        assert read(lock)["token"] == "faster"
        monkeypatch.setattr(object_lock, "_tag", tag)
    with object_locked(lock, "run"):
        assert read(lock)["owner"].startswith("process ") and read(lock)["token"] != "its own"
    assert not lock.exists()


def test_a_holder_writes_its_lock_again_and_leaves_one_that_was_taken_over_alone(
    root: ObjectPath, monkeypatch: pytest.MonkeyPatch
) -> None:
    lock = root / "lock"
    assert isinstance(lock, ObjectPath)
    beats: list[float | None] = []

    class Gate:
        """Stands for the event that ends the thread: lets it beat twice, the second time after somebody took over."""

        def wait(self, seconds: float) -> bool:
            beats.append(object_lock._read(lock).get("beat"))
            if len(beats) == 2:
                lock.write_bytes(b'{"owner": "another", "token": "another"}')
            return len(beats) > 3

    lock.write_bytes(b'{"owner": "me", "token": "mine", "beat": 0}')
    object_lock._keep_young(lock, "mine", Gate())  # type: ignore[arg-type]
    assert beats[0] == 0 and (beats[1] or 0) > 1e9 and len(beats) == 2, "it stops when the lock is another's"
    assert object_lock._read(lock)["token"] == "another"


def test_a_package_that_is_missing_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    import fsspec

    def missing(*_: Any, **__: Any) -> Any:
        raise ImportError("No module named 'gcsfs'")

    monkeypatch.setattr(fsspec, "filesystem", missing)
    with pytest.raises(UsageError, match="run folders at gs:// need gcsfs: python -m pip install gcsfs"):
        file_system("gs")
    with pytest.raises(UsageError, match="need gcsfs"):
        place("gs://bucket/run").exists()
