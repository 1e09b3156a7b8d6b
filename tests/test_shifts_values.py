"""Single shifts against golden values, closed forms and independent implementations."""

from __future__ import annotations

import io
import pickle

import numpy as np
import pytest
import torch
from PIL import Image
from scipy import ndimage

from brittlestar.core.errors import ShiftError, UsageError
from brittlestar.core.keys import SampleKeys
from brittlestar.shifts import (
    BandNoise,
    Brightness,
    Contrast,
    Fog,
    FourierBasis,
    GaussianBlur,
    GaussianNoise,
    HighPass,
    ImpulseNoise,
    Jpeg,
    LowPass,
    Pixelation,
    Rotation,
    SaltAndPepper,
    Saturation,
    ShotNoise,
    Translation,
)
from brittlestar.shifts.ops.plasma.plain import clouds
from brittlestar.shifts.ops.reduce import total
from brittlestar.shifts.ops.spectrum import basis_vector, half_plane
from brittlestar.shifts.spectral import _kept_wave
from brittlestar.shifts.transform import KeyedTransform, ShiftedDataset
from brittlestar.suites import get_suite
from brittlestar.suites.fourier import map_norm


def rand(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.rand(*shape, generator=torch.Generator().manual_seed(seed))


def keys(count: int) -> SampleKeys:
    return SampleKeys.of(0, [str(i) for i in range(count)])


COLOURS = torch.tensor([[[10, 200, 50], [100, 20, 250]], [[0, 255, 128], [64, 64, 64]]], dtype=torch.uint8)


@pytest.mark.parametrize(
    ("shift", "expected"),
    [
        (Contrast(factor=0.4), [[[30, 160, 93], [66, 88, 173]], [[26, 182, 125], [51, 106, 99]]]),
        (Brightness(offset=0.3), [[[12, 255, 63], [101, 20, 255]], [[0, 255, 128], [140, 140, 140]]]),
        (Saturation(factor=0.3), [[[143, 200, 155], [204, 180, 250]], [[178, 255, 216], [64, 64, 64]]]),
    ],
)
def test_colour_arithmetic_of_the_reference(shift: object, expected: list[object]) -> None:
    """Golden values of the reference code on a 2 x 2 image (truncated to 8 bits there, so 1 level may differ)."""
    x = COLOURS.permute(2, 0, 1)[None]
    got = shift(x)[0].permute(1, 2, 0).int()  # type: ignore[operator]
    assert int((got - torch.tensor(expected)).abs().max()) <= 1


def test_gaussian_blur_is_scipys() -> None:
    x = rand(2, 3, 24, 31)
    for sigma in (0.4, 1.0, 3.0):
        expected = ndimage.gaussian_filter(x.numpy(), (0, 0, sigma, sigma), mode="nearest", truncate=4)
        assert np.abs(GaussianBlur(sigma=sigma)(x).numpy() - expected).max() < 2e-6


@pytest.mark.parametrize("size", [(32, 32), (33, 47)])
def test_jpeg_and_pixelation_are_pillows(size: tuple[int, int]) -> None:
    x = (rand(2, 3, *size) * 255).to(torch.uint8)
    jpeg, pixelated = Jpeg(quality=15)(x), Pixelation(factor=0.3)(x)
    for i in range(2):
        picture = Image.fromarray(x[i].permute(1, 2, 0).numpy())
        buffer = io.BytesIO()
        picture.save(buffer, "JPEG", quality=15)
        assert (jpeg[i].permute(1, 2, 0).numpy() == np.asarray(Image.open(buffer))).all()
        small = picture.resize((int(size[1] * 0.3), int(size[0] * 0.3)), Image.Resampling.BOX)
        expected = np.asarray(small.resize(picture.size, Image.Resampling.BOX))
        assert (pixelated[i].permute(1, 2, 0).numpy() == expected).all()


def test_noise_moments() -> None:
    x = torch.full((50, 3, 32, 32), 0.5)
    k = keys(50)
    noise = GaussianNoise(sigma=0.1)(x, k) - 0.5
    assert abs(noise.std().item() - 0.1) < 5e-4
    shot = ShotNoise(photons=60.0)(x, k)
    assert abs(shot.mean().item() - 0.5) < 2e-3
    assert abs(shot.var().item() - 0.5 / 60) < 2e-4
    impulse = ImpulseNoise(amount=0.2)(x, k)
    assert abs((impulse == 0).float().mean().item() - 0.1) < 4e-3
    assert abs((impulse == 1).float().mean().item() - 0.1) < 4e-3
    pepper = SaltAndPepper(amount=0.2)(x, k)
    changed = (pepper != 0.5).float().mean(1)
    assert set(changed.unique().tolist()) == {0.0, 1.0}, "all channels of a pixel go together"


def test_strengths_share_their_draws() -> None:
    x, k = torch.full((3, 1, 16, 16), 0.5), keys(3)
    weak, strong = GaussianNoise(sigma=0.01)(x, k) - x, GaussianNoise(sigma=0.03)(x, k) - x
    assert float((3 * weak - strong).abs().max()) < 1e-6
    few, many = ImpulseNoise(amount=0.1)(x, k), ImpulseNoise(amount=0.4)(x, k)
    assert bool(((few == 0.5) | (few == many)).all()), "what is hit weakly is hit strongly, in the same way"


def test_no_correlation_between_shifts() -> None:
    x, k = torch.full((200, 1, 64, 64), 0.5), keys(200)
    a = (GaussianNoise(sigma=0.05)(x, k) - x).flatten()
    b = (BandNoise(band="high", bandwidth=1, norm=1.0)(x, k) - x).flatten()
    correlation = float((a * b).mean() / (a.std() * b.std()))
    assert abs(correlation) < 4.5 / len(a) ** 0.5


def test_low_pass_and_high_pass_add_up() -> None:
    x = rand(3, 3, 32, 32)
    for bandwidth in (1, 4, 7, 16):
        low = LowPass(bandwidth=bandwidth)(x)
        high = HighPass(bandwidth=bandwidth, keep_mean=False)(x)
        assert float((low + high - x).abs().max()) < 1e-5
        assert float(high.mean((2, 3)).abs().max()) < 1e-6
        twice = LowPass(bandwidth=bandwidth)(low.clamp(0, 1)) if bandwidth == 1 else None
        if twice is not None:
            assert float((twice - low).abs().max()) < 1e-5


def test_high_pass_has_no_energy_inside_the_square() -> None:
    spectrum = torch.fft.fftshift(
        torch.fft.fft2(HighPass(bandwidth=9, keep_mean=False)(rand(2, 1, 28, 28))), dim=(2, 3)
    )
    assert float(spectrum[:, :, 10:19, 10:19].abs().max()) < 1e-4
    assert float(spectrum.abs().mean()) > 0.1


def test_low_pass_at_the_full_bandwidth_changes_nothing() -> None:
    x = rand(2, 3, 31, 20)
    assert float((LowPass(bandwidth=31)(x) - x).abs().max()) < 1e-5


@pytest.mark.parametrize("band", ["low", "high"])
def test_band_noise_has_its_norm_and_its_band(band: str) -> None:
    x = torch.full((5, 3, 32, 32), 0.5)
    noise = BandNoise(band=band, bandwidth=9, norm=4.0)(x, keys(5)) - x
    assert torch.allclose(noise.flatten(1).norm(dim=1), torch.full((5,), 4.0), atol=1e-3)
    power = torch.fft.fftshift(torch.fft.fft2(noise), dim=(2, 3)).abs().pow(2)
    share = float(power[:, :, 12:21, 12:21].sum() / power.sum())
    assert share > 1 - 1e-6 if band == "low" else share < 1e-6


GOLDEN_4 = [
    [0.25, -0.25, -0.25, 0.25],
    [0.25, 0.25, -0.25, -0.25],
    [-0.25, 0.25, 0.25, -0.25],
    [-0.25, -0.25, 0.25, 0.25],
]


def shifted(index: tuple[int, int], size: int) -> tuple[int, int]:
    """Signed frequency of a place in the shifted spectrum."""
    return index[0] - size // 2, index[1] - size // 2


def test_basis_golden_values() -> None:
    """The vectors of Yin et al. at (1, 3) of the shifted spectrum for n = 4 and n = 5."""
    row, column = shifted((1, 3), 4)
    assert np.allclose(basis_vector(4, 4, row, column).numpy(), GOLDEN_4, atol=1e-6)
    row, column = shifted((1, 3), 5)
    first = [0.2, -0.128408, -0.27936, -0.044246, 0.252015]
    expected = np.stack([np.roll(first, r) for r in range(5)])
    assert np.allclose(basis_vector(5, 5, row, column).numpy(), expected, atol=1e-5)


@pytest.mark.parametrize("size", [(8, 8), (7, 10)])
def test_basis_is_orthonormal(size: tuple[int, int]) -> None:
    height, width = size
    places = [(r, c) for r in range(height) for c in range(width)]
    vectors = torch.stack([basis_vector(height, width, r, c).flatten() for r, c in places]).double()
    assert torch.allclose(vectors @ vectors.T, torch.eye(len(places)).double(), atol=1e-6)


def test_basis_matches_the_inverse_transform() -> None:
    """Against the definition: spectrum .5 + .5i at the frequency and .5 - .5i at its partner, times n."""
    n = 8
    for row, column in half_plane(n, n):
        spectrum = np.zeros((n, n), complex)
        spectrum[row % n, column % n] += 0.5 + 0.5j
        spectrum[-row % n, -column % n] += 0.5 - 0.5j
        expected = n * np.fft.ifft2(spectrum).real
        assert np.allclose(basis_vector(n, n, row, column).numpy(), expected, atol=1e-6), (row, column)


@pytest.mark.parametrize(
    ("size", "count"), [((32, 32), 514), ((8, 8), 34), ((7, 7), 25), ((28, 28), 394), ((6, 9), 28)]
)
def test_half_plane_lists_every_pair_once(size: tuple[int, int], count: int) -> None:
    listed = half_plane(*size)
    assert len(listed) == len(set(listed)) == count
    vectors = torch.stack([basis_vector(*size, r, c).flatten() for r, c in listed])
    gram = (vectors @ vectors.T).abs() - torch.eye(len(listed))
    assert float(gram.max()) < 1e-5, "two listed frequencies give the same vector"


def test_fourier_shift_has_equal_norm_and_random_signs() -> None:
    x = torch.full((400, 3, 16, 16), 0.5)
    shift = FourierBasis(row=3, column=-2, norm=2.0)
    change = shift(x, keys(400)) - x
    assert torch.allclose(change.flatten(2).norm(dim=2), torch.full((400, 3), 2.0), atol=1e-4)
    signs = (change * basis_vector(16, 16, 3, -2)).sum((2, 3)).sign()
    assert abs(float(signs.mean())) < 4 / 1200**0.5
    assert abs(float((signs[:, 0] * signs[:, 1]).mean())) < 4 / 400**0.5
    with pytest.raises(ShiftError, match="is written"):
        FourierBasis(row=-3, column=2, norm=2.0)(x, keys(400))


def test_map_norms_are_the_papers() -> None:
    assert map_norm(32, 32) == 4
    assert abs(map_norm(224, 224) - 15.7) < 0.01
    large = get_suite("broad").conditions((3, 224, 224))
    assert sum(c.info.kind == "fourier" for c in large) < 150
    whole = get_suite("fourier").conditions((3, 32, 32))
    assert len(whole) == 515


def test_rotation_by_a_right_angle_and_translation_by_pixels() -> None:
    x = rand(4, 1, 16, 16)
    turned = Rotation(degrees=90)(x, keys(4))
    for image, before in zip(turned, x, strict=True):
        both = [torch.rot90(before, k, (1, 2)) for k in (1, 3)]
        assert min(float((image - b).abs().max()) for b in both) < 1e-4
    moved = Translation(fraction=0.25)(x, keys(4))
    for image, before in zip(moved, x, strict=True):
        assert any(
            float((torch.roll(before, (dy, dx), (1, 2))[:, 4:12, 4:12] - image[:, 4:12, 4:12]).abs().max()) < 1e-4
            for dy in (-4, 4)
            for dx in (-4, 4)
        )


def test_wrong_fields_are_refused() -> None:
    for make in (
        lambda: GaussianNoise(sigma=-0.1),
        lambda: ShotNoise(photons=0),
        lambda: ImpulseNoise(amount=1.5),
        lambda: Jpeg(quality=0),
        lambda: Pixelation(factor=0),
        lambda: BandNoise(band="mid", bandwidth=3, norm=1),
        lambda: Rotation(degrees=10, border="wrap"),
    ):
        with pytest.raises(ShiftError):
            make()


def test_transform_and_data_set() -> None:
    data = [(rand(3, 16, 16, seed=i), i) for i in range(6)]
    shift = GaussianNoise(sigma=0.2)
    transform = pickle.loads(pickle.dumps(KeyedTransform(shift, 1)))
    assert torch.equal(transform(data[2][0]), KeyedTransform(shift, 1)(data[2][0]))
    assert not torch.equal(transform(data[2][0]) - data[2][0], transform(data[3][0]) - data[3][0])
    assert torch.equal(transform(data[2][0]), transform(data[2][0].clone()))
    shifted_set = ShiftedDataset(data, shift, seed=2)
    loader = torch.utils.data.DataLoader(shifted_set, batch_size=4)
    batches = torch.cat([images for images, _ in loader])
    assert len(shifted_set) == 6
    assert torch.equal(batches[5], shifted_set[5][0])
    assert torch.equal(batches[5], shifted_set[-1][0])
    assert shifted_set[4][1] == 4
    with pytest.raises(IndexError):
        shifted_set[6]


def test_data_set_by_id_and_of_bare_images() -> None:
    images = [rand(1, 8, 8, seed=i) for i in range(4)]
    shift, ids = GaussianNoise(sigma=0.2), ["a", "b", "c", "d"]
    forward = ShiftedDataset(images, shift, seed=2, ids=ids)
    backward = ShiftedDataset(images[::-1], shift, seed=2, ids=ids[::-1])
    assert torch.equal(forward[1], backward[2]), "the id decides, not the place"
    assert torch.equal(forward[1], shift(images[1][None], SampleKeys.of(2, ["b"]))[0])
    with pytest.raises(UsageError, match="one id an item"):
        ShiftedDataset(images, shift, ids=ids[:3])


def test_sums_are_the_same_bits_for_any_batch_and_nearly_exact() -> None:
    for length in (1, 2, 3, 1000, 1031):
        x = rand(5, 3, length) - 0.3
        whole = total(x)
        assert torch.equal(torch.stack([total(row) for row in x]), whole)
        assert float((whole.double() - x.double().sum(-1)).abs().max()) < 2e-6 * length**0.5


def test_contrast_keeps_every_channels_mean() -> None:
    x = rand(3, 3, 17, 23) * 0.4 + 0.3
    means = Contrast(factor=0.2)(x).mean((2, 3))
    assert float((means - x.mean((2, 3))).abs().max()) < 1e-6


def test_high_pass_keeps_the_mean_unless_asked() -> None:
    x = rand(2, 3, 28, 28)
    kept, removed = HighPass(bandwidth=5)(x), HighPass(bandwidth=5, keep_mean=False)(x)
    assert float((kept.mean((2, 3)) - x.mean((2, 3))).abs().max()) < 1e-6
    assert float((kept - kept.mean((2, 3), keepdim=True) - removed).abs().max()) < 1e-6


@pytest.mark.parametrize("size", [(8, 8), (9, 9), (8, 11), (28, 28)])
def test_filters_are_those_of_the_definition(size: tuple[int, int]) -> None:
    """Against numpy: mask the shifted spectrum, go back, take the real part (odd and even sides and bandwidths)."""
    height, width = size
    x = rand(2, 1, *size)
    spectrum = np.fft.fftshift(np.fft.fft2(x.numpy().astype(float)), axes=(2, 3))
    for bandwidth in range(1, min(size) + 1):
        mask = np.zeros(size)
        top, left = height // 2 - bandwidth // 2, width // 2 - bandwidth // 2
        mask[top : top + bandwidth, left : left + bandwidth] = 1
        expected = np.fft.ifft2(np.fft.ifftshift(spectrum * mask, axes=(2, 3))).real
        assert np.abs(LowPass(bandwidth=bandwidth)(x).numpy() - expected).max() < 1e-5, bandwidth


def test_large_waves_are_not_kept_in_memory() -> None:
    """Above 64 x 64 a map's waves would take gigabytes."""
    _kept_wave.cache_clear()
    x, k = torch.full((1, 1, 96, 96), 0.5), keys(1)
    for row in range(5):
        FourierBasis(row=row, column=7, norm=1.0)(x, k)
    assert _kept_wave.cache_info().currsize == 0
    FourierBasis(row=1, column=7, norm=1.0)(x[..., :32, :32], k)
    assert _kept_wave.cache_info().currsize == 1


PLASMA = [  # size, decay, mean, standard deviation, [0, 0], [1, 2], [size / 2, size / 2] of the reference with seed 0
    (256, 2.0, 0.511294, 0.150162, 0.0, 0.074462, 0.203732),
    (256, 1.4, 0.532071, 0.166472, 0.199883, 0.225160, 0.315815),
    (32, 3.0, 0.468802, 0.120297, 0.0, 0.235633, 0.203732),
    (32, 1.75, 0.518213, 0.166583, 0.034795, 0.309792, 0.219310),
    (64, 1.75, 0.518252, 0.163720, 0.034795, 0.192588, 0.219310),
]


@pytest.mark.parametrize("case", PLASMA, ids=str)
def test_clouds_are_those_of_the_reference_with_its_draws(case: tuple[float, ...]) -> None:
    size, decay, mean, spread, first, second, centre = case
    numbers = np.random.RandomState(0)

    def draw(rows: int, columns: int) -> torch.Tensor:
        return torch.from_numpy(numbers.uniform(-1, 1, rows * columns).reshape(1, rows, columns))

    cloud = clouds(int(size), decay, draw)[0]
    got = [cloud.mean(), cloud.std(correction=0), cloud[0, 0], cloud[1, 2], cloud[int(size) // 2, int(size) // 2]]
    assert np.allclose([float(v) for v in got], [mean, spread, first, second, centre], atol=2e-6)


def test_fog_keeps_the_maximum_and_lies_low_in_the_spectrum() -> None:
    x = rand(20, 3, 32, 32) * 0.8
    y = Fog.at(3, "cifar-c")(x, keys(20))
    assert bool((y.amax((1, 2, 3)) <= x.amax((1, 2, 3)) + 1e-6).all())
    smooth = torch.full((20, 1, 32, 32), 0.5)
    power = torch.fft.fft2(Fog.at(3, "cifar-c")(smooth, keys(20)) - smooth).abs().pow(2).mean((0, 1))
    power[0, 0] = 0
    reach = torch.fft.fftfreq(32, 1 / 32).abs()
    low = (reach[:, None] <= 4) & (reach[None] <= 4)
    assert float(power[low].sum() / power.sum()) > 0.8
