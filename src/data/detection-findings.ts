/**
 * Findings in volumes (3D): tables in world millimetres, and readers' outlines of lidc-ct.
 *
 * A table has one line per finding and a column that names its scan: `seriesuid`, `case`, `image` or `id`; then either
 * `coordX, coordY, coordZ, diameter_mm`, a ball (LUNA16; ITK's LPS), or `x1, y1, z1, x2, y2, z2`, a box (RAS unless told
 * otherwise). `class`, `difficult`, `split` and `group` are optional. Scans are the volumes of a folder, by file name; a scan
 * that the table does not mention has no finding.
 */
import { readFile } from "node:fs/promises";
import { basename, dirname, extname, isAbsolute, join, resolve } from "node:path";
import { z } from "zod";
import { voxelBoxOf, voxelBoxOfBall, type WorldSpace } from "../boxes/index.ts";
import { DataError } from "../errors.ts";
import { caseName, readVolumeHeader } from "../files/index.ts";
import { eachAxis, type Grid, type Vec3 } from "../volume/types.ts";
import { isVolumeName } from "./case-id.ts";
import { parseCsv } from "./csv.ts";
import { checkDescription } from "./description.ts";
import type { DetectionDataset, DetectionItem, OpenDetectionOptions } from "./detection.ts";
import { classesByName, collectBoxes, type GivenBox, numberOf, Problems, splitNamed } from "./detection-boxes.ts";
import { namesIn } from "./detection-voc.ts";

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
  const problems = new Problems();
  const folder = options.images ?? (await volumeFolder(dirname(file)));
  const volumes = new Map((await volumesIn(folder)).map((path) => [caseName(path), path]));
  const byScan = new Map<string, WorldFinding[]>([...volumes.keys()].map((id) => [id, []]));
  for (const finding of findings) {
    const id = caseName(finding.scan);
    const own = byScan.get(id) ?? [];
    own.push(finding);
    byScan.set(id, own);
  }
  const named = findings.flatMap(({ className }) => className ?? []);
  const nameless = findings.length === 0 || findings.some(({ className }) => className === undefined);
  const classes = classesByName(nameless ? [...named, balls ? "nodule" : "lesion"] : named, options.classes, file);
  const place = new Map(classes.map(({ name }, k) => [name, k]));
  const items: DetectionItem[] = [];
  for (const [id, own] of [...byScan].sort(([a], [b]) => (a < b ? -1 : 1))) {
    options.signal?.throwIfAborted();
    const listed = own[0]?.scan ?? id;
    const path = volumes.get(id) ?? (isAbsolute(listed) ? listed : resolve(folder, listed));
    const grid = await gridOf(path, id, problems);
    const given = own.map((finding): GivenBox => {
      const className = finding.className ?? classes[0].name;
      const about = { number: finding.line, what: `line ${finding.line}`, label: place.get(className), className };
      return { ...about, difficult: finding.difficult, ...cornersOf(finding, grid, space) };
    });
    const where = { id, file: basename(file), axes: 3, size: grid?.size } as const;
    // Without its volume a finding has no place in voxels; the missing volume is reported instead.
    const boxes = collectBoxes(grid === undefined ? [] : given, where, problems);
    if (grid === undefined) problems.skipped += own.length;
    const { split, group } = own.find((finding) => finding.split ?? finding.group) ?? {};
    items.push({
      id,
      image: path,
      ...(grid ? { size: grid.size } : {}),
      ...boxes,
      ...(split ? { split } : {}),
      ...(group ? { group } : {}),
    });
  }
  const about = { name: basename(file, extname(file)), root: dirname(file), source: file, format: "csv" } as const;
  return { ...about, axes: 3, classes, items, problems: problems.list, skipped: problems.skipped };
}

function cornersOf(
  { ball, box }: WorldFinding,
  grid: Grid | undefined,
  space: WorldSpace,
): Pick<GivenBox, "corners" | "asWritten"> {
  const nowhere = Array<number>(6).fill(Number.NaN);
  if (grid === undefined) return { corners: nowhere };
  if (ball) {
    if (!(ball.diameterMm >= 0)) return { corners: nowhere };
    return { corners: [...voxelBoxOfBall(ball, grid.affine, space)] };
  }
  if (box === undefined) return { corners: nowhere };
  // Written corners are looked at too: turned into voxels, an inverted box is a sound one.
  return { corners: [...voxelBoxOf(box.low, box.high, grid.affine, space)], asWritten: [...box.low, ...box.high] };
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
  let parsed: unknown;
  try {
    parsed = JSON.parse(await readText(file));
  } catch (cause) {
    if (cause instanceof DataError) throw cause;
    throw new DataError(`${file}: not valid JSON (${(cause as Error).message})`, { cause });
  }
  const problems = new Problems();
  const folder = options.images ?? join(dirname(file), "ct_2mm");
  const classes = classesByName(["nodule"], options.classes, file);
  const items: DetectionItem[] = [];
  for (const [id, { nodules }] of Object.entries(checkDescription(nodulesDocument, parsed, file))) {
    const image = join(folder, `${id}_ct.nii.gz`);
    const grid = await gridOf(image, id, problems);
    const given = nodules.map(
      ({ readers, box_in_ct_2mm_xyz_lo_hi }, i): GivenBox => ({
        number: i + 1,
        what: `nodule ${i + 1}`,
        corners: box_in_ct_2mm_xyz_lo_hi,
        label: 0,
        difficult: readers < minReaders,
      }),
    );
    const boxes = collectBoxes(given, { id, file: basename(file), axes: 3, size: grid?.size }, problems);
    items.push({ id, image, group: id, ...(grid ? { size: grid.size } : {}), ...boxes });
  }
  const root = dirname(file);
  const about = { name: basename(root), root, source: file, format: "nodules", axes: 3 } as const;
  return { ...about, classes, items, problems: problems.list, skipped: problems.skipped };
}

/** The grid of a volume from its header; where it cannot be read, a problem. */
export async function gridOf(path: string, id: string, problems: Problems): Promise<Grid | undefined> {
  try {
    const { size, affine } = await readVolumeHeader(path);
    return { size, affine };
  } catch (error) {
    const { message } = error as Error;
    const rule = message.includes("no such file") ? "missing-file" : "unreadable";
    problems.add({ severity: "error", case: id, rule, message: message.replace(path, basename(path)) });
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
  const names = await namesIn(folder).catch(() => []);
  return names.filter((name) => isVolumeName(name) && !/\.img(\.gz)?$/i.test(name)).map((name) => join(folder, name));
}

/** @throws DataError naming the file */
export async function readText(file: string): Promise<string> {
  return readFile(file, "utf8").catch((cause: NodeJS.ErrnoException) => {
    throw new DataError(`${file}: cannot be read (${cause.code})`, { cause });
  });
}
