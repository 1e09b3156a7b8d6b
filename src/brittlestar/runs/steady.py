"""Whether models still answer as they did when the session began: one that adapts, counts or drifts does not."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from brittlestar.core.errors import StoreError, require
from brittlestar.data.base import Source
from brittlestar.models.base import Model
from brittlestar.models.wrap import TorchModel
from brittlestar.runs.identity import Behaviour


def check_steady(models: Sequence[Model], behaviours: Sequence[Behaviour], source: Source) -> None:
    """Ask each model about one of the first images again.

    Args:
        models: As they stand after the work, tuned or not.
        behaviours: One a model, from before it.
        source: The data.

    Raises:
        StoreError: One answers otherwise by now.
    """
    for model, first in zip(models, behaviours, strict=False):
        places = source.present(np.flatnonzero(np.isin(source.ids, first.ids[:1])))
        if first.random or not len(places):
            continue
        fast = model.fast if isinstance(model, TorchModel) else None
        if isinstance(model, TorchModel):
            # Kept answers are those of the model itself.
            model.fast = None
        try:
            again = first.asked_again(model, source, 1)
        finally:
            if isinstance(model, TorchModel):
                model.fast = fast
        apart = first.apart(again) or 0.0
        require(
            apart <= first.tolerance(again),
            f"model {model.name} does not answer as it did when this session began: its logits on the first image lie "
            f"{apart:.2g} from those then. Something in it depends on what it was asked before (statistics that are "
            "updated, test-time adaptation, a counter, a service that changed), so what this session stored may be of "
            "several models: mend it, and begin in a new folder",
            StoreError,
        )
