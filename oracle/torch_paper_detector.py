"""Faster R-CNN as published (Ren et al. 2015), restated in PyTorch with weights by formula: every joint of inference, and one training step.

Makes test/golden/rcnn-paper-inference.json and test/golden/rcnn-paper-training.json, read by test/golden-paper-detector.test.ts. VGG-16 and
ResNet-18 C4. Layers, suppression, quantised max-pooling, the picture's size and the padding are torchvision's; anchors, the heads, matching,
proposals, losses and detections are written here from the paper's text and from what py-faster-rcnn computes. As in medvox, corners are continuous: an original box [x1, y1, x2, y2] of inclusive
pixels is [x1, y1, x2 + 1, y2 + 1] here. The fully connected layers are narrow and without dropout, whose choices no two libraries share.
Run from the repository's root; the images are BCCD's, in ../shared/data/BCCD.
"""

import sys

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F
from torchvision.models import resnet18, vgg16
from torchvision.models.detection.transform import GeneralizedRCNNTransform
from torchvision.ops import box_iou, clip_boxes_to_image, nms, roi_pool
from torchvision.ops.misc import FrozenBatchNorm2d

from torch_detector import bccd_image, bccd_truth, fill, first, flat, gradient_norms, spread, targets_of, write
from torch_formula import stored

STRIDE = 16
HIDDEN = 64
CLASSES = 4
MINIMUM_SCORE = 0.2
GAINS = {
    # 1.2 · 1.18 is He's √2: thirteen layers without norms keep their size.
    "backbone.features.": 1.18,
    "rpn.head.conv.": 0.5,
    "rpn.head.cls_logits.": 2.0,
    "rpn.head.bbox_pred.": 0.5,
    "roi_heads.box_predictor.cls_score.": 2.0,
    "roi_heads.box_predictor.bbox_pred.": 1.0,
}
# What py-faster-rcnn's generate_anchors gives: inclusive corners.
NINE = [
    [-84, -40, 99, 55], [-176, -88, 191, 103], [-360, -184, 375, 199],
    [-56, -56, 71, 71], [-120, -120, 135, 135], [-248, -248, 263, 263],
    [-36, -80, 51, 95], [-80, -168, 95, 183], [-168, -344, 183, 359],
]  # fmt: skip


def nine_anchors():
    """Height over width 1/2, 1, 2 of the cell's square, sides rounded, then enlarged 8, 16 and 32 times about the cell's middle."""
    boxes = []
    for ratio in (0.5, 1.0, 2.0):
        width = np.round(np.sqrt(STRIDE**2 / ratio))
        height = np.round(width * ratio)
        for scale in (8, 16, 32):
            w, h, middle = width * scale, height * scale, (STRIDE - 1) / 2
            boxes.append([middle - (w - 1) / 2, middle - (h - 1) / 2, middle + (w - 1) / 2, middle + (h - 1) / 2])
    assert boxes == NINE, boxes
    return torch.tensor(boxes, dtype=torch.float64) + torch.tensor([0, 0, 1, 1])


def all_anchors(height, width):
    """[height·width·9, 4], row by row, a cell's nine together."""
    y, x = torch.meshgrid(torch.arange(height) * STRIDE, torch.arange(width) * STRIDE, indexing="ij")
    corners = torch.stack([x, y, x, y], -1).reshape(-1, 1, 4)
    return (corners + nine_anchors()).reshape(-1, 4)


def middles_and_sides(boxes):
    sides = boxes[:, 2:] - boxes[:, :2]
    return boxes[:, :2] + sides / 2, sides


def encode(boxes, references, deviations):
    """Equation 2, over the targets' standard deviations."""
    (middle, side), (ref_middle, ref_side) = middles_and_sides(boxes), middles_and_sides(references)
    return torch.cat([(middle - ref_middle) / ref_side, torch.log(side / ref_side)], 1) / torch.tensor(deviations)


def decode(deltas, references, deviations):
    moved = deltas * torch.tensor(deviations, dtype=deltas.dtype)
    # medvox bounds the growth of a side, as Detectron's code does and the original does not; no delta here comes near the bound.
    assert moved[:, 2:].max() < np.log(1000 / 16)
    ref_middle, ref_side = middles_and_sides(references)
    middle, side = moved[:, :2] * ref_side + ref_middle, torch.exp(moved[:, 2:]) * ref_side
    return torch.cat([middle - side / 2, middle + side / 2], 1)


ANCHOR_DEVIATIONS = [1.0, 1.0, 1.0, 1.0]
REGION_DEVIATIONS = [0.1, 0.1, 0.2, 0.2]


def smooth_l1(x):
    size = x.abs()
    return torch.where(size < 1, 0.5 * size**2, size - 0.5)


class Named(nn.Module):
    """Parts under their names, and no more."""

    def __init__(self, **parts):
        super().__init__()
        for name, part in parts.items():
            self.add_module(name, part)


class Detector(nn.Module):
    """The network, its parts under torchvision's names."""

    def __init__(self, backbone):
        super().__init__()
        self.vgg = backbone == "vgg16"
        if self.vgg:
            # conv5_3 with its ReLU is the last: the pooling after it is left to the regions.
            layers = {"features": vgg16(weights=None).features[:30]}
            channels = 512
            head = {"box_head": Named(fc6=nn.Linear(512 * 49, HIDDEN), fc7=nn.Linear(HIDDEN, HIDDEN))}
            out = HIDDEN
        else:
            whole = resnet18(weights=None, norm_layer=FrozenBatchNorm2d)
            parts = ["conv1", "bn1", "relu", "maxpool", "layer1", "layer2", "layer3"]
            layers = {"body": Named(**{part: getattr(whole, part) for part in parts})}
            channels = 256
            head = {"layer4": whole.layer4}
            out = 512
        self.backbone = Named(**layers)
        conv = nn.Sequential(nn.Sequential(nn.Conv2d(channels, 512, 3, padding=1)))
        self.rpn = Named(head=Named(conv=conv, cls_logits=nn.Conv2d(512, 18, 1), bbox_pred=nn.Conv2d(512, 36, 1)))
        predictor = Named(cls_score=nn.Linear(out, CLASSES), bbox_pred=nn.Linear(out, 4 * CLASSES))
        self.roi_heads = Named(**head, box_predictor=predictor)

    def features(self, images):
        return nn.Sequential(*(self.backbone if self.vgg else self.backbone.body).children())(images)

    def propose(self, maps):
        """Two scores of every anchor [N, 2, R], background first, and deltas [N, R, 4]."""
        head = self.rpn.head
        hidden = F.relu(head.conv(maps))
        scores = head.cls_logits(hidden)
        # The original's reshape: 9 channels of background, then 9 of objects.
        scores = torch.stack([flat([half], 1) for half in scores.split(9, 1)], 1)
        return scores, flat([head.bbox_pred(hidden)], 4).reshape(len(maps), -1, 4)

    def pool(self, maps, regions):
        """
        torchvision's kernel is Fast R-CNN's layer to the letter, inclusive corners included. In float32, as Caffe's: it takes a bin's end from
        ⌈i · (length / n)⌉, which in float64 is a cell too many for 29 cells in 7 or 14 bins (in float32 first for 57).
        """
        side = 7 if self.vgg else 14
        inclusive = [(box - torch.tensor([0, 0, 1, 1])).float() for box in regions]
        return roi_pool(maps.float(), inclusive, side, 1 / STRIDE).double()

    def judge(self, pooled):
        heads = self.roi_heads
        if self.vgg:
            x = F.relu(heads.box_head.fc7(F.relu(heads.box_head.fc6(pooled.flatten(1)))))
        else:
            x = heads.layer4(pooled).mean((2, 3))
        return heads.box_predictor.cls_score(x), heads.box_predictor.bbox_pred(x)


def build(backbone):
    model = Detector(backbone)
    fill(model, GAINS)
    return model.double()


def prepare(side, images, targets=None):
    transform = GeneralizedRCNNTransform(side, 2 * side, [0.485, 0.456, 0.406], [0.229, 0.224, 0.225], size_divisible=STRIDE).eval()
    batch, targets = transform(images, targets)
    return transform, batch.tensors, batch.image_sizes, targets


def filtered(scores, deltas, anchors, size, before, after):
    """§3.3: decode, clip, drop what is under 16 pixels, the best so many, suppress at 0.7, the best so many."""
    probability = scores.softmax(0)[1]
    order = probability.argsort(descending=True, stable=True)[:before]
    boxes = clip_boxes_to_image(decode(deltas[order], anchors[order], ANCHOR_DEVIATIONS), size)
    large = ((boxes[:, 2:] - boxes[:, :2]) >= 16).all(1)
    boxes, probability = boxes[large], probability[order][large]
    kept = nms(boxes, probability, 0.7)[:after]
    return boxes[kept], probability[kept]


def detected(regions, scores, regression, size):
    """Each class alone: decoded, clipped, freed of weak ones, suppressed at 0.3; the best hundred of all."""
    probability = scores.softmax(1)
    found = []
    for label in range(1, CLASSES):
        boxes = clip_boxes_to_image(decode(regression[:, 4 * label : 4 * label + 4], regions, REGION_DEVIATIONS), size)
        likely = probability[:, label] > MINIMUM_SCORE
        boxes, own = boxes[likely], probability[likely, label]
        kept = nms(boxes, own, 0.3)
        found += [(own[k].item(), label, boxes[k]) for k in kept]
    found.sort(key=lambda one: -one[0])
    found = found[:100]
    return {
        "boxes": torch.stack([box for _, _, box in found]),
        "labels": torch.tensor([label for _, label, _ in found]),
        "scores": torch.tensor([score for score, _, _ in found], dtype=torch.float64),
    }


def inference():
    cases = []
    for backbone, name, side in [("vgg16", "BloodImage_00004", 240), ("resnet", "BloodImage_00028", 300)]:
        print(backbone, name, side)
        model = build(backbone)
        image = bccd_image(name)
        transform, batch, sizes, _ = prepare(side, [image])
        with torch.no_grad():
            maps = model.features(batch)
            anchors = all_anchors(*maps.shape[2:])
            scores, deltas = model.propose(maps)
            proposals, _ = filtered(scores[0], deltas[0], anchors, sizes[0], 6000, 300)
            pooled = model.pool(maps, [proposals])
            classes, regression = model.judge(pooled)
            found = detected(proposals, classes, regression, sizes[0])
        [found] = transform.postprocess([found], sizes, [image.shape[1:]])
        probability = scores.softmax(1)[:, 1]
        objectness = torch.log(probability / (1 - probability))
        kept = {"objectness": objectness, "deltas": deltas, "pooled": pooled, "scores": classes, "regression": regression}
        for key, value in {"map": maps, **kept, "probability": found["scores"]}.items():
            spread(key, value)
        print(f"  {len(proposals)} proposals, {len(found['scores'])} detections, classes {found['labels'].bincount().tolist()}")
        cases.append(
            {
                "backbone": backbone,
                "image": name,
                "minSide": side,
                "maps": [stored(maps)],
                "objectness": stored(objectness),
                "deltas": stored(deltas),
                "proposals": stored(proposals),
                "proposalCount": len(proposals),
                "pooled": stored(pooled),
                "scores": stored(classes),
                "regression": stored(regression),
                "detections": {key: found[key].tolist() for key in ("boxes", "labels", "scores")},
            }
        )
    shared = {"depth": 18, "classes": CLASSES, "hidden": HIDDEN, "gains": GAINS}
    write("rcnn-paper-inference.json", {**shared, "minimumScore": MINIMUM_SCORE, "cases": cases})


def anchor_labels(anchors, boxes, size):
    """§3.1.2 and §3.1.3: 1 object, 0 background, −1 neither; and each anchor's nearest object."""
    inside = (anchors[:, :2] >= 0).all(1) & (anchors[:, 2] <= size[1]) & (anchors[:, 3] <= size[0])
    overlap = box_iou(anchors, boxes)
    best, nearest = overlap.max(1)
    label = torch.full_like(nearest, -1)
    label[best < 0.3] = 0
    most = torch.where(inside[:, None], overlap, torch.zeros_like(overlap)).max(0).values
    label[((overlap == most) & (most > 0)).any(1)] = 1
    label[best >= 0.7] = 1
    label[~inside] = -1
    return label, nearest


def rpn_losses(scores, deltas, anchors, target, size):
    """Equation 1 with the text's numbers: N_cls 256, N_reg the anchors' positions, λ 10."""
    label, nearest = anchor_labels(anchors, target["boxes"], size)
    positive, negative = first(label, 256, 0.5)
    print(f"  anchors: {(label == 1).sum()} objects, {(label == 0).sum()} background of {len(label)}; {len(positive)} + {len(negative)} sampled")
    log_probability = scores.log_softmax(0)
    classification = -(log_probability[1, positive].sum() + log_probability[0, negative].sum()) / 256
    wanted = encode(target["boxes"][nearest[positive]], anchors[positive], ANCHOR_DEVIATIONS)
    regression = 10 / (len(anchors) // 9) * smooth_l1(deltas[positive] - wanted).sum()
    return classification, regression


def sampled_regions(proposals, target):
    """Fast R-CNN §2.3: 128 regions, at most a quarter objects, with IoU ≥ 0.5; the rest background. Objects join the proposals."""
    candidates = torch.cat([proposals, target["boxes"]])
    best, nearest = box_iou(candidates, target["boxes"]).max(1)
    positive, negative = first((best >= 0.5).long(), 128, 0.25)
    print(f"  regions: {len(proposals)} proposals, {(best >= 0.5).sum()} on objects; {len(positive)} + {len(negative)} sampled")
    labels = torch.cat([target["labels"][nearest[positive]], torch.zeros_like(negative)])
    return candidates[torch.cat([positive, negative])], labels, target["boxes"][nearest[positive]]


def region_losses(classes, regression, regions, labels, boxes):
    count = len(boxes)
    own = regression.reshape(-1, CLASSES, 4)[torch.arange(count), labels[:count]]
    wanted = encode(boxes, regions[:count], REGION_DEVIATIONS)
    return F.cross_entropy(classes, labels, reduction="sum"), smooth_l1(own - wanted).sum()


def training():
    cases = []
    for backbone, names, side in [("vgg16", ["BloodImage_00004"], 240), ("resnet", ["BloodImage_00004", "BloodImage_00028"], 480)]:
        print(backbone, names, side)
        model = build(backbone)
        truths = [bccd_truth(name) for name in names]
        _, batch, sizes, targets = prepare(side, [bccd_image(name) for name in names], targets_of(truths))
        maps = model.features(batch)
        anchors = all_anchors(*maps.shape[2:])
        scores, deltas = model.propose(maps)
        losses = {key: 0 for key in ("loss_objectness", "loss_rpn_box_reg", "loss_classifier", "loss_box_reg")}
        samples = []
        for n, target in enumerate(targets):
            classification, regression = rpn_losses(scores[n], deltas[n], anchors, target, sizes[n])
            losses["loss_objectness"] += classification / len(names)
            losses["loss_rpn_box_reg"] += regression / len(names)
            with torch.no_grad():
                proposals, _ = filtered(scores[n], deltas[n], anchors, sizes[n], 12000, 2000)
            samples.append(sampled_regions(proposals, target))
        total = sum(len(labels) for _, labels, _ in samples)
        for n, (regions, labels, boxes) in enumerate(samples):
            classification, regression = region_losses(*model.judge(model.pool(maps[n : n + 1], [regions])), regions, labels, boxes)
            losses["loss_classifier"] += classification / total
            losses["loss_box_reg"] += regression / total
        sum(losses.values()).backward()
        print({key: value.item() for key, value in losses.items()})
        cases.append(
            {
                "backbone": backbone,
                "minSide": side,
                "images": [{"image": name, **truth} for name, truth in zip(names, truths)],
                "losses": {key: value.item() for key, value in losses.items()},
                "gradientNorms": gradient_norms(model),
            }
        )
    write("rcnn-paper-training.json", {"depth": 18, "classes": CLASSES, "hidden": HIDDEN, "gains": GAINS, "cases": cases})


torch.set_num_threads(1)
if len(sys.argv) < 2 or sys.argv[1] == "inference":
    inference()
if len(sys.argv) < 2 or sys.argv[1] == "training":
    training()
