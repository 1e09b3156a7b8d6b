"""What Python users call: evaluate a model on data, get a run, get its numbers and its report."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from brittlestar.api.run import Run, Table

if TYPE_CHECKING:
    from brittlestar.core.label_space import LabelSpace
    from brittlestar.runs.executors import Executor
    from brittlestar.suites.given import Asked

__all__ = ["Run", "Table", "evaluate"]


def evaluate(
    model: Any,
    data: Any,
    *,
    suite: Asked | Sequence[Asked] = "broad",
    storage: str | None = None,
    out: str | Path | None = None,
    samples: int | None = None,
    budget: str | float | None = None,
    precision: float | None = None,
    batch: int | None = None,
    device: str | None = None,
    seed: int = 0,
    workers: int = 1,
    executor: str | Executor | None = None,
    resize: int | None = None,
    crop: int | None = None,
    resize_filter: str | None = None,
    resize_rounding: str | None = None,
    prepare: str | None = None,
    skip_bad: bool = False,
    groups: Any = None,
    contexts: Any = None,
    metadata: str | Path | None = None,
    image_column: str | None = None,
    label_column: str | None = None,
    label_space: str | Path | Mapping[str, Any] | LabelSpace | None = None,
    classes: Sequence[str] | Mapping[str, str] | None = None,
    tune: bool = True,
    normalise: bool | None = None,
    anyway: bool = False,
    shifted: bool = False,
    live: bool = False,
    outside: Any = None,
    progress: bool | None = None,
    nature: Mapping[str, Any] | None = None,
) -> Run:
    """Measure how brittle one or several models are.

    Args:
        model: A specification as on the command line, an ``nn.Module`` in evaluation mode, a callable on numpy arrays,
            a ``ModelSpec``, or a mapping of names to any of these. Images in [0, 1], NCHW, in; logits out.
        data: A path or name as on the command line, ``(images, labels)`` as arrays, tensors or a list of pictures, a
            PyTorch ``Dataset`` or ``DataLoader`` (``brittlestar.data.given`` says what is taken), or an opened source.
        suite: Name of a suite, a suite of one's own, a shift such as ``bs.shifts.GaussianNoise(sigma=0.1)``, or several
            of these.
        storage: How published suites keep shifted images (``float``, ``uint8``, ``jpeg85``), if not as published.
        out: Run folder; ``runs/<data>`` by default. A later call on the same folder resumes and adds.
        samples: How many images; all by default.
        budget: End after this time (``"5m"``), loading, checks and choosing examples included; what a slow model was
            not asked for want of time is noted.
        precision: Stop when every interval's half-width is at most this; intervals are then confidence sequences.
        batch: Images a forward pass.
        device: ``cpu``, ``cuda``; by default where an ``nn.Module`` lies, else the CPU. With several workers, ``cuda``
            is all visible GPUs; or name them, ``cuda:0,cuda:1``.
        seed: Of the order of the images and of every draw.
        workers: Processes (one torch thread each); more than 1 only for models given as specifications.
        executor: ``process`` (this one), ``pool`` (``workers`` processes; so it is by default where there are several),
            ``ray`` or ``slurm`` with options (``ray:num_gpus=0.5``), or an object (``runs.executors.Ray(...)``).
        resize, crop: Shorter side and central square of the images in pixels, before the shift.
        resize_filter, resize_rounding: Bilinear and as in torchvision otherwise, as the published sets were made.
        prepare: Prepare as for a published set (``imagenet-c-299``), instead of the four above. Photographs of
            different sizes, of which nothing is asked, are prepared as for the suite's published set.
        skip_bad: Leave unreadable images out (they are counted in the report).
        groups: Which images depend on each other: the name of a column, or one value an image for arrays; intervals are
            then those of groups (``open_source``).
        contexts: What else is known of each image (background, site, camera), told apart in the report: names of
            columns, or for arrays a mapping of names to one value an image (``open_source``).
        metadata: A CSV or TSV file beside an image folder, one row an image, with these columns.
        image_column, label_column: Names of columns of Parquet files, where they are not the usual ones.
        label_space: What makes a model's outputs scores of the data's classes, where it has others: the name of a list
            (``imagenet-a``, ``geirhos-16``: ``brittlestar list spaces``), a file, its content (``data.label_spaces``),
            or ``none`` for models of the data's own classes where the data bring one.
        classes: Class names in the order of the model's outputs, where they are not the data's own classes (which may
            be mere numbers: places among the outputs); a mapping also says what people call each
            (``{"n01440764": "tench", ...}``), which the report shows.
        tune: Whether models may answer in a faster way that gives the same logits to 1e-4 (batch norms folded into
            convolutions, channels-last memory); gradients are always taken through the model as it was given.
        normalise: Whether a model's mean and std are applied before it (true) or it applies them itself (false); by
            default the first images are answered both ways, and where that does not tell, it is asked.
        anyway: Run models that are near chance on clean images all the same.
        shifted: The images are meant to be unlike those that the models were made for, so that an accuracy near chance
            is a finding and no mistake.
        live: Write the report while the run goes on, at most 5 % of the time; the page reloads itself.
        outside: Images of none of the classes (one set or a list of sets, each as ``data``): the report tells how well
            confidence tells them from the data's own.
        progress: Whether to show how far the run is, on standard error or in the notebook; ``False`` shows nothing, and
            what must be known before believing a number is then a Python warning.
        nature: Other labelled data of the same classes by name (another place, year, camera or style): the models
            answer their clean images, too.

    Raises:
        NearChanceError: A model is near chance on the first clean images (``measures.near_chance``): nothing was run.
        UsageError: Anything that cannot work, with what to do about it, before work begins.
        DataError: Some images could not be read; all else is done and kept in the folder.
        StoreError: The run folder holds something else or is in use.
    """
    from brittlestar.api.evaluation import Evaluation
    from brittlestar.api.nature import run_with_nature
    from brittlestar.api.progress import shown
    from brittlestar.core.errors import DataError
    from brittlestar.runs.skipped import unread_text

    asked = Evaluation(
        suite=suite,
        storage=storage,
        out=out,
        samples=samples,
        budget=budget,
        precision=precision,
        batch=batch,
        device=device,
        seed=seed,
        workers=workers,
        executor=executor,
        resize=resize,
        crop=crop,
        resize_filter=resize_filter,
        resize_rounding=resize_rounding,
        prepare=prepare,
        skip_bad=skip_bad,
        groups=groups,
        contexts=contexts,
        metadata=metadata,
        image_column=image_column,
        label_column=label_column,
        label_space=label_space,
        classes=classes,
        tune=tune,
        normalise=normalise,
        anyway=anyway,
        shifted=shifted,
        live=live,
        outside=outside,
        nature=nature,
    )
    with shown(progress) as watch:
        result = run_with_nature(asked, model, data, watch)
    if result.outcome is not None and result.outcome.unread:
        raise DataError(unread_text(result.path, result.outcome.unread))
    return result
