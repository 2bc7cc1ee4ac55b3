/** The patch a classifier saw of a case: its middle slice, or where the mask is fullest, with the mask's outline. */
import type { CaseProbabilities } from "../../metrics/index.ts";
import type { Volume } from "../../volume/index.ts";
import { spacingOf } from "../../volume/index.ts";
import { mapAxes } from "../../volume/types.ts";
import { outlines, ringsPath } from "../draw/contour.ts";
import { type Markup, markup, trusted } from "../draw/markup.ts";
import { fixed } from "../draw/numbers.ts";
import { grayImage, grayPng, pngDataUri, squarePixels } from "../draw/raster.ts";
import {
  cutSlice,
  findForeground,
  fullestSlice,
  planeView,
  type VoxelBox,
  wholeBox,
  windowOf,
} from "../draw/slices.ts";
import { classColor } from "../draw/theme.ts";
import type { Convention } from "../pages/input.ts";

/** What a picture of a case is made from. */
export interface ClassifiedVolumes {
  readonly image: Volume;
  /** Label map of the lesion on the image's grid. */
  readonly mask?: Volume;
  /** Values shown as black and white. */
  readonly window?: readonly [low: number, high: number];
  /** Size along x, y, z of the part in the middle that the network saw; all of it where left out. */
  readonly patchMm?: readonly [number, number, number];
}

const embeddedPixels = 240;

export function classifiedFigure(
  { case: name, truth, probabilities }: CaseProbabilities,
  classes: readonly string[],
  { image, mask, window, patchMm }: ClassifiedVolumes,
  convention: Convention,
): Markup {
  const box = patchMm === undefined ? wholeBox(image) : middleBox(image, patchMm);
  const view = planeView(image.affine, "axial", convention);
  const through = view.axes[2];
  const foreground = mask && findForeground(mask);
  const middle = Math.floor((box.low[through] + box.high[through]) / 2);
  const fullest = foreground?.box ? fullestSlice(foreground, through) : middle;
  const index = Math.min(Math.max(fullest, box.low[through]), box.high[through]);
  const gray = cutSlice(image, view, index, box);
  const [width, height] = [gray.width * gray.pitchMm[0], gray.height * gray.pitchMm[1]];
  const shown = window ?? windowOf(image, box);
  const source = pngDataUri(grayPng(grayImage(gray, shown, ...squarePixels(gray, embeddedPixels))));
  const path = mask ? ringsPath(outlines(cutSlice(mask, view, index, box), 1)) : "";
  const color = trusted(`style="stroke:${classColor(1).dark}"`);
  const line =
    path !== "" &&
    markup`<path class="outline truth" vector-effect="non-scaling-stroke" d="${trusted(path)}" ${color}/>`;
  const said = `${name}, axial slice ${index + 1} of ${image.size[through]}${path === "" ? "" : ", mask outlined"}`;
  const p = probabilities[truth];
  return markup`<figure><div class="picture">
<svg viewBox="0 0 ${round(width)} ${round(height)}" role="img" aria-label="${said}">
<image href="${trusted(source)}" width="${round(width)}" height="${round(height)}" preserveAspectRatio="none"/>
<g transform="scale(${gray.pitchMm[0] / 2} ${gray.pitchMm[1] / 2})">${line}</g>
</svg></div><figcaption><b>${name}</b>${classes[truth]}, given ${fixed(p, 2)}</figcaption></figure>`;
}

/** The box of so many millimetres around the middle of a volume, as far as it lies inside. */
function middleBox(image: Volume, patchMm: readonly [number, number, number]): VoxelBox {
  const spacing = spacingOf(image.affine);
  const size = mapAxes(image.size, (n, axis) => Math.min(n, Math.max(1, Math.round(patchMm[axis] / spacing[axis]))));
  const low = mapAxes(image.size, (n, axis) => Math.floor((n - size[axis]) / 2));
  const high = mapAxes(low, (from, axis) => from + size[axis] - 1);
  return { low, high };
}

function round(value: number): number {
  return Math.round(value * 1000) / 1000;
}
