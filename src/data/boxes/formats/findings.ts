/**
 * Findings in volumes (3D): tables in world millimetres, and readers' outlines of lidc-ct.
 *
 * A table has one line per finding and a column that names its scan: `seriesuid`, `case`, `image` or `id`; then either
 * `coordX, coordY, coordZ, diameter_mm`, a ball (LUNA16; ITK's LPS), or `x1, y1, z1, x2, y2, z2`, a box (RAS unless told
 * otherwise). `class`, `difficult`, `split` and `group` are optional. Scans are the volumes of a folder, by file name; a scan
 * that the table does not mention has no finding.
 */
import { stat } from "node:fs/promises";
import { basename, dirname, extname, isAbsolute, join, resolve } from "node:path";
import { z } from "zod";
import { swapLpsRas, voxelBoxOf, voxelBoxOfBall, type WorldSpace, worldBoxOf } from "../../../boxes/index.ts";
import { DataError } from "../../../errors.ts";
import { readVolumeHeader } from "../../../files/index.ts";
import { eachAxis, type Grid, type Vec3 } from "../../../volume/types.ts";
import { caseIds, idOf, isVolumeName } from "../../case-id.ts";
import { parseCsv } from "../../csv.ts";
import { checkDescription } from "../../lists/description.ts";
import { readJson, readText } from "../../text.ts";
import { boxesText, classesByName, collectBoxes, type GivenBox, numberOf, Problems, splitNamed } from "../collect.ts";
import type { DetectionDataset, DetectionItem, OpenDetectionOptions, WorldPlace } from "../types.ts";
import { namesIn } from "./voc.ts";

/** One line of a table. */
export interface WorldFinding {
  readonly line: number;
  readonly scan: string;
  readonly className?: string;
  readonly difficult: boolean;
  /** In the table's own space. */
  readonly ball?: { readonly centreMm: Vec3; readonly diameterMm: number };
  readonly box?: { readonly low: Vec3; readonly high: Vec3 };
  readonly split?: DetectionItem["split"];
  readonly group?: string;
}

const scanColumns = ["seriesuid", "case", "image", "id"];

/**
 * The lines of a table of findings, without looking for volumes: what scoring needs.
 * @throws DataError naming file and line
 */
export function parseFindings(text: string, file: string): { findings: WorldFinding[]; balls: boolean } {
  const { columns, rows } = parseCsv(text, file);
  const named = (name: string): string | undefined => columns.find((c) => c.toLowerCase() === name.toLowerCase());
  const scan = scanColumns.map(named).find((c) => c !== undefined);
  if (scan === undefined)
    throw new DataError(`${file}: line 1: no column for the scan; expected ${scanColumns.join(", ")}`);
  const ball = ["coordX", "coordY", "coordZ", "diameter_mm"].map(named);
  const box = ["x1", "y1", "z1", "x2", "y2", "z2"].map(named);
  const balls = ball.every((c) => c !== undefined);
  if (!balls && !box.every((c) => c !== undefined)) {
    throw new DataError(
      `${file}: line 1: expected the columns coordX, coordY, coordZ, diameter_mm or x1, y1, z1, x2, y2, z2`,
    );
  }
  const optional = Object.fromEntries(
    ["class", "label", "difficult", "split", "group"].map((name) => [name, named(name)]),
  );
  const findings = rows.map(({ line, fields }): WorldFinding => {
    const field = (name: string): string => (optional[name] === undefined ? "" : fields[optional[name]]);
    const number = (column: string | undefined): number => numberOf(fields[column as string]);
    const split = splitNamed(field("split"));
    if (field("split") !== "" && split === undefined) {
      throw new DataError(
        `${file}: line ${line}: split: expected train, validation or test, found "${field("split")}"`,
      );
    }
    const className = field("class") || field("label");
    const group = field("group");
    const place = balls
      ? { ball: { centreMm: eachAxis((axis) => number(ball[axis])), diameterMm: number(ball[3]) } }
      : {
          box: {
            low: eachAxis((axis) => number(box[axis])),
            high: eachAxis((axis) => number(box[3 + axis])),
          },
        };
    return {
      line,
      scan: fields[scan],
      difficult: /^(1|true|yes)$/i.test(field("difficult")),
      ...place,
      ...(className ? { className } : {}),
      ...(split ? { split } : {}),
      ...(group ? { group } : {}),
    };
  });
  return { findings, balls };
}

/** @throws DataError naming file and line, or where no volume is found */
export async function readWorldCsv(file: string, options: OpenDetectionOptions = {}): Promise<DetectionDataset> {
  const { findings, balls } = parseFindings(await readText(file), file);
  const space: WorldSpace = options.space ?? (balls ? "LPS" : "RAS");
  const problems = new Problems(options);
  const folder = options.images ?? (await volumeFolder(dirname(file)));
  const name = basename(file, extname(file));
  const scans = await scansOf(findings, folder, dirname(file), name, problems);
  const nameless = balls ? "nodule" : "lesion";
  const named = findings.flatMap(({ className }) => className || []);
  const some = findings.length === 0 || named.length < findings.length;
  const declared = [...new Set(some ? [...named, nameless] : named)].sort();
  const classes = classesByName(declared, options.classes, file);
  const place = new Map(classes.map((one, k) => [one.name, k]));
  // One class that is asked for is what findings without a class are.
  const asked = options.classes?.length === 1 && !place.has(nameless) ? options.classes[0] : nameless;
  const items: DetectionItem[] = [];
  for (const { id, path, findings: listed } of scans) {
    options.signal?.throwIfAborted();
    const grid = await gridOf(path, id, problems, listed.length);
    if (grid === undefined) continue;
    const given = listed.map((finding): GivenBox => {
      const className = finding.className || asked;
      const about = { number: finding.line, what: `line ${finding.line}`, label: place.get(className), className };
      return { ...about, difficult: finding.difficult, ...cornersOf(finding, grid, space) };
    });
    const { split, group } = listed.find((finding) => finding.split ?? finding.group) ?? {};
    items.push({
      id,
      image: path,
      annotation: file,
      size: grid.size,
      ...collectBoxes(given, { id, file: basename(file), axes: 3, size: grid.size }, problems),
      ...(split ? { split } : {}),
      ...(group ? { group } : {}),
    });
  }
  const about = { name, root: dirname(file), source: file, format: "csv" } as const;
  return { ...about, axes: 3, classes, declared, items, ...problems.done(name, 1) };
}

interface ListedScan {
  readonly id: string;
  readonly path: string;
  readonly findings: readonly WorldFinding[];
}

/**
 * The volumes of the folder and those that only the table names, each with its findings, in order of id. Scans of one name in
 * several folders are several scans.
 */
async function scansOf(
  findings: readonly WorldFinding[],
  folder: string,
  root: string,
  dataset: string,
  problems: Problems,
): Promise<ListedScan[]> {
  const volumes = new Map<string, string>();
  for (const path of await volumesIn(folder)) {
    const twin = volumes.get(idOf(path));
    if (twin === undefined) volumes.set(idOf(path), path);
    else {
      const message = `${basename(twin)} and ${basename(path)} are both called ${idOf(path)}; the second is left out`;
      problems.add({ case: dataset, rule: "duplicate-id", message }, { images: 1 });
    }
  }
  const byPath = new Map<string, WorldFinding[]>([...volumes.values()].map((path) => [path, []]));
  const places = new Map<string, string>();
  for (const finding of findings) {
    const path = places.get(finding.scan) ?? (await placeOf(finding.scan, volumes, folder, root));
    places.set(finding.scan, path);
    const listed = byPath.get(path) ?? [];
    listed.push(finding);
    byPath.set(path, listed);
  }
  const paths = [...byPath.keys()];
  const ids = caseIds(paths, root);
  return paths
    .map((path, i) => ({ id: ids[i], path, findings: byPath.get(path) as WorldFinding[] }))
    .sort((a, b) => (a.id < b.id ? -1 : 1));
}

/** A path is a path, where it leads somewhere; a bare name, or what leads nowhere, is looked for in the folder. */
async function placeOf(
  scan: string,
  volumes: ReadonlyMap<string, string>,
  folder: string,
  root: string,
): Promise<string> {
  if (/[/\\]/.test(scan)) {
    const given = scan.replaceAll("\\", "/");
    for (const place of isAbsolute(given) ? [given] : [resolve(folder, given), resolve(root, given)]) {
      if ((await stat(place).catch(() => undefined))?.isFile()) return place;
    }
  }
  return volumes.get(idOf(scan)) ?? (isAbsolute(scan) ? scan : resolve(folder, scan));
}

/** The voxel box of a finding, what it was made from, and how it stands in the file. */
function cornersOf(
  { ball, box }: WorldFinding,
  grid: Grid,
  space: WorldSpace,
): Pick<GivenBox, "corners" | "asWritten" | "finding" | "wrong"> {
  const ras = (point: Vec3): Vec3 => (space === "LPS" ? swapLpsRas(point) : point);
  const nowhere = Array<number>(6).fill(Number.NaN);
  if (ball) {
    if (!(ball.diameterMm >= 0)) return { corners: nowhere, wrong: `diameter ${ball.diameterMm} mm is not one` };
    const corners = [...voxelBoxOfBall(ball, grid.affine, space)];
    return { corners, finding: { centreMm: ras(ball.centreMm), diameterMm: ball.diameterMm } };
  }
  if (box === undefined) return { corners: nowhere };
  const { low, high } = box;
  const centreMm = ras([(low[0] + high[0]) / 2, (low[1] + high[1]) / 2, (low[2] + high[2]) / 2]);
  const diameterMm = Math.cbrt((high[0] - low[0]) * (high[1] - low[1]) * (high[2] - low[2]));
  // Written corners are looked at too: turned into voxels, an inverted box is a sound one.
  const corners = [...voxelBoxOf(low, high, grid.affine, space)];
  return { corners, asWritten: [...low, ...high], finding: { centreMm, diameterMm } };
}

const nodulesDocument = z.record(
  z.string(),
  z.looseObject({
    nodules: z.array(z.looseObject({ readers: z.number(), box_in_ct_2mm_xyz_lo_hi: z.array(z.number()).length(6) })),
  }),
);

/**
 * Nodules that readers outlined, with the 2 mm volumes beside them. Those that fewer than `minReaders` marked are kept as
 * difficult: there is something, but it is not for certain.
 */
export async function readNodulesJson(file: string, options: OpenDetectionOptions = {}): Promise<DetectionDataset> {
  const { minReaders = 3 } = options;
  const problems = new Problems(options);
  const folder = options.images ?? join(dirname(file), "ct_2mm");
  const declared = ["nodule"];
  const classes = classesByName(declared, options.classes, file);
  const label = classes.findIndex(({ name }) => classes.length === 1 || name === "nodule");
  const items: DetectionItem[] = [];
  for (const [id, { nodules }] of Object.entries(checkDescription(nodulesDocument, await readJson(file), file))) {
    const image = join(folder, `${id}_ct.nii.gz`);
    const grid = await gridOf(image, id, problems, nodules.length);
    if (grid === undefined) continue;
    const given = nodules.map(
      ({ readers, box_in_ct_2mm_xyz_lo_hi: corners }, i): GivenBox => ({
        number: i + 1,
        what: `nodule ${i + 1}`,
        corners,
        label: label < 0 ? undefined : label,
        className: "nodule",
        difficult: readers < minReaders,
        finding: findingOf(corners, grid),
      }),
    );
    const boxes = collectBoxes(given, { id, file: basename(file), axes: 3, size: grid.size }, problems);
    items.push({ id, image, annotation: file, group: id, size: grid.size, ...boxes });
  }
  const root = dirname(file);
  const about = { name: basename(root), root, source: file, format: "nodules", axes: 3 } as const;
  return { ...about, classes, declared, items, ...problems.done(about.name, 1) };
}

function findingOf(corners: readonly number[], { affine }: Grid): WorldPlace {
  const { centreMm, sizeMm } = worldBoxOf(corners, 0, affine);
  return { centreMm, diameterMm: Math.cbrt(sizeMm[0] * sizeMm[1] * sizeMm[2]) };
}

/** The grid of a volume from its header; where it cannot be read, a problem, with the boxes that are left out with it. */
export async function gridOf(path: string, id: string, problems: Problems, boxes = 0): Promise<Grid | undefined> {
  try {
    const { size, affine } = await readVolumeHeader(path);
    return { size, affine };
  } catch (error) {
    const { message } = error as Error;
    const rule = message.includes("no such file") ? "missing-file" : "unreadable";
    const rest = boxes > 0 ? ` with its ${boxesText(boxes)}` : "";
    const fact = message.replace(path, basename(path));
    problems.add({ case: id, rule, message: `${fact}; left out${rest}` }, { boxes, images: 1 });
    return undefined;
  }
}

async function volumeFolder(beside: string): Promise<string> {
  for (const name of ["images", "imagesTr"]) {
    if ((await volumesIn(join(beside, name))).length > 0) return join(beside, name);
  }
  return beside;
}

async function volumesIn(folder: string): Promise<string[]> {
  const names = (await stat(folder).catch(() => undefined))?.isDirectory() ? await namesIn(folder) : [];
  return names.filter((name) => isVolumeName(name) && !/\.img(\.gz)?$/i.test(name)).map((name) => join(folder, name));
}
