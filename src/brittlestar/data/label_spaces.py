"""Label spaces by name, and those that people write: files of classes and outputs."""

from __future__ import annotations

import functools
import json
import tomllib
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from brittlestar.core.errors import DataError, require, unknown
from brittlestar.core.label_space import MERGES, LabelSpace
from brittlestar.core.options import option

_FOLDER = Path(__file__).parent / "spaces"
_OTHERS = ("mean", "sum", "max")
_IMAGENET = 1000
_KEYS = ("name", "text", "merge", "outputs", "classes")


@functools.cache
def imagenet_wnids() -> tuple[str, ...]:
    """The 1,000 classes of ImageNet in the order of the outputs, which is that of their numbers."""
    return tuple((_FOLDER / "imagenet-wnids.txt").read_text(encoding="utf-8").split())


@functools.cache
def _built_in() -> dict[str, tuple[LabelSpace, str]]:
    """Spaces and what they are in words, by name; many-to-one ones also with each other merge."""
    found: dict[str, tuple[LabelSpace, str]] = {}
    for path in sorted(_FOLDER.glob("*.json")):
        content = json.loads(path.read_text(encoding="utf-8"))
        space = _space(content, path.stem, f"label space {path.stem}", imagenet_wnids())
        text = str(content["text"])
        found[space.name] = (space, text)
        for merge in _OTHERS if space.merge != "subset" else ():
            if merge != space.merge:
                other = replace(space, name=f"{space.name}-{merge}", merge=merge)  # type: ignore[arg-type]
                found[other.name] = (other, f"{text.rpartition(', ')[0]}, the {merge} of the probabilities of each")
    return found


def describe_spaces() -> list[tuple[str, str]]:
    """(name, what it is), in order."""
    return [(name, text) for name, (_, text) in _built_in().items()]


def label_space(given: str | Path | Mapping[str, Any] | LabelSpace, outputs: Sequence[str] | None = None) -> LabelSpace:
    """A label space by name, or as people write one.

    A file (JSON or TOML) or a mapping holds ``classes``: a list of the model's outputs that are classes of the data, or
    an object that gives each class one output or a list of them. An output is its place from 0, or its name: ImageNet's
    number (``n01440764``), or one of ``outputs``. Beside that it may hold ``merge`` (``subset`` where every class has
    one output, else it must be said: mean, sum, max, logit_max), ``outputs`` (how many the model has, or their names)
    and ``name``.

    Args:
        given: Name, file, mapping, or a space itself.
        outputs: Names of the model's outputs, in order, where they are known.

    Raises:
        DataError: There is no such space, or it makes no sense; the text says what to write.
    """
    if isinstance(given, LabelSpace):
        return given
    if isinstance(given, Mapping):
        return _space(given, "own", option("label_space"), outputs)
    kind = f"{option('label_space')} is a name, a file, a mapping or a LabelSpace, got {given!r:.80}"
    require(isinstance(given, str | Path), kind, DataError)
    known = _built_in()
    if str(given) in known:
        return known[str(given)][0]
    path = Path(given)
    if not path.is_file():
        if isinstance(given, Path) or path.suffix or "/" in given:
            raise DataError(f"no such file: {given}")
        raise DataError(str(unknown("label space", given, known, "brittlestar list spaces")) + ", or a file of one")
    return _space(_read(path), path.stem, str(path), outputs)


def fitting(outputs: int, classes: int) -> str:
    """Which spaces by name are for models of so many outputs and data of so many classes, as a hint; else empty."""
    names = [
        name for name, (space, _) in _built_in().items() if (space.outputs, len(space.classes)) == (outputs, classes)
    ]
    if not names:
        return ""
    listed = f"{', '.join(names[:-1])} or {names[-1]}" if len(names) > 1 else names[0]
    return f"; if they are the classes of {listed}, give {option('label_space', names[0])}"


def _read(path: Path) -> Mapping[str, Any]:
    try:
        text = path.read_text(encoding="utf-8-sig")
        found = tomllib.loads(text) if path.suffix == ".toml" else json.loads(text)
    except (OSError, ValueError, RecursionError) as error:
        raise DataError(f"{path} cannot be read as {'TOML' if path.suffix == '.toml' else 'JSON'}: {error}") from error
    return found if isinstance(found, Mapping) else {"classes": found}


def _space(given: Mapping[str, Any], name: str, of: str, names: Sequence[str] | None) -> LabelSpace:
    strange = sorted(set(given) - set(_KEYS))
    require(not strange, f"{of}: it has {', '.join(map(repr, strange))}; known are {', '.join(_KEYS)}", DataError)
    classes = given.get("classes")
    require(
        isinstance(classes, list | tuple | Mapping) and len(classes) > 0,
        f"{of} needs classes: a list of outputs, or an object that gives each class its outputs",
        DataError,
    )
    assert classes is not None
    told = given.get("outputs")
    if isinstance(told, list | tuple):
        names, told = [str(one) for one in told], None
    asked = (
        {str(k): v if isinstance(v, list | tuple) else [v] for k, v in classes.items()}
        if isinstance(classes, Mapping)
        else {str(one): [one] for one in classes}
    )
    require(len(asked) == len(classes), f"{of} names a class twice", DataError)
    every = [one for own in asked.values() for one in own]
    numbered = all(isinstance(one, int) and not isinstance(one, bool) for one in every)
    if names is None and not numbered:
        names = imagenet_wnids()
    count = told if told is not None else len(names) if names is not None else None
    require(
        isinstance(count, int) and not isinstance(count, bool) and count > 0,
        f"{of} gives outputs by number: say how many the model has (outputs), or name them with {option('classes')}",
        DataError,
    )
    assert isinstance(count, int)
    agree = names is None or len(names) == count
    require(agree, f"{of} is for models of {count:,} outputs, and {len(names or ()):,} are named", DataError)
    place = {unicodedata.normalize("NFC", one): i for i, one in enumerate(names or ())}
    members = {
        key: tuple(sorted(_place(one, place, f"{of}: class {key}") for one in own)) for key, own in asked.items()
    }
    single = all(len(own) == 1 for own in members.values())
    merge = given.get("merge", "subset" if single else None)
    require(
        merge is not None,
        f"{of} gives classes several outputs: say how they are merged (merge), one of {', '.join(MERGES[1:])}; of "
        "ImageNet's 1,000, Geirhos et al. took the mean of the probabilities, video sets the highest logit (logit_max)",
        DataError,
    )
    kept = tuple(unicodedata.normalize("NFC", key) for key in members)
    own = str(given.get("name", name))
    return LabelSpace(name=own, classes=kept, members=tuple(members.values()), outputs=count, merge=merge)


def _place(one: Any, place: Mapping[str, int], of: str) -> int:
    if isinstance(one, int) and not isinstance(one, bool):
        return one
    text = unicodedata.normalize("NFC", str(one))
    require(
        text in place,
        f"{of}: output {one!r} is none of the model's {len(place):,} "
        f"({', '.join(list(place)[:3])}, ...): write its place from 0, its name as the model's are written "
        f"({option('classes')} names them), or an ImageNet number like n01440764",
        DataError,
    )
    return place[text]


def aligned(space: LabelSpace, classes: Sequence[str]) -> LabelSpace:
    """The space with its classes in the order of the data's, named as there.

    Classes are known by their names; those of a subset of ImageNet also by their numbers (n01440764). Data of which
    the classes are mere numbers have the space's in its order (0, 1, 2, ...), or the places of a subset's outputs.

    Raises:
        DataError: The data have other classes, or numbers whose order can be read in two ways.
    """
    given = [unicodedata.normalize("NFC", name) for name in classes]
    ways = [dict(zip(space.classes, space.members, strict=True))]
    if space.merge == "subset" and space.outputs == _IMAGENET:
        ways.append({imagenet_wnids()[own[0]]: own for own in space.members})
    if all(name.isdecimal() for name in given):
        given = [str(int(name)) for name in given]
        if space.merge == "subset":
            ways.append({str(own[0]): own for own in space.members})
        if set(given) == {str(k) for k in range(len(space.classes))} and not _known(given, ways):
            _require_order(space)
            ways.append({str(k): own for k, own in enumerate(space.members)})
    known = _known(given, ways)
    if known is None:
        raise DataError(_differ(space, given, ways))
    return replace(space, classes=tuple(classes), members=tuple(known[name] for name in given))


Members = Mapping[str, tuple[int, ...]]


def _known(given: Sequence[str], ways: Sequence[Members]) -> Members | None:
    return next((way for way in ways if set(way) == set(given) and len(way) == len(given)), None)


def _require_order(space: LabelSpace) -> None:
    """Refuse data of numbers where the space's own order is not that of its outputs."""
    first = [own[0] for own in space.members]
    require(
        space.merge != "subset" or first == sorted(first),
        f"the data know their classes as 0 .. {len(first) - 1}, and label space {space.name} lists its outputs in an "
        f"order of its own ({', '.join(map(str, first[:4]))}, ...): 1 could be its second class, or the second by "
        'output. Write the classes as an object, {"0": OUTPUT, "1": OUTPUT, ...}, which says it',
        DataError,
    )


def _differ(space: LabelSpace, given: Sequence[str], ways: Sequence[Members]) -> str:
    """Why the data's classes are not those of the space."""
    near = max(ways, key=lambda way: len(set(way) & set(given)))
    strange, lacking = [name for name in given if name not in near], [name for name in near if name not in set(given)]
    told = f"label space {space.name} has {len(near):,} classes and the data {len(given):,}"
    if strange:
        told += f"; {len(strange):,} of the data's are none of them: {_some(strange)}"
    if lacking:
        told += f"; {len(lacking):,} of them are lacking in the data: {_some(lacking)}"
    if strange and all(name.isdecimal() for name in given) and len(given) == space.outputs:
        return told + (
            f". The labels are places among the model's {space.outputs:,} outputs: number the classes from 0 to "
            f"{len(near) - 1} in the order of the label space"
        )
    if strange and len(strange) == len(given):
        return told + f". Its classes are called {_some(list(near))}: name the data's so, or write a space of them"
    return told + (
        ". With other classes another task is measured: take the label space of these data, or write one of these "
        f"classes ({option('label_space', 'FILE')})"
    )


def _some(names: Sequence[str]) -> str:
    return ", ".join(names[:5]) + (", ..." if len(names) > 5 else "")
