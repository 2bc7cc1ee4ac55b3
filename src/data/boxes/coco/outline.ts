/** COCO's outlines (`segmentation`) to the box around them and their area: polygons, and runs of pixels (RLE). */

export interface Outline {
  /** x1 y1 x2 y2, half-open, in pixels. */
  readonly corners: readonly number[];
  /** In pixels. */
  readonly area: number;
}

/** `undefined` for what is no outline. */
export function cocoOutline(segmentation: unknown): Outline | undefined {
  if (Array.isArray(segmentation)) return ofPolygons(segmentation);
  const { counts, size } = (segmentation ?? {}) as { counts?: unknown; size?: unknown };
  if (!Array.isArray(size) || size.length !== 2) return undefined;
  const runs = typeof counts === "string" ? runsOf(counts) : Array.isArray(counts) ? counts.map(Number) : [];
  return runs.every((run) => Number.isInteger(run) && run >= 0) ? ofRuns(runs, Number(size[0])) : undefined;
}

/** Several polygons are parts of one object; a part may also be a list of `[x, y]`. */
function ofPolygons(parts: readonly unknown[]): Outline | undefined {
  const polygons = parts.length > 0 && parts.every((part) => typeof part === "number") ? [parts] : parts;
  const corners = [Infinity, Infinity, -Infinity, -Infinity];
  let area = 0;
  for (const polygon of polygons) {
    if (!Array.isArray(polygon)) return undefined;
    const numbers = polygon.flat().map(Number);
    if (numbers.length < 6 || numbers.length % 2 !== 0 || !numbers.every(Number.isFinite)) return undefined;
    const count = numbers.length / 2;
    let doubled = 0;
    for (let i = 0; i < count; i++) {
      const [x, y] = [numbers[2 * i], numbers[2 * i + 1]];
      const next = 2 * ((i + 1) % count);
      doubled += x * numbers[next + 1] - y * numbers[next];
      corners[0] = Math.min(corners[0], x);
      corners[1] = Math.min(corners[1], y);
      corners[2] = Math.max(corners[2], x);
      corners[3] = Math.max(corners[3], y);
    }
    area += Math.abs(doubled) / 2;
  }
  return polygons.length === 0 ? undefined : { corners, area };
}

/** Runs go down the columns, outside and inside by turns, outside first. */
function ofRuns(runs: readonly number[], height: number): Outline | undefined {
  const corners = [Infinity, Infinity, -Infinity, -Infinity];
  let [at, area] = [0, 0];
  runs.forEach((run, i) => {
    if (i % 2 === 1 && run > 0) {
      const [firstColumn, lastColumn] = [Math.floor(at / height), Math.floor((at + run - 1) / height)];
      const wraps = firstColumn !== lastColumn;
      corners[0] = Math.min(corners[0], firstColumn);
      corners[2] = Math.max(corners[2], lastColumn + 1);
      corners[1] = Math.min(corners[1], wraps ? 0 : at % height);
      corners[3] = Math.max(corners[3], wraps ? height : ((at + run - 1) % height) + 1);
      area += run;
    }
    at += run;
  });
  return area === 0 ? undefined : { corners, area };
}

/**
 * COCO's compressed runs: numbers in pieces of five bits from the lowest on, the sixth says that more follow, the piece's
 * highest bit is the sign; from the fourth number on, differences to the last but one.
 */
function runsOf(text: string): number[] {
  const runs: number[] = [];
  for (let at = 0; at < text.length; ) {
    let [value, shift, more] = [0, 0, true];
    while (more && at < text.length) {
      const piece = text.charCodeAt(at++) - 48;
      value |= (piece & 31) << shift;
      shift += 5;
      more = (piece & 32) !== 0;
      if (!more && (piece & 16) !== 0) value |= -1 << shift;
    }
    runs.push(runs.length > 2 ? value + runs[runs.length - 2] : value);
  }
  return runs;
}
