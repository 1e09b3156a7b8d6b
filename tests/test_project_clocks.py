"""No test waits a fixed time for something to happen, and none asserts how long something took.

Both fail on a busy machine. A process is held at a gate instead (``gate_tools.py``), work is counted in lines that run
(``counting.py``), and what is said about speed is a ratio in ``benchmarks/``.
"""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ALLOWED = {
    ("browser_tools.py", "time.sleep(0.05)"): "between two questions to a browser, asked until the answer is yes",
    ("browser_tools.py", "timeout=600"): "a browser that hangs; nothing waits so long where it does not",
    ("test_ends_models.py", "time.time_ns("): "a seed that a model sets",
    ("test_ends_models.py", "time.sleep(1000)"): "a model that hangs",
    ("tiny.py", "time.sleep(self.delay)"): "a model that is slow, for budgets",
}
"""What stands in a file of the tests, and why it waits for nothing and measures nothing."""

CLOCKS = r"(?:time\.)?(?:perf_counter|monotonic|process_time|thread_time)(?:_ns)?\(|time\.time(?:_ns)?\("
WAITS = re.compile(
    rf"\b(?:{CLOCKS})|\b(?:time\.)?sleep\([^)]*\)|\bsettimeout\(|\btimeout=[\w.]+|\.(?:wait|join)\([\d.]+\)"
)


def waits(text: str) -> list[str]:
    """What waits for a time or reads a clock in a file of the tests."""
    return [found[0] for found in WAITS.finditer(text)]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("time.sleep(0.1)", ["time.sleep(0.1)"]),
        ("sleep(2)", ["sleep(2)"]),
        ("began = time.perf_counter()", ["time.perf_counter("]),
        ("monotonic_ns() + 5", ["monotonic_ns("]),
        ("time.time() - began", ["time.time("]),
        ("process.wait(20)", [".wait(20)"]),
        ("process.communicate(timeout=60)", ["timeout=60"]),
        ('monkeypatch.setattr(time, "monotonic", clock)', []),
        ("process.wait()", []),
        ("at_a_time(3)", []),
    ],
)
def test_waiting_is_seen(text: str, expected: list[str]) -> None:
    assert waits(text) == expected


def test_nothing_waits_for_a_time_or_asserts_one() -> None:
    files = [path for path in Path(__file__).parent.glob("*.py") if path != Path(__file__)]
    found = {(path.name, wait) for path in files for wait in waits(path.read_text(encoding="utf-8"))}
    assert len(files) > 100 and found == set(ALLOWED)
