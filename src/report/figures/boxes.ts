/**
 * Pictures of detections: boxes with names and scores on a photograph, or on three planes through a volume. Detections are
 * solid in the colour of their class, truth is dashed and white; what was missed is named.
 */
import type { BoxArray } from "../../boxes/index.ts";
import type { Image2d } from "../../images/index.ts";
import type { Detections, TrueBoxes } from "../../metrics/index.ts";
import type { Vec3, Volume } from "../../volume/index.ts";
import { eachAxis, mapAxes } from "../../volume/types.ts";
import { Canvas, type Color, colorOf, textSize } from "../draw/canvas.ts";
import { grayImage, squarePixels } from "../draw/raster.ts";
import { cutSlice, type Plane, type PlaneView, planes, planeView, windowOf } from "../draw/slices.ts";
import { classColor } from "../draw/theme.ts";
import type { Convention } from "../pages/input.ts";

export interface BoxPictureOptions {
  readonly classes: readonly string[];
  readonly truth?: Pick<TrueBoxes, "boxes" | "labels" | "difficult" | "crowd">;
  /** Detections below it are not drawn. Default 0.5. */
  readonly minScore?: number;
}

const white: Color = [255, 255, 255];
const black: Color = [0, 0, 0];
const lineWidth = 2;
const dash = [5, 4] as const;

/** What is drawn: a rectangle in pixels of the canvas and a text. */
interface Mark {
  readonly sides: readonly [left: number, top: number, right: number, bottom: number];
  readonly color: Color;
  readonly text?: string;
  readonly dashed: boolean;
}

/**
 * A picture with its boxes, small ones enlarged until lines and letters fit them.
 * @returns the bytes of an RGB PNG
 */
export function pictureBoxesPng(image: Image2d, detections: Detections, options: BoxPictureOptions): Uint8Array {
  const scale = Math.max(1, Math.ceil(600 / Math.max(image.width, image.height)));
  const canvas = Canvas.of(image, scale);
  const sidesOf = (boxes: BoxArray, i: number): Mark["sides"] => {
    const at = (side: number): number => boxes[4 * i + side] * scale;
    return [at(0), at(1), at(2), at(3)];
  };
  drawMarks(canvas, marksOf(detections, options, sidesOf));
  return canvas.png();
}

export interface VolumePictureOptions extends BoxPictureOptions {
  /** Voxel whose planes are shown; default: the middle of the surest detection, or of the first true box, or of all. */
  readonly focus?: Vec3;
  /** Values shown as black and white. */
  readonly window?: readonly [low: number, high: number];
  readonly convention?: Convention;
  /** Pixels of the longest side of a plane. Default 420. */
  readonly pixels?: number;
}

/**
 * Three planes through a volume, side by side, with every box they cut.
 * @returns the bytes of an RGB PNG
 */
export function volumeBoxesPng(volume: Volume, detections: Detections, options: VolumePictureOptions): Uint8Array {
  const { pixels = 420, convention = "radiological" } = options;
  const focus = options.focus ?? focusOf(volume, detections, options.truth);
  const window = options.window ?? windowOf(volume);
  const panels = planes.map((plane) =>
    planePanel(volume, plane, focus, detections, { ...options, pixels, convention, window }),
  );
  const gap = 8;
  const width = panels.reduce((sum, panel) => sum + panel.width, gap * (panels.length - 1));
  const sheet = new Canvas(width, Math.max(...panels.map(({ height }) => height)));
  let left = 0;
  for (const panel of panels) {
    sheet.place(panel, left, 0);
    left += panel.width + gap;
  }
  return sheet.png();
}

function planePanel(
  volume: Volume,
  plane: Plane,
  focus: Vec3,
  detections: Detections,
  options: VolumePictureOptions & Required<Pick<VolumePictureOptions, "pixels" | "convention" | "window">>,
): Canvas {
  const view = planeView(volume.affine, plane, options.convention);
  const [u, v, through] = view.axes;
  const index = Math.min(volume.size[through] - 1, Math.max(0, Math.floor(focus[through])));
  const slice = cutSlice(volume, view, index);
  const [width, height] = squarePixels(slice, options.pixels);
  const gray = grayImage(slice, options.window, width, height);
  const canvas = Canvas.of({ ...gray, channels: 1 });
  const isCut = (boxes: BoxArray, i: number): boolean =>
    boxes[6 * i + through] < index + 1 && boxes[6 * i + 3 + through] > index;
  const sidesOf = (boxes: BoxArray, i: number): Mark["sides"] => {
    const [left, right] = along(view, 0, boxes[6 * i + u], boxes[6 * i + 3 + u], volume.size[u], width);
    const [top, bottom] = along(view, 1, boxes[6 * i + v], boxes[6 * i + 3 + v], volume.size[v], height);
    return [left, top, right, bottom];
  };
  drawMarks(canvas, marksOf(detections, options, sidesOf, isCut));
  const title = `${plane} ${index + 1}/${volume.size[through]}`;
  shadowed(canvas, title, 6, canvas.height - textSize(title).height - 4);
  const { width: letter, height: line } = textSize(view.edges[1]);
  shadowed(canvas, view.edges[0], 5, (canvas.height - line) / 2);
  shadowed(canvas, view.edges[1], canvas.width - letter - 5, (canvas.height - line) / 2);
  shadowed(canvas, view.edges[2], (canvas.width - letter) / 2, 3);
  return canvas;
}

/** A stretch of voxels along the picture's axis 0 (right) or 1 (down), in pixels. */
function along(
  view: PlaneView,
  axis: 0 | 1,
  low: number,
  high: number,
  length: number,
  pixels: number,
): readonly [number, number] {
  const perVoxel = pixels / length;
  return view.reversed[axis]
    ? [(length - high) * perVoxel, (length - low) * perVoxel]
    : [low * perVoxel, high * perVoxel];
}

function focusOf(volume: Volume, { boxes, scores }: Detections, truth: BoxPictureOptions["truth"]): Vec3 {
  let best = -1;
  for (let i = 0; i < scores.length; i++) if (best < 0 || scores[i] > scores[best]) best = i;
  const [from, at] = best >= 0 ? [boxes, best] : [truth?.boxes ?? new Float32Array(0), 0];
  if (from.length === 0) return mapAxes(volume.size, (n) => n / 2);
  return eachAxis((axis) => (from[6 * at + axis] + from[6 * at + 3 + axis]) / 2);
}

/** Truth first, then detections from the least sure to the surest, so that the surest lie on top. */
function marksOf(
  { boxes, labels, scores }: Detections,
  { classes, truth, minScore = 0.5 }: BoxPictureOptions,
  sidesOf: (boxes: BoxArray, i: number) => Mark["sides"],
  isShown: (boxes: BoxArray, i: number) => boolean = () => true,
): Mark[] {
  const own: Mark[] = [];
  for (let i = 0; i < (truth?.labels.length ?? 0); i++) {
    if (!truth || !isShown(truth.boxes, i)) continue;
    const faint = truth.difficult?.[i] || truth.crowd?.[i];
    own.push({ sides: sidesOf(truth.boxes, i), color: faint ? [150, 150, 150] : white, dashed: true });
  }
  const order = Array.from(scores, (_, i) => i).filter((i) => scores[i] >= minScore && isShown(boxes, i));
  order.sort((a, b) => scores[a] - scores[b] || b - a);
  for (const i of order) {
    const name = classes[labels[i]] ?? `class ${labels[i]}`;
    const color = colorOf(classColor(labels[i]).dark);
    own.push({ sides: sidesOf(boxes, i), color, text: `${name} ${scores[i].toFixed(2)}`, dashed: false });
  }
  return own;
}

function drawMarks(canvas: Canvas, marks: readonly Mark[]): void {
  // All halos below all lines, so that none darkens a line that another follows.
  for (const { sides } of marks) canvas.outline(...sides, black, lineWidth + 2, 0.35);
  for (const { sides, color, dashed } of marks) {
    canvas.outline(...sides, color, dashed ? lineWidth - 0.5 : lineWidth, 1, dashed ? dash : undefined);
  }
  const taken: Mark["sides"][] = [];
  // The surest name their boxes first, and so have the best places.
  for (const mark of [...marks].reverse()) if (mark.text !== undefined) drawTag(canvas, mark, mark.text, taken);
}

/** A name in a plate of its colour: above its box, or inside it, or below, wherever no other plate is. */
function drawTag(canvas: Canvas, { sides, color }: Mark, text: string, taken: Mark["sides"][]): void {
  const { width, height } = textSize(text);
  const [left, top, right, bottom] = sides;
  const plate = { width: width + 6, height: height + 1 };
  const half = lineWidth / 2;
  const plateAt = (x: number, y: number): Mark["sides"] => {
    const a = Math.round(Math.max(0, Math.min(x, canvas.width - plate.width)));
    const b = Math.round(Math.max(0, Math.min(y, canvas.height - plate.height)));
    return [a, b, a + plate.width, b + plate.height];
  };
  const places = [
    plateAt(left - half, top - plate.height - half + 1),
    plateAt(left - half, top - half),
    plateAt(right + half - plate.width, top - plate.height - half + 1),
    plateAt(left - half, bottom + half - 1),
    plateAt(right + half - plate.width, bottom - plate.height + half),
    plateAt(left - half, bottom - plate.height + half),
  ];
  const free = places.find((place) => taken.every((other) => !overlap(place, other))) ?? places[0];
  taken.push(free);
  canvas.fill(...free, color, 0.92);
  const [r, g, b] = color;
  canvas.text(text, free[0] + 3, free[1], 0.299 * r + 0.587 * g + 0.114 * b > 140 ? black : white);
}

function overlap(a: Mark["sides"], b: Mark["sides"]): boolean {
  return a[0] < b[2] && b[0] < a[2] && a[1] < b[3] && b[1] < a[3];
}

/** White letters that can be read on any ground. */
function shadowed(canvas: Canvas, text: string, left: number, top: number): void {
  const { width, height } = textSize(text);
  canvas.fill(left - 3, top, left + width + 3, top + height + 1, black, 0.45);
  canvas.text(text, left, top, white);
}
