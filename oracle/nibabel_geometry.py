"""Golden values for orientation (nibabel), resampling (scipy.ndimage) and intensities (numpy), all tiny.

    python oracle/nibabel_geometry.py      writes test/fixtures/volume/golden/geometry.json
"""

import json
from pathlib import Path

import nibabel as nib
import numpy as np
from scipy.ndimage import map_coordinates

OUT = Path(__file__).resolve().parent.parent / "test" / "fixtures" / "volume" / "golden" / "geometry.json"
rng = np.random.default_rng(20240611)


def flat(array):
    """x fastest, as medvox keeps it; seven decimals, whole numbers without a point."""
    return [int(v) if v == int(v) else round(v, 7) for v in np.asarray(array, float).ravel(order="F").tolist()]


def matrix(rotate=0.0, spacing=(1, 1, 1), shear=0.0, turn=None):
    """An affine: axes permuted and flipped (`turn`), rotated by up to `rotate` rad, sheared, scaled, moved."""
    angles = rng.uniform(-rotate, rotate, 3)
    r = np.eye(3)
    for axis, angle in enumerate(angles):
        c, s = np.cos(angle), np.sin(angle)
        one = np.eye(3)
        i, j = [(1, 2), (0, 2), (0, 1)][axis]
        one[i, i], one[j, j], one[i, j], one[j, i] = c, c, -s, s
        r = r @ one
    if turn is not None:
        r = r @ turn
    a = np.eye(4)
    a[:3, :3] = r @ (np.eye(3) + np.triu(rng.uniform(-shear, shear, (3, 3)), 1)) @ np.diag(spacing)
    a[:3, 3] = rng.uniform(-50, 50, 3)
    return a


def random_turn():
    return np.eye(3)[rng.permutation(3)] * rng.choice([-1, 1], 3)


def orientations():
    for case in range(60):
        a = matrix([0, 0.3, np.pi][case % 3], rng.uniform(0.5, 4, 3), [0, 0.4][case % 2], random_turn())
        data = np.arange(24).reshape((2, 3, 4), order="F")
        canonical = nib.as_closest_canonical(nib.Nifti1Image(data.astype(np.int16), a))
        yield {
            "affine": a.ravel().tolist(),
            "code": "".join(nib.aff2axcodes(a)),
            "canonical": {
                "size": list(canonical.shape),
                "affine": canonical.affine.ravel().tolist(),
                "data": flat(canonical.dataobj),
            },
        }


def resamplings():
    shape = (7, 6, 5)
    short = rng.normal(size=shape).round(3)
    values = short.astype(np.float32)
    labels = (3 * map_coordinates(rng.random((4, 4, 4)), np.indices(shape) * 0.5, order=1, mode="nearest")).round()
    for name, rotate, target_shape in [
        ("finer", 0, (11, 13, 9)),
        ("coarser", 0, (4, 3, 3)),
        ("axes in another order", 0, (6, 8, 5)),
        ("oblique", 0.4, (8, 7, 6)),
        ("far aside", 0.1, (5, 5, 5)),
    ]:
        a = matrix(0.5, (1.1, 0.9, 2))
        step = np.eye(4)
        ratio = np.array(shape) / np.array(target_shape)
        turned = name == "axes in another order"
        step[:3, :3] = matrix(rotate)[:3, :3] @ np.diag(ratio)
        step[:3, 3] = (ratio - 1) / 2 + rng.uniform(-0.7, 0.7, 3) + (3 if name == "far aside" else 0)
        if turned:
            step[:3, :3] = np.array([[0, -0.9, 0], [0, 0, 1.3], [0.7, 0, 0]])
            step[:3, 3] = [6.13, -0.31, 0.22]
        target = a @ step
        index = np.indices(target_shape).reshape(3, -1)
        position = step[:3, :3] @ index + step[:3, 3:]
        inside = np.all((position > -0.5) & (position < np.array(shape)[:, None] - 0.5), axis=0).reshape(target_shape)
        linear = map_coordinates(values.astype(float), position, order=1, mode="nearest").reshape(target_shape)
        clamped = np.clip(position, 0, np.array(shape)[:, None] - 1)
        nearest = short[tuple(np.floor(clamped + 0.5).astype(int))].reshape(target_shape)
        one_hot = [map_coordinates((labels == k).astype(float), position, order=1, mode="nearest") for k in range(4)]
        ranked = np.sort(one_hot, axis=0)
        yield {
            "name": name,
            "source": {"size": list(shape), "affine": a.ravel().tolist(), "values": flat(short), "labels": flat(labels)},
            "target": {"size": list(target_shape), "affine": target.ravel().tolist()},
            "inside": flat(inside),
            "linear": flat(linear),
            "nearest": flat(nearest),
            "labels": flat(np.argmax(one_hot, axis=0).reshape(target_shape)),
            # Where two classes weigh the same to rounding, either is right.
            "tied": flat((ranked[-1] - ranked[-2] < 1e-9).reshape(target_shape)),
        }


def intensities():
    values = np.concatenate([rng.normal(50, 20, 300), np.zeros(50), rng.normal(-30, 5, 50)]).astype(np.float32)
    rng.shuffle(values)
    wide = values.astype(float)
    low, high = np.percentile(wide, [0.5, 99.5])
    clipped = np.clip(wide, low, high)
    positive = wide[wide > 0]
    wanted = [0, 0.5, 3, 25, 50, 90, 99.5, 100]
    return {
        "values": wide.tolist(),
        "wanted": wanted,
        "percentiles": np.percentile(wide, wanted).tolist(),
        "zScore": ((wide - wide.mean()) / wide.std()).tolist(),
        "med3d": ((clipped - clipped.mean()) / clipped.std()).tolist(),
        "medicalNet": ((wide - positive.mean()) / positive.std()).tolist(),
    }


if __name__ == "__main__":
    golden = {"orientations": list(orientations()), "resamplings": list(resamplings()), "intensities": intensities()}
    parts = [f"{json.dumps(k)}: {json.dumps(v)}" for k, v in golden.items()]
    OUT.write_text("{\n" + ",\n".join(parts) + "\n}\n")
    print(OUT.name, OUT.stat().st_size, "bytes")
