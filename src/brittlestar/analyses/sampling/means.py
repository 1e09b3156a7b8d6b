"""What samples of a kind do under conditions of a kind: means over what is alike, put together by a small network."""

from __future__ import annotations

import numpy as np
import torch
from torch import nn

from brittlestar.analyses.sampling.auxiliary import PATTERNS, Auxiliary, Floats, Ints, Mask

WIDTH, STEPS, BATCH, RATE = 96, 1500, 512, 5e-3
PER_STEP = 30
"""Asked cells that a step of fitting is worth: few cells get fewer steps, so that they are not learnt by heart."""

# Means over few cells are pulled towards 0, as if so many zeros had been seen with them.
_WEIGHT = 2.0


class Tables:
    """Means of what was seen, over conditions near by and samples of the same group, pattern, or both."""

    def __init__(self, auxiliary: Auxiliary, asked: Mask, seen: Floats) -> None:
        groups = int(auxiliary.group.max()) + 1
        group = np.broadcast_to(auxiliary.group[None], asked.shape)
        pattern = auxiliary.pattern.astype(np.int64)
        kinds = ((group * PATTERNS + pattern, groups * PATTERNS), (group, groups), (pattern, PATTERNS))
        f, i = np.nonzero(asked)
        self.tables: list[tuple[Ints, Floats, Floats]] = []
        for kind, size in kinds:
            total, count = np.zeros((len(asked), size), np.float32), np.zeros((len(asked), size), np.float32)
            np.add.at(total, (f, kind[f, i]), seen[f, i])
            np.add.at(count, (f, kind[f, i]), 1)
            self.tables += [(kind, near @ total, near @ count) for near in auxiliary.near]

    def __call__(self, f: Ints, i: Ints, own: Floats | None = None) -> torch.Tensor:
        """(n, features) of cells; ``own`` is what was seen in them and is left out."""
        features = []
        for kind, total, count in self.tables:
            at = kind[f, i]
            there, number = total[f, at], count[f, at]
            if own is not None:
                there, number = there - own, number - 1
            features.append(there / (number + _WEIGHT))
            if len(features) == 1:
                weight = np.log1p(np.maximum(number, 0)) / 3
        return torch.from_numpy(np.stack([*features, weight], axis=1).astype(np.float32))


class Mean(nn.Module):
    """A network from condition, sample, pattern and tables to the squashed margin, fitted to some samples' cells."""

    def __init__(self, auxiliary: Auxiliary, asked: Mask, seen: Floats, generator: torch.Generator) -> None:
        super().__init__()
        self.auxiliary, self.tables = auxiliary, Tables(auxiliary, asked, seen)
        f, i = (axis.astype(np.int64) for axis in np.nonzero(asked))
        local = self.tables(f, i, seen[f, i])
        self.centre, self.scale = local.mean(0), local.std(0) + 1e-6
        sizes = (auxiliary.condition.shape[1], auxiliary.sample.shape[1], PATTERNS, local.shape[1])
        # The parts are added up, so one bias is enough.
        self.parts = nn.ModuleList(nn.Linear(n, WIDTH, bias=place == 0) for place, n in enumerate(sizes))
        self.head = nn.Sequential(nn.SiLU(), nn.Linear(WIDTH, WIDTH), nn.SiLU(), nn.Linear(WIDTH, 1))
        # Drawn from the survey's generator, not from torch's global one: resumed, it guesses the same.
        for weight in self.parameters():
            drawn = torch.rand(weight.shape, generator=generator) * 2 - 1
            weight.data = drawn / (weight.shape[-1] ** 0.5)
        self._fit(f, i, local, torch.from_numpy(seen[f, i]), generator)

    def _fit(self, f: Ints, i: Ints, local: torch.Tensor, target: torch.Tensor, generator: torch.Generator) -> None:
        steps = int(np.clip(len(target) / PER_STEP, 200, STEPS))
        optimiser = torch.optim.AdamW(self.parameters(), RATE, weight_decay=0.05)
        schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, RATE, total_steps=steps)
        condition, sample = torch.from_numpy(self.auxiliary.condition), torch.from_numpy(self.auxiliary.sample)
        pattern = torch.from_numpy(self.auxiliary.pattern[f, i]).long()
        at, of, one = torch.from_numpy(f), torch.from_numpy(i), torch.eye(PATTERNS)
        local = (local - self.centre) / self.scale
        with torch.enable_grad():
            for _ in range(steps):
                b = torch.randint(0, len(target), (BATCH,), generator=generator)
                inputs = (condition[at[b]], sample[of[b]], one[pattern[b]], local[b])
                first = torch.stack([part(x) for part, x in zip(self.parts, inputs, strict=True)]).sum(0)
                loss = (self.head(first)[:, 0] - target[b]).square().mean()
                optimiser.zero_grad()
                torch.autograd.backward(loss)
                optimiser.step()
                schedule.step()

    @torch.no_grad()
    def of(self, samples: Ints) -> Floats:
        """(conditions, len(samples)) expected squashed margins."""
        of_condition = self.parts[0](torch.from_numpy(self.auxiliary.condition))
        of_sample = self.parts[1](torch.from_numpy(self.auxiliary.sample[samples]))
        of_pattern = self.parts[2](torch.eye(PATTERNS))
        expected = np.empty((len(of_condition), len(samples)), np.float32)
        # A condition at a time, or memory would grow with conditions times samples times width.
        for f in range(len(expected)):
            local = (self.tables(np.full(len(samples), f), samples) - self.centre) / self.scale
            pattern = of_pattern[torch.from_numpy(self.auxiliary.pattern[f, samples]).long()]
            expected[f] = self.head(of_condition[f] + of_sample + pattern + self.parts[3](local))[:, 0].numpy()
        return expected
