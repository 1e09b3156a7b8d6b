"""A guess of every outcome from those that were looked at, fitted in seconds.

A guess never enters a number unchecked: it decides where to look (``sampling_design``) and stands in for what was not
looked at, corrected by what was (``estimate``). A poor one costs passes, not validity. No guess is made from its own
cell, and nothing that is fitted is used on the samples that it was fitted to (cross-fitting).
"""

from __future__ import annotations

import numpy as np
import torch
from torch import nn

from brittlestar.analyses.sampling.auxiliary import PATTERNS, Auxiliary, Floats, Ints, Seen
from brittlestar.analyses.sampling.effects import sample_effects
from brittlestar.analyses.sampling.means import Mean

FOLDS = 3
WIDTH, STEPS, BATCH, RATE = 24, 800, 512, 1e-2

# A guess of 0 or 1 would promise that its cell has no variance.
LEAST = 0.004
"""Guesses stay this far from 0 and 1."""


def guessed(auxiliary: Auxiliary, seen: Seen, seed: int) -> Floats:
    """(conditions, samples) probability of an error."""
    samples = seen.asked.shape[1]
    fold = np.random.default_rng(seed).permutation(samples) % FOLDS
    generator = torch.Generator().manual_seed(seed)
    squashed = seen.squashed()
    mean = np.empty(seen.asked.shape, np.float32)
    for k in range(FOLDS):
        mine = np.flatnonzero(fold == k)
        mean[:, mine] = Mean(auxiliary, seen.asked & (fold != k), squashed, generator).of(mine)
    effect, variance = sample_effects(auxiliary.together, seen.asked, np.where(seen.asked, squashed - mean, 0))
    chance = np.empty(seen.asked.shape, np.float32)
    for k in range(FOLDS):
        mine = np.flatnonzero(fold == k)
        f, i = np.nonzero(seen.asked & (fold != k))
        inputs = _Inputs(auxiliary, mean, effect, np.sqrt(variance))
        odds = _Odds(inputs(f, i), seen.margin[f, i] < 0, generator)
        for g in range(len(chance)):
            chance[g, mine] = odds.of(inputs(np.full(len(mine), g), mine))
    return chance.clip(LEAST, 1 - LEAST)


class _Inputs:
    """What the chance of an error is read from."""

    def __init__(self, auxiliary: Auxiliary, mean: Floats, effect: Floats, spread: Floats) -> None:
        self.auxiliary, self.mean, self.effect, self.spread = auxiliary, mean, effect, spread
        self.pattern = np.eye(PATTERNS, dtype=np.float32)

    def __call__(self, f: Ints, i: Ints) -> torch.Tensor:
        """(n, features) of cells."""
        mean, effect = self.mean[f, i], self.effect[f, i]
        parts = [mean, effect, mean + effect, self.spread[f, i], *self.auxiliary.sample[i, -2:].T]
        # The first four features of a condition say where a frequency lies, and how far out.
        parts += [*self.auxiliary.condition[f, :4].T, *self.pattern[self.auxiliary.pattern[f, i]].T]
        return torch.from_numpy(np.stack(parts, axis=1).astype(np.float32))


class _Odds:
    """A logistic model with one hidden layer."""

    def __init__(
        self, inputs: torch.Tensor, wrong: np.ndarray[tuple[int], np.dtype[np.bool_]], generator: torch.Generator
    ) -> None:
        self.centre, self.scale = inputs.mean(0), inputs.std(0) + 1e-6
        x, y = (inputs - self.centre) / self.scale, torch.from_numpy(wrong.astype(np.float32))
        self.network = nn.Sequential(nn.Linear(x.shape[1], WIDTH), nn.SiLU(), nn.Linear(WIDTH, 1))
        for weight in self.network.parameters():
            weight.data = (torch.rand(weight.shape, generator=generator) * 2 - 1) / weight.shape[-1] ** 0.5
        optimiser = torch.optim.AdamW(self.network.parameters(), RATE, weight_decay=0.01)
        schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, RATE, total_steps=STEPS)
        with torch.enable_grad():
            for _ in range(STEPS):
                b = torch.randint(0, len(y), (BATCH,), generator=generator)
                loss = nn.functional.binary_cross_entropy_with_logits(self.network(x[b])[:, 0], y[b])
                optimiser.zero_grad()
                torch.autograd.backward(loss)
                optimiser.step()
                schedule.step()

    @torch.no_grad()
    def of(self, inputs: torch.Tensor) -> Floats:
        """(n,) chances."""
        found: Floats = torch.sigmoid(self.network((inputs - self.centre) / self.scale)[:, 0]).numpy()
        return found
