"""``python -m brittlestar`` is the command ``brittlestar``, and this is where both begin."""

from __future__ import annotations

import sys

from brittlestar.core import interrupts


def main() -> None:
    """Entry point of the command; hears Ctrl-C before the rest of it is imported, which takes a second."""
    with interrupts.listening():
        try:
            from brittlestar.cli.main import main as command

            command()
        except KeyboardInterrupt:
            print("interrupted", file=sys.stderr)
            sys.exit(interrupts.code())


if __name__ == "__main__":
    main()
