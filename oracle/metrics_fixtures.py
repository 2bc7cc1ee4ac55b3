"""Golden values for src/metrics: overlap, volumes and surface distances of label pairs.

    python oracle/metrics_fixtures.py [DATA]        writes test/fixtures/metrics/golden/{pairs,distance}.json

DATA is a folder that holds Task04_Hippocampus (default ../shared/data). Needs numpy, scipy, nibabel, torch, monai.

Definitions, in float64 with scipy: surface = mask ^ binary_erosion(mask) (face neighbours, outside the image is
background); directed distances = distance_transform_edt(~surface, sampling=spacing) at the other mask's surface;
HD95 = larger of the two directed 95th percentiles (linear interpolation), as MONAI; hd95_pooled = percentile of both
together, as MedPy 0.4/0.5; ASSD = mean of both together. Every distance is checked here against MONAI's own functions
(float32), whose values are stored beside.
"""
import base64
import json
import sys
import zlib
from pathlib import Path

import monai
import nibabel as nib
import numpy as np
import scipy
import torch
from monai.metrics import compute_average_surface_distance, compute_dice, compute_hausdorff_distance, compute_iou
from scipy import ndimage

ROOT = Path(__file__).resolve().parent.parent
DATA = Path(sys.argv[1]) if len(sys.argv) > 1 else ROOT.parent / "shared" / "data"
OUT = ROOT / "test" / "fixtures" / "metrics" / "golden"
rng = np.random.default_rng(20240501)


def surface(mask):
    return mask ^ ndimage.binary_erosion(mask)


def directed(a, b, spacing):
    return ndimage.distance_transform_edt(~surface(b), sampling=spacing)[surface(a)]


def expected(truth, prediction, spacing, label):
    """Arrays are [z, y, x] or [y, x], spacing in the same order."""
    t, p = truth == label, prediction == label
    both = int((t & p).sum())
    nt, np_ = int(t.sum()), int(p.sum())
    ml = float(np.prod(spacing)) / 1000
    out = {
        "label": label,
        "truthVoxels": nt,
        "predictionVoxels": np_,
        "overlapVoxels": both,
        "dice": 2 * both / (nt + np_) if nt + np_ else None,
        "iou": both / (nt + np_ - both) if nt + np_ else None,
        "precision": both / np_ if np_ else None,
        "recall": both / nt if nt else None,
        "volumeDifferenceMl": (np_ - nt) * ml if nt + np_ else None,
        "volumeDifferenceRelative": (np_ - nt) / nt if nt else None,
        "hd95Mm": None,
        "hausdorffMm": None,
        "assdMm": None,
        "hd95PooledMm": None,
        "monai": None,
    }
    if nt and np_:
        d1, d2 = directed(t, p, spacing), directed(p, t, spacing)
        pooled = np.concatenate([d1, d2])
        out["hd95Mm"] = float(max(np.percentile(d1, 95), np.percentile(d2, 95)))
        out["hausdorffMm"] = float(pooled.max())
        out["assdMm"] = float(pooled.mean())
        out["hd95PooledMm"] = float(np.percentile(pooled, 95))
        y_pred, y = (torch.from_numpy(m)[None, None] for m in (p, t))
        sp = [float(s) for s in spacing]
        both_masks = dict(y_pred=y_pred, y=y, include_background=True)
        m = {
            "dice": compute_dice(**both_masks).item(),
            "iou": compute_iou(**both_masks).item(),
            "hd95Mm": compute_hausdorff_distance(**both_masks, percentile=95, spacing=sp).item(),
            "hausdorffMm": compute_hausdorff_distance(**both_masks, spacing=sp).item(),
            "assdMm": compute_average_surface_distance(**both_masks, symmetric=True, spacing=sp).item(),
        }
        for key, value in m.items():
            assert abs(value - out[key]) <= 1e-6 * max(1.0, abs(out[key])), (key, value, out[key])
        out["monai"] = m
    return out


def pack(array):
    return base64.b64encode(zlib.compress(np.ascontiguousarray(array, dtype=np.uint8).tobytes(), 9)).decode()


def pair(name, truth, prediction, spacing, labels=(1,)):
    """spacing in array order; the fixture has it (and the size) along x, y, z."""
    size = list(truth.shape[::-1]) + [1] * (3 - truth.ndim)
    spacing_xyz = list(spacing[::-1]) + [1.0] * (3 - truth.ndim)
    # A 2D slice is taken to be 1 mm thick, so its volume in ml is its area in mm² over 1000.
    return {
        "name": name,
        "size": size,
        "spacingMm": [float(s) for s in spacing_xyz],
        "truth": pack(truth),
        "prediction": pack(prediction),
        "classes": [expected(truth, prediction, spacing, label) for label in labels],
    }


def blob(shape, threshold=0.0, sigma=2.0):
    return (ndimage.gaussian_filter(rng.standard_normal(shape), sigma) > threshold).astype(np.uint8)


def ball(shape, centre, radius, spacing):
    grids = np.meshgrid(*[np.arange(n) for n in shape], indexing="ij")
    return (sum(((g - c) * s) ** 2 for g, c, s in zip(grids, centre, spacing)) <= radius**2).astype(np.uint8)


def synthetic():
    iso, thick, odd = (1.0, 1.0, 1.0), (6.5, 0.78, 0.78), (2.0, 1.0, 0.5)
    zero = np.zeros((9, 11, 13), np.uint8)
    one = zero.copy()
    one[4, 5, 6] = 1
    corner = zero.copy()
    corner[0, 0, 0] = 1
    yield pair("both empty", zero, zero, iso)
    yield pair("truth empty", zero, one, iso)
    yield pair("prediction empty", one, zero, iso)
    yield pair("one voxel, the same", one, one, thick)
    yield pair("one voxel against the corner", one, corner, thick)
    yield pair("one voxel against the full image", one, np.ones_like(zero), odd)
    yield pair("full image twice", np.ones_like(zero), np.ones_like(zero), iso)
    sheet = zero.copy()
    sheet[:, :, 3] = 1
    line = zero.copy()
    line[2, :, 9] = 1
    yield pair("a sheet against a line, both touching the border", sheet, line, odd)
    a, b = ball((20, 24, 28), (9, 11, 13), 7.5, iso), ball((20, 24, 28), (11, 12, 12), 6.2, iso)
    yield pair("two balls", a, b, iso)
    s = (3.0, 0.9, 0.7)
    yield pair("two balls, anisotropic", ball((20, 24, 28), (9, 11, 13), 9.1, s), ball((20, 24, 28), (10, 13, 15), 8.0, s), s)
    half = zero.copy()
    half[:, :, :6] = 1
    yield pair("half of the image, border to border", half, blob(zero.shape), thick)
    for i, spacing in enumerate([iso, thick, odd, (0.37, 1.9, 1.11)]):
        shape = tuple(rng.integers(8, 26, 3))
        yield pair(f"blobs {i}", blob(shape), blob(shape), spacing)
    shape = (14, 17, 19)
    labels = rng.choice([0, 0, 1, 2, 3], shape).astype(np.uint8)
    labels[labels == 3] = blob(shape)[labels == 3] * 3
    other = np.roll(labels, 1, 2)
    other[other == 2] = 0
    yield pair("three classes in salt and pepper, one missing from the prediction", labels, other, odd, (1, 2, 3, 4))
    yield pair("2D", blob((31, 40)), blob((31, 40)), (0.8, 1.3))
    yield pair("2D one pixel", np.eye(1, 30, 7, dtype=np.uint8).reshape(5, 6), np.ones((5, 6), np.uint8), (0.5, 2.0))


def hippocampus():
    folder = DATA / "Task04_Hippocampus" / "labelsTr"
    for i, case in enumerate(["001", "004", "006", "007"]):
        image = nib.load(folder / f"hippocampus_{case}.nii.gz")
        truth = np.asarray(image.dataobj).astype(np.uint8).transpose(2, 1, 0)  # x fastest
        spacing = tuple(float(s) for s in image.header.get_zooms()[:3][::-1])
        if i == 0:
            prediction, how = np.roll(truth, (1, -1, 2), (0, 1, 2)), "shifted"
        elif i == 1:
            prediction, how = truth.copy(), "anterior dilated"
            prediction[ndimage.binary_dilation(truth == 1, iterations=2)] = 1
        elif i == 2:
            prediction, how = truth * ndimage.binary_erosion(truth > 0), "eroded"
        else:
            prediction, how = truth.copy(), "noisy border, spacing made 1.2×0.7×2.5"
            noise = ndimage.gaussian_filter(rng.standard_normal(truth.shape), 1) > 0.12
            prediction[noise & ndimage.binary_dilation(truth > 0, iterations=3)] = 2
            spacing = (2.5, 0.7, 1.2)
        yield pair(f"hippocampus_{case} {how}", truth, prediction, spacing, (1, 2))


def distance_maps():
    grids = [
        ((5, 7, 6), (1, 1, 1), 0.02),
        ((6, 4, 9), (6.5, 0.78, 0.78), 0.05),
        ((1, 8, 9), (1, 0.5, 2), 0.06),
        ((7, 1, 1), (0.3, 1, 1), 0.3),
    ]
    for shape, spacing, share in grids:
        seeds = rng.random(shape) < share
        seeds.flat[rng.integers(seeds.size)] = True
        yield {
            "size": list(shape[::-1]),
            "spacingMm": [float(s) for s in spacing[::-1]],
            "seeds": np.flatnonzero(seeds).tolist(),
            "distancesMm": ndimage.distance_transform_edt(~seeds, sampling=spacing).ravel().tolist(),
        }


OUT.mkdir(parents=True, exist_ok=True)
made_by = f"oracle/metrics_fixtures.py: numpy {np.__version__}, scipy {scipy.__version__}, monai {monai.__version__}"
pairs = [*synthetic(), *hippocampus()]
(OUT / "pairs.json").write_text(json.dumps({"madeBy": made_by, "pairs": pairs}, indent=1) + "\n")
(OUT / "distance.json").write_text(json.dumps({"madeBy": made_by, "maps": list(distance_maps())}) + "\n")
print(f"{len(pairs)} pairs, {sum(len(p['classes']) for p in pairs)} classes")
