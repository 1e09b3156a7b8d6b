"""What was found damaged in a run folder, and where it is moved."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from brittlestar.core.errors import StoreError

ASIDE = "damaged"
"""The folder inside a run folder that damaged files are moved into."""

AGAIN = "give the same `brittlestar run` command again: damaged files are set aside and their cells computed again"


@dataclass(frozen=True)
class Damage:
    """A damaged or lost file of a run folder.

    Fields:
        path: The file.
        why: What is wrong with it, as the end of a sentence.
        effect: What becomes of it, or what to do, as a part of a sentence.
        model: Fingerprint of the model whose rows are left out; empty for other files.
        conditions: Fingerprints of the conditions whose rows are left out.
        rows: The block whose rows are left out, ``(start, stop)``.
    """

    path: Path
    why: str
    effect: str = AGAIN
    model: str = ""
    conditions: tuple[str, ...] = ()
    rows: tuple[int, int] = (0, 0)

    def __str__(self) -> str:
        return f"{self.path} is damaged ({self.why}); {self.effect}"

    @property
    def needed(self) -> bool:
        """Whether numbers or pictures are lacking: nothing else holds what the file held."""
        return self.effect not in STOOD_IN


FROM_COPY = "its copy was read instead"
FROM_ROWS = "its conditions were read from the row files instead"
STOOD_IN = (FROM_COPY, FROM_ROWS)


def set_aside(folder: Path, path: Path) -> Path | None:
    """Move a file of a run folder into ``damaged/``, under the folders it lies in; nothing there is overwritten.

    Returns:
        Where it lies now; ``None`` where there was no file.

    Raises:
        StoreError: It cannot be moved.
    """
    target = folder / ASIDE / path.relative_to(folder)
    number = 1
    while target.exists():
        number += 1
        target = target.with_name(f"{path.name}.{number}")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        path.rename(target)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise StoreError(f"cannot move {path}, which is damaged: {error.strerror or error}") from error
    return target
