"""Every outcome of a Fourier map: what `fourier_map.py` holds sampled maps against. One thread; goes on after a kill.

    python benchmarks/exhaustive_map.py maps/resnet20.npz --model torch:examples/cifar_resnet.py:resnet20 \
        --weights resnet20.th --data cifar10.parquet
"""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path

import numpy as np
import torch

from brittlestar.analyses.sampling import image_features, margins
from brittlestar.core.keys import SampleKeys
from brittlestar.data import open_source
from brittlestar.models import load_model, parse_spec
from brittlestar.models.base import infer
from brittlestar.models.tune import tune
from brittlestar.runs.process import keep_memory
from brittlestar.shifts.ops.spectrum import half_plane
from brittlestar.shifts.spectral import FourierBasis
from brittlestar.suites.fourier import map_norm


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=Path, help="an .npz")
    parser.add_argument("--model", required=True)
    parser.add_argument("--weights")
    parser.add_argument("--data", required=True)
    parser.add_argument("--samples", type=int)
    parser.add_argument("--norm", type=float)
    parser.add_argument("--part", default="0/1", help="K/N: only every N-th frequency from K on")
    options = parser.parse_args()
    torch.set_num_threads(1)
    keep_memory()
    model = load_model(parse_spec(options.model, **({"weights": options.weights} if options.weights else {})))
    source = open_source(options.data)
    order = source.order(0)[: options.samples]
    images = torch.from_numpy(source.load(order))
    labels = np.asarray(source.labels[order], np.int64)
    keys = SampleKeys.of(0, [str(i) for i in source.ids[order]])
    _, height, width = source.info.shape
    norm = options.norm or map_norm(height, width)
    frequencies = half_plane(height, width)
    print(tune(model, images[:32].float() / 255) or "untuned")
    clean = infer(model, images).numpy()
    first, step = (int(n) for n in options.part.split("/"))
    folder = options.out.with_suffix(".parts")
    folder.mkdir(parents=True, exist_ok=True)
    began = time.time()
    for f, (row, column) in enumerate(frequencies):
        path = folder / f"{f:04d}.npy"
        if f % step != first or path.exists():
            continue
        shift = FourierBasis(row=row, column=column, norm=norm)
        found = []
        for start in range(0, len(images), 125):
            part = slice(start, start + 125)
            x = shift.compute(images[part].float() / 255, keys[part])
            found.append(margins(infer(model, x, 125).numpy(), labels[part]))
        beside = folder / f"beside-{first}.npy"
        np.save(beside, np.concatenate(found))
        beside.rename(path)
        print(f"{f + 1} of {len(frequencies)}, {time.time() - began:.0f} s", file=sys.stderr, flush=True)
    paths = [folder / f"{f:04d}.npy" for f in range(len(frequencies))]
    if all(path.exists() for path in paths):
        signs = [
            keys.stream("fourier_basis", row, column).signs((images.shape[1],)).numpy() for row, column in frequencies
        ]
        every = np.stack([np.load(path) for path in paths])
        np.savez(
            options.out,
            margins=every,
            clean=clean,
            labels=labels,
            signs=np.stack(signs).astype(np.int8),
            frequencies=np.array(frequencies),
            images=image_features(images.numpy()),
            shape=source.info.shape,
            norm=norm,
        )
        print(f"written: {options.out}; mean error {(every < 0).mean():.3f}")


if __name__ == "__main__":
    main()
