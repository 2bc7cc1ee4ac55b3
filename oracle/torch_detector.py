"""What the oracle's detectors share: weights by formula, real images with their boxes, and how outputs are laid out and stored."""

import json
import math
import xml.etree.ElementTree as ElementTree
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from torch_formula import GOLDEN, u

BCCD = Path(__file__).resolve().parent.parent.parent / "shared" / "data" / "BCCD"
CLASSES = ["RBC", "WBC", "Platelets"]


def fill(model, gains):
    """Parameters and buffers sorted as plain strings, the k-th from u(k + 1000, n), times the gain of its prefix."""
    state = model.state_dict()
    for k, name in enumerate(sorted(state)):
        shape = list(state[name].shape)
        r = u(k + 1000, math.prod(shape)).reshape(shape)
        if name.endswith("running_var"):
            value = 0.5 + r
        elif name.endswith("running_mean"):
            value = 0.2 * (r - 0.5)
        elif len(shape) > 1:
            value = (r - 0.5) * 2 * math.sqrt(3 / math.prod(shape[1:])) * 1.2
        elif name.endswith("weight"):
            # A third: sixteen blocks that all add to their input would grow it a thousandfold.
            value = (0.75 + 0.5 * r) * (1 / 3 if ".bn3." in name or ".bn2." in name and "layer" in name else 1)
        else:
            value = 0.2 * (r - 0.5)
        for prefix, gain in gains.items():
            if name.startswith(prefix):
                value = value * gain
        state[name] = torch.from_numpy(value.astype(np.float32))
    model.load_state_dict(state)


def bccd_image(name):
    pixels = np.asarray(Image.open(BCCD / "JPEGImages" / f"{name}.jpg").convert("RGB"))
    return torch.from_numpy((pixels.astype(np.float32) / np.float32(255)).transpose(2, 0, 1).copy()).double()


def bccd_truth(name):
    root = ElementTree.parse(BCCD / "Annotations" / f"{name}.xml").getroot()
    boxes, labels = [], []
    for item in root.iter("object"):
        box = [float(item.find("bndbox").find(k).text) for k in ("xmin", "ymin", "xmax", "ymax")]
        boxes.append([box[0] - 1, box[1] - 1, box[2], box[3]])
        labels.append(1 + CLASSES.index(item.find("name").text))
    return {"boxes": boxes, "labels": labels}


def targets_of(truths):
    """Ground truth as torchvision's transform takes it."""
    return [{"boxes": torch.tensor(t["boxes"], dtype=torch.float64), "labels": torch.tensor(t["labels"])} for t in truths]


def first(match, count, share):
    """The sampler's choice, fixed: the first positives (≥ 1) and the first negatives (0), as indices."""
    positive = torch.where(match >= 1)[0][: int(count * share)]
    negative = torch.where(match == 0)[0][: count - len(positive)]
    return positive, negative


def flat(outputs, width):
    """[N, A·width, H, W] of all levels as [N, R·width], a cell's anchors together."""
    return torch.cat([o.permute(0, 2, 3, 1).reshape(o.shape[0], -1) for o in outputs], 1)


def spread(name, x):
    print(f"  {name}: {list(x.shape)} mean {x.mean():.3f} sd {x.std():.3f} max {x.abs().max():.2f}", flush=True)


def gradient_norms(model):
    norms = {name: p.grad.norm().item() for name, p in model.named_parameters()}
    print(f"  {len(norms)} gradients, norms {min(norms.values()):.2e} … {max(norms.values()):.2e}")
    return norms


def write(name, document):
    (GOLDEN / name).write_text(json.dumps(document, separators=(",", ":")) + "\n")
