"""``python -m brittlestar`` is the command ``brittlestar``."""

from __future__ import annotations

from brittlestar.cli.main import main

if __name__ == "__main__":
    main()
