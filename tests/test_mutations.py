"""Every test can fail: seeded mutations of the package are noticed by the quick tests."""

from __future__ import annotations

import pytest

from benchmark_tools import benchmark


def test_mutations_change_what_they_say() -> None:
    mutations = benchmark("mutations")
    drawn = mutations.drawn(40, 1)
    assert len(drawn) == 40 and len({(one.file, one.line, one.before) for one in drawn}) > 30
    for one in drawn:
        compile(one.text, str(one.file), "exec")
        assert one.before != one.after


@pytest.mark.slow
def test_of_40_mutations_at_least_38_are_caught() -> None:
    mutations = benchmark("mutations")
    missed = [one for one in mutations.drawn(40, 1) if not mutations.caught_by(one)]
    assert len(missed) <= 2, [f"{one.file.name}:{one.line}: {one.before} -> {one.after}" for one in missed]
