"""Coverage-guided fuzzing of every reader of files that others made (see ``fuzz_targets.py``).

    python benchmarks/fuzz.py --seconds 3600                # shares the time among the targets
    python benchmarks/fuzz.py --seconds 300 --only images

Needs atheris (``pip install atheris``; Linux, Python up to 3.13), which is no part of the development environment. A
crash is kept in ``tests/fuzz/TARGET/``, where the tests read it from then on, and the target goes on; the bounds are
2 GiB and 20 seconds a file. Prints, by target, files tried, crashes, and the largest memory of the process.
"""

from __future__ import annotations

import argparse
import contextlib
import hashlib
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
import traceback
from pathlib import Path

MEMORY_MB, SECONDS_A_FILE = 2048, 20
KEPT = Path(__file__).parents[1] / "tests" / "fuzz"


def fuzz_one(name: str, found: Path, words: list[str]) -> None:
    """In a process of its own: hand mutated files to a target until libFuzzer's limits are reached."""
    import atheris

    with atheris.instrument_imports(include=["brittlestar", "PIL", "safetensors"], exclude=["brittlestar.measures"]):
        import fuzz_targets

    place = Path(tempfile.mkdtemp(prefix="brittlestar-fuzz-"))
    fuzz_targets.seeds(name)
    (place / "first").mkdir()
    with contextlib.suppress(Exception):
        # What is imported on the way is not to count as the time that a file takes.
        fuzz_targets.run_target(name, b"", place / "first")
    told: set[str] = set()

    def once(content: bytes) -> None:
        folder = place / "one"
        folder.mkdir()
        try:
            fuzz_targets.run_target(name, content, folder)
        except (Exception, fuzz_targets.Escaped, SystemExit) as error:
            # Not raised: libFuzzer would stop here, and begin with the same file again.
            where = _place(error)
            if where not in told:
                told.add(where)
                digest = hashlib.sha256(content).hexdigest()[:12]
                (found / f"{type(error).__name__}-{digest}").write_bytes(content)
                print(f"--- {name}: {where}: {error!s:.300}", flush=True)
        finally:
            shutil.rmtree(folder)

    atheris.Setup([sys.argv[0], *words], once)
    atheris.Fuzz()


def _place(error: BaseException) -> str:
    """The kind of an error and the innermost line of ours that it came through: one fault is told once."""
    frames = traceback.extract_tb(error.__traceback__)
    own = [frame for frame in frames if "brittlestar" in frame.filename] or list(frames)
    return f"{type(error).__name__} at {Path(own[-1].filename).name}:{own[-1].lineno}"


def campaign(name: str, seconds: float) -> tuple[int, int, int]:
    """Files tried, crashes and peak memory (MiB) of one target; a crash ends a process, and the next one goes on."""
    import fuzz_targets

    tried = crashes = peak = 0
    with tempfile.TemporaryDirectory() as folder:
        corpus, found = Path(folder) / "corpus", Path(folder) / "found"
        corpus.mkdir()
        found.mkdir()
        kept = [path.read_bytes() for path in sorted((KEPT / name).glob("*"))] if (KEPT / name).is_dir() else []
        for content in [*fuzz_targets.seeds(name), *kept]:
            (corpus / hashlib.sha1(content).hexdigest()).write_bytes(content)  # the name libFuzzer itself gives it
        end = time.monotonic() + seconds
        while (left := int(end - time.monotonic())) > 1 and crashes < 50:
            words = [
                *(str(corpus), f"-artifact_prefix={found}/", f"-max_total_time={left}", "-print_final_stats=1"),
                *(f"-rss_limit_mb={MEMORY_MB}", f"-timeout={SECONDS_A_FILE}", "-max_len=65536", "-verbosity=0"),
            ]
            done = subprocess.run(
                [sys.executable, __file__, "--child", name, str(found), *words],
                capture_output=True,
                text=True,
                errors="replace",
                env={**os.environ, "OMP_NUM_THREADS": "1"},
            )
            print(done.stdout, end="", flush=True)
            tried += _stat(done.stderr, "number_of_executed_units")
            peak = max(peak, _stat(done.stderr, "peak_rss_mb"))
            if done.returncode:
                print(f"--- {name}: the process ended with {done.returncode}\n{done.stderr[-2000:]}", flush=True)
            for path in found.iterdir():
                crashes += 1
                (KEPT / name).mkdir(parents=True, exist_ok=True)
                # What stopped the process must not stand in the corpus, or it would stop the next one at once.
                (corpus / path.name.partition("-")[2]).unlink(missing_ok=True)
                shutil.move(path, KEPT / name / path.name)
            if done.returncode and not tried:
                break
    return tried, crashes, peak


def _stat(text: str, name: str) -> int:
    match = re.search(rf"stat::{name}:\s+(\d+)", text)
    return int(match[1]) if match else 0


def main() -> None:
    if sys.argv[1:2] == ["--child"]:
        fuzz_one(sys.argv[2], Path(sys.argv[3]), sys.argv[4:])
        return
    import fuzz_targets

    parser = argparse.ArgumentParser()
    parser.add_argument("--seconds", type=float, default=3600)
    parser.add_argument("--only", action="append", choices=fuzz_targets.TARGETS)
    asked = parser.parse_args()
    names = asked.only or list(fuzz_targets.TARGETS)
    print(f"{'target':12} {'files':>10} {'crashes':>8} {'peak MiB':>9}")
    for name in names:
        tried, crashes, peak = campaign(name, asked.seconds / len(names))
        print(f"{name:12} {tried:10,} {crashes:8} {peak:9,}", flush=True)


if __name__ == "__main__":
    main()
