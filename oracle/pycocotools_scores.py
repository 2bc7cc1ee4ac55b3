"""Golden values for src/metrics/detection/coco.ts and voc.ts: pycocotools' twelve figures on made-up detections.

Run: python oracle/pycocotools_scores.py   (numpy, pycocotools); writes test/fixtures/metrics/golden/coco.json
The data have what scoring stumbles over: crowds, equal scores, images without truth, images without detections, classes
without truth, every size of box, more detections than count, areas that are not the box's, category numbers with gaps.
VOC's figures are computed here from the devkit's rules, by a plain program of its own.
"""
import contextlib
import io
import json
import pathlib

import numpy as np
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

OUT = pathlib.Path(__file__).parent.parent / "test" / "fixtures" / "metrics" / "golden" / "coco.json"


def made_up(seed, images, classes, crowds=True, ties=True, crowded=False):
    rng = np.random.default_rng(seed)
    ids = [3, 7, 8, 20, 41][:classes]
    truth, found = [], []
    for image in range(1, images + 1):
        size = np.array([320, 240])
        kind = rng.integers(0, 6)
        own = []
        if kind != 0:  # 0: no truth at all
            for _ in range(rng.integers(1, 9)):
                side = np.exp(rng.uniform(np.log(6), np.log(190), 2))
                low = rng.uniform(0, 1, 2) * np.maximum(size - side, 1)
                box = [round(float(v), 1) for v in (*low, *side)]
                if rng.uniform() < 0.3:  # whole numbers: overlaps that are exactly at a threshold
                    box = [float(round(v)) for v in box]
                category = int(rng.choice(ids[:-1] if classes > 2 else ids))
                crowd = bool(crowds and rng.uniform() < 0.12)
                area = box[2] * box[3] * (float(rng.uniform(0.4, 1)) if rng.uniform() < 0.5 else 1.0)
                own.append(dict(id=len(truth) + len(own) + 1, image_id=image, category_id=category, bbox=box, area=area, iscrowd=int(crowd)))
        truth += own
        if kind == 1:  # no detections
            continue
        boxes = []
        for annotation in own:
            for _ in range(rng.integers(0, 4)):
                box = np.array(annotation["bbox"]) + rng.normal(0, 0.06, 4) * np.array(annotation["bbox"])[[2, 3, 2, 3]]
                if rng.uniform() < 0.15:
                    box = np.array(annotation["bbox"])
                category = annotation["category_id"] if rng.uniform() < 0.9 else int(rng.choice(ids))
                boxes.append((np.maximum(box, 0.5), category, rng.beta(4, 2)))
        for _ in range(rng.integers(0, 160 if crowded else 5)):
            side = np.exp(rng.uniform(np.log(6), np.log(150), 2))
            boxes.append((np.array([*(rng.uniform(0, 1, 2) * (size - side)), *side]), int(rng.choice(ids)), rng.beta(2, 4)))
        for box, category, score in boxes:
            score = round(float(score), 1 if ties else 6)
            found.append(dict(image_id=image, category_id=category, bbox=[round(float(v), 2) for v in box], score=score))
    categories = [dict(id=i, name=f"class {i}") for i in ids]
    pictures = [dict(id=i, file_name=f"{i}.jpg", width=320, height=240) for i in range(1, images + 1)]
    return dict(images=pictures, annotations=truth, categories=categories), found


def coco_figures(gt, found):
    with contextlib.redirect_stdout(io.StringIO()):
        truth = COCO()
        truth.dataset = gt
        truth.createIndex()
        evaluation = COCOeval(truth, truth.loadRes(found), "bbox")
        evaluation.evaluate()
        evaluation.accumulate()
        evaluation.summarize()
    precision = evaluation.eval["precision"]
    perClass = []
    for k in range(precision.shape[2]):
        own = precision[:, :, k, 0, 2]
        perClass.append([float(own[own > -1].mean()) if (own > -1).any() else None, float(own[0].mean()) if own[0, 0] > -1 else None])
    return [None if v == -1 else float(v) for v in evaluation.stats], perClass, [float(v) for v in precision[0, ::10, 0, 0, 2]]


def voc_figures(gt, found, eleven):
    """Crowds play the part of difficult objects."""
    result = []
    for category in (c["id"] for c in gt["categories"]):
        own = [a for a in gt["annotations"] if a["category_id"] == category]
        positives = sum(1 for a in own if not a["iscrowd"])
        marks = [(i, d) for i, d in enumerate(found) if d["category_id"] == category]
        marks.sort(key=lambda e: -e[1]["score"])
        # Of equal scores, the earlier image's comes first.
        used, tp, fp = set(), [], []
        for _, d in marks:
            best, most = None, -np.inf
            for a in own:
                if a["image_id"] != d["image_id"]:
                    continue
                (x, y, w, h), (u, v, s, t) = a["bbox"], d["bbox"]
                iw, ih = min(x + w, u + s) - max(x, u), min(y + h, v + t) - max(y, v)
                if iw > 0 and ih > 0 and iw * ih / (w * h + s * t - iw * ih) > most:
                    best, most = a, iw * ih / (w * h + s * t - iw * ih)
            if best is not None and most >= 0.5:
                if best["iscrowd"]:
                    continue
                hit = best["id"] not in used
                used.add(best["id"])
            else:
                hit = False
            tp.append(hit)
            fp.append(not hit)
        if positives == 0:
            result.append(None)
            continue
        tp, fp = np.cumsum(tp), np.cumsum(fp)
        recall, precision = tp / positives, tp / np.maximum(tp + fp, 1)
        if eleven:
            result.append(float(np.mean([max([p for r, p in zip(recall, precision) if r >= t], default=0) for t in np.arange(11) / 10])))
        else:
            r = np.concatenate([[0], recall, [1]])
            p = np.maximum.accumulate(np.concatenate([[0], precision, [0]])[::-1])[::-1]
            result.append(float(np.sum((r[1:] - r[:-1]) * p[1:])))
    return result


cases = []
for name, options in {
    "ties and crowds": dict(seed=1, images=14, classes=4),
    "no crowds, no ties": dict(seed=2, images=14, classes=3, crowds=False, ties=False),
    "one class": dict(seed=3, images=10, classes=1),
    "more than a hundred detections": dict(seed=4, images=3, classes=2, crowded=True, ties=False),
    "one image": dict(seed=13, images=1, classes=2),
}.items():
    gt, found = made_up(**options)
    figures, perClass, curve = coco_figures(gt, found)
    entry = {"name": name, "truth": gt, "detections": found, "figures": figures, "perClass": perClass, "curve": curve,
             "vocArea": voc_figures(gt, found, False), "voc11": voc_figures(gt, found, True)}
    cases.append(entry)
    print(name, len(gt["annotations"]), len(found), [None if v is None else round(v, 4) for v in figures], entry["vocArea"])
OUT.write_text(json.dumps({"cases": cases}) + "\n")
print(OUT.stat().st_size, "bytes")
