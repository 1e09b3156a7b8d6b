"""What is made of several conditions, models or frames: pure functions that are listed by what they are."""

from __future__ import annotations

from dataclasses import dataclass

from brittlestar.measures.measure import Better


@dataclass(frozen=True)
class Summary:
    """A line of ``brittlestar list measures``: which way is better, its unit, what it is, and what it is made of."""

    better: Better
    unit: str
    text: str
    needs: tuple[str, ...] = ("several conditions",)


PAIR = ("two conditions or models",)
FREQUENCIES = ("Fourier frequencies",)
FRAMES = ("frames",)
OUTSIDE = ("confidence inside", "confidence outside")

SUMMARIES: dict[str, Summary] = {
    "error_increase": Summary(
        "lower", "share", "error under a shift minus clean error on the same images; paired interval", PAIR
    ),
    "mean_error": Summary("lower", "share", "mean error over conditions, on the images that all of them share"),
    "mean_error_increase": Summary("lower", "share", "that mean minus the clean error on the same images"),
    "severity_area": Summary("higher", "share", "mean accuracy along a ladder of strengths"),
    "breaking_point": Summary("higher", "strength", "the weakest strength at which accuracy falls under a level"),
    "mean_ece": Summary(
        "lower", "share", "mean over conditions of their expected calibration errors, not of pooled answers"
    ),
    "mean_ece_increase": Summary("lower", "share", "that mean minus the clean calibration error on the same images"),
    "band_error": Summary("lower", "share", "mean error over a band of the Fourier-basis sensitivity map", FREQUENCIES),
    "band_contrast": Summary("neither", "share", "error at high minus error at low frequencies", FREQUENCIES),
    "high_low_ratio": Summary(
        "neither", "ratio", "error that high frequencies add to clean error over what low ones add", FREQUENCIES
    ),
    "mean_corruption_error": Summary("lower", "share", "mean error over a published set's corruptions and severities"),
    "mce": Summary(
        "lower", "ratio", "mean CE: error per corruption over a named normaliser's (AlexNet or a run), 15 of them"
    ),
    "relative_mce": Summary("lower", "ratio", "the same for what corruption adds to the clean error"),
    "flip_probability": Summary("lower", "share", "share of frame comparisons in which the prediction changes", FRAMES),
    "flip_rates": Summary(
        "lower", "ratio", "flip probability over a named normaliser's, and mFR, the mean of ten", FRAMES
    ),
    "top5_distance": Summary(
        "lower",
        "ranks",
        "mean distance of the five likeliest classes between frames, 0 to 18",
        ("frames", "top_classes or logits"),
    ),
    "zipf_distance": Summary(
        "lower", "ranks", "distance of whole rankings between frames, early ranks weighing most", ("frames", "logits")
    ),
    "accuracy_kept": Summary(
        "higher",
        "ratio",
        "share of the own clean accuracy above guessing that is kept; mean over curves of means over strengths",
    ),
    "overconfidence": Summary("neither", "share", "mean confidence minus accuracy, with its sign; no bins", ("rows",)),
    "auroc": Summary(
        "higher", "share", "chance that an image from outside is answered less surely than one of the data", OUTSIDE
    ),
    "aupr": Summary("higher", "share", "average precision of finding images from outside by low confidence", OUTSIDE),
    "false_positives": Summary(
        "lower", "share", "images taken for outside ones where 95 % of the outside ones are found", OUTSIDE
    ),
    "sensitivity": Summary(
        "neither",
        "share",
        "what a shift does to one model against another, beyond clean: points added, and share kept",
        PAIR,
    ),
    "paired_difference": Summary(
        "neither", "share", "error of one model minus another's on the same images, exact McNemar, Holm", PAIR
    ),
}
