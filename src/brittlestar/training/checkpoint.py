"""The state of a training after its last finished epoch, in one file without pickled objects."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, TypeAlias

import torch
from safetensors import SafetensorError, safe_open
from torch import nn

from brittlestar.core.definition import fingerprint_of
from brittlestar.core.errors import UsageError, require
from brittlestar.core.files import replacing
from brittlestar.models.files import METADATA

Schedule: TypeAlias = "torch.optim.lr_scheduler.LRScheduler"
_PARTS = ("module", "average", "optimiser")


class Checkpoint:
    """Saves and loads one training's state; ``identity`` tells it from every other training."""

    def __init__(self, path: Path, identity: list[Any]) -> None:
        self.path = path
        # Another torch may round otherwise: what goes on with it would be the result of neither.
        self.key = fingerprint_of([*identity, torch.__version__])

    def save(
        self,
        module: nn.Module,
        optimiser: torch.optim.Optimizer,
        schedule: Schedule,
        average: dict[str, torch.Tensor],
        history: list[dict[str, Any]],
    ) -> None:
        """Write the state, whole or not at all."""
        held = optimiser.state_dict()
        moments = {f"{i}.{name}": value for i, state in held["state"].items() for name, value in state.items()}
        tensors = {
            # Clones: safetensors refuses tensors that share memory.
            f"{part}/{key}": value.detach().cpu().contiguous().clone()
            for part, state in zip(_PARTS, (module.state_dict(), average, moments), strict=True)
            for key, value in state.items()
            if isinstance(value, torch.Tensor)
        }
        # JSON keeps floats to the bit, so that the schedule goes on exactly.
        facts = {
            "key": self.key,
            "groups": held["param_groups"],
            "schedule": _plain(schedule.state_dict()),
            "history": history,
        }
        from safetensors.torch import save

        with replacing(self.path) as beside:
            # Not save_file, whose errors of a full disk are none of the system's.
            beside.write_bytes(save(tensors, {METADATA: json.dumps(facts)}))

    def load(
        self, module: nn.Module, optimiser: torch.optim.Optimizer, schedule: Schedule, average: dict[str, torch.Tensor]
    ) -> list[dict[str, Any]]:
        """Put the state into all four and give the history; without a file nothing happens.

        Raises:
            UsageError: The file belongs to another training, or cannot be read.
        """
        if not self.path.is_file():
            return []
        try:
            with safe_open(self.path, framework="pt") as file:
                facts = json.loads((file.metadata() or {}).get(METADATA, "{}"))
                found: dict[str, dict[str, torch.Tensor]] = {part: {} for part in _PARTS}
                for name in file.keys():  # noqa: SIM118
                    part, _, key = name.partition("/")
                    found[part][key] = file.get_tensor(name)
        except (SafetensorError, ValueError, OSError, KeyError) as error:
            raise UsageError(f"{self.path} is no checkpoint ({error}); remove it to start anew") from error
        require(
            facts.get("key") == self.key,
            f"{self.path} is the checkpoint of another training (recipe, plan, seed, data, network or torch differ); "
            "give another folder, or remove it to start anew",
            UsageError,
        )
        module.load_state_dict(found["module"])
        state: dict[int, dict[str, torch.Tensor]] = {}
        for name, value in found["optimiser"].items():
            number, _, key = name.partition(".")
            state.setdefault(int(number), {})[key] = value
        optimiser.load_state_dict({"state": state, "param_groups": facts["groups"]})
        schedule.load_state_dict(facts["schedule"])
        for key, value in found["average"].items():
            average[key].copy_(value)
        history: list[dict[str, Any]] = facts["history"]
        return history


def _plain(state: dict[str, Any]) -> dict[str, Any]:
    """What of a schedule's state is numbers and words."""
    return {k: v for k, v in state.items() if isinstance(v, (int, float, str, bool, list, type(None)))}
