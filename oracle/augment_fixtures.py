"""Golden values for src/augment from scipy.ndimage: affine resampling, Gaussian blur, per-class label resampling.

Run: python oracle/augment_fixtures.py   (numpy, scipy); writes test/fixtures/augment/golden/scipy.json
Inputs are by formula, so that the file holds outputs only: image[i] = ((i * 7919) % 101) / 50 - 1, label from the
image smoothed and cut at two levels.
"""
import json
import pathlib

import numpy as np
from scipy import ndimage

OUT = pathlib.Path(__file__).parent.parent / "test" / "fixtures" / "augment" / "golden"


def image(shape):
    i = np.arange(int(np.prod(shape)), dtype=np.int64)
    return (((i * 7919) % 101) / 50 - 1).astype(np.float32).reshape(shape)


def rotation(ax, ay, az):
    c, s = np.cos, np.sin
    rx = np.array([[1, 0, 0], [0, c(ax), -s(ax)], [0, s(ax), c(ax)]])
    ry = np.array([[c(ay), 0, s(ay)], [0, 1, 0], [-s(ay), 0, c(ay)]])
    rz = np.array([[c(az), -s(az), 0], [s(az), c(az), 0], [0, 0, 1]])
    return rz @ ry @ rx


def affine(angles, scales, shift, mirrored, origin, patch_xyz, spacing):
    """The 3x4 map of src/augment/warp/geometry.ts, written independently with numpy."""
    s = np.diag(spacing)
    a = np.linalg.inv(s) @ rotation(*angles) @ s @ np.diag(1 / np.array(scales)) @ np.diag([-1 if m else 1 for m in mirrored])
    centre = (np.array(patch_xyz) - 1) / 2
    offset = np.array(origin) + np.array(shift) + centre - a @ centre
    return np.hstack([a, offset[:, None]])


def resample(volume, m, patch_zyx, order):
    """volume [z,y,x]; m takes (x,y,z) of the patch to (x,y,z) of the volume; zero outside."""
    flip = np.eye(3)[::-1]
    a = flip @ m[:, :3] @ flip
    b = flip @ m[:, 3]
    return ndimage.affine_transform(
        volume.astype(np.float64), a, b, output_shape=patch_zyx, order=order, mode="grid-constant", cval=0.0, prefilter=False
    )


def label_linear(label, m, patch_zyx):
    classes = np.unique(np.append(label, 0))
    weights = [resample(np.pad(label == k, 3, constant_values=(k == 0)).astype(np.float64), shift_map(m, 3), patch_zyx, 1) for k in classes]
    weights = np.stack(weights)
    # beyond the padding everything is background
    weights[list(classes).index(0)] += 1 - weights.sum(0)
    ordered = np.sort(weights, axis=0)
    return classes[np.argmax(weights, axis=0)], ordered[-1] - ordered[-2]


def shift_map(m, by):
    moved = m.copy()
    moved[:, 3] += by
    return moved


cases = []
for name, shape, patch, geometry in [
    ("rotated and scaled in 3D", (7, 9, 8), (8, 10, 6), dict(angles=[0.2, -0.3, 0.5], scales=[1.2, 0.9, 1.1], shift=[1, 0, -1], mirrored=[False, False, False], origin=[1, -1, 0], spacing=[1, 1, 1])),
    ("mirrored, anisotropic voxels", (6, 10, 9), (6, 8, 8), dict(angles=[0.1, 0.2, -0.4], scales=[1, 1, 1], shift=[0, 2, 0], mirrored=[True, False, True], origin=[0, 1, 0], spacing=[0.8, 0.9, 3])),
    ("rotated in 2D", (1, 11, 12), (1, 10, 10), dict(angles=[0, 0, 0.6], scales=[0.8, 0.8, 1], shift=[1, -1, 0], mirrored=[False, True, False], origin=[1, 0, 0], spacing=[1, 1, 1])),
    ("mirrored and shifted only", (5, 6, 7), (7, 6, 5), dict(angles=[0, 0, 0], scales=[1, 1, 1], shift=[2, -1, 0], mirrored=[True, False, False], origin=[-1, 0, -1], spacing=[1, 1, 1])),
]:
    volume = image(shape)
    label = np.digitize(ndimage.gaussian_filter(volume, 1), [-0.05, 0.05]).astype(np.int16)
    m = affine(patch_xyz=patch[::-1], **geometry)
    warped_label, margin = label_linear(label, m, patch)
    cases.append(
        dict(
            name=name,
            shape=shape,
            patch=patch,
            geometry=geometry,
            matrix=m.ravel().tolist(),
            label=label.ravel().tolist(),
            image=[round(float(v), 7) for v in resample(volume, m, patch, 1).ravel()],
            warpedLabel=warped_label.ravel().tolist(),
            # How clearly the winning class won: where it is a tie, rounding decides and no value is right.
            clear=(margin > 1e-6).astype(int).ravel().tolist(),
        )
    )

blurs = []
for shape, sigma in [((5, 6, 7), 0.7), ((1, 6, 7), 1.0), ((4, 9, 5), 1.6)]:
    volume = image(shape).astype(np.float64)
    axes = tuple(i for i, n in enumerate(shape) if n > 1)
    out = ndimage.gaussian_filter(volume, sigma, mode="nearest", truncate=4.0, axes=axes)
    blurs.append(dict(shape=shape, sigma=sigma, values=[round(float(v), 7) for v in out.ravel()]))

OUT.mkdir(parents=True, exist_ok=True)
(OUT / "scipy.json").write_text(json.dumps(dict(scipy=__import__("scipy").__version__, affine=cases, blur=blurs)))
