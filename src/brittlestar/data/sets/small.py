"""Small images, as they were published: CIFAR, its new test sets and corrupted versions, and MNIST's."""

from __future__ import annotations

from brittlestar.data.sets.arrays import (
    DIGITS,
    MNIST_C_CORRUPTIONS,
    BinaryCifar,
    CorruptedArrays,
    CorruptedDigits,
    MnistIdx,
    VersionedArrays,
)
from brittlestar.data.sets.corrupted import BAR_CIFAR, COMMON

_TORONTO = "cs.toronto.edu/~kriz/cifar.html (the binary version)"
_NPY = "one .npy a corruption, five severities one after the other, and labels.npy"

CIFAR_10_BINARY = BinaryCifar(
    name="cifar-10",
    title="CIFAR-10",
    layout="data_batch_1.bin to data_batch_5.bin, test_batch.bin and batches.meta.txt",
    where=_TORONTO,
    licence="not said; cite Krizhevsky (2009)",
    parts="test or train",
    stored=(32,),
    splits={"test": 10_000, "train": 50_000},
    each={"test": 1_000, "train": 5_000},
    files={"test": ("test_batch.bin",), "train": tuple(f"data_batch_{k}.bin" for k in range(1, 6))},
    names={"class": "batches.meta.txt"},
    pickled=("batches.meta", "test_batch", "data_batch_1"),
    inside="cifar-10-batches-bin",
)

CIFAR_100_BINARY = BinaryCifar(
    name="cifar-100",
    title="CIFAR-100",
    layout="train.bin, test.bin, fine_label_names.txt and coarse_label_names.txt",
    where=_TORONTO,
    licence="not said; cite Krizhevsky (2009)",
    parts="test or train",
    stored=(32,),
    splits={"test": 10_000, "train": 50_000},
    each={"test": 100, "train": 500},
    files={"test": ("test.bin",), "train": ("train.bin",)},
    names={"superclass": "coarse_label_names.txt", "class": "fine_label_names.txt"},
    pickled=("meta", "test", "train"),
    inside="cifar-100-binary",
)

CIFAR_10_1 = VersionedArrays(
    name="cifar-10.1",
    title="CIFAR-10.1",
    layout="cifar10.1_v6_data.npy and cifar10.1_v6_labels.npy, v4 likewise",
    where="github.com/modestyachts/CIFAR-10.1 (datasets/)",
    licence="MIT (repository)",
    parts="v6 (balanced classes) or v4 (the paper's)",
    stored=(32,),
    splits={"v6": 2_000, "v4": 2_021},
    each={"v6": 200},
    mix={"v4": (208, 212, 202, 212, 204, 218, 192, 210, 161, 202)},
    files=("cifar10.1_{}_data.npy", "cifar10.1_{}_labels.npy"),
    inside="datasets",
)

CIFAR_10_C = CorruptedArrays(
    name="cifar-10-c",
    title="CIFAR-10-C",
    layout=_NPY,
    where="zenodo.org/record/2535967",
    licence="CC BY 4.0",
    parts="CORRUPTION or CORRUPTION:SEVERITY (fog:3)",
    stored=(32,),
    splits={"test": 10_000},
    each={"test": 1_000},
    corruptions=COMMON,
)

CIFAR_100_C = CorruptedArrays(
    name="cifar-100-c",
    title="CIFAR-100-C",
    layout=_NPY,
    where="zenodo.org/record/3555552",
    licence="CC BY 4.0",
    parts="CORRUPTION or CORRUPTION:SEVERITY (fog:3)",
    stored=(32,),
    splits={"test": 10_000},
    each={"test": 100},
    classes=(),
    numbered=100,
    corruptions=COMMON,
)

CIFAR_10_C_BAR = CorruptedArrays(
    name="cifar-10-c-bar",
    title="CIFAR-10-C-bar",
    layout=_NPY,
    where="github.com/facebookresearch/augmentation-corruption, whose code makes it",
    licence="MIT (code)",
    parts="CORRUPTION or CORRUPTION:SEVERITY (lines:3)",
    stored=(32,),
    splits={"test": 10_000},
    each={"test": 1_000},
    corruptions=BAR_CIFAR,
)

MNIST = MnistIdx(
    name="mnist",
    title="MNIST",
    layout="t10k-images-idx3-ubyte, t10k-labels-idx1-ubyte and train- likewise, with .gz or without",
    where="yann.lecun.com/exdb/mnist or any copy of it",
    licence="CC BY-SA 3.0",
    parts="test or train",
    stored=(28,),
    splits={"test": 10_000, "train": 60_000},
    classes=DIGITS,
    stems={"test": "t10k", "train": "train"},
)

MNIST_C_PUBLISHED = CorruptedDigits(
    name="mnist-c",
    title="MNIST-C",
    layout="one folder a corruption, with test_images.npy and test_labels.npy, train_ likewise",
    where="zenodo.org/record/3239543",
    licence="CC BY 4.0",
    parts="CORRUPTION or CORRUPTION:train (fog)",
    stored=(28,),
    splits={"test": 10_000, "train": 60_000},
    classes=DIGITS,
    corruptions=MNIST_C_CORRUPTIONS,
)
