"""Peer: the data path in MONAI: load, resample and augment one volume with its label. See peer.py for the protocol.

    {"cmd": "setup", "image": "image.nii.gz", "label": "label.nii.gz", "spacing": [1, 1, 1], "size": [128, 128, 128],
     "augment": ["affine", "flip", "intensity", "gamma", "noise", "blur"], "threads": 2, "seed": 0}

A step answers the whole time and its three parts: `loadMs` (nibabel, orientation RAS), `resampleMs` (to the spacing, image
linear, label nearest) and `augmentMs` (every transform named, always applied). `size` is that of the augmented patch.
"""

import math
import time

import monai
import torch
from monai.transforms import (
    Compose,
    EnsureChannelFirstd,
    LoadImaged,
    Orientationd,
    RandAdjustContrastd,
    RandAffined,
    RandFlipd,
    RandGaussianNoised,
    RandGaussianSmoothd,
    RandScaleIntensityd,
    RandShiftIntensityd,
    Spacingd,
)

from peer import serve

BOTH = ["image", "label"]
TURN = math.radians(20)


def augmentations(names, size):
    """The ranges of medvox's presets, with probability 1."""
    made = {
        "affine": [
            RandAffined(
                BOTH,
                prob=1,
                rotate_range=(TURN, TURN, TURN),
                scale_range=(0.2, 0.2, 0.2),
                translate_range=tuple(0.08 * n for n in size),
                spatial_size=tuple(size),
                mode=("bilinear", "nearest"),
                padding_mode="border",
                cache_grid=True,
            )
        ],
        "flip": [RandFlipd(BOTH, prob=0.5, spatial_axis=0)],
        "intensity": [RandScaleIntensityd("image", factors=0.1, prob=1), RandShiftIntensityd("image", offsets=0.1, prob=1)],
        "gamma": [RandAdjustContrastd("image", prob=1, gamma=(0.8, 1.25))],
        "noise": [RandGaussianNoised("image", prob=1, std=0.05)],
        "blur": [RandGaussianSmoothd("image", sigma_x=(0.5, 1), sigma_y=(0.5, 1), sigma_z=(0.5, 1), prob=1)],
    }
    return [transform for name in names for transform in made[name]]


def setup(request):
    torch.set_num_threads(request.get("threads", 2))
    names = request.get("augment", ["affine", "flip", "intensity", "gamma", "noise", "blur"])
    augment = Compose(augmentations(names, request.get("size", [128, 128, 128])))
    augment.set_random_state(request.get("seed", 0))
    load = Compose(
        [LoadImaged(BOTH, reader="NibabelReader"), EnsureChannelFirstd(BOTH), Orientationd(BOTH, "RAS", labels=None)]
    )
    resample = Spacingd(BOTH, pixdim=tuple(request.get("spacing", [1, 1, 1])), mode=("bilinear", "nearest"))
    files = {"image": request["image"], "label": request["label"]}
    return (files, load, resample, augment), {"monai": monai.__version__, "torch": torch.__version__}


def step(state, _request):
    files, load, resample, augment = state
    times = [time.perf_counter()]
    case = files
    for stage in (load, resample, augment):
        case = stage(case)
        times.append(time.perf_counter())
    parts = [(after - before) * 1000 for before, after in zip(times, times[1:])]
    names = ("loadMs", "resampleMs", "augmentMs")
    return {"ms": sum(parts)} | dict(zip(names, parts)) | {"shape": list(case["image"].shape)}


if __name__ == "__main__":
    serve(setup, step)
