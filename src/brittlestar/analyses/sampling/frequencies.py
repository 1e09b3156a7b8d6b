"""What is known of a Fourier map before anything is asked: where frequencies lie, what a model says of clean images."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from brittlestar.analyses.sampling.auxiliary import Auxiliary, Floats

_REACH = (0.8, 2.0, 5.0)
_LOGITS = 16


def frequency_features(frequencies: Sequence[tuple[int, int]], height: int, width: int) -> Floats:
    """(frequencies, a) smooth functions of where a frequency lies; conjugates have the same."""
    f = np.array(frequencies, np.float64).reshape(-1, 2) / (np.array([height, width]) / 32)
    radius, angle = np.hypot(*f.T), np.arctan2(*f.T)
    edge = np.minimum(radius, 1)
    # Random Fourier features, from a fixed seed: every map and every session has the same.
    waves = f @ np.random.default_rng(5).normal(0, 0.25, (2, 16))
    rings = [np.exp(-((np.log1p(radius) - at) ** 2) / 0.08) for at in np.arange(0, 3.5, 0.5)]
    # Even multiples of the angle are the same for a frequency and its conjugate; at the mean there is no angle.
    turns = [part(k * angle) * edge for k in (2, 4) for part in (np.cos, np.sin)]
    plain = [f[:, 0] / 16, f[:, 1] / 16, radius / 16, np.log1p(radius), *np.abs(f.T) / 16, f[:, 0] * f[:, 1] > 0]
    every = [*plain, *turns, *np.cos(waves).T, *np.abs(np.sin(waves)).T, *rings]
    stacked: Floats = np.stack(every, axis=1).astype(np.float32)
    return stacked


def nearness(frequencies: Sequence[tuple[int, int]], height: int, width: int) -> tuple[Floats, Floats]:
    """Kernels (3, frequencies, frequencies) of the distance to the nearer of a wave's two places, from narrow to wide,
    and the covariance to be expected: something that all share, something that a neighbourhood shares, a ring."""
    f = np.array(frequencies, np.float64).reshape(-1, 2) / (np.array([height, width]) / 32)
    apart = np.minimum(*[((f[:, None] - sign * f[None]) ** 2).sum(-1) for sign in (1, -1)])
    radius = np.log1p(np.hypot(*f.T))
    ring = np.exp(-((radius[:, None] - radius[None]) ** 2) / 0.18)
    kernels = np.stack([np.exp(-apart / (2 * reach * reach)) for reach in _REACH])
    together = 0.3 + 0.3 * np.exp(-apart / 72) + 0.25 * np.exp(-apart / 12.5) + 0.3 * ring
    return kernels.astype(np.float32), together.astype(np.float32)


def sample_features(logits: Floats, labels: npt.NDArray[np.int64]) -> Floats:
    """(samples, b) of clean logits: the class (up to 32 of them), the main directions of the logits, the margin."""
    count, classes = logits.shape
    centred = (logits - logits.mean(0)) / max(float(logits.std()), 1e-6)
    if classes > _LOGITS:
        _, _, axes = np.linalg.svd(centred, full_matrices=False)
        centred = centred @ axes[:_LOGITS].T
        centred = centred / np.maximum(centred.std(0), 1e-6)
    margin = margins(logits, labels)
    margin = margin / max(float(np.median(np.abs(margin))), 1e-6)
    one_hot = np.eye(classes, dtype=np.float32)[labels] if classes <= 32 else np.zeros((count, 0), np.float32)
    parts = [one_hot, centred, margin[:, None] / 2, np.tanh(margin)[:, None]]
    return np.asarray(np.concatenate(parts, 1), np.float32)


def image_features(images: npt.NDArray[np.uint8]) -> Floats:
    """(samples, c) of (samples, channels, height, width) images: mean and spread by channel, energy by octave."""
    x = images.astype(np.float32) / 255
    grey = x.mean(1)
    # Without the mean, which is a feature of its own below.
    power = np.abs(np.fft.rfft2(grey - grey.mean((1, 2), keepdims=True))) ** 2
    height = x.shape[2]
    far = np.hypot(np.fft.fftfreq(height, 1 / height)[:, None], np.arange(power.shape[2])[None])
    octave = np.floor(np.log2(np.maximum(far, 0.5)))
    energy = [power[:, octave == o].sum(1) for o in range(int(octave.max()) + 1)]
    features = np.stack([*x.mean((2, 3)).T, *x.std((2, 3)).T, *np.log(np.array(energy) + 1e-6)], axis=1)
    return np.asarray(features, np.float32)


def margins(logits: Floats, labels: npt.NDArray[np.int64]) -> Floats:
    """(samples,) the label's logit minus the highest other one: negative where the model errs."""
    rest = logits.copy()
    own = rest[np.arange(len(rest)), labels].copy()
    rest[np.arange(len(rest)), labels] = -np.inf
    return np.asarray(own - rest.max(1), np.float32)


def sign_patterns(signs: npt.NDArray[np.int8]) -> npt.NDArray[np.int8]:
    """(...) below 4 from (..., channels) signs: which channels move together; one channel has one pattern."""
    if signs.shape[-1] == 1:
        return np.zeros(signs.shape[:-1], np.int8)
    same = [signs[..., 0] == signs[..., k] for k in (1, 2)]
    return np.asarray(2 * same[0] + same[1], np.int8)


def auxiliary_of_map(
    frequencies: Sequence[tuple[int, int]],
    height: int,
    width: int,
    logits: Floats,
    labels: npt.NDArray[np.int64],
    signs: npt.NDArray[np.int8],
    images: Floats,
) -> Auxiliary:
    """Everything that an active estimate of a Fourier map may guess from.

    Args:
        frequencies: Signed, each conjugate pair once.
        height, width: Of the images.
        logits: (samples, classes) of the clean images.
        labels: (samples,).
        signs: (frequencies, samples, channels) of the waves.
        images: (samples, c) ``image_features``.
    """
    scale = np.maximum(images.std(0), 1e-6)
    return Auxiliary(
        frequency_features(frequencies, height, width),
        np.concatenate([(images - images.mean(0)) / scale, sample_features(logits, labels)], axis=1),
        labels,
        sign_patterns(signs),
        *nearness(frequencies, height, width),
    )
