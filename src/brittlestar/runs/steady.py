"""Whether models still answer as they did when the session began: one that adapts, counts or drifts does not."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from brittlestar.core.errors import StoreError, require
from brittlestar.core.options import option
from brittlestar.data.base import Source
from brittlestar.models.base import Model
from brittlestar.models.wrap import TorchModel
from brittlestar.runs.identity import Behaviour
from brittlestar.store import RunStore

UNSTEADY = "unsteady"
"""How a session ends, for the record, whose model did not answer at its end as it did at its beginning."""


class Unsteady(StoreError):
    """A model does not answer as it did when the session began."""


def check_steady(models: Sequence[Model], behaviours: Sequence[Behaviour], source: Source) -> None:
    """Ask each model about one of the first images again.

    Args:
        models: As they stand after the work, tuned or not.
        behaviours: One a model, from before it.
        source: The data.

    Raises:
        Unsteady: One answers otherwise by now.
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
            Unsteady,
        )


def refuse_unsteady(store: RunStore, names: Sequence[str]) -> None:
    """Add nothing to rows that may be of several models under one name.

    Raises:
        StoreError: A session of the folder ended so, with one of these models.
    """
    for record in store.manifest.sessions:
        mixed = sorted({*names} & {*record.models}) if record.stop == UNSTEADY else ()
        require(
            not mixed,
            f"{store.path} holds rows of {', '.join(mixed)} from a session at whose end a model answered otherwise "
            f"than at its beginning: they may be of several models. Mend it, and take another {option('out')}",
            StoreError,
        )
