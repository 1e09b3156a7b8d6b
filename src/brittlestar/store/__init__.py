"""Rows on disk: a run folder of Parquet files and a manifest. Opens without torch."""

from brittlestar.store.looks import StoppingRule, stopping_rule
from brittlestar.store.maintenance import compact, verify
from brittlestar.store.manifest import Manifest, SessionRecord
from brittlestar.store.repair import repaired
from brittlestar.store.store import RunStore

__all__ = [
    "Manifest",
    "RunStore",
    "SessionRecord",
    "StoppingRule",
    "compact",
    "repaired",
    "stopping_rule",
    "verify",
]
