"""What was not asked, how it was measured, and the command that repeats it."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from brittlestar.core import frost
from brittlestar.core.text import readable
from brittlestar.report.gather import Gathered, plain
from brittlestar.report.series import series_of
from brittlestar.report.subjects import Subject
from brittlestar.report.transplant import transplant_infos
from brittlestar.report.words import count, duration, listing, merged
from brittlestar.store import stopping_rule
from brittlestar.store.skipped import skipped_of


@dataclass(frozen=True, kw_only=True)
class Facts:
    """A titled list of (name, value) facts on how it was measured."""

    title: str
    items: tuple[tuple[str, str], ...]


def interval_words(gathered: Gathered, level: float) -> tuple[str, str]:
    """The kind of the intervals in a word or two, and in a sentence."""
    percent = f"{level * 100:.0f} %"
    drawn = "".join(f" {text}" for text in design_words(gathered))
    if gathered.rule == "anytime":
        return "confidence sequences", (
            f"Intervals of accuracies, errors and differences are {percent} confidence sequences, as {gathered.why}: "
            "they hold at every number of images together, and are wider than ordinary ones. Those of calibration and "
            f"of single frequencies are ordinary ones for the final count.{drawn}"
        )
    return "intervals", (
        f"All intervals are {percent} intervals for a number of images that did not depend on the results: exact ones "
        "(Clopper and Pearson) for shares, paired ones for differences, cross-fitted signs for calibration. Each holds "
        f"on its own; they are not corrected for being many, except where one was chosen of many: those say so.{drawn}"
    )


def design_words(gathered: Gathered) -> tuple[str, ...]:
    """What all numbers heed of how the images were drawn, a sentence each."""
    rows = [r for s in gathered.subjects for r in (*s.rows.values(), *s.frames.values())]
    found = []
    if any(r.weight is not None for r in rows):
        found.append(
            "Classes differ in size and only a part of the images was answered: all numbers are for the whole set's "
            "mix of classes."
        )
    unseen = max((r.unseen for r in rows), default=0.0)
    if unseen > 0:
        found.append(
            f"Classes that make up as much as {100 * unseen:.1f} % of the set were not answered at all: intervals hold "
            "whatever the answers there."
        )
    if any(r.group is not None for r in rows):
        found.append(
            "Copies and other images that depend on each other are clusters: values are those of all images, intervals "
            "those of clusters."
        )
    return tuple(found)


def frost_note(gathered: Gathered) -> str:
    """What to do where frost is drawn with procedural textures; empty where it is not."""
    said = f"{frost.LACKING[0].upper()}{frost.LACKING[1:]}."
    return said if frost.is_procedural(gathered.infos.values()) else ""


def build_notes(gathered: Gathered) -> tuple[str, ...]:
    """What a reader must know before believing a number: few images, partial runs, skipped files, warnings."""
    notes = []
    for subject in gathered.subjects:
        counts = [len(rows) for rows in subject.rows.values()]
        counts += [len(np.unique(rows.position)) for rows in subject.frames.values()]
        if min(counts) < max(counts):
            notes.append(f"{subject.entry.name}: conditions rest on {min(counts):,} to {max(counts):,} images.")
    small = [s for s in gathered.subjects if s.entry.samples < 200]
    if small:
        least = min(s.entry.samples for s in small)
        notes.append(
            # An interval is widest at 50 %: to either side 1.96 * 0.5 / sqrt(n), which is 98 points / sqrt(n).
            f"Few images: with n = {least} an interval spans up to about {2 * 98 / least**0.5:.0f} points. "
            "Run on more to tell close numbers apart."
        )
    for data in gathered.data:
        skipped = list(data.about.get("skipped") or ())
        if skipped:
            names = listing([str(s) for s in skipped[:5]]) + (" and more" if len(skipped) > 5 else "")
            notes.append(f"{data.name}: {count(len(skipped), 'unreadable image')} left out on request ({names}).")
        notes += [f"{data.name}: {note}" for note in data.about.get("notes") or ()]
    for store in gathered.stores:
        gone = list(skipped_of(store.manifest).values())
        if gone:
            reasons = listing([sample.reason for sample in gone[:5]]) + (" and more" if len(gone) > 5 else "")
            notes.append(f"{store.path.name}: goes on without {count(len(gone), 'image')}, as was asked ({reasons}).")
    for subject in gathered.subjects:
        notes += [f"{subject.entry.name}: {note}" for note in subject.entry.about.get("notes") or ()]
    notes += [note] if (note := frost_note(gathered)) else []
    return tuple(dict.fromkeys(str(n) for n in notes))


def build_facts(gathered: Gathered) -> tuple[Facts, ...]:
    """Data, models, conditions, threat models, software and hardware."""
    facts = []
    for place, data in enumerate(gathered.data):
        about, (channels, height, width) = data.about, data.shape
        shifted = any(s.get("shifted") for run, s in gathered.sessions() if gathered.data_of[run] == place)
        kept = {s.entry.samples for s in gathered.subjects if gathered.data[s.entry.data] is data}
        facts.append(
            _facts(
                f"Data: {data.name}",
                ("Source", about.get("spec")),
                (
                    "Images",
                    f"{data.count:,} in the data, {_span(kept)} answered" if kept else f"{data.count:,}",
                ),
                (
                    "Size",
                    f"{height} × {width}, {'grey' if channels == 1 else 'colour'}",
                ),
                ("Classes", _classes(data.classes)),
                ("Preparation", about.get("preparation") or "none"),
                ("Declared", "shifted: unlike what the models were made for" if shifted else None),
                ("Left out", count(len(about.get("skipped") or ()), "unreadable image")),
                ("Fingerprint", about.get("fingerprint")),
            )
        )
    for subject in gathered.subjects:
        about = subject.entry.about
        parameters = about.get("parameters")
        facts.append(
            _facts(
                f"Model: {subject.entry.name}",
                ("Given as", about.get("spec")),
                ("Parameters", f"{parameters:,}" if isinstance(parameters, int) else None),
                ("Preprocessing", _preprocess(about.get("preprocess") or {})),
                ("Inference", _tuning(gathered, subject)),
                ("Gradients", "yes" if about.get("differentiable") else "no"),
                ("Fingerprint", about.get("fingerprint")),
            )
        )
    names = {
        "clean": "clean",
        "shift": "shifts",
        "fourier": "single frequencies",
        "attack": "attacks",
        "sequence": "sequences",
        "time": "neighbourhoods in time",
        "transplant": "transplants",
    }
    asked = [*gathered.infos.values(), *gathered.sequences.values(), *transplant_infos(gathered)]
    kinds = {kind: sum(info.kind == kind for info in asked) for kind in names}
    papers = sorted({info.paper for info in asked if info.paper})
    facts.append(
        _facts(
            "Conditions",
            ("Asked", f"{len(asked):,}: " + listing([f"{n:,} {names[k]}" for k, n in kinds.items() if n])),
            ("Tables", listing(sorted({info.table for info in asked if info.table}))),
            ("Seeds", listing(sorted({str(s.manifest.seed) for s in gathered.stores}))),
            ("Order", "seeded, class-balanced in every prefix; every draw keyed by seed, image and shift"),
        )
    )
    facts.append(_facts("Papers", *((p.rpartition(", ")[0] or p, p.rpartition(", ")[2]) for p in papers)))
    attacks = series_of(gathered, "attack")
    facts.append(
        _facts("Threat models", *((s.title, merged([i.threat for i in s.infos if i.threat])) for s in attacks))
    )
    sessions = gathered.sessions()
    if sessions:
        last = sessions[-1][1]
        facts.append(_facts("Software", *((str(k), str(v)) for k, v in dict(last.get("versions") or {}).items())))
        facts.append(
            _facts(
                "Hardware",
                *((str(k), str(v)) for k, v in dict(last.get("hardware") or {}).items()),
                ("device", last.get("device")),
                ("batch", last.get("batch")),
                ("workers", last.get("workers")),
            )
        )
    return tuple(f for f in facts if f.items)


def _facts(title: str, *items: tuple[str, Any]) -> Facts:
    return Facts(title=title, items=tuple((name, str(value)) for name, value in items if value not in (None, "", ())))


def _tuning(gathered: Gathered, subject: Subject) -> str | None:
    """How the model answered faster than as it was given, in the last session that says so."""
    told = [dict(s.get("tuning") or {}) for run, s in gathered.sessions() if run == subject.run]
    name = str(subject.entry.about.get("name"))
    return next((str(t[name]) for t in reversed(told) if name in t), None)


def _span(values: set[int]) -> str:
    low, high = min(values), max(values)
    return f"{low:,}" if low == high else f"{low:,} to {high:,}"


def _classes(names: tuple[str, ...]) -> str:
    shown = ", ".join(names[:12])
    return f"{len(names):,}: {shown}" + (" …" if len(names) > 12 else "")


def _preprocess(how: Mapping[str, Any]) -> str:
    parts = [f"{how['channels']} channels"] if how.get("channels") else []
    if how.get("resize"):
        parts.append(f"shorter side resized to {how['resize']} ({how.get('resize_filter') or 'bilinear'})")
    parts += [f"centre crop {how['crop']} x {how['crop']}"] if how.get("crop") else []
    parts += [f"{k} {how[k]}" for k in ("mean", "std") if how.get(k) is not None]
    return ", ".join(parts) + " (after the shift)" if parts else "none"


def build_sessions(gathered: Gathered) -> tuple[dict[str, str], ...]:
    """One line a session: when, what, how long and why it stopped."""
    lines = []
    turns: dict[int, int] = {}
    for run, session in gathered.sessions():
        turns[run] = turns.get(run, 0) + 1
        # The rule as it was when this session ended: later looks do not change what was said then.
        rule = stopping_rule(gathered.stores[run].manifest.sessions[: turns[run]]).rule
        wall = session.get("wall_s")
        line = {"Run": str(gathered.stores[run].path.name)} if len(gathered.stores) > 1 else {}
        lines.append(
            line
            | {
                "Started": str(session.get("started") or "–").replace("T", " ").replace("+00:00", " UTC"),
                "Suite": str(session.get("suite") or "–"),
                "Images asked": f"{session['samples']:,}" if session.get("samples") else "–",
                "Stopped": _stop(session),
                "Intervals": "confidence sequence" if rule == "anytime" else "fixed n",
                "Forward passes": f"{session['images']:,}" if session.get("images") else "–",
                "Time": duration(float(wall)) if wall else "–",
            }
        )
    return tuple(lines)


def _stop(session: Mapping[str, Any]) -> str:
    words = {
        "complete": "complete",
        "budget": f"time budget of {duration(float(session.get('budget_s') or 0))}",
        "precision": f"precision of ± {100 * float(session.get('precision') or 0):g} points reached",
        "interrupted": "interrupted by the person",
        "running": "still running",
        "failed": "failed",
        "unsteady": "failed: a model did not stay the same",
        "lost": "record lost",
    }
    stop, why = str(session.get("stop") or "–"), str(session.get("why") or "")
    return words.get(stop, stop) + (f": {why}" if why else "")


def build_commands(gathered: Gathered) -> tuple[str, ...]:
    """The commands as typed, or for runs made from Python the ones that do the same."""
    commands: list[str] = []
    for run in range(len(gathered.stores)):
        sessions = [s for r, s in gathered.sessions() if r == run]
        typed = [str(s["command"]) for s in sessions if s.get("command")]
        commands += typed or [_command(gathered, run, sessions[-1] if sessions else {})]
    # A run that was resumed has the same command several times.
    # One line each, so that a name in it can begin no line of its own where commands are listed for pasting.
    return tuple(dict.fromkeys(map(readable, commands)))


def _command(gathered: Gathered, run: int, session: Mapping[str, Any]) -> str:
    manifest = gathered.stores[run].manifest
    words = ["brittlestar", "run"]
    for name, about in manifest.models.items():
        words += ["--model", f"{name}={plain(about).get('spec', '')}"]
    words += ["--data", str(plain(manifest.data).get("spec", ""))]
    for suite in str(session.get("suite") or "broad").split(", "):
        words += ["--suite", suite]
    how = plain(plain(manifest.data).get("how") or {})
    for option in ("resize", "crop", "filter", "rounding", "prepare"):
        if how.get(option) is not None:
            words += [f"--{'resize-' if option in ('filter', 'rounding') else ''}{option}", str(how[option])]
    if session.get("samples"):
        words += ["--samples", str(session["samples"])]
    words += ["--seed", str(manifest.seed), "--out", str(gathered.stores[run].path)]
    return shlex.join(words)
