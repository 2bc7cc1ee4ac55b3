import { existsSync, readFileSync } from "node:fs";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { gunzipSync } from "node:zlib";
import fc from "fast-check";
import { decode } from "fast-png";
import { describe, expect, it } from "vitest";
import { ConfigError, GeometryError } from "../../errors.ts";
import { type CaseScores, evaluateSegmentation, summarise } from "../../metrics/index.ts";
import { random } from "../../random.ts";
import { decodeNifti, spacingOf, type Vec3, type Volume } from "../../volume/index.ts";
import { overlayPng } from "../draw/overlay.ts";
import { classColors } from "../draw/theme.ts";
import type { CaseVolumes, ReportInput } from "./input.ts";
import { renderReport, shownCases } from "./segmentation.ts";
import { writeReport } from "./write.ts";

const size: Vec3 = [12, 10, 8];
const affine = [2, 0, 0, 5, 0, 1, 0, -3, 0, 0, 3, 0, 0, 0, 0, 1];

/** A box of class 1 next to a box of class 2, the second of which the prediction shifts by `miss` voxels along x. */
function volumes(miss: number): CaseVolumes {
  const box = (label: number, from: Vec3, to: Vec3, into: Uint8Array): void => {
    for (let z = from[2]; z < to[2]; z++) {
      for (let y = from[1]; y < to[1]; y++) {
        for (let x = from[0]; x < to[0]; x++) into[x + size[0] * (y + size[1] * z)] = label;
      }
    }
  };
  const [truth, prediction] = [new Uint8Array(960), new Uint8Array(960)];
  for (const into of [truth, prediction]) box(1, [2, 2, 2], [5, 8, 6], into);
  box(2, [6, 2, 2], [9, 8, 5], truth);
  box(2, [6 + miss, 2, 2], [9 + miss, 8, 5], prediction);
  const image = Float32Array.from({ length: 960 }, (_, i) => (i * 37) % 101);
  const on = <T extends Uint8Array | Float32Array>(data: T): Volume<T> => ({ data, size, affine, channels: 1 });
  return { image: on(image), truth: on(truth), prediction: on(prediction) };
}

/** A report in which every string that comes from outside is made by `name`. */
function example(
  name: (what: string) => string = (what) => what,
  count = 4,
): { input: ReportInput; shown: Map<string, CaseVolumes> } {
  const shown = new Map<string, CaseVolumes>();
  const cases: CaseScores[] = Array.from({ length: count }, (_, i) => {
    const made = volumes(i);
    const id = name(`case ${i}`);
    shown.set(id, made);
    return evaluateSegmentation(made.truth.data, made.prediction.data, {
      case: id,
      size,
      spacingMm: spacingOf(affine),
      labels: { 1: name("first class"), 2: name("second class") },
    });
  });
  const input: ReportInput = {
    title: name("Two boxes"),
    lead: name("a lead"),
    summary: summarise(cases, { resamples: 200 }),
    cases,
    history: [1, 2, 3].map((epoch) => ({
      epoch,
      trainLoss: 1 / epoch,
      scores: { [name("first class")]: 0.3 * epoch, [name("second class")]: 0.2 * epoch },
      learningRate: 1e-3,
      seconds: 2,
    })),
    bestEpoch: 3,
    asked: { task: name("segmentation"), nested: { [name("a key")]: [name("a"), name("b")], list: [{ deep: null }] } },
    machine: {
      cpu: name("a processor"),
      cores: 2,
      device: name("cpu"),
      system: name("Linux"),
      versions: { medvox: name("0.1.0"), [name("engine")]: name("1.0") },
      date: name("2025-11-23T04:30:00Z"),
      seconds: 126,
    },
    command: name("npx medvox demo"),
    data: [
      {
        name: name("Set"),
        licence: name("CC BY-SA 4.0"),
        source: name("its maker"),
        url: "https://example.org/a?b=1&c",
      },
    ],
  };
  return { input, shown };
}

const render = (name?: (what: string) => string, count?: number): Promise<string> => {
  const { input, shown } = example(name, count);
  return renderReport(input, async (id) => shown.get(id)!);
};

const voidTags = new Set(["meta", "link", "br"]);

/** All tags in order. Fails where a `<` opens anything else, or where tags do not close in the order they opened. */
function tags(html: string): string[] {
  const found: string[] = [];
  const open: string[] = [];
  const pattern = /<(\/?)([a-z0-9]+)((?: [a-zA-Z0-9-]+="[^"<]*")*)(\/?)>|</g;
  const body = html.replace("<!doctype html>", "").replace(/<style>[^<]*<\/style>/, "<style></style>");
  for (const match of body.matchAll(pattern)) {
    const [, closing, tag, , selfClosing] = match;
    if (tag === undefined) throw new Error(`stray <: ${body.slice(match.index, match.index + 80)}`);
    found.push(closing + tag);
    if (closing) expect(open.pop()).toBe(tag);
    else if (!selfClosing && !voidTags.has(tag)) open.push(tag);
  }
  expect(open).toEqual([]);
  return found;
}

describe("renderReport", () => {
  it("says the numbers, the split, the machine and the command", async () => {
    const html = await render();
    const { input } = example();
    expect(html).toContain(`<strong>${input.summary.overall.dice.mean!.toFixed(3)}</strong>`);
    for (const part of [
      "first class",
      "second class",
      "npx medvox demo",
      "a processor",
      "2 min 06 s",
      "CC BY-SA 4.0",
    ]) {
      expect(html).toContain(part);
    }
    expect(html).toContain("<dt>nested.a key</dt><dd>a, b</dd>");
    expect(html).toContain("<dt>nested.list.0.deep</dt><dd>none</dd>");
    expect(html).toContain('<a href="https://example.org/a?b=1&#38;c">Set</a>');
    expect(html).toContain("radiological convention: the patient’s right is on the left");
    expect(html).not.toMatch(/undefined|NaN|\[object/);
  });

  it("shows best, median and worst in three planes, nine pictures with an alternative text each", async () => {
    const html = await render();
    expect([...html.matchAll(/<span class="role">(\w+)<\/span> (case \d)/g)].map((m) => [m[1], m[2]])).toEqual([
      ["Best", "case 0"],
      ["Median", "case 2"],
      ["Worst", "case 3"],
    ]);
    expect(html.match(/<image href="data:image\/png;base64,/g)).toHaveLength(9);
    expect(html).toContain(
      'aria-label="case 3, coronal slice 5 of 10: outlines of truth (solid) and prediction (dashed)"',
    );
    // Voxels of 2 × 1 × 3 mm: an axial slice of 12 × 10 voxels is 24 × 10 mm.
    expect(html).toContain('<svg viewBox="0 0 24 10"');
  });

  it("is well formed, without script and without anything to fetch", async () => {
    const html = await render();
    const found = tags(html);
    expect(found).not.toContain("script");
    const sources = [...html.matchAll(/ (?:src|href|srcset|xlink:href|action|data)="([^"]*)"/g)].map((m) => m[1]);
    for (const source of sources) expect(source).toMatch(/^data:|^https:\/\/example\.org/);
    expect(html).not.toMatch(/url\((?!#)|@import|<iframe|<object|<embed| on[a-z]+="/);
    expect(html).toContain("default-src 'none'");
  });

  it("gives the same bytes for the same input", async () => {
    expect(await render()).toBe(await render());
  });

  it("does with one case, with two, and without pictures or training", async () => {
    expect(await render(undefined, 1)).not.toContain("<h2>Dice by case</h2>");
    expect(await render(undefined, 2)).toContain("<h2>Best and worst case</h2>");
    const { input } = example();
    const bare = await renderReport({ ...input, history: undefined, data: [], lead: undefined });
    tags(bare);
    expect(bare).not.toContain("<image");
    expect(bare).not.toContain("Learning curves");
  });

  it("says where a class is missing", async () => {
    const { input, shown } = example();
    const cases = input.cases.map((scores, i) => {
      const made = shown.get(scores.case)!;
      const prediction = i === 0 ? made.prediction.data.map(() => 0 as never) : made.prediction.data;
      return evaluateSegmentation(made.truth.data, prediction, {
        case: scores.case,
        size,
        spacingMm: [2, 1, 3],
        labels: { 1: "first class", 2: "second class", 3: "third" },
      });
    });
    const html = await renderReport({ ...input, cases, summary: summarise(cases, { resamples: 100 }) });
    tags(html);
    expect(html).toContain("first class: missed altogether in 1 case (Dice and NSD 0, no distance).");
    expect(html).toContain("third: in neither mask in 4 cases (left out).");
    expect(html).toContain('<td class="none" title="in neither mask">–</td>');
  });

  it("refuses volumes of different sizes, naming the case", async () => {
    const { input, shown } = example();
    const odd = { ...volumes(0).truth, size: [12, 10, 7] as Vec3 };
    const load = async (id: string) => ({ ...shown.get(id)!, truth: odd });
    await expect(renderReport(input, load)).rejects.toThrow(GeometryError);
    await expect(renderReport(input, load)).rejects.toThrow("case 0: truth is 12×10×7, the image is 12×10×8");
  });
});

describe("hostile strings", () => {
  const attacks = [
    `"><script>alert(1)</script>`,
    `'><img src=x onerror=alert(1)>`,
    "</style><script>alert(1)</script>",
    "--></title><svg onload=alert(1)>",
    "javascript:alert(1)",
    "$&{alert(1)}`",
    "&lt;script&gt;",
    "\u202egnp.\u0000<b>",
  ];

  it.each(attacks)("%j stays text wherever it comes in", async (attack) => {
    const plain = tags(await render());
    // The number in front keeps names apart and sorted as in the plain report.
    const html = await render((what) => what + attack);
    expect(tags(html)).toEqual(plain);
  });

  it("no string changes the structure of the page", async () => {
    // Without pictures, which cost most of the time; the attacks above went through them too.
    const plain = tags(await renderReport(example().input));
    const unit = fc.oneof(fc.integer({ min: 0, max: 0x7f }), fc.integer({ min: 0, max: 0xffff }));
    await fc.assert(
      fc.asyncProperty(fc.array(unit, { maxLength: 12 }), async (codes) => {
        const tail = String.fromCharCode(...codes);
        expect(tags(await renderReport(example((what) => what + tail).input))).toEqual(plain);
      }),
      { numRuns: 60 },
    );
  });

  it("an address that is not https is text, not a link", async () => {
    const { input } = example();
    for (const url of [
      "javascript:alert(1)",
      "data:text/html,x",
      "http://example.org",
      ' https://a"b',
      "https://a b",
    ]) {
      const html = await renderReport({ ...input, data: [{ name: "Set", url }] });
      expect(html).not.toContain("<a ");
    }
  });
});

describe("writeReport", () => {
  it("writes the page and replaces it only when forced", async () => {
    const folder = await mkdtemp(join(tmpdir(), "medvox-report-"));
    try {
      const path = join(folder, "report.html");
      const { input, shown } = example();
      const load = async (id: string) => shown.get(id)!;
      await writeReport(path, input, load);
      expect(await readFile(path, "utf8")).toBe(await render());
      await expect(writeReport(path, input, load)).rejects.toThrow(ConfigError);
      await writeReport(path, { ...input, title: "Again" }, load, { force: true });
      expect(await readFile(path, "utf8")).toContain("<h1>Again</h1>");
    } finally {
      await rm(folder, { recursive: true });
    }
  });
});

describe("shownCases", () => {
  it("takes fewer where there are fewer", () => {
    const roles = (count: number) => shownCases(example(undefined, count).input.cases).map((c) => c.role);
    expect([1, 2, 3, 4].map(roles)).toEqual([
      ["Case"],
      ["Best", "Worst"],
      ["Best", "Median", "Worst"],
      ["Best", "Median", "Worst"],
    ]);
    expect(shownCases([])).toEqual([]);
  });
});

describe("overlayPng", () => {
  const { image, truth, prediction } = volumes(3);
  const color = (i: number) => [1, 3, 5].map((at) => Number.parseInt(classColors[i].dark.slice(at, at + 2), 16));
  const count = (png: Uint8Array, rgb: number[]) => {
    const { data } = decode(png);
    let n = 0;
    for (let i = 0; i < data.length; i += 3) if (rgb.every((c, k) => data[i + k] === c)) n++;
    return n;
  };

  it("has square pixels of the asked scale", () => {
    const png = decode(overlayPng(image, truth, prediction, { scale: 5 }));
    // 12 × 10 voxels of 2 × 1 mm, five pixels to the finer millimetre.
    expect([png.width, png.height, png.channels]).toEqual([120, 50, 3]);
  });

  it("outlines each class in its colour, and nothing without label maps", () => {
    const both = overlayPng(image, truth, prediction, { scale: 8 });
    expect(count(both, color(0))).toBeGreaterThan(50);
    expect(count(both, color(1))).toBeGreaterThan(50);
    const one = overlayPng(image, truth, undefined, { scale: 8, labels: { 1: "first" } });
    expect(count(one, color(0))).toBeGreaterThan(50);
    expect(count(one, color(1))).toBe(0);
    const { data } = decode(overlayPng(image, undefined, undefined, { plane: "sagittal", slice: 2 }));
    for (let i = 0; i < data.length; i += 3) expect([data[i + 1], data[i + 2]]).toEqual([data[i], data[i]]);
  });

  it("dashes the prediction: less of it is painted than of the same outline as truth", () => {
    const flat = { ...image, data: new Float32Array(960) };
    const solid = count(overlayPng(flat, truth, undefined, { scale: 10, slice: 3 }), color(0));
    const dashed = count(overlayPng(flat, undefined, truth, { scale: 10, slice: 3 }), color(0));
    expect(dashed).toBeGreaterThan(0.4 * solid);
    expect(dashed).toBeLessThan(0.8 * solid);
  });

  it("is the same every time", () => {
    expect(overlayPng(image, truth, prediction)).toEqual(overlayPng(image, truth, prediction));
  });
});

const hippocampus = new URL("../../../../shared/data/Task04_Hippocampus/", import.meta.url);
const present = existsSync(hippocampus);

describe.skipIf(!present)(`a report of real cases${present ? "" : " (skipped: ../shared/data is not here)"}`, () => {
  const read = (folder: string, name: string): Volume =>
    decodeNifti(gunzipSync(readFileSync(new URL(`${folder}/${name}.nii.gz`, hippocampus))), { name });

  it("shows the hippocampus of three cases with every outline in place", async () => {
    const names = ["hippocampus_001", "hippocampus_004", "hippocampus_006"];
    const labels = { 1: "Anterior", 2: "Posterior" };
    const stream = random(4, "report test");
    const predictions = new Map<string, Volume>();
    const cases = names.map((name) => {
      const truth = read("labelsTr", name);
      // One voxel in twelve of the truth goes missing.
      const data = Uint8Array.from(truth.data as Uint8Array, (label) => (stream.integer(12) === 0 ? 0 : label));
      predictions.set(name, { ...truth, data });
      return evaluateSegmentation(truth.data, data, {
        case: name,
        size: truth.size,
        spacingMm: spacingOf(truth.affine),
        labels,
      });
    });
    for (const scores of cases) expect(scores.meanDice).toBeGreaterThan(0.9);
    const { input } = example();
    const html = await renderReport({ ...input, cases, summary: summarise(cases) }, async (name) => ({
      image: read("imagesTr", name),
      truth: read("labelsTr", name),
      prediction: predictions.get(name)!,
    }));
    tags(html);
    // Both classes, truth and prediction, in most of the nine slices; at least in every sagittal one.
    expect(html.match(/<title>Anterior, truth<\/title>/g)!.length).toBeGreaterThanOrEqual(6);
    expect(html.match(/<title>Posterior, prediction<\/title>/g)!.length).toBeGreaterThanOrEqual(6);
    expect(html.length).toBeLessThan(3_000_000);
  });
});
