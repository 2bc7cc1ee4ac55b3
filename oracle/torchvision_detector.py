"""torchvision's fasterrcnn_resnet50_fpn with weights by formula: what it computes at every joint, in inference and in one training step.

Makes test/golden/rcnn-inference.json and test/golden/rcnn-training.json, read by test/golden-detector.test.ts. Weights follow the rule of
README.md ("Inputs by formula"), times a gain for the last layers, so that scores and boxes spread as a trained detector's do.
Run from the repository's root; the images are BCCD's, in ../shared/data/BCCD, and one that is a formula.
"""

import sys

import numpy as np
import torch
from torchvision.models import resnet18, resnet50
from torchvision.models.detection import FasterRCNN
from torchvision.models.detection.backbone_utils import _resnet_fpn_extractor
from torchvision.ops.misc import FrozenBatchNorm2d

from torch_detector import bccd_image, bccd_truth, fill, first, flat, gradient_norms, spread, targets_of, write
from torch_formula import stored, u

GAINS = {
    "backbone.fpn.": 0.6,
    "rpn.head.conv.": 0.3,
    "rpn.head.cls_logits.": 5.0,
    "rpn.head.bbox_pred.": 1.0,
    "roi_heads.box_head.fc6.": 0.5,
    "roi_heads.box_predictor.cls_score.": 4.0,
    "roi_heads.box_predictor.bbox_pred.": 0.5,
}


def build(depth, classes, **options):
    body = {18: resnet18, 50: resnet50}[depth](weights=None, norm_layer=FrozenBatchNorm2d)
    model = FasterRCNN(_resnet_fpn_extractor(body, 5), num_classes=classes, **options)
    fill(model, GAINS)
    return model.double()


def formula_image():
    """Soft blobs and a little noise, [3, 120, 152] in 0 … 1."""
    y, x = np.mgrid[0:120, 0:152].astype(np.float64)
    waves = [0.5 + 0.5 * np.sin(x / (7 + 3 * c)) * np.cos(y / (11 - 2 * c)) for c in range(3)]
    noise = u(77, 3 * 120 * 152).reshape(3, 120, 152)
    return torch.from_numpy((0.8 * np.stack(waves) + 0.2 * noise).astype(np.float32)).double()


def listen(model, kept):
    """Keeps what passes between the parts."""
    model.backbone.register_forward_hook(lambda m, i, o: kept.update(maps=list(o.values())))
    model.rpn.head.register_forward_hook(lambda m, i, o: kept.update(objectness=o[0], deltas=o[1]))
    model.rpn.register_forward_hook(lambda m, i, o: kept.update(proposals=o[0]))
    model.roi_heads.box_roi_pool.register_forward_hook(lambda m, i, o: kept.update(pooled=o))
    model.roi_heads.box_predictor.register_forward_hook(lambda m, i, o: kept.update(scores=o[0], regression=o[1]))


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


def first_masks(matches, count, share):
    """The sampler's choice as torchvision's sampler says it: a mask of the positives and one of the negatives for each image."""
    positive, negative = [], []
    for match in matches:
        for chosen, out in zip(first(match, count, share), (positive, negative)):
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
        part.fg_bg_sampler = lambda matches, s=sampler: first_masks(matches, s.batch_size_per_image, s.positive_fraction)
    kept = {}
    listen(model, kept)
    truths = [bccd_truth(name) for name in names]
    losses = model([bccd_image(name) for name in names], targets_of(truths))
    sum(losses.values()).backward()
    print({key: value.item() for key, value in losses.items()})
    write(
        "rcnn-training.json",
        {
            "depth": 18,
            "classes": 4,
            "gains": GAINS,
            "minSide": side,
            "images": [{"image": name, **truth} for name, truth in zip(names, truths)],
            "losses": {key: value.item() for key, value in losses.items()},
            "gradientNorms": gradient_norms(model),
        },
    )


torch.set_num_threads(1)
if len(sys.argv) < 2 or sys.argv[1] == "inference":
    inference()
if len(sys.argv) < 2 or sys.argv[1] == "training":
    training()
