"""Resize and CenterCrop: torchvision's arithmetic on Pillow images, for the data and in the model; published sets."""

from __future__ import annotations

import csv
import io
import itertools
import json
from pathlib import Path
from typing import Any

import numpy as np
import PIL
import pytest
import torch
from PIL import Image
from typer.testing import CliRunner

import brittlestar as bs
import synthetic
from brittlestar.cli.main import app
from brittlestar.core.errors import DataError, ModelError
from brittlestar.core.preparation import (
    FILTERS,
    PUBLISHED,
    Preparation,
    as_published,
    crop_start,
    differences,
    preparation_note,
    resized_size,
)
from brittlestar.data import open_source
from brittlestar.data.decode import decode
from brittlestar.models import parse_spec
from brittlestar.models.base import Preprocess, apply_preprocess
from brittlestar.models.resample import resample
from brittlestar.store import RunStore
from report_tools import seen
from store_tools import edited
from synthetic_sets import published as published_infos

SIZES = [(500, 375), (375, 500), (640, 427), (500, 334), (333, 500), (257, 300), (256, 256), (300, 256), (97, 101)]
ODD = [(256, 224), (255, 224), (256, 223), (299, 299), (64, 64), (300, 277), (37, 8)]


def torchvisions(image: Image.Image, resize: int, crop: int | None, kind: str = "bilinear") -> Image.Image:
    """What torchvision's Resize and CenterCrop do to a Pillow image, written down a second time."""
    width, height = image.size
    across = width <= height
    size = (resize, int(resize * height / width)) if across else (int(resize * width / height), resize)
    image = image.resize(size, Image.Resampling[kind.upper()])
    if crop is None:
        return image
    left, top = (int(round((length - crop) / 2.0)) for length in image.size)  # noqa: RUF046
    return image.crop((left, top, left + crop, top + crop))


def photograph(width: int, height: int, seed: int = 0) -> Image.Image:
    """Noise over a smooth scene, so that every wrong pixel shows."""
    rng = np.random.default_rng([seed, width, height])
    across, down = np.meshgrid(np.linspace(0, 3, width), np.linspace(0, 2, height))
    scene = 127 + 90 * np.sin(across * 3)[..., None] * np.cos(down * [1.0, 2.0, 4.0][seed % 3])[..., None]
    return Image.fromarray(np.clip(scene + rng.normal(0, 40, (height, width, 3)), 0, 255).astype(np.uint8))


def encoded(image: Image.Image) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, "PNG")
    return buffer.getvalue()


def tensor_of(image: Image.Image) -> torch.Tensor:
    return torch.from_numpy(np.array(image)).permute(2, 0, 1)[None].contiguous()


@pytest.mark.parametrize(("resize", "crop"), ODD)
def test_the_data_are_prepared_as_by_torchvision(resize: int, crop: int) -> None:
    for (width, height), kind in itertools.product(SIZES, ("bilinear", "bicubic")):
        image = photograph(width, height)
        expected = np.asarray(torchvisions(image, resize, crop, kind)).transpose(2, 0, 1)
        how = Preparation(resize=resize, crop=crop, filter=kind)
        assert (decode(encoded(image), "a", how) == expected).all(), (width, height, kind)
        assert how.size(width, height) == (crop, crop)


@pytest.mark.parametrize("kind", FILTERS)
def test_every_filter_is_pillows(kind: str) -> None:
    image = photograph(123, 87)
    expected = np.asarray(torchvisions(image, 61, None, kind)).transpose(2, 0, 1)
    assert (decode(encoded(image), "a", Preparation(resize=61, filter=kind)) == expected).all()
    for width, height in ((123, 87), (60, 91), (40, 40)):
        image = photograph(width, height)
        for resize in (31, 61, 113):
            made = apply_preprocess(tensor_of(image) / 255, Preprocess(resize=resize, resize_filter=kind))
            levels = (made[0] * 255).round().to(torch.uint8).permute(1, 2, 0).numpy()
            assert (levels == np.asarray(torchvisions(image, resize, None, kind))).all(), (width, height, resize)


@pytest.mark.parametrize(("resize", "crop"), ODD)
def test_the_model_resizes_as_torchvision_does(resize: int, crop: int) -> None:
    for width, height in SIZES[1::2]:
        image = photograph(width, height, 1)
        made = apply_preprocess(tensor_of(image) / 255, Preprocess(resize=resize, crop=crop))
        expected = tensor_of(torchvisions(image, resize, crop)).float() / 255
        assert torch.equal(made, expected), (width, height)


def test_a_whole_and_a_torchvision_half() -> None:
    assert resized_size(500, 375, 256) == (341, 256) and resized_size(500, 375, 256, "nearest") == (341, 256)
    assert resized_size(640, 427, 256) == (383, 256) and resized_size(640, 427, 256, "nearest") == (384, 256)
    assert resized_size(334, 500, 256) == (256, 383)
    assert [crop_start(224 + more, 224) for more in range(8)] == [0, 0, 1, 2, 2, 2, 3, 4]
    assert [crop_start(224 + more, 224, "nearest") for more in range(8)] == [0, 0, 1, 1, 2, 2, 3, 3]


def test_torchvision_itself() -> None:
    """Against the library, where it is installed and can be imported (it needs operators of a matching build)."""
    try:
        from torchvision import transforms  # type: ignore[import-not-found, unused-ignore]
    except Exception as error:
        pytest.skip(f"torchvision cannot be imported: {error}")
    modes = {"bilinear": transforms.InterpolationMode.BILINEAR, "bicubic": transforms.InterpolationMode.BICUBIC}
    for (width, height), (resize, crop), kind in itertools.product(SIZES, ODD, modes):
        image = photograph(width, height, 2)
        both = transforms.Compose([transforms.Resize(resize, modes[kind]), transforms.CenterCrop(crop)])
        expected = np.asarray(both(image))
        ours = decode(encoded(image), "a", Preparation(resize=resize, crop=crop, filter=kind))
        assert (ours.transpose(1, 2, 0) == expected).all(), (width, height, resize, crop, kind)
        made = apply_preprocess(tensor_of(image) / 255, Preprocess(resize=resize, crop=crop, resize_filter=kind))
        assert torch.equal(made, tensor_of(Image.fromarray(expected)).float() / 255)


def test_tall_photographs_follow_the_pillow_that_is_here() -> None:
    if int(PIL.__version__.split(".")[0]) < 13:
        pytest.skip("Pillow works across first before 13; the model's resize follows 13 and later")
    image = photograph(60, 200)
    made = resample(tensor_of(image) / 255, 106, 32, "bicubic")
    assert torch.equal(made, tensor_of(image.resize((32, 106), Image.Resampling.BICUBIC)).float() / 255)


def test_images_between_levels_are_not_rounded_and_have_gradients() -> None:
    x = tensor_of(photograph(50, 40)) / 255
    between = (x * 0.97 + 0.003).requires_grad_()
    how = Preprocess(resize=24, crop=20)
    made = apply_preprocess(between, how)
    plain = torch.nn.functional.interpolate(between, (24, 30), mode="bilinear", antialias=True)[:, :, 2:22, 5:25]
    torch.testing.assert_close(made, plain, atol=1e-5, rtol=0)
    made.sum().backward()
    assert between.grad is not None and float(between.grad.abs().max()) > 0
    whole = x.clone().requires_grad_()
    exact = apply_preprocess(whole, how)
    torch.testing.assert_close(exact, apply_preprocess(x, how), atol=1e-6, rtol=0)
    exact.sum().backward()
    torch.testing.assert_close(whole.grad, between.grad)
    pair = torch.cat([x, between.detach()])
    assert torch.equal(apply_preprocess(pair, how), torch.cat([apply_preprocess(p[None], how) for p in pair]))


def test_the_model_s_preprocessing_is_its_identity() -> None:
    assert "resize_filter" not in Preprocess(mean=(0.5,)).as_json()
    told = [Preprocess(resize=16, resize_filter=kind).as_json()["resize_filter"] for kind in (None, "bicubic")]
    assert told == ["bilinear", "bicubic"]
    assert parse_spec("torch:a.py:b", resize=16, resize_filter="box").resize_filter == "box"
    with pytest.raises(ModelError, match=r"bicubik.*bicubic"):
        Preprocess(resize=16, resize_filter="bicubik")


# Published sets


def inception(image: Image.Image) -> Image.Image:
    """How photographs were prepared for the sets of 299 pixels: the central 87.5 % of both sides, then pressed."""
    width, height = image.size
    across, down = int(width * 0.875), int(height * 0.875)
    left, top = (int(round((a - b) / 2.0)) for a, b in ((width, across), (height, down)))  # noqa: RUF046
    return image.crop((left, top, left + across, top + down)).resize((299, 299), Image.Resampling.BILINEAR)


@pytest.mark.parametrize("size", SIZES)
def test_the_published_preparations(size: tuple[int, int]) -> None:
    image = photograph(*size)
    expected = {
        "imagenet-c": torchvisions(image, 256, 224),
        "imagenet-c-299": inception(image),
        "tiny-c": image.resize((64, 64), Image.Resampling.BILINEAR),
        "imagenet-p": torchvisions(image, 256, 224),
    }
    assert set(expected) == set(PUBLISHED)
    for name, wanted in expected.items():
        made = decode(encoded(image), "a", PUBLISHED[name])
        assert (made == np.asarray(wanted).transpose(2, 0, 1)).all(), name
        assert PUBLISHED[name].size(*size) == wanted.size


@pytest.mark.parametrize(
    ("how", "table", "side", "said"),
    [
        (Preparation(resize=256, crop=224), "imagenet-c", 224, ()),
        (Preparation(resize=256, crop=224, filter="bicubic"), "imagenet-c", 224, ("bicubic",)),
        (Preparation(resize=256, crop=224, rounding="nearest"), "imagenet-c", 224, ("nearest rounding",)),
        (Preparation(resize=232, crop=224), "imagenet-c", 224, ("shorter side resized to 232 instead of 256",)),
        (Preparation(resize=8), "imagenet-c", 224, ("shorter side resized to 8 instead of 256", "no centre crop 224")),
        (Preparation(crop=224), "imagenet-c", 224, ("no shorter side resized to 256",)),
        (PUBLISHED["imagenet-c-299"], "imagenet-c-299", 299, ()),
        (PUBLISHED["tiny-c"], "tiny-c", 64, ()),
        (Preparation(resize=32, crop=32), "cifar-c", 32, ("shorter side resized to 32", "centre crop 32")),
        (Preparation(), "cifar-c", 32, ()),
        (Preparation(), "imagenet-c", 224, ()),
        (Preparation(), "imagenet-c-299", 400, ("400 x 400 pixels instead of 299 x 299",)),
        (Preparation(resize=256, crop=256), "imagenet-p", 256, ()),
        (Preparation(resize=256, crop=256, filter="lanczos"), "imagenet-p", 256, ("lanczos",)),
        (Preparation(resize=256, crop=224, filter="bicubic"), "no published set", 224, ()),
    ],
)  # fmt: skip
def test_what_differs_from_the_published_preparation(
    how: Preparation, table: str, side: int, said: tuple[str, ...]
) -> None:
    made = how.as_json()
    assert differences(made, table, side, side) == said
    assert differences(made | {"channels": 3} if made else made, table, side, side) == said
    note = f"not prepared as published: {', '.join(said)}" if said else ""
    assert preparation_note(made, table, side, side) == note
    turned = differences(made | {"turned": 3}, table, side, side)
    assert turned == (
        said if table == "no published set" else (*said, "images turned upright as their EXIF tags say (3)")
    )


def test_bad_preparations_are_refused_in_one_line(tmp_path: Path) -> None:
    for wrong, said in (
        ({"resize": 200, "crop": 224}, "larger than resize="),
        ({"resize": 256, "filter": "bicubik"}, "did you mean bicubic"),
        ({"filter": "bicubic"}, "resize_filter=.bicubic. goes with resize="),
        ({"rounding": "nearest"}, "resize_rounding=.nearest. goes with"),
        ({"prepare": "imagenet-c", "resize": 256}, "says it all"),
        ({"prepare": "imagenet"}, "did you mean imagenet-"),
    ):
        with pytest.raises(DataError, match=said) as caught:
            open_source(tmp_path, **wrong)  # type: ignore[arg-type]
        assert "\n" not in str(caught.value)
    with pytest.raises(DataError, match="smaller than crop=224; add resize=224"):
        decode(encoded(photograph(300, 200)), "a.png", Preparation(crop=224))


@pytest.fixture(scope="module")
def photographs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two classes of photographs of different sizes."""
    folder = tmp_path_factory.mktemp("photographs")
    for number, size in enumerate(SIZES[:4]):
        place = folder / f"class{number % 2}" / f"{number}.png"
        place.parent.mkdir(exist_ok=True)
        place.write_bytes(encoded(photograph(*size, number)))
    return folder


def flat(images: Any) -> Any:
    """Two classes told apart by the mean level."""
    mean = images.mean((1, 2, 3))
    return np.stack([mean, 0.5 + 0 * mean], 1)


def test_a_published_suite_prepares_photographs_of_different_sizes(photographs: Path, tmp_path: Path) -> None:
    for suite, table in (("imagenet-c-extra", "imagenet-c"), ("tiny-c", "tiny-c")):
        run = bs.evaluate(flat, str(photographs), suite=suite, samples=2, out=tmp_path / suite)
        data = RunStore.open(run.path).manifest.data
        assert as_published(data["prepared"], table) and run.notes == () and data["how"]["prepare"] == table
    with pytest.raises(DataError, match="different sizes"):
        bs.evaluate(flat, str(photographs), suite="cifar-c", out=tmp_path / "c")
    asked = bs.evaluate(
        flat, str(photographs), suite="imagenet-c-extra", resize=256, crop=224, resize_filter="bicubic",
        samples=2, out=tmp_path / "bicubic",
    )  # fmt: skip
    assert asked.notes == ("imagenet-c-extra: not prepared as published: bicubic",)


def test_filter_and_rounding_are_another_data_set(photographs: Path) -> None:
    ways: list[dict[str, Any]] = [{}, {"filter": "bicubic"}, {"rounding": "nearest"}]
    prints = {open_source(photographs, resize=40, crop=32, **how).info.fingerprint for how in ways}
    assert len(prints) == 3
    again = open_source(photographs, resize=40, crop=32, filter="bilinear", rounding="torchvision")
    assert again.info.fingerprint in prints


def test_the_command_says_it_where_the_preparation_differs(photographs: Path, tmp_path: Path) -> None:
    (tmp_path / "flat.py").write_text(
        "import numpy as np\ndef flat(x):\n    return np.stack([x.mean((1, 2, 3))] * 2, 1)\n"
    )
    words = ["run", "--model", f"python:{tmp_path}/flat.py:flat", "--data", str(photographs)]
    words += ["--suite", "imagenet-c-extra", "--samples", "2", "--workers", "1", "--no-report"]
    plain = CliRunner().invoke(app, [*words, "--resize", "256", "--crop", "224", "--out", str(tmp_path / "a")])
    assert plain.exit_code == 0, plain.output
    assert "not prepared" not in plain.output + plain.stderr
    odd = [*words, "--resize", "256", "--crop", "224", "--resize-filter", "bicubic", "--out", str(tmp_path / "b")]
    bicubic = CliRunner().invoke(app, odd)
    assert bicubic.exit_code == 0 and "not prepared as published: bicubic" in bicubic.output + bicubic.stderr


@pytest.mark.parametrize(("filter", "note"), [("bilinear", ""), ("bicubic", "not prepared as published: bicubic")])
def test_the_note_stands_beside_mce_wherever_it_is_shown(tmp_path: Path, filter: str, note: str) -> None:
    how = Preparation(resize=256, crop=224, filter=filter)
    infos = published_infos("imagenet-c", "jpeg85")
    store = synthetic.make_run(
        tmp_path / "a", models=1, samples=60, examples=0, infos=infos, classes=1000, shape=(3, 224, 224)
    )
    with edited(tmp_path / "a" / "manifest.json") as told:
        told["data"] |= {"prepared": how.as_json(), "preparation": how.words(), "kind": "folder"}
        for model in told["models"].values():
            model["preprocess"] |= Preprocess(resize=300, crop=280, resize_filter="lanczos").as_json()
    content = seen([RunStore.open(store.path)])
    (found,) = content.corruptions
    facts = {fact.title.partition(":")[0]: dict(fact.items) for fact in content.provenance}
    assert facts["Data"]["Preparation"] == f"shorter side resized to 256 ({filter}), centre crop 224 x 224"
    assert "shorter side resized to 300 (lanczos), centre crop 280 x 280" in facts["Model"]["Preprocessing"]
    texts = [content.html(), content.markdown(), content.summary(), content.csv()]
    if not note:
        assert found.storage.startswith("prepared as published (shorter side resized to 256 (bilinear), centre crop")
        assert all("not prepared" not in text for text in texts)
        return
    assert found.caveat == note and all(note in text for text in texts)
    assert not any("as published" in text.replace(note, "") for text in texts)
    (stored,) = json.loads(texts[2])["corruptions"]
    assert all(s["caveat"] == note for s in stored["models"][0]["summaries"])
    lines = [line for line in csv.DictReader(io.StringIO(texts[3])) if line["measure"].startswith("mce")]
    assert lines and all(note in line["condition"] for line in lines)


def test_runs_of_earlier_versions_are_not_called_as_published(tmp_path: Path) -> None:
    store = synthetic.make_run(
        tmp_path / "a", models=1, samples=30, examples=0, infos=published_infos("imagenet-c", "jpeg85"),
        shape=(3, 224, 224),
    )  # fmt: skip
    with edited(tmp_path / "a" / "manifest.json") as told:
        told["data"]["preparation"] = "shorter side resized to 256 (bicubic), centre crop 224 x 224"
    (found,) = seen([RunStore.open(store.path)]).corruptions
    assert found.caveat.startswith("not prepared as published: shorter side resized to 256 (bicubic)")
