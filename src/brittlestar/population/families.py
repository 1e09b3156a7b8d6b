"""Which models depend on each other: architecture and kind of training, or the paper that they are of."""

from __future__ import annotations

import re
from collections.abc import Iterable

from brittlestar.population.published_models import paper_of

# Longest first, so that a ResNeXt is no ResNet. Names of other roots are told by their first letters.
_ROOTS = (
    *("efficientnetv2", "efficientvit", "efficientnet", "efficientformer", "inceptionresnet", "inception_resnet"),
    *("inception", "googlenet", "xception", "squeezenet", "shufflenet", "mobilenet", "mobilevit", "mobileone"),
    *("mnasnet", "pnasnet", "nasnet", "densenet", "convnext", "convmixer", "regnet", "repvgg", "repvit", "resnest"),
    *("resmlp", "mixer", "polynet", "alexnet", "senet", "resnext", "resnet", "vgg", "dpn", "dla", "hrnet", "swin"),
    *("beit", "deit", "cait", "xcit", "coat", "maxvit", "maxxvit", "eva", "hiera", "levit", "tinynet", "ghostnet"),
    *("volo", "pvt", "pit_", "twins", "tnt", "poolformer", "caformer", "visformer", "nextvit", "fastvit", "vit"),
    *("bit-", "siglip", "roberta", "coca", "nllb", "rn"),
)
_LETTERS = re.compile(r"[a-z]+")


def architecture_root(name: str) -> str:
    """``resnet`` of ``resnet50_linf_eps4_robust``, ``efficientnet`` of ``tf_efficientnet_b7.ap_in1k``."""
    small = name.lower()
    found = [(small.find(root), -len(root), root) for root in _ROOTS if root in small]
    if found:
        return min(found)[2].strip("-_").replace("inception_resnet", "inceptionresnet")
    letters = _LETTERS.search(small)
    return letters.group() if letters else small


def family_of(name: str, kind: str) -> str:
    """The models that are counted as one where families are counted.

    Of models known to be of one paper (adversarial training, smoothing) the paper; else the architecture's root with
    the kind of training.
    """
    paper = paper_of(name)
    return paper if paper != name else f"{architecture_root(name)}, {kind or 'unknown'}"


def base_of(name: str, standard: Iterable[str]) -> str:
    """The standard model that a name begins with or holds as whole words, the longest; empty where none is."""
    fitting = [s for s in standard if s != name and re.search(rf"(?<![a-z0-9]){re.escape(s)}(?![a-z0-9])", name)]
    return max(fitting, key=len, default="")
