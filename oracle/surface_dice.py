"""Golden values of surface Dice (NSD) for the label pairs of test/fixtures/metrics/golden/pairs.json.

    python oracle/surface_dice.py        writes test/fixtures/metrics/golden/surface-dice.json

Needs numpy, scipy and surface-distance (google-deepmind/surface-distance, Apache-2.0).

`voxels` counts surface voxels within the tolerance, as MONAI's compute_surface_dice does without subvoxels: surface = mask ^
binary_erosion(mask), distances by scipy. `deepmind` is compute_surface_dice_at_tolerance of surface-distance, which weighs
pieces of surface between voxels by their area. Where one mask is empty both are 0, where both are, there is none.
"""

import base64
import json
import zlib
from importlib.metadata import version
from pathlib import Path

import numpy as np
import surface_distance
from scipy import ndimage

GOLDEN = Path(__file__).resolve().parent.parent / "test/fixtures/metrics/golden"
TOLERANCES = [0.0, 0.5, 1.0, 2.0, 3.5]


def unpack(text, size):
    # x fastest: the last axis of a C array
    return np.frombuffer(zlib.decompress(base64.b64decode(text)), np.uint8).reshape(size[::-1])


def surface(mask):
    # an axis of one voxel takes no part
    flat = mask.squeeze()
    return (flat ^ ndimage.binary_erosion(flat)).reshape(mask.shape)


def directed(a, b, spacing):
    return ndimage.distance_transform_edt(~surface(b), sampling=spacing)[surface(a)]


def by_voxels(truth, prediction, spacing, tolerance):
    if not truth.any() and not prediction.any():
        return None
    if not truth.any() or not prediction.any():
        return 0.0
    both = np.concatenate([directed(truth, prediction, spacing), directed(prediction, truth, spacing)])
    return float((both <= tolerance).mean())


def by_deepmind(truth, prediction, spacing, tolerance):
    if not truth.any() or not prediction.any():
        return None
    distances = surface_distance.compute_surface_distances(truth, prediction, spacing)
    return float(surface_distance.compute_surface_dice_at_tolerance(distances, tolerance))


rows = []
for pair in json.loads((GOLDEN / "pairs.json").read_text())["pairs"]:
    size, spacing = pair["size"], pair["spacingMm"][::-1]
    truth, prediction = (unpack(pair[key], size) for key in ("truth", "prediction"))
    for entry in pair["classes"]:
        masks = truth == entry["label"], prediction == entry["label"]
        rows.append(
            {
                "name": pair["name"],
                "label": entry["label"],
                "voxels": [by_voxels(*masks, spacing, t) for t in TOLERANCES],
                "deepmind": [by_deepmind(*masks, spacing, t) for t in TOLERANCES],
            }
        )

made_by = f"oracle/surface_dice.py: numpy {np.__version__}, surface-distance {version('surface-distance')}"
text = json.dumps({"madeBy": made_by, "tolerancesMm": TOLERANCES, "classes": rows}, indent=1)
(GOLDEN / "surface-dice.json").write_text(text + "\n")
