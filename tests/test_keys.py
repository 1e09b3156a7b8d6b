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


def test_poisson_rates_between_the_grid_follow_the_law() -> None:
    """The grid's part and the remainder's are drawn apart; their sum is Poisson. Also where the remainder is large."""
    k = keys()
    for level, scale in ((0.5019, 30.0), (0.0035, 10_000.0), (0.0037, 2.0)):
        draws = k.poisson(torch.full((len(k), 800), level), scale).flatten().numpy().astype(int)
        law = stats.poisson(level * scale)
        low, high = int(law.ppf(2e-3)), int(law.ppf(1 - 2e-3))
        edges = np.arange(low, high + 1)
        seen = np.array([(draws <= low).sum(), *[(draws == e).sum() for e in edges[1:-1]], (draws >= high).sum()])
        expected = len(draws) * np.diff([0, *law.cdf(edges[:-1]), 1])
        assert stats.chisquare(seen, expected * seen.sum() / expected.sum()).pvalue > 1e-3, (level, scale)
        assert abs(draws.mean() - law.mean()) < 4 * law.std() / len(draws) ** 0.5


def test_poisson_counts_do_not_see_their_neighbours() -> None:
    """Values that are nearly on the 8-bit grid beside values far off it, at a scale where nearly counts."""
    k = keys()
    on = (torch.arange(255).repeat(len(k), 16) / 255).float() + 3e-6
    alone = k.poisson(on, 10_000.0)
    mixed = on.clone()
    mixed[::2] = (mixed[::2] + 0.4 / 255).clamp_max(1)
    assert torch.equal(k.poisson(mixed, 10_000.0)[1::2], alone[1::2])
    with pytest.raises(UsageError, match="Poisson scale"):
        k.poisson(on, 0.0)


def test_signs_and_integers() -> None:
    k = keys()
    signs = k.signs((4000,))
    assert set(signs.unique().tolist()) == {-1.0, 1.0}
    assert abs(signs.mean().item()) < 4 / DRAWS**0.5
    numbers = k.integers((4000,), -3, 4).flatten().numpy()
    assert stats.chisquare(np.bincount(numbers + 3)).pvalue > 1e-3
    with pytest.raises(UsageError, match="low < high"):
        k.integers((1,), 2, 2)


def test_strengths_share_their_bits_but_purposes_do_not() -> None:
    k = keys()
    a, b = k.stream("impulse_noise"), k.stream("salt_and_pepper")
    assert torch.equal(a.bits64(4), k.stream("impulse_noise").bits64(4))
    assert not torch.equal(a.words, b.words)
    apart = {int(v) for s in ("x", "y", ("x", 1), ("x", 2), ("x", "1", "2")) for v in k.stream(*s).words.tolist()}
    assert len(apart) == 5 * len(k), "two purposes or two samples share a key"


def test_bits_of_neighbouring_keys_differ_in_half_their_places() -> None:
    """Raw keys that differ in one bit, ids that differ in one character, seeds that differ by one."""
    base = torch.arange(2000) * 7919
    first = SampleKeys(base).bits64(1)[:, 0]
    pairs = [first ^ SampleKeys(base ^ (1 << place)).bits64(1)[:, 0] for place in (0, 1, 31, 62)]
    ids = [f"image-{i}" for i in range(2000)]
    pairs.append(SampleKeys.of(0, ids).words ^ SampleKeys.of(1, ids).words)
    pairs.append(SampleKeys.of(0, ids).words[1:] ^ SampleKeys.of(0, ids).words[:-1])
    for place, changed in enumerate(pairs):
        bits = (changed[:, None] >> torch.arange(64)) & 1
        share = bits.double().mean(0)
        assert float((share - 0.5).abs().max()) < 5 * 0.5 / len(changed) ** 0.5, place


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
