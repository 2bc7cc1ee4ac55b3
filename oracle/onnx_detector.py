"""Runs a detector that medvox exported in Python's onnxruntime, and compares its boxes with those medvox found itself.

    medvox export RUN --format onnx --out cells.onnx
    medvox detect predict RUN --in PICTURES --out found
    python oracle/onnx_detector.py cells.onnx PICTURES found/detections.json

The file goes through onnx's checker first, with full_check, and must hold operators of the standard domain alone. Every picture (PNG or
JPEG, of any size) is given as it is: RGB in 0 … 1, [1, 3, height, width]. The boxes must be as many, in the same order, of the same
classes, with corners within 1e-3 pixels and scores within 1e-4. medvox must be told nothing that changes what it finds (--score, --max,
--classes), or export must be told the same. Exit status 1 where anything differs.
"""

import argparse
import json
import sys
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
from PIL import Image, ImageOps

PICTURES = (".png", ".jpg", ".jpeg")


def detect(session, picture):
    """Boxes [D, 4] in the picture's pixels, scores [D], labels [D] from 1."""
    pixels = np.asarray(picture, np.float32) / np.float32(255)
    return session.run(["boxes", "scores", "labels"], {"image": pixels.transpose(2, 0, 1)[None]})


def differences(found, wanted, categories):
    """Yields one line per disagreement of two lists of detections."""
    boxes, scores, labels = found
    if len(scores) != len(wanted):
        yield f"{len(scores)} boxes, medvox has {len(wanted)}"
        return
    for i, other in enumerate(wanted):
        x, y, width, height = other["bbox"]
        far = float(np.abs(boxes[i] - np.array([x, y, x + width, y + height])).max())
        if categories[labels[i] - 1] != other["category_id"]:
            yield f"box {i}: category {categories[labels[i] - 1]}, medvox has {other['category_id']}"
        if not far < 1e-3:
            yield f"box {i}: corners {far:.2g} pixels apart"
        if not abs(float(scores[i]) - other["score"]) < 1e-4:
            yield f"box {i}: score {scores[i]}, medvox has {other['score']}"


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", type=Path)
    parser.add_argument("pictures", type=Path, help="a picture or a folder of them")
    parser.add_argument("detections", type=Path, nargs="?", help="detections.json of medvox")
    arguments = parser.parse_args()

    model = onnx.load(arguments.model)
    onnx.checker.check_model(model, full_check=True)
    domains = {node.domain for node in model.graph.node} | {entry.domain for entry in model.opset_import}
    if domains - {"", "ai.onnx"}:
        sys.exit(f"{arguments.model}: has operators of {', '.join(sorted(domains))}")
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(str(arguments.model), options, providers=["CPUExecutionProvider"])
    metadata = session.get_modelmeta().custom_metadata_map
    names, categories = json.loads(metadata["classes"]), json.loads(metadata["categories"])
    print(f"{arguments.model}: checked; onnxruntime {onnxruntime.__version__}; classes {', '.join(names)}")

    wanted = None
    if arguments.detections is not None:
        wanted = {}
        for one in json.loads(arguments.detections.read_text()):
            wanted.setdefault(one["image_id"], []).append(one)
    folder = arguments.pictures.is_dir()
    files = sorted(arguments.pictures.iterdir()) if folder else [arguments.pictures]
    failed = total = 0
    for path in (file for file in files if file.suffix.lower() in PICTURES):
        picture = ImageOps.exif_transpose(Image.open(path)).convert("RGB")
        found = detect(session, picture)
        problems = [] if wanted is None else list(differences(found, wanted.get(path.stem, []), categories))
        total += 1
        failed += bool(problems)
        best = f", best {names[found[2][0] - 1]} {found[1][0]:.3f}" if len(found[1]) else ""
        print(f"{'FAIL' if problems else 'ok  '} {path.name} {picture.width}×{picture.height}: {len(found[1])} boxes{best}")
        for problem in problems[:5]:
            print(f"     {problem}")
    if wanted is not None:
        print(f"{total - failed} of {total} pictures agree")
    return 1 if failed or not total else 0


if __name__ == "__main__":
    sys.exit(main())
