"""torchvision's fasterrcnn_resnet50_fpn with weights by formula: what it computes at every joint, in inference and in one training step.

Makes test/golden/rcnn-inference.json and test/golden/rcnn-training.json, read by test/golden-detector.test.ts. Weights follow the rule of
README.md ("Inputs by formula"), times a gain for the last layers, so that scores and boxes spread as a trained detector's do.
Run from the repository's root; the images are BCCD's, in ../shared/data/BCCD, and one that is a formula.
"""

import json
import math
import sys
import xml.etree.ElementTree as ElementTree
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torchvision.models import resnet18, resnet50
from torchvision.models.detection import FasterRCNN
from torchvision.models.detection.backbone_utils import _resnet_fpn_extractor
from torchvision.models.detection.roi_heads import RoIHeads
from torchvision.models.detection.rpn import RegionProposalNetwork
from torchvision.ops.misc import FrozenBatchNorm2d

from torch_formula import GOLDEN, stored, u

BCCD = Path(__file__).resolve().parent.parent.parent / "shared" / "data" / "BCCD"
CLASSES = ["RBC", "WBC", "Platelets"]
GAINS = {
    "backbone.fpn.": 0.6,
    "rpn.head.conv.": 0.3,
    "rpn.head.cls_logits.": 5.0,
    "rpn.head.bbox_pred.": 1.0,
    "roi_heads.box_head.fc6.": 0.5,
    "roi_heads.box_predictor.cls_score.": 4.0,
    "roi_heads.box_predictor.bbox_pred.": 0.5,
}


def fill(model):
    """Parameters and buffers sorted as plain strings, the k-th from u(k + 1000, n)."""
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
        for prefix, gain in GAINS.items():
            if name.startswith(prefix):
                value = value * gain
        state[name] = torch.from_numpy(value.astype(np.float32))
    model.load_state_dict(state)


def build(depth, classes, **options):
    body = {18: resnet18, 50: resnet50}[depth](weights=None, norm_layer=FrozenBatchNorm2d)
    model = FasterRCNN(_resnet_fpn_extractor(body, 5), num_classes=classes, **options)
    fill(model)
    return model.double()


def formula_image():
    """Soft blobs and a little noise, [3, 120, 152] in 0 … 1."""
    y, x = np.mgrid[0:120, 0:152].astype(np.float64)
    waves = [0.5 + 0.5 * np.sin(x / (7 + 3 * c)) * np.cos(y / (11 - 2 * c)) for c in range(3)]
    noise = u(77, 3 * 120 * 152).reshape(3, 120, 152)
    return torch.from_numpy((0.8 * np.stack(waves) + 0.2 * noise).astype(np.float32)).double()


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


def listen(model, kept):
    """Keeps what passes between the parts."""
    model.backbone.register_forward_hook(lambda m, i, o: kept.update(maps=list(o.values())))
    model.rpn.head.register_forward_hook(lambda m, i, o: kept.update(objectness=o[0], deltas=o[1]))
    model.rpn.register_forward_hook(lambda m, i, o: kept.update(proposals=o[0]))
    model.roi_heads.box_roi_pool.register_forward_hook(lambda m, i, o: kept.update(pooled=o))
    model.roi_heads.box_predictor.register_forward_hook(lambda m, i, o: kept.update(scores=o[0], regression=o[1]))


def flat(outputs, width):
    """[N, A·width, H, W] of all levels as [N, R·width], a cell's anchors together."""
    return torch.cat([o.permute(0, 2, 3, 1).reshape(o.shape[0], -1) for o in outputs], 1)


def spread(name, x):
    print(f"  {name}: {list(x.shape)} mean {x.mean():.3f} sd {x.std():.3f} max {x.abs().max():.2f}", flush=True)


def inference():
    cases = []
    images = [("formula", 128), ("BloodImage_00004", 240), ("BloodImage_00028", 480), ("BloodImage_00040", 600)]
    for name, side in images:
        model = build(50, 91, min_size=side, max_size=2 * side, box_score_thresh=0.02).eval()
        kept = {}
        listen(model, kept)
        image = formula_image() if name == "formula" else bccd_image(name)
        print(name, side)
        with torch.no_grad():
            [found] = model([image])
        for i, level in enumerate(kept["maps"]):
            spread(f"map {i}", level)
        objectness, deltas = flat(kept["objectness"], 1), flat(kept["deltas"], 4)
        for key, value in {"objectness": objectness, "deltas": deltas, **{k: kept[k] for k in ("pooled", "scores", "regression")}}.items():
            spread(key, value)
        spread("probability", found["scores"])
        print(f"  {len(kept['proposals'][0])} proposals, {len(found['scores'])} detections")
        cases.append(
            {
                "image": name,
                "minSide": side,
                "maps": [stored(level) for level in kept["maps"]],
                "objectness": stored(objectness),
                "deltas": stored(deltas),
                "proposals": stored(kept["proposals"][0][:64]),
                "proposalCount": len(kept["proposals"][0]),
                "pooled": stored(kept["pooled"][:32]),
                "scores": stored(kept["scores"][:32]),
                "regression": stored(kept["regression"][:32]),
                "detections": {key: found[key].tolist() for key in ("boxes", "labels", "scores")},
            }
        )
    write("rcnn-inference.json", {"depth": 50, "classes": 91, "gains": GAINS, "minimumScore": 0.02, "cases": cases})


def first(matches, count, share):
    """The sampler's choice, fixed: the first positives and the first negatives."""
    positive, negative = [], []
    for match in matches:
        pos = torch.where(match >= 1)[0]
        neg = torch.where(match == 0)[0]
        pos = pos[: int(count * share)]
        neg = neg[: count - len(pos)]
        for chosen, out in ((pos, positive), (neg, negative)):
            mask = torch.zeros_like(match, dtype=torch.uint8)
            mask[chosen] = 1
            out.append(mask)
    return positive, negative


def training():
    names = ["BloodImage_00004", "BloodImage_00028"]
    side = 240
    model = build(18, 4, min_size=side, max_size=2 * side).train()
    for part in (model.rpn, model.roi_heads):
        sampler = part.fg_bg_sampler
        part.fg_bg_sampler = lambda matches, s=sampler: first(matches, s.batch_size_per_image, s.positive_fraction)
    kept = {}
    listen(model, kept)
    truths = [bccd_truth(name) for name in names]
    targets = [
        {"boxes": torch.tensor(t["boxes"], dtype=torch.float64), "labels": torch.tensor(t["labels"])} for t in truths
    ]
    losses = model([bccd_image(name) for name in names], targets)
    sum(losses.values()).backward()
    print({key: value.item() for key, value in losses.items()})
    norms = {name: p.grad.norm().item() for name, p in model.named_parameters()}
    print(f"  {len(norms)} gradients, norms {min(norms.values()):.2e} … {max(norms.values()):.2e}")
    write(
        "rcnn-training.json",
        {
            "depth": 18,
            "classes": 4,
            "gains": GAINS,
            "minSide": side,
            "images": [{"image": name, **truth} for name, truth in zip(names, truths)],
            "losses": {key: value.item() for key, value in losses.items()},
            "gradientNorms": norms,
        },
    )


def write(name, document):
    (GOLDEN / name).write_text(json.dumps(document, separators=(",", ":")) + "\n")


torch.set_num_threads(1)
if len(sys.argv) < 2 or sys.argv[1] == "inference":
    inference()
if len(sys.argv) < 2 or sys.argv[1] == "training":
    training()
