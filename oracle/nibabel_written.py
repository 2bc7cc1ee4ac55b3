"""Reads back with nibabel and SimpleITK what oracle/nibabel_written.ts wrote; exits 1 where something differs.

    npx tsx oracle/nibabel_written.ts FOLDER && python oracle/nibabel_written.py FOLDER
"""

import base64
import json
import sys
from pathlib import Path

import nibabel as nib
import numpy as np
from nibabel_volumes import itk_expected

folder = Path(sys.argv[1])
wrong = []
manifest = json.loads((folder / "manifest.json").read_text())
for entry in manifest:
    path = folder / entry["file"]
    want = np.frombuffer(base64.b64decode(entry["data"]), entry["dtype"])
    affine = np.array(entry["affine"]).reshape(4, 4)
    problems = []
    if path.suffix == ".nrrd":
        got = itk_expected(path)
        shape, data = got["size"], np.frombuffer(base64.b64decode(got["data"]), got["dtype"])
        found, tolerance = np.array(got["affine"]).reshape(4, 4), 1e-12
    else:
        image = nib.load(path)
        # medvox drops trailing axes of one voxel and pads to three.
        shape, data, found = list(image.shape), np.asanyarray(image.dataobj).ravel(order="F"), image.affine
        tolerance = 1e-12 if entry["exact"] else 4e-6
        h = image.header
        if not entry["file"].startswith("like") and h["qform_code"] > 0:
            if not np.allclose(h.get_qform(), found, atol=4e-6):
                problems.append(f"qform differs from sform: {h.get_qform()}")
    while len(shape) > 3 and shape[-1] == 1:
        shape = shape[:-1]
    shape = list(shape) + [1] * (3 - len(shape))
    if shape != entry["shape"] or data.dtype.newbyteorder("=") != want.dtype or not np.array_equal(data, want):
        problems.append(f"{data.dtype} {shape}")
    if not np.allclose(found, affine, rtol=0, atol=tolerance):
        problems.append(f"affine {found.tolist()}")
    if problems:
        wrong.append(f"{entry['file']}: {'; '.join(problems)}")
print("\n".join(wrong) or f"all {len(manifest)} files are as written")
sys.exit(bool(wrong))
