"""The generator against its published algorithm, the distributions against scipy's."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy import stats

from brittlestar.core.errors import UsageError
from brittlestar.core.keys import SampleKeys, mix

DRAWS = 1_000_000
IDS = [str(i) for i in range(250)]


def keys(seed: int = 0, ids: list[str] | None = None) -> SampleKeys:
    return SampleKeys.of(seed, ids or IDS)


def splitmix64(state: int, count: int) -> list[int]:
    """The published generator in Python integers (Steele, Lea and Flood 2014)."""
    mask, found = (1 << 64) - 1, []
    for _ in range(count):
        state = (state + 0x9E3779B97F4A7C15) & mask
        z = state
        z = ((z ^ (z >> 30)) * 0xBF58476D1CE4E5B9) & mask
        z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & mask
        found.append(z ^ (z >> 31))
    return found


@pytest.mark.parametrize("state", [0, 1, 1234567, 2**63 - 1, -1])
def test_words_are_those_of_the_published_generator(state: int) -> None:
    words = SampleKeys(torch.tensor([state])).bits64(5)[0].tolist()
    assert [w % 2**64 for w in words] == splitmix64(state % 2**64, 5)


def test_known_words_of_seed_1234567() -> None:
    """The first outputs that circulate with the reference C code."""
    assert splitmix64(1234567, 3) == [6457827717110365317, 3203168211198807973, 9817491932198370423]


def test_mix_is_a_bijection_on_a_sample() -> None:
    assert len(mix(torch.arange(100_000)).unique()) == 100_000


@pytest.mark.parametrize("kind", ["normal", "uniform"])
def test_distribution_and_moments(kind: str) -> None:
    k = keys()
    draws = getattr(k, kind)((DRAWS // len(k),)).flatten().double().numpy()
    law = stats.norm() if kind == "normal" else stats.uniform()
    assert len(draws) == DRAWS
    assert stats.kstest(draws, law.cdf).pvalue > 1e-3
    for power in range(1, 5):
        error = np.sqrt((law.moment(2 * power) - law.moment(power) ** 2) / DRAWS)
        assert abs((draws**power).mean() - law.moment(power)) < 4 * error, power


@pytest.mark.parametrize("rate", [0.4, 3.0, 25.0, 60.0, 500.0])
def test_poisson_counts(rate: float) -> None:
    k = keys()
    draws = k.poisson(torch.ones(len(k), DRAWS // len(k)), rate).flatten().numpy().astype(int)
    low, high = (int(q) for q in stats.poisson.ppf([1e-3, 1 - 1e-3], rate))
    edges = np.arange(low, high + 1)
    seen = np.array([(draws <= low).sum(), *[(draws == e).sum() for e in edges[1:-1]], (draws >= high).sum()])
    cdf = stats.poisson.cdf(edges, rate)
    expected = DRAWS * np.diff([0, *cdf[:-1], 1])
    assert stats.chisquare(seen, expected * seen.sum() / expected.sum()).pvalue > 1e-3
    assert abs(draws.mean() - rate) < 4 * np.sqrt(rate / DRAWS)
    assert abs(draws.var() - rate) < 4 * np.sqrt((rate + 2 * rate**2) / DRAWS) + 1e-3 * rate
    centred = draws - draws.mean()
    assert abs((centred**3).mean() / rate - 1) < 0.05 + 0.002 * rate


def test_poisson_off_the_8_bit_grid() -> None:
    k = keys()
    level = torch.full((len(k), 4000), 0.3337)
    draws = k.poisson(level, 20.0).flatten().numpy()
    mean = 20 * 0.3337
    assert abs(draws.mean() - mean) < 4 * np.sqrt(mean / len(draws))
    assert abs(draws.var() - mean) < 6 * np.sqrt((mean + 2 * mean**2) / len(draws))


def test_signs_and_integers() -> None:
    k = keys()
    signs = k.signs((4000,))
    assert set(signs.unique().tolist()) == {-1.0, 1.0}
    assert abs(signs.mean().item()) < 4 / DRAWS**0.5
    numbers = k.integers((4000,), -3, 4).flatten().numpy()
    assert stats.chisquare(np.bincount(numbers + 3)).pvalue > 1e-3
    with pytest.raises(UsageError, match="low < high"):
        k.integers((1,), 2, 2)


def test_no_correlation_between_neighbours() -> None:
    """Between samples with neighbouring ids, between neighbouring raw keys, along one sample, between streams."""
    k = keys()
    z = k.normal((4000,)).double()
    raw = SampleKeys(torch.arange(250)).normal((4000,)).double()
    other = k.stream("other").normal((4000,)).double()
    limit = 4.5 / DRAWS**0.5
    pairs = {
        "samples": (z[1:], z[:-1]),
        "raw keys": (raw[1:], raw[:-1]),
        "draws": (z[:, 1:], z[:, :-1]),
        "streams": (z, other),
        "seeds": (z, keys(1).normal((4000,)).double()),
    }
    for name, (a, b) in pairs.items():
        assert abs((a * b).mean().item()) < limit, name


def test_draws_depend_on_the_key_alone() -> None:
    k, order = keys(), torch.randperm(250, generator=torch.Generator().manual_seed(0))
    whole = k.normal((3, 7, 5))
    assert torch.equal(k[order].normal((3, 7, 5)), whole[order])
    assert torch.equal(k[17:18].normal((3, 7, 5)), whole[17:18])
    assert torch.equal(keys(ids=["17"]).normal((3, 7, 5)), whole[17:18])
    level = torch.rand(250, 9, generator=torch.Generator().manual_seed(1))
    assert torch.equal(k[order].poisson(level[order], 30.0), k.poisson(level, 30.0)[order])


def test_a_longer_draw_begins_like_a_shorter_one() -> None:
    k = keys()
    assert torch.equal(k.bits64(8)[:, :5], k.bits64(5))
    assert torch.equal(k.bits64(5, start=3), k.bits64(8)[:, 3:])
