/**
 * One case in three planes: gray slices with the outlines of truth (solid) and prediction (dashed) as vector paths,
 * which stay crisp at any size over a picture of few pixels.
 */
import type { CaseScores, LabelNames } from "../../metrics/index.ts";
import { listLabels } from "../../metrics/index.ts";
import { outlines, ringsPath } from "../draw/contour.ts";
import { type Markup, markup, trusted } from "../draw/markup.ts";
import { fixed } from "../draw/numbers.ts";
import { grayImage, grayPng, pngDataUri, squarePixels } from "../draw/raster.ts";
import {
  boxToShow,
  checkSameSize,
  cutSlice,
  findForeground,
  fullestSlice,
  type Plane,
  type PlaneView,
  planes,
  planeView,
  windowOf,
} from "../draw/slices.ts";
import { classColor } from "../draw/theme.ts";
import type { CaseVolumes, Convention } from "../pages/input.ts";

/** Pixels on the longer side of an embedded slice: enough for a third of a page on a fine screen. */
const embeddedPixels = 480;

const kinds = ["truth", "prediction"] as const;

const planeNames: Record<Plane, string> = { axial: "Axial", coronal: "Coronal", sagittal: "Sagittal" };

/**
 * @param role what the case stands for: `Best`, `Median`, `Worst`
 * @throws GeometryError where the label maps have another size than the image
 */
export function caseFigure(
  role: string,
  scores: CaseScores,
  volumes: CaseVolumes,
  labels: LabelNames,
  convention: Convention,
): Markup {
  const { image, truth, prediction } = volumes;
  checkSameSize(image, truth, "truth", scores.case);
  checkSameSize(image, prediction, "prediction", scores.case);
  const trueForeground = findForeground(truth);
  const predictedForeground = findForeground(prediction);
  const box = boxToShow(image, [trueForeground, predictedForeground]);
  const window = volumes.window ?? windowOf(image, box);
  const chosenBy = trueForeground.box ? trueForeground : predictedForeground;

  const listed = listLabels(labels);

  const pictures = planes.map((plane) => {
    const view = planeView(image.affine, plane, convention);
    const through = view.axes[2];
    const index = fullestSlice(chosenBy, through);
    const gray = cutSlice(image, view, index, box);
    const [width, height] = [gray.width * gray.pitchMm[0], gray.height * gray.pitchMm[1]];
    const source = pngDataUri(grayPng(grayImage(gray, window, ...squarePixels(gray, embeddedPixels))));
    const [trueSlice, predictedSlice] = [truth, prediction].map((map) => cutSlice(map, view, index, box));
    const paths = [trueSlice, predictedSlice].flatMap((slice, which) =>
      listed.map(({ label, name }, i) => {
        const path = ringsPath(outlines(slice, label));
        return { path, kind: kinds[which], name, color: classColor(i).dark };
      }),
    );
    const visible = paths.filter(({ path }) => path !== "");
    // All halos below all lines, so that none darkens a line that another follows.
    const drawn = [visible.map(halo), visible.map(outline)];
    const place = `slice ${index + 1} of ${image.size[through]}`;
    const said = `${scores.case}, ${plane} ${place}: outlines of truth (solid) and prediction (dashed)`;
    const aspect = width / height;
    // Rows of equal height: each picture grows in proportion to its width (by more than 1, so that one alone fills a row).
    return markup`<figure style="flex:${round(100 * aspect)} 1 ${Math.round(150 * aspect)}px"><div class="picture">
<svg viewBox="0 0 ${round(width)} ${round(height)}" role="img" aria-label="${said}">
<image href="${trusted(source)}" width="${round(width)}" height="${round(height)}" preserveAspectRatio="none"/>
<g transform="scale(${gray.pitchMm[0] / 2} ${gray.pitchMm[1] / 2})">${drawn}</g>
</svg>${edgeMarks(view.edges, width)}</div><figcaption>${planeNames[plane]}, ${place}</figcaption></figure>`;
  });
  const perClass = scores.classes.map((c) => `${c.name} ${fixed(c.dice, 3)}`).join(" · ");
  const said = scores.classes.length > 4 ? `mean Dice ${fixed(scores.meanDice, 3)}` : `Dice: ${perClass}`;
  return markup`<article class="case">
<header><h3><span class="role">${role}</span> ${scores.case}</h3><p>${said}</p></header>
<div class="planes">${pictures}</div>
</article>`;
}

/** Which colour is which class, and which line is truth. */
export function outlineKey(labels: LabelNames): Markup {
  const swatch = (inside: Markup) => markup`<svg class="swatch" viewBox="0 0 26 8" aria-hidden="true">${inside}</svg>`;
  const classes = listLabels(labels).map(({ name }, i) => {
    const color = trusted(classColor(i).dark);
    return markup`<li>${swatch(markup`<rect width="26" height="8" rx="2" style="fill:${color}"/>`)}${name}</li>`;
  });
  const lines = kinds.map((kind) => {
    const line = markup`<path class="outline ${kind}" d="M0 4h26" style="stroke:var(--ink)"/>`;
    return markup`<li>${swatch(line)}${kind}, ${kind === "truth" ? "solid" : "dashed"}</li>`;
  });
  return markup`<ul class="key">${classes}${lines}</ul>`;
}

/** Letters of the patient's directions at the four edges, and a bar of a round length. */
function edgeMarks(edges: PlaneView["edges"], widthMm: number): Markup {
  const letters = (["left", "right", "top", "bottom"] as const).map(
    (side, i) => markup`<i class="${side}" aria-hidden="true">${edges[i]}</i>`,
  );
  const barMm = roundLength(widthMm / 4);
  const share = round((100 * barMm) / widthMm);
  return markup`${letters}<i class="bar" style="width:${share}%" aria-hidden="true">${barMm}\u00a0mm</i>`;
}

interface OutlinePath {
  readonly path: string;
  readonly kind: (typeof kinds)[number];
  readonly name: string;
  readonly color: string;
}

/** Widths are in screen pixels whatever the voxel size. */
function outline({ path, kind, name, color }: OutlinePath): Markup {
  const style = trusted(`style="stroke:${color}"`);
  return markup`<path class="outline ${kind}" ${unscaled} d="${trusted(path)}" ${style}><title>${name}, ${kind}</title></path>`;
}

/** Keeps the line visible on bright tissue. */
function halo({ path, kind }: OutlinePath): Markup {
  return markup`<path class="outline ${kind} halo" ${unscaled} d="${trusted(path)}"/>`;
}

const unscaled = trusted('vector-effect="non-scaling-stroke"');

/** 1, 2 or 5 times a power of ten, at most `mm`. */
function roundLength(mm: number): number {
  const power = 10 ** Math.floor(Math.log10(mm));
  const share = mm / power;
  return Number(((share >= 5 ? 5 : share >= 2 ? 2 : 1) * power).toPrecision(3));
}

function round(value: number): number {
  return Math.round(value * 1000) / 1000;
}
