"""Frozen definitions: named, versioned, fingerprinted, listed in catalogues.

A definition is a frozen dataclass. Its identity is its class ``name``, its ``version`` and its fields;
equal identity means equal behaviour, so a fingerprint of the identity is safe to store beside results.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import re
from abc import ABC
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, ClassVar, Generic, TypeVar

from brittlestar.core.errors import UsageError, require, unknown


def canonical_json(value: Any) -> str:
    """JSON with sorted keys and no spaces: equal values give equal text."""
    # NaN and the infinities are not JSON: they are refused, as other readers would not take them back.
    return json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False)


def fingerprint_of(value: Any) -> str:
    """The first 16 hexadecimal digits of the SHA-256 of the canonical JSON of ``value``."""
    # 64 bits fit into a file name, and two of 10,000 definitions collide with a probability of about 3e-12.
    return hashlib.sha256(canonical_json(value).encode()).hexdigest()[:16]


@dataclasses.dataclass(frozen=True, kw_only=True)
class Definition(ABC):
    """Base of everything that is listed by name: shifts, attacks, measures, recipes.

    Class attributes:
        name: The stable name that people type.
        version: Raised whenever the result for the same fields changes.
    """

    name: ClassVar[str]
    version: ClassVar[int] = 1

    @classmethod
    def summary(cls) -> str:
        """The first sentence of the docstring, on one line."""
        text = " ".join((cls.__doc__ or "").split())
        head, dot, _ = text.partition(". ")
        return head + dot.strip() if dot else head

    @classmethod
    def check_class(cls) -> None:
        """Hold the class to what every listed one must keep; ``Catalogue`` asks it of its members.

        Raises:
            UsageError: Which class breaks which rule, and what to write.
        """
        lacking = ", ".join(sorted(getattr(cls, "__abstractmethods__", ())))
        cls.must(not lacking, f"it lacks {lacking}")
        # In the class's own namespace: an undecorated subclass inherits the attribute, but its new fields are none.
        cls.must("__dataclass_params__" in vars(cls), "write `@dataclass(frozen=True, kw_only=True)` above it")
        named = re.fullmatch("[a-z][a-z0-9_]*", getattr(cls, "name", ""))
        cls.must(named, 'give it a `name: ClassVar[str]` of small letters, digits and underscores, like "low_pass"')
        documented = cls.__doc__ and not cls.__doc__.startswith(f"{cls.__name__}(")  # As dataclasses write their own.
        cls.must(documented, "give it a docstring; its first sentence is what `brittlestar list` shows")

    @classmethod
    def must(cls, holds: object, mend: str) -> None:
        """Raise a UsageError that names the class and says how to mend it unless a rule ``holds``."""
        require(bool(holds), f"{cls.__module__}.{cls.__qualname__} cannot be listed: {mend}", UsageError)

    def config(self) -> dict[str, Any]:
        """The fields as plain JSON values; ``from_config`` of the same class takes them back."""
        return {field.name: _plain(getattr(self, field.name)) for field in dataclasses.fields(self)}

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> Any:
        """Build a definition from ``config()``.

        Raises:
            UsageError: A field is unknown (the nearest name is told), is missing, or is of another kind.
        """
        known = {field.name for field in dataclasses.fields(cls)}
        for key in config:
            if key not in known:
                raise unknown(f"field of {cls.name}", key, known)
        # JSON has only lists; fields are tuples, so that definitions stay hashable.
        fields = {key: tuple(v) if isinstance(v, list) else v for key, v in config.items()}
        try:
            return cls(**fields)
        # What definitions do with values of another kind when they look at them.
        except (TypeError, ValueError, AttributeError, OverflowError) as error:
            raise UsageError(f"these are no fields of {cls.name}: {fields} ({error})") from error

    def fingerprint(self) -> str:
        """Sixteen hexadecimal digits that change when name, version or a field changes."""
        return fingerprint_of({"name": self.name, "version": self.version, "fields": self.config()})


def _plain(value: Any) -> Any:
    if isinstance(value, tuple):
        return [_plain(item) for item in value]
    return value


D = TypeVar("D", bound=Definition)


class Catalogue(Generic[D], Mapping[str, type[D]]):
    """Definitions of one kind by name, in the order they were listed.

    Raises:
        UsageError: A class that breaks a rule of its kind (``check_class``), or two of one name.
    """

    def __init__(self, kind: str, members: Iterable[type[D]]) -> None:
        self.kind = kind
        self._members: dict[str, type[D]] = {}
        for member in members:
            member.check_class()
            if member.name in self._members:
                raise UsageError(f"two {kind}s are named {member.name!r}")
            self._members[member.name] = member

    def __getitem__(self, name: str) -> type[D]:
        if name not in self._members:
            raise unknown(self.kind, name, self._members)
        return self._members[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._members)

    def __len__(self) -> int:
        return len(self._members)

    # Mapping's own calls __getitem__ and expects a KeyError, which the error raised there is not.
    def __contains__(self, name: object) -> bool:
        return name in self._members
