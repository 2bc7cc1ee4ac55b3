"""JPEGs of four components, with what Pillow (libjpeg-turbo) makes of them.

Run: python oracle/pillow_cmyk.py   (numpy, pillow); writes test/fixtures/images/golden/pillow-cmyk.json
Each entry: the file's bytes, and the samples after convert("RGB"), both base64 (samples also deflated).
"""
import base64
import io
import json
import pathlib
import zlib

import numpy as np
from PIL import Image

OUT = pathlib.Path(__file__).parent.parent / "test" / "fixtures" / "images" / "golden"


def scene(width, height):
    """Four inks that vary smoothly, and a disc with a sharp edge."""
    y, x = np.mgrid[0:height, 0:width].astype(np.float64)
    inks = np.stack([128 + 120 * np.sin(x / 5), 128 + 120 * np.cos(y / 4), 3 * (x + y) % 256, 20 + 2 * x], -1)
    inks[(x / width - 0.5) ** 2 + (y / height - 0.4) ** 2 < 0.05] = (30, 200, 90, 10)
    return np.clip(inks, 0, 255).astype(np.uint8)


def saved(width, height, **options):
    out = io.BytesIO()
    Image.fromarray(scene(width, height), "CMYK").save(out, "JPEG", quality=85, **options)
    return out.getvalue()


def entry(name, data):
    samples = np.asarray(Image.open(io.BytesIO(data)).convert("RGB"))
    packed = base64.b64encode(zlib.compress(np.ascontiguousarray(samples).tobytes(), 9)).decode()
    height, width = samples.shape[:2]
    return {"name": name, "width": width, "height": height, "channels": 3, "bits": 8, "file": base64.b64encode(data).decode(), "samples": packed}


def transformed(data, transform):
    """The same bytes, whose Adobe segment says how the first three components are to be read."""
    at = data.index(b"Adobe")
    return data[: at + 11] + bytes([transform]) + data[at + 12 :]


def without_adobe(data):
    at = data.index(b"Adobe") - 4
    assert data[at : at + 2] == b"\xff\xee"
    return data[:at] + data[at + 2 + int.from_bytes(data[at + 2 : at + 4], "big") :]


plain = saved(29, 21)
entries = [
    entry("cmyk adobe", plain),
    entry("cmyk progressive", saved(29, 21, progressive=True)),
    entry("cmyk subsampled", saved(29, 21, subsampling=2)),
    entry("ycck", transformed(plain, 2)),
    entry("cmyk without adobe", without_adobe(plain)),
]
(OUT / "pillow-cmyk.json").write_text(json.dumps({"pictures": entries}, indent=1) + "\n")
print(len(entries), "pictures", (OUT / "pillow-cmyk.json").stat().st_size, "bytes")
