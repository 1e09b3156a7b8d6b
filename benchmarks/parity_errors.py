"""End to end: a model's error on our corruptions against its error on the reference's, same images, independent draws.

    python benchmarks/parity_errors.py --reference CHECKOUT --python INTERPRETER --table cifar-c \\
        --data cifar10.parquet --model torch:examples/cifar_resnet.py:resnet20 --weights resnet20.th --out errors.json

CHECKOUT and INTERPRETER as for parity.py. Images of both are cut off to 8 bits. For every corruption and severity the
paired difference of the errors with its 95 % interval; for the suite how many of the intervals hold 0, and the mean
difference. Finished cells are kept in OUT: run again to go on, with --renew to compute our half of them again.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from pathlib import Path

import numpy as np
import torch

from brittlestar.cli.run import read_classes
from brittlestar.core.keys import SampleKeys
from brittlestar.data import open_source
from brittlestar.measures import paired_rates, signed_mean_interval
from brittlestar.models import load_model, map_labels, parse_spec
from brittlestar.models.base import Model
from brittlestar.shifts.storage import stored
from brittlestar.suites.corruptions import TEST, VALIDATION, corruption
from parity import SCRIPTS, reference


def wrong(model: Model, images: torch.Tensor, labels: torch.Tensor, batch: int) -> torch.Tensor:
    """(n,) whether each float image in [0, 1] is answered wrongly."""
    with torch.inference_mode():
        return torch.cat([model.logits(x).argmax(1) for x in images.split(batch)]) != labels


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--reference", required=True, type=Path)
    parser.add_argument("--python", required=True)
    parser.add_argument("--table", required=True, choices=sorted(SCRIPTS))
    parser.add_argument("--data", required=True)
    parser.add_argument("--resize", type=int)
    parser.add_argument("--crop", type=int)
    parser.add_argument("--samples", type=int)
    parser.add_argument("--model", required=True)
    parser.add_argument("--weights")
    parser.add_argument("--classes", type=Path)
    parser.add_argument("--batch", type=int, default=100)
    parser.add_argument("--out", required=True, type=Path)
    parser.add_argument("--only", action="append", default=[], help="a corruption; may be repeated")
    parser.add_argument("--renew", action="store_true", help="compute our half of finished cells again")
    args = parser.parse_args()
    torch.set_num_threads(1)
    source = open_source(args.data, resize=args.resize, crop=args.crop)
    order = source.order(0)[: args.samples]
    images = torch.from_numpy(source.load(order))
    classes = source.info.classes if args.classes is None else tuple(read_classes(args.classes))
    labels = torch.from_numpy(np.asarray(map_labels(source.info.classes, classes))[source.labels[order]]).long()
    model = load_model(parse_spec(args.model, weights=args.weights) if args.weights else parse_spec(args.model))
    keys = SampleKeys.of(0, [str(i) for i in source.ids[order]])
    script = args.reference.resolve() / "ImageNet-C" / "create_c" / SCRIPTS[args.table]
    done = json.loads(args.out.read_text()) if args.out.exists() else {}
    plain = images.float() / 255
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        np.save(folder / "images.npy", images.permute(0, 2, 3, 1).numpy())
        for name in args.only or (*TEST, *VALIDATION):
            for severity in range(1, 6):
                cell = f"{name} {severity}"
                if cell in done and not args.renew:
                    continue
                shift = corruption(name, severity, args.table)
                pieces = zip(plain.split(args.batch), keys.words.split(args.batch), strict=True)
                ours = torch.cat([stored(shift.compute(x, SampleKeys(words)), "uint8") for x, words in pieces])
                own = wrong(model, ours, labels, args.batch)
                if cell in done:
                    its = torch.tensor(done[cell][1])
                else:
                    out = folder / "theirs.npz"
                    theirs, _ = reference(script, args.python, folder / "images.npy", name, severity, out, draws=False)
                    out.unlink()
                    its = wrong(model, torch.from_numpy(theirs).permute(0, 3, 1, 2).float() / 255, labels, args.batch)
                done[cell] = [own.int().tolist(), its.int().tolist()]
                args.out.write_text(json.dumps(done))
                print(cell, f"{own.float().mean():.4f} {its.float().mean():.4f}", flush=True)
    print("| corruption | severity | error, ours | error, reference | difference in points |\n|---|---|---|---|---|")
    covered, scores = 0, []
    for cell, (own, its) in done.items():
        first, second = np.array(own), np.array(its)
        apart = paired_rates(int((first > second).sum()), int((first < second).sum()), len(first))
        covered += apart.low <= 0 <= apart.high
        scores.append(first - second)
        name, severity = cell.split()
        print(
            f"| {name} | {severity} | {first.mean():.2%} | {second.mean():.2%} "
            f"| {100 * apart.value:+.2f} [{100 * apart.low:+.2f}, {100 * apart.high:+.2f}] |"
        )
    mean = signed_mean_interval(np.mean(scores, 0), cap=len(scores), discordance=float(np.abs(scores).mean()))
    print(
        f"\n{len(scores[0])} images; {covered} of {len(done)} intervals hold 0; mean difference over the cells "
        f"{100 * mean.value:+.3f} points [{100 * mean.low:+.3f}, {100 * mean.high:+.3f}]"
    )


if __name__ == "__main__":
    main()
