"""Golden values for the MGH reader: what nibabel reads of files that it wrote and of files made by hand.

    python oracle/nibabel_mgh.py

Writes test/fixtures/volume/golden/mgh.json. Needs numpy and nibabel 5.
"""

import base64
import gzip
import json
import struct
import tempfile
from pathlib import Path

import nibabel as nib
import numpy as np

GOLDEN = Path(__file__).resolve().parent.parent / "test" / "fixtures" / "volume" / "golden"
TYPES = {"uint8": 0, "int32": 1, "float32": 3, "int16": 4}


def ramp(shape, dtype):
    values = np.random.default_rng(0).normal(0, 90, shape)
    return np.clip(np.round(values), 0 if dtype == "uint8" else None, None).astype(dtype)


CORONAL = (-1, 0, 0, 0, 0, -1, 0, 1, 0)


def by_hand(dtype, size=(3, 4, 2), spacing=(1, 1, 1), directions=CORONAL, centre=(0, 0, 0), footer=b""):
    head = struct.pack(">6i", 1, *size, 1, TYPES[dtype]) + struct.pack(">ih", 0, 1)
    head += struct.pack(">15f", *spacing, *directions, *centre)
    voxels = ramp((*size, 1), dtype).astype(np.dtype(dtype).newbyteorder(">")).tobytes("F")
    return head.ljust(284, b"\0") + voxels + footer


def case(name, data, ending):
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"a{ending}"
        path.write_bytes(data)
        image = nib.load(path)
        values = np.asanyarray(image.dataobj)
        return {
            "name": name,
            "ending": ending,
            "file": base64.b64encode(data).decode(),
            "shape": [int(n) for n in image.shape],
            "dtype": values.dtype.newbyteorder("=").name,
            "data": base64.b64encode(values.astype(values.dtype.newbyteorder("<")).tobytes("F")).decode(),
            "affine": image.affine.astype(float).ravel().tolist(),
        }


def written(dtype, shape, affine, ending):
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"a{ending}"
        nib.save(nib.MGHImage(ramp(shape, dtype), affine), path)
        data = path.read_bytes()
        return gzip.compress(gzip.decompress(data), mtime=0) if ending == ".mgz" else data


def cases():
    c, s = np.cos(0.3), np.sin(0.3)
    oblique = np.eye(4)
    oblique[:3, :3] = np.array([[c, -s, 0], [s * 0.6, c * 0.6, -0.8], [s * 0.8, c * 0.8, 0.6]]) * [0.5, 0.75, 2.5]
    oblique[:3, 3] = [10.5, -20.25, 30]
    for ending in (".mgh", ".mgz"):
        for dtype in TYPES:
            yield case(f"{dtype} {ending}", written(dtype, (3, 4, 2), oblique, ending), ending)
    yield case("frames", written("int16", (3, 4, 2, 5), oblique, ".mgz"), ".mgz")
    conformed = np.array([[-1, 0, 0, 2], [0, 0, 1, -2], [0, -1, 0, 2], [0, 0, 0, 1]])
    yield case("conformed", written("uint8", (4, 4, 4), conformed, ".mgz"), ".mgz")
    yield case("odd sizes by hand", by_hand("int16", (5, 3, 1), spacing=(0.5, 0.6, 3), centre=(10, -20, 30)), ".mgh")
    # Files without a good position are left out: nibabel takes FreeSurfer's default directions with y and z turned about.
    # Repetition time, flip angle, echo and inversion time, field of view.
    footer = struct.pack(">5f", 2300, 0.15, 2.9, 900, 256)
    yield case("scan parameters after the voxels", by_hand("uint8", footer=footer), ".mgh")
    parts = by_hand("int32")[:100], by_hand("int32")[100:]
    yield case("gzip, two members", b"".join(gzip.compress(part, mtime=0) for part in parts), ".mgz")


if __name__ == "__main__":
    found = list(cases())
    (GOLDEN / "mgh.json").write_text("[\n" + ",\n".join(json.dumps(c) for c in found) + "\n]\n")
    print(f"mgh.json: {len(found)} cases")
