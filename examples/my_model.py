"""A template for testing your own model. Copy it, fill in three places, then run

    brittlestar run --model torch:my_model.py:model --data path/to/images --suite broad

where ``path/to/images`` has one sub-folder a class (or is a Parquet file, or an ``.npz`` with ``x`` and ``y``).

The contract: images come in as float32 in [0, 1], (batch, channel, height, width); logits go out, (batch, classes),
before any softmax. Outputs are numbered like the class folders in sorted order (or give ``--classes FILE``).
"""

from __future__ import annotations

import torch
from torch import nn


def model() -> nn.Module:
    """Build the network with its trained weights, in evaluation mode."""
    # 1. Your architecture.
    network = nn.Sequential(
        nn.Conv2d(3, 16, 3, stride=2, padding=1),
        nn.ReLU(),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Linear(16, 10),
    )
    # 2. Your weights: a state dict. Or leave this out and give the file on the command line, --weights weights.pth
    # network.load_state_dict(torch.load("weights.pth", weights_only=True))
    return network.eval()


# 3. What your model does to images in [0, 1] before its first layer. It happens after the shift: noise of 0.1 is noise
# of 0.1 in the picture, whatever the normalisation. Leave out what you do not need; flags of `brittlestar run` win.
model.mean = (0.485, 0.456, 0.406)
model.std = (0.229, 0.224, 0.225)
# model.channels = 3    # grey images are repeated, colour images reduced to luma
# model.resize = 256    # shorter side in pixels
# model.crop = 224      # central square in pixels


if __name__ == "__main__":
    print(model()(torch.rand(2, 3, 32, 32)).shape)
