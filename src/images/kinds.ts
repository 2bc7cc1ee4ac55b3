/** Kinds of pictures, by the ending of a file's name and by its first bytes: those that are read, and those that are named. */

/** File name endings of pictures that are read. */
export const imageExtensions = [".jpg", ".jpeg", ".jpe", ".jfif", ".png"] as const;

/** Endings of pictures that other programs read and medvox does not. */
const otherExtensions: Readonly<Record<string, string>> = {
  ".bmp": "BMP",
  ".dib": "BMP",
  ".webp": "WebP",
  ".tif": "TIFF",
  ".tiff": "TIFF",
  ".gif": "GIF",
  ".heic": "HEIF",
  ".heif": "HEIF",
  ".avif": "AVIF",
  ".jp2": "JPEG 2000",
  ".j2k": "JPEG 2000",
  ".jxl": "JPEG XL",
  ".mpo": "MPO",
  ".dng": "DNG",
  ".pfm": "PFM",
  ".pgm": "PGM",
  ".ppm": "PPM",
  ".pnm": "PNM",
  ".tga": "TGA",
};

/**
 * What a file's name says of it: a picture that is read, the name of a kind that is not (`"WebP"`), or `undefined` for
 * anything else. Names that begin with a dot are never pictures: macOS leaves `._a.png` beside `a.png`.
 */
export function pictureKind(name: string): "read" | (string & {}) | undefined {
  const file = name.split(/[/\\]/).at(-1) as string;
  if (file.startsWith(".")) return undefined;
  const ending = /\.[^.]+$/.exec(file)?.[0].toLowerCase() ?? "";
  return (imageExtensions as readonly string[]).includes(ending) ? "read" : otherExtensions[ending];
}

/** A picture's name without the ending that says its kind; other names as they are, whatever dots they have. */
export function pictureStem(name: string): string {
  return pictureKind(name) === undefined ? name : name.replace(/\.[^.]+$/, "");
}

/** Kinds by their first bytes; `.` is any byte. */
const signatures: readonly (readonly [start: string, kind: string])[] = [
  ["GIF8", "GIF"],
  ["BM", "BMP"],
  ["RIFF....WEBP", "WebP"],
  ["II*\0", "TIFF"],
  ["MM\0*", "TIFF"],
  ["....ftyphei", "HEIF"],
  ["....ftypmif1", "HEIF"],
  ["....ftypavif", "AVIF"],
  ["\0\0\0\x0cjP", "JPEG 2000"],
  ["\0\0\0\x0cJXL ", "JPEG XL"],
  ["%PDF", "PDF"],
  ["\x1f\x8b", "gzip"],
  ["PK\x03\x04", "ZIP"],
  ["version https://git-lfs", "a Git LFS pointer"],
  ["<!DOCTYPE", "HTML"],
  ["<!doctype", "HTML"],
  ["<html", "HTML"],
];

/** What bytes are that are neither JPEG nor PNG, for messages: `it is WebP; JPEG and PNG are read`. */
export function otherKindText(bytes: Uint8Array): string {
  const start = String.fromCharCode(...bytes.subarray(0, 32));
  const found = signatures.find(([signature]) => [...signature].every((c, i) => c === "." || c === start[i]));
  return found === undefined
    ? "not a picture that medvox reads; JPEG and PNG are"
    : `not a picture that medvox reads: it is ${found[1]}; JPEG and PNG are read`;
}
