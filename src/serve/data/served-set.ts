/**
 * The data set that a server has: a folder that is also a set of the Medical Segmentation Decathlon, so that every command takes it.
 *
 * | | |
 * |---|---|
 * | `dataset.json`, `imagesTr`, `labelsTr` | the set; its labels are those of the annotator `final` |
 * | `annotators/NAME/CASE.nii.gz` | labels of others |
 * | `history/CASE/NAME/0001.nii.gz` | every label that ever was; none is changed or removed |
 *
 * Files are written aside, checked, and renamed: whatever ends the server, a label is the old one or the new one.
 */
import { randomUUID } from "node:crypto";
import { createReadStream, existsSync } from "node:fs";
import { readdir, readFile, rename, rm, stat } from "node:fs/promises";
import { dirname, isAbsolute, join, relative, resolve } from "node:path";
import { z } from "zod";
import { checkDescription, checkedJson } from "../../data/index.ts";
import { ConfigError } from "../../errors.ts";
import { caseName, makeFolder, writeFileAtomic } from "../../files/index.ts";
import { takingTurns } from "../../turns.ts";
import { annotatorPattern, namePattern } from "../http/ids.ts";
import { notThere, Refusal } from "../http/refusal.ts";
import { checkImage, checkLabel } from "./check.ts";

const file = z.string().min(1);
const description = z.looseObject({
  name: z.string().default("data set"),
  labels: z.record(z.string().regex(/^\d+$/), z.string()),
  modality: z.record(z.string(), z.string()).default({ "0": "image" }),
  training: z.array(z.looseObject({ image: file, label: file })),
  test: z.array(z.union([file, z.looseObject({ image: file })])).default([]),
});
type Description = z.output<typeof description>;

/** The annotator whose labels are those of the set. */
export const FINAL = "final";
const DESCRIPTION = "dataset.json";
const ANNOTATORS = "annotators";
const HISTORY = "history";
const INCOMING = "incoming";

export interface ServedCase {
  readonly id: string;
  /** Absolute path. */
  readonly image: string;
  /** Absolute paths by annotator. */
  readonly labels: ReadonlyMap<string, string>;
}

export interface SavedLabel {
  readonly case: string;
  readonly annotator: string;
  /** Which of its labels by this annotator it is, from 1. */
  readonly version: number;
}

/** Bytes that come, and the ending of the file's name that says what they are. */
export interface Upload {
  readonly content: AsyncIterable<Uint8Array>;
  readonly extension: string;
  readonly signal?: AbortSignal;
}

export class ServedSet {
  readonly root: string;
  #description: Description;
  readonly #cases = new Map<string, { id: string; image: string; labels: Map<string, string> }>();
  /** What cannot be served, and why. */
  readonly problems: string[] = [];
  readonly #turns = takingTurns({ name: "data set", mostWaiting: Number.POSITIVE_INFINITY });

  private constructor(root: string, given: Description) {
    this.root = root;
    this.#description = given;
  }

  /**
   * Opens the set; a folder that is empty or not there becomes one.
   * @param options.labels the classes of a new set after the background
   * @throws DataError for a `dataset.json` that is not the Decathlon's, ConfigError for a folder with other things in it
   */
  static async open(folder: string, { labels = ["foreground"] as readonly string[] } = {}): Promise<ServedSet> {
    const root = resolve(folder);
    const path = join(root, DESCRIPTION);
    if (!existsSync(path)) {
      await makeFolder(root);
      const [other] = (await readdir(root)).filter((name) => !name.startsWith("."));
      if (other !== undefined)
        throw new ConfigError(
          `${folder}: holds ${other} but no ${DESCRIPTION}; name an empty folder, or a set of the Medical Segmentation Decathlon`,
        );
      const names = Object.fromEntries(["background", ...labels].map((name, value) => [String(value), name]));
      const made = {
        name: folder.split(/[\\/]/).findLast(Boolean) ?? "data",
        labels: names,
        modality: { "0": "image" },
      };
      await writeFileAtomic(path, json({ ...made, training: [], test: [] }));
    }
    const given = checkedJson(z.unknown(), await readFile(path, "utf8"), path);
    const set = new ServedSet(root, checkDescription(description, given, path));
    await rm(join(root, INCOMING), { recursive: true, force: true });
    await set.#list();
    return set;
  }

  get name(): string {
    return this.#description.name;
  }

  /** Names of the values, background first. */
  get labels(): Readonly<Record<number, string>> {
    return Object.fromEntries(Object.entries(this.#description.labels).map(([value, name]) => [Number(value), name]));
  }

  cases(): readonly ServedCase[] {
    return [...this.#cases.values()];
  }

  /** @throws Refusal where there is none of that id */
  case(id: string): ServedCase {
    const found = this.#cases.get(id);
    if (found === undefined) throw notThere(`case ${namePattern.test(id) ? id : "of that name"}`);
    return found;
  }

  /** The path of a label. @throws Refusal where there is none */
  label(id: string, annotator = FINAL): string {
    const path = this.case(id).labels.get(annotator);
    if (path === undefined) throw new Refusal(404, "E_MISSING", `case ${id}: has no label by ${annotator}`);
    return path;
  }

  /**
   * Adds an image.
   * @throws Refusal for an id that is taken, DataError for a file that is none of medvox's images
   */
  async addImage(id: string, upload: Upload): Promise<ServedCase> {
    this.#refuseTaken(id);
    const aside = await this.#receive(upload);
    try {
      await checkImage(aside);
      return await this.#turns.take(async () => {
        this.#refuseTaken(id);
        const image = join(this.root, "imagesTr", `${id}${upload.extension}`);
        await makeFolder(dirname(image));
        await rename(aside, image);
        const { test } = this.#description;
        await this.#describe({ test: [...test, this.#relative(image)] });
        const added = { id, image, labels: new Map<string, string>() };
        this.#cases.set(id, added);
        return added;
      });
    } finally {
      await rm(aside, { force: true });
    }
  }

  /**
   * Keeps a label: the bytes as they are where it is `.nii.gz`.
   * @throws DataError or GeometryError for one that does not fit its image
   */
  async saveLabel(id: string, annotator: string, upload: Upload): Promise<SavedLabel> {
    const { image } = this.case(id);
    if (!annotatorPattern.test(annotator))
      throw new Refusal(400, "E_ANNOTATOR", "annotator: expected letters, digits, _ and -, 64 at most");
    const aside = await this.#receive(upload);
    let ready = aside;
    try {
      ready = await checkLabel(aside, image, this.labels);
      return await this.#turns.take(() => this.#keepLabel(id, annotator, ready));
    } finally {
      for (const path of [aside, ready]) await rm(path, { force: true });
    }
  }

  /** Which labels there were, the oldest first. */
  async history(id: string): Promise<readonly (SavedLabel & { readonly saved: string })[]> {
    const { labels } = this.case(id);
    const found: (SavedLabel & { saved: string })[] = [];
    for (const annotator of labels.keys())
      for (const version of await this.#versions(id, annotator)) {
        const { mtime } = await stat(this.#versionPath(id, annotator, version));
        found.push({ case: id, annotator, version, saved: mtime.toISOString() });
      }
    return found.sort((a, b) => (a.saved < b.saved ? -1 : 1));
  }

  /**
   * Writes a data set that stays as it is whatever is drawn afterwards, for a training that may have to be gone on with.
   * @throws ConfigError where nothing has a label by this annotator
   */
  async snapshot(folder: string, annotator = FINAL): Promise<string> {
    return this.#turns.take(async () => {
      const training: { image: string; label: string }[] = [];
      for (const { id, image, labels } of this.#cases.values()) {
        const current = labels.get(annotator);
        if (current !== undefined) training.push({ image, label: await this.#newest(id, annotator, current) });
      }
      if (training.length === 0) throw new ConfigError(`annotator ${annotator}: no case has a label by them`);
      const counts = { numTraining: training.length, numTest: 0 };
      await makeFolder(folder);
      const path = join(folder, DESCRIPTION);
      await writeFileAtomic(path, json({ ...this.#description, training, test: [], ...counts }), { force: true });
      return path;
    });
  }

  /** Writes a list of some cases, to be predicted together. */
  async listing(folder: string, ids: readonly string[]): Promise<string> {
    const test = ids.map((id) => this.case(id).image);
    await makeFolder(folder);
    const path = join(folder, DESCRIPTION);
    const counts = { numTraining: 0, numTest: test.length };
    await writeFileAtomic(path, json({ ...this.#description, training: [], test, ...counts }), { force: true });
    return path;
  }

  async #list(): Promise<void> {
    const { training, test } = this.#description;
    const images = test.map((item) => ({ image: typeof item === "string" ? item : item.image, label: undefined }));
    for (const { image, label } of [...training, ...images]) {
      const id = caseName(image);
      if (!namePattern.test(id)) this.problems.push(`${id}: is left out; names have letters, digits, . _ and - alone`);
      else if (this.#cases.has(id)) this.problems.push(`${id}: stands twice in ${DESCRIPTION}; the first is taken`);
      else {
        const labels = new Map(label === undefined ? [] : [[FINAL, this.#absolute(label)]]);
        this.#cases.set(id, { id, image: this.#absolute(image), labels });
      }
    }
    const people = await readdir(join(this.root, ANNOTATORS)).catch(() => []);
    for (const annotator of people.filter((name) => annotatorPattern.test(name)))
      for (const name of await readdir(join(this.root, ANNOTATORS, annotator)))
        if (name.endsWith(".nii.gz"))
          this.#cases.get(caseName(name))?.labels.set(annotator, join(this.root, ANNOTATORS, annotator, name));
  }

  #refuseTaken(id: string): void {
    if (!namePattern.test(id))
      throw new Refusal(400, "E_NAME", "id: expected letters, digits, . _ and -, a letter or digit first, 128 at most");
    // Names that differ in case alone are one file on some systems.
    const same = [...this.#cases.keys()].find((other) => other.toLowerCase() === id.toLowerCase());
    if (same !== undefined) throw new Refusal(409, "E_TAKEN", `case ${same}: is there already; choose another name`);
  }

  async #receive({ content, extension, signal }: Upload): Promise<string> {
    const folder = join(this.root, INCOMING);
    await makeFolder(folder);
    const path = join(folder, `${randomUUID()}${extension}`);
    await writeFileAtomic(path, content, { signal });
    return path;
  }

  async #keepLabel(id: string, annotator: string, ready: string): Promise<SavedLabel> {
    const found = this.#cases.get(id)!;
    const before = found.labels.get(annotator);
    if (before !== undefined) await this.#newest(id, annotator, before);
    const version = ((await this.#versions(id, annotator)).at(-1) ?? 0) + 1;
    await this.#record(ready, id, annotator, version);
    const folder = annotator === FINAL ? "labelsTr" : join(ANNOTATORS, annotator);
    const path = join(this.root, folder, `${id}.nii.gz`);
    await makeFolder(dirname(path));
    await rename(ready, path);
    if (annotator === FINAL && before !== path) {
      const { training, test } = this.#description;
      const image = this.#relative(found.image);
      const isThis = (item: string | { image: string }): boolean =>
        this.#absolute(typeof item === "string" ? item : item.image) === found.image;
      await this.#describe({
        training: [...training.filter((item) => !isThis(item)), { image, label: this.#relative(path) }],
        test: test.filter((item) => !isThis(item)),
      });
    }
    found.labels.set(annotator, path);
    return { case: id, annotator, version };
  }

  /** The newest label in the history; what came from elsewhere is put there first. */
  async #newest(id: string, annotator: string, current: string): Promise<string> {
    const last = (await this.#versions(id, annotator)).at(-1);
    if (last !== undefined) return this.#versionPath(id, annotator, last);
    return this.#record(current, id, annotator, 1);
  }

  async #record(from: string, id: string, annotator: string, version: number): Promise<string> {
    const path = this.#versionPath(id, annotator, version);
    await makeFolder(dirname(path));
    await writeFileAtomic(path, createReadStream(from));
    return path;
  }

  #versionPath(id: string, annotator: string, version: number): string {
    return join(this.root, HISTORY, id, annotator, `${String(version).padStart(4, "0")}.nii.gz`);
  }

  async #versions(id: string, annotator: string): Promise<number[]> {
    const names = await readdir(join(this.root, HISTORY, id, annotator)).catch(() => []);
    return names
      .flatMap((name) => /^(\d{4,})\.nii\.gz$/.exec(name)?.[1] ?? [])
      .map(Number)
      .sort((a, b) => a - b);
  }

  async #describe(changes: Partial<Description>): Promise<void> {
    const next = { ...this.#description, ...changes };
    const counts = { numTraining: next.training.length, numTest: next.test.length };
    await writeFileAtomic(join(this.root, DESCRIPTION), json({ ...next, ...counts }), { force: true });
    this.#description = { ...next, ...counts };
  }

  #absolute(path: string): string {
    return isAbsolute(path) ? path : resolve(this.root, path);
  }

  #relative(path: string): string {
    return `./${relative(this.root, path).replaceAll("\\", "/")}`;
  }
}

const json = (value: object): string => `${JSON.stringify(value, null, 1)}\n`;
