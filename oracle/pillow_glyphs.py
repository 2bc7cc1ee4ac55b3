"""Glyphs for pictures: the letters of Aileron (CC0, by Sora Sagano; the font that Pillow carries), rasterised once.

Run: python oracle/pillow_glyphs.py   (pillow with FreeType); writes src/report/draw/glyphs.ts
A size is a strip of gray cells, one per letter, as high as the line; widths differ. Deflated, base64.
"""
import base64
import json
import pathlib
import zlib

from PIL import Image, ImageDraw, ImageFont

OUT = pathlib.Path(__file__).parent.parent / "src" / "report" / "glyphs.ts"
LETTERS = "".join(map(chr, range(32, 127))) + "".join(map(chr, range(0xA1, 0x100))) + "–—’“”…•≤≥−"

entries = []
for size in (13, 20):
    font = ImageFont.load_default(size)
    ascent, descent = font.getmetrics()
    height = ascent + descent
    letters, widths, cells = "", [], []
    for letter in LETTERS:
        advance = round(font.getlength(letter))
        if advance < 1:
            continue
        cell = Image.new("L", (advance, height), 0)
        ImageDraw.Draw(cell).text((0, 0), letter, font=font, fill=255)
        letters += letter
        widths.append(advance)
        cells.append(cell)
    strip = Image.new("L", (sum(widths), height), 0)
    x = 0
    for cell, width in zip(cells, widths):
        strip.paste(cell, (x, 0))
        x += width
    entries.append((size, height, ascent, letters, widths, base64.b64encode(zlib.compress(strip.tobytes(), 9)).decode()))

lines = [
    "/**",
    " * Letters for pictures, made by `oracle/pillow_glyphs.py`: Aileron Regular (CC0), two sizes. A size is one strip of 8-bit",
    " * coverage, cells side by side, deflated (zlib), base64.",
    " */",
    "",
    "export interface GlyphStrip {",
    "  /** Pixels of a line. */",
    "  readonly height: number;",
    "  /** Pixels from the top of a line to its ground line. */",
    "  readonly ascent: number;",
    "  readonly letters: string;",
    "  readonly widths: readonly number[];",
    "  readonly data: string;",
    "}",
    "",
    "export const glyphStrips: Readonly<Record<\"small\" | \"large\", GlyphStrip>> = {",
]
for name, (size, height, ascent, letters, widths, data) in zip(("small", "large"), entries):
    lines += [f"  {name}: {{", f"    height: {height},", f"    ascent: {ascent},", f"    letters: {json.dumps(letters, ensure_ascii=False)},",
              f"    widths: {json.dumps(widths)},", f"    data: \"{data}\",", "  },"]
lines += ["};", ""]
OUT.write_text("\n".join(lines))
print(OUT.stat().st_size, [e[1] for e in entries], [sum(e[4]) for e in entries])
