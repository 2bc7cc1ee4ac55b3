"""Pictures in every flavour that src/images reads, with what Pillow (libjpeg-turbo, libpng) and torch make of them.

Run: python oracle/pillow_images.py   (numpy, pillow, torch); writes test/fixtures/images/golden/pillow.json
Each entry: the file's bytes, and the samples after exif_transpose and convert, both base64 (samples also deflated).
"""
import base64
import io
import json
import pathlib
import zlib

import numpy as np
import torch
from PIL import Image, ImageOps, PngImagePlugin

OUT = pathlib.Path(__file__).parent.parent / "test" / "fixtures" / "images" / "golden"


def scene(width, height, channels=3):
    """Smooth shading, discs with sharp coloured edges, a little noise: what JPEG finds easy and hard."""
    y, x = np.mgrid[0:height, 0:width].astype(np.float64)
    rgb = np.stack([200 + 40 * np.sin(x / 9), 180 + 50 * np.cos(y / 7), 190 + 20 * np.sin((x + y) / 5)], -1)
    for cx, cy, r, colour in [(0.3, 0.4, 0.22, (170, 40, 120)), (0.75, 0.6, 0.18, (60, 20, 140)), (0.6, 0.2, 0.1, (230, 90, 60))]:
        inside = (x / width - cx) ** 2 + (y / height - cy) ** 2 < r * r
        rgb[inside] = colour
    rgb += ((x * 7919 + y * 104729) % 13 - 6)[..., None]
    rgb = np.clip(rgb, 0, 255).astype(np.uint8)
    return rgb if channels == 3 else rgb[..., 1]


def packed(array):
    return base64.b64encode(zlib.compress(np.ascontiguousarray(array).tobytes(), 9)).decode()


def entry(name, data, mode="RGB"):
    image = ImageOps.exif_transpose(Image.open(io.BytesIO(data)))
    if mode == "I;16":
        samples = np.asarray(image).astype("<u2")
    else:
        samples = np.asarray(image.convert(mode))
    height, width = samples.shape[:2]
    channels = samples.shape[2] if samples.ndim == 3 else 1
    return {
        "name": name, "width": width, "height": height, "channels": channels, "bits": 16 if mode == "I;16" else 8,
        "file": base64.b64encode(data).decode(), "samples": packed(samples),
    }


def saved(image, kind, **options):
    out = io.BytesIO()
    image.save(out, kind, **options)
    return out.getvalue()


entries = []
for label, sampling in [("444", 0), ("422", 1), ("420", 2)]:
    for width, height in [(45, 37), (16, 16), (5, 3), (1, 1)]:
        data = saved(Image.fromarray(scene(width, height)), "JPEG", quality=85, subsampling=sampling)
        entries.append(entry(f"jpeg {label} {width}x{height}", data))
big = Image.fromarray(scene(61, 50))
entries.append(entry("jpeg 420 progressive", saved(big, "JPEG", quality=70, subsampling=2, progressive=True)))
entries.append(entry("jpeg 420 restarts", saved(big, "JPEG", quality=70, subsampling=2, restart_marker_blocks=3)))
entries.append(entry("jpeg quality 30", saved(big, "JPEG", quality=30, subsampling=2)))
entries.append(entry("jpeg rgb", saved(big, "JPEG", quality=90, keep_rgb=True)))
entries.append(entry("jpeg gray", saved(Image.fromarray(scene(45, 37, 1)), "JPEG", quality=85), "L"))
# 4:4:0, which Pillow writes only as it was read: a 4:2:2 file turned by swapping its sampling factors and size is not
# the same picture, but it is a picture, and that is enough.
turned = bytearray(saved(Image.fromarray(scene(48, 48)), "JPEG", quality=85, subsampling=1))
at = turned.index(b"\xff\xc0")
assert turned[at + 11] == 0x21
turned[at + 11] = 0x12
entries.append(entry("jpeg 440", bytes(turned)))
for orientation in range(1, 9):
    exif = Image.Exif()
    exif[0x0112] = orientation
    entries.append(entry(f"jpeg orientation {orientation}", saved(Image.fromarray(scene(24, 16)), "JPEG", quality=95, subsampling=0, exif=exif)))

rgb = Image.fromarray(scene(23, 17))
entries.append(entry("png rgb", saved(rgb, "PNG")))
alpha = np.dstack([scene(23, 17), (np.arange(23 * 17).reshape(17, 23) % 256).astype(np.uint8)])
entries.append(entry("png rgba", saved(Image.fromarray(alpha), "PNG")))
gray = scene(23, 17, 1)
entries.append(entry("png gray", saved(Image.fromarray(gray), "PNG"), "L"))
entries.append(entry("png gray alpha", saved(Image.fromarray(np.dstack([gray, 255 - gray]), "LA"), "PNG"), "L"))
entries.append(entry("png gray 16", saved(Image.fromarray((gray.astype(np.uint16) * 257 + 11).astype(np.uint16)), "PNG"), "I;16"))
entries.append(entry("png 1 bit", saved(Image.fromarray(gray).point(lambda v: 255 * (v > 150)).convert("1"), "PNG"), "L"))
for colours, bits in [(2, 1), (4, 2), (16, 4), (200, 8)]:
    entries.append(entry(f"png palette {bits} bit", saved(rgb.quantize(colours), "PNG", bits=bits)))
entries.append(entry("png palette transparent", saved(rgb.quantize(20), "PNG", transparency=3)))
text = PngImagePlugin.PngInfo()
text.add_text("comment", "x" * 2000, zip=True)
exif = Image.Exif()
exif[0x0112] = 6
entries.append(entry("png exif", saved(rgb, "PNG", pnginfo=text, exif=exif)))


def chunk(kind, body):
    return len(body).to_bytes(4, "big") + kind + body + zlib.crc32(kind + body).to_bytes(4, "big")


def png_by_hand(samples, depth, colour, interlaced):
    """What Pillow does not write: 16-bit colour, gray of 2 and 4 bits, Adam7."""
    def rows(part):
        out = b""
        for row in part:
            if depth == 16:
                out += b"\0" + row.astype(">u2").tobytes()
            elif depth == 8:
                out += b"\0" + row.astype(np.uint8).tobytes()
            else:
                bits = ((row[:, None] >> np.arange(depth - 1, -1, -1)) & 1).reshape(-1)
                out += b"\0" + np.packbits(bits.astype(np.uint8)).tobytes()
        return out
    height, width = samples.shape[:2]
    if interlaced:
        passes = [(0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2)]
        raw = b"".join(rows(samples[y0::dy, x0::dx]) for x0, y0, dx, dy in passes if samples[y0::dy, x0::dx].size)
    else:
        raw = rows(samples)
    head = width.to_bytes(4, "big") + height.to_bytes(4, "big") + bytes([depth, colour, 0, 0, int(interlaced)])
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(raw)) + chunk(b"IEND", b"")


for depth in (2, 4):
    entries.append(entry(f"png gray {depth} bit", png_by_hand(gray >> (8 - depth), depth, 0, False), "L"))
entries.append(entry("png rgb interlaced", png_by_hand(scene(23, 17), 8, 2, True)))
# Pillow reads 16-bit colour as 8 bits; the samples are those that were written.
deep = scene(23, 17).astype(np.uint16) * 257 - 5
by_hand = entry("png rgb 16", png_by_hand(deep, 16, 2, False))
entries.append({**by_hand, "bits": 16, "samples": packed(deep.astype("<u2"))})

resized = []
planar = torch.from_numpy(scene(45, 37)).permute(2, 0, 1).float() / 255
for width, height in [(90, 74), (57, 51), (23, 19), (7, 5), (45, 37)]:
    out = torch.nn.functional.interpolate(planar[None], size=(height, width), mode="bilinear", align_corners=False)[0]
    resized.append({"width": width, "height": height, "sum": float(out.double().sum()), "some": [float(v) for v in out.flatten()[:: max(1, out.numel() // 60)]]})

OUT.mkdir(parents=True, exist_ok=True)
(OUT / "pillow.json").write_text(json.dumps({"pictures": entries, "resized": {"scene": packed(scene(45, 37)), "width": 45, "height": 37, "to": resized}}, indent=1) + "\n")
print(len(entries), "pictures", (OUT / "pillow.json").stat().st_size, "bytes")
