/**
 * Outlines of a class in a slice: marching squares (Lorensen & Cline 1987, in 2D) on the mask at level ½, so a line
 * runs midway between the centres of neighbouring pixels and cuts the corners of single ones.
 *
 * Coordinates are in half pixels from the slice's upper left corner (pixel (x, y) has its centre at (2x + 1, 2y + 1)),
 * where every vertex is a whole number. Pixels that touch only at a corner are outlined apart.
 */
import type { Slice } from "./slices.ts";

/** A closed line: x and y in turn; the last point joins the first. */
export type Ring = readonly number[];

/** All outlines of `label` in a slice of labels, straight runs joined. */
export function outlines({ width, height, values }: Slice, label: number): Ring[] {
  const inside = (x: number, y: number): number =>
    x >= 0 && y >= 0 && x < width && y < height && values[y * width + x] === label ? 1 : 0;
  // From where to where the line runs in each cell of four pixels, the mask on its right; keyed by starting point.
  const stride = 2 * width + 3;
  const next = new Map<number, number>();
  for (let y = -1; y < height; y++) {
    for (let x = -1; x < width; x++) {
      const code = inside(x, y) | (inside(x + 1, y) << 1) | (inside(x + 1, y + 1) << 2) | (inside(x, y + 1) << 3);
      for (const [from, to] of segments[code]) next.set(corner(x, y, from, stride), corner(x, y, to, stride));
    }
  }
  const rings: Ring[] = [];
  for (const start of next.keys()) {
    if (!next.has(start)) continue;
    const ring: number[] = [];
    for (let at = start; next.has(at); ) {
      ring.push(at % stride, Math.floor(at / stride));
      const to = next.get(at)!;
      next.delete(at);
      at = to;
    }
    rings.push(joinStraight(ring));
  }
  return rings;
}

/** The rings as one SVG path, in half pixels. */
export function ringsPath(rings: readonly Ring[]): string {
  return rings
    .map((ring) => {
      let path = `M${ring[0]} ${ring[1]}`;
      for (let i = 2; i < ring.length; i += 2) path += `l${ring[i] - ring[i - 2]} ${ring[i + 1] - ring[i - 1]}`;
      return `${path}z`;
    })
    .join("");
}

type Side = "top" | "right" | "bottom" | "left";

/**
 * Sides of the cell at which the line enters and leaves, by which of its pixels (upper left 1, upper right 2, lower
 * right 4, lower left 8) are inside.
 */
const segments: readonly (readonly (readonly [from: Side, to: Side])[])[] = [
  [],
  [["top", "left"]],
  [["right", "top"]],
  [["right", "left"]],
  [["bottom", "right"]],
  [
    ["top", "left"],
    ["bottom", "right"],
  ],
  [["bottom", "top"]],
  [["bottom", "left"]],
  [["left", "bottom"]],
  [["top", "bottom"]],
  [
    ["right", "top"],
    ["left", "bottom"],
  ],
  [["right", "bottom"]],
  [["left", "right"]],
  [["top", "right"]],
  [["left", "top"]],
  [],
];

/** The middle of a side of the cell whose upper left pixel is (x, y), as one number. */
function corner(x: number, y: number, side: Side, stride: number): number {
  const dx = side === "left" ? 1 : side === "right" ? 3 : 2;
  const dy = side === "top" ? 1 : side === "bottom" ? 3 : 2;
  return 2 * x + dx + stride * (2 * y + dy);
}

/** Drops points between two steps of the same direction. */
function joinStraight(ring: readonly number[]): Ring {
  const n = ring.length / 2;
  const out: number[] = [];
  for (let i = 0; i < n; i++) {
    const [a, b, c] = [(i + n - 1) % n, i, (i + 1) % n];
    const [ax, ay] = [Math.sign(ring[2 * b] - ring[2 * a]), Math.sign(ring[2 * b + 1] - ring[2 * a + 1])];
    const [bx, by] = [Math.sign(ring[2 * c] - ring[2 * b]), Math.sign(ring[2 * c + 1] - ring[2 * b + 1])];
    if (ax !== bx || ay !== by) out.push(ring[2 * b], ring[2 * b + 1]);
  }
  return out;
}
