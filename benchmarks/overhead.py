"""How much a suite costs beyond the model's own forward passes. One torch thread.

For every work item of one block of images, alternately: the item as the runner does it (decoding, shifts, forward
passes, rows, writing), and the bare forward passes of the same number of images in the same batches: tuned as the
runner tunes them (``models.tune``) and, for the second ratio, of the model as it was given. Attacks are compared with
their bare forward and backward passes. Printed: the ratios, per part and for the whole.

    python benchmarks/overhead.py --weights resnet20.th --data cifar10.parquet
"""

from __future__ import annotations

import argparse
import statistics
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import torch

from brittlestar.attacks.base import Attack
from brittlestar.data import open_source
from brittlestar.models import ModelSpec, as_model, load_model, parse_spec
from brittlestar.models.base import Model
from brittlestar.runs.bench import Bench, BenchSpec
from brittlestar.runs.cell import passes
from brittlestar.runs.fill_task import FillTask
from brittlestar.runs.process import keep_memory
from brittlestar.store import RunStore
from brittlestar.suites import get_suite

HERE = Path(__file__).resolve().parent


def bare(model: Model, images: torch.Tensor, count: int, batch: int, backward: bool, tuned: bool = True) -> float:
    """Seconds of ``count`` passes over the images in batches, nothing else."""
    fast = getattr(model, "fast", None)
    if not tuned and fast is not None:
        model.fast = None  # type: ignore[attr-defined]
        try:
            return bare(model, images, count, batch, backward)
        finally:
            model.fast = fast  # type: ignore[attr-defined]
    began = time.perf_counter()
    for _ in range(count):
        for start in range(0, len(images), batch):
            piece = images[start : start + batch]
            if backward:
                piece = piece.clone().requires_grad_(True)
                torch.autograd.grad(model.logits(piece).sum(), piece)
            else:
                with torch.inference_mode():
                    model.logits(piece)
    return time.perf_counter() - began


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", help="a model specification; ResNet-20 of examples/ otherwise")
    parser.add_argument("--weights", help="state dict of the ResNet-20")
    parser.add_argument("--data", help="data specification; random 32 x 32 images otherwise")
    parser.add_argument("--suite", default="broad")
    parser.add_argument("--samples", type=int, default=250)
    parser.add_argument("--batch", type=int, default=250)
    parser.add_argument("--attacks", action="store_true", help="measure attacks as well")
    parser.add_argument("--every", type=int, default=4, help="measure every so many Fourier conditions")
    options = parser.parse_args()
    torch.set_num_threads(1)
    keep_memory()

    if options.model or options.weights:
        text = options.model or f"resnet20=torch:{HERE.parent / 'examples' / 'cifar_resnet.py'}:resnet20"
        spec: ModelSpec = parse_spec(text, **({"weights": options.weights} if options.weights else {}))
        model = load_model(spec)
    else:
        sys.path.insert(0, str(HERE.parent / "examples"))
        from cifar_resnet import resnet20

        model = as_model(resnet20().eval(), name="resnet20")
    if options.data:
        source = open_source(options.data)
    else:
        pixels = np.random.default_rng(0).integers(0, 256, (options.samples, 3, 32, 32), dtype=np.uint8)
        source = open_source((pixels, np.arange(options.samples) % 10))
    conditions = get_suite(options.suite).conditions(source.info.shape)
    if not options.attacks:
        conditions = tuple(c for c in conditions if not isinstance(c.definition, Attack))

    with tempfile.TemporaryDirectory() as folder:
        store = RunStore.start(Path(folder) / "run", data=source.info.as_json(), seed=0)
        store.register_conditions([c.info for c in conditions])
        order = source.order(0)
        fingerprint = model.fingerprint()
        spec = BenchSpec(
            source, order, source.labels[order], 0, conditions, (), (fingerprint,), options.batch, store.path
        )
        bench = Bench(spec, [model], store)
        stop = min(options.samples, source.info.count)
        images = bench.block(0, stop)[0].float() / 255
        bare(model, images, 3, options.batch, False)
        FillTask(0, stop, ((0, (0,)),), 1.0).run(bench)
        spent: dict[str, list[float]] = {}
        ratios: dict[str, list[float]] = {}
        kinds = [
            "attack" if c.info.kind == "attack" else "fourier" if c.info.kind == "fourier" else "shifts"
            for c in conditions
        ]
        for kind in dict.fromkeys(kinds):
            places = [i for i, k in enumerate(kinds) if k == kind]
            places = places[:: options.every] if kind == "fourier" else places
            size = 1 if kind == "attack" else 32
            bench._block = (-1, -1)  # the first item of a kind pays for decoding; the runner decodes once a block
            for first in range(0, len(places), size):
                chunk = tuple(places[first : first + size])
                count = sum(int(getattr(conditions[c].definition, "steps", 1)) for c in chunk)
                pure = bare(model, images, count, options.batch, kind == "attack")
                done = FillTask(0, stop, ((0, chunk),), sum(passes(conditions[c]) for c in chunk)).run(bench)
                pure = (pure + bare(model, images, count, options.batch, kind == "attack")) / 2
                given = bare(model, images, count, options.batch, kind == "attack", tuned=False)
                spent.setdefault(kind, [0.0, 0.0, 0.0, 0.0])
                ratios.setdefault(kind, []).append(done.seconds / pure)
                for place, value in enumerate((done.seconds, pure, len(chunk), given)):
                    spent[kind][place] += value

    print(
        f"{options.suite} on {source.info.name}, {stop} images of {source.info.shape}, batch {options.batch}, 1 thread"
    )
    print(bench.tuning.get(model.name, "untuned"))
    for kind, (ours, pure, number, given) in spent.items():
        middle = statistics.median(ratios[kind])
        text = f"{kind:<8} {number:>4.0f} conditions  {ours:8.2f} s  bare passes {pure:8.2f} s  ratio {ours / pure:.3f}"
        print(f"{text}  (median of {len(ratios[kind])} items {middle:.3f});  to the untuned model {ours / given:.3f}")
    ours, pure, number, given = (sum(v[i] for v in spent.values()) for i in range(4))
    text = f"whole    {number:>4.0f} conditions  {ours:8.2f} s  bare passes {pure:8.2f} s  ratio {ours / pure:.3f}"
    print(f"{text};  to the untuned model {ours / given:.3f}")


if __name__ == "__main__":
    main()
