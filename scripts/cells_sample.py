"""Makes samples/cells from BCCD (https://github.com/Shenggan/BCCD_Dataset, MIT): every picture at half its size, boxes with it.

    python scripts/cells_sample.py BCCD samples/cells      (needs pillow; nothing else of medvox needs Python)

Takes 160 pictures of the list `train` and 40 of `val`, evenly spread over them; pictures with a box without extent are passed over.
VOC's corners are 1-based and inclusive: xmin..xmax covers [xmin - 1, xmax), which is what is halved.
"""

import sys
import xml.etree.ElementTree as ET
from pathlib import Path

from PIL import Image

COUNTS = {"train": 160, "val": 40}
QUALITY = 80


def boxes(annotation):
    for item in annotation.iter("object"):
        corners = [float(item.find("bndbox").findtext(name)) for name in ("xmin", "ymin", "xmax", "ymax")]
        yield item.findtext("name"), item.findtext("truncated") or "0", item.findtext("difficult") or "0", corners


def sound(annotation):
    return all(x0 < x1 and y0 < y1 for *_, (x0, y0, x1, y1) in boxes(annotation))


def written(name, width, height, annotation):
    lines = [
        "<annotation>",
        f"<filename>{name}.jpg</filename>",
        f"<size><width>{width}</width><height>{height}</height><depth>3</depth></size>",
    ]
    for label, truncated, difficult, (x0, y0, x1, y1) in boxes(annotation):
        low, high = [(v - 1) / 2 + 1 for v in (x0, y0)], [v / 2 for v in (x1, y1)]
        corners = "".join(
            f"<{corner}>{value:g}</{corner}>" for corner, value in zip(("xmin", "ymin", "xmax", "ymax"), low + high)
        )
        lines.append(
            f"<object><name>{label}</name><truncated>{truncated}</truncated><difficult>{difficult}</difficult>"
            f"<bndbox>{corners}</bndbox></object>"
        )
    return "\n".join([*lines, "</annotation>", ""])


def main(source, target):
    for folder in ("Annotations", "JPEGImages", "ImageSets/Main"):
        (target / folder).mkdir(parents=True, exist_ok=True)
    for split, count in COUNTS.items():
        listed = (source / "ImageSets/Main" / f"{split}.txt").read_text().split()
        parsed = {name: ET.parse(source / "Annotations" / f"{name}.xml").getroot() for name in listed}
        usable = [name for name in listed if sound(parsed[name])]
        chosen = [usable[i * len(usable) // count] for i in range(count)]
        for name in chosen:
            picture = Image.open(source / "JPEGImages" / f"{name}.jpg").convert("RGB")
            half = picture.resize((picture.width // 2, picture.height // 2), Image.Resampling.BOX)
            half.save(target / "JPEGImages" / f"{name}.jpg", quality=QUALITY, optimize=True)
            (target / "Annotations" / f"{name}.xml").write_text(written(name, half.width, half.height, parsed[name]))
        (target / "ImageSets/Main" / f"{split}.txt").write_text("\n".join(chosen) + "\n")


main(Path(sys.argv[1]), Path(sys.argv[2]))
