/** Objects as they lie in a folder, an archive or a study, to series and their stacks of slices. */
import type { DicomFile } from "./dataset.ts";
import { type Stack, stackOf } from "./geometry/stack.ts";
import { type DicomSlice, type SeriesFacts, seriesFacts, slicesOf } from "./slices.ts";

/** Slices that are one volume, or would be. */
export interface DicomSeries extends Stack {
  readonly facts: SeriesFacts;
  /** What tells this stack from others of its series, such as `echo 4.6`; `""` for a series of one stack. */
  readonly part: string;
}

/** What is kept of an object until all are known. */
export interface DicomObject {
  readonly facts: SeriesFacts;
  readonly slices: readonly DicomSlice[];
}

/** @throws DataError where it holds no image that medvox reads */
export function objectOf(file: DicomFile): DicomObject {
  return { facts: seriesFacts(file), slices: slicesOf(file) };
}

/**
 * Groups objects by series, and the slices of a series that lie at the same places by what tells them apart. An object that is there
 * twice counts once. Series come in the order of their numbers, then of their UIDs.
 */
export function groupSeries(objects: readonly DicomObject[]): DicomSeries[] {
  const groups = new Map<string, { facts: SeriesFacts; slices: DicomSlice[]; seen: Set<string> }>();
  for (const { facts, slices } of objects) {
    // A segmentation is a volume of its own, whatever series it was put in.
    const own = facts.isSegmentation ? (slices[0]?.sopInstanceUid ?? "") : "";
    const key = JSON.stringify([facts.studyInstanceUid, facts.seriesInstanceUid, facts.frameOfReferenceUid, own]);
    const group = groups.get(key) ?? { facts, slices: [], seen: new Set() };
    groups.set(key, group);
    const uid = slices[0]?.sopInstanceUid;
    if (uid) {
      if (group.seen.has(uid)) continue;
      group.seen.add(uid);
    }
    for (const slice of slices) group.slices.push(slice);
  }
  return [...groups.values()]
    .flatMap(({ facts, slices }): DicomSeries[] =>
      facts.isSegmentation
        ? [{ ...framesOf(stackOf(slices)), facts, part: "" }]
        : stacksOf(slices).map(({ stack, part }) => ({ ...stack, facts, part })),
    )
    .sort(
      (a, b) =>
        compare(a.facts.studyInstanceUid, b.facts.studyInstanceUid) ||
        (Number(a.facts.number) || 0) - (Number(b.facts.number) || 0) ||
        compare(a.facts.seriesInstanceUid, b.facts.seriesInstanceUid),
    );
}

/** Frames of a segmentation share positions and leave planes out: only where they lie on several grids is something wrong. */
function framesOf(stack: Stack): Stack {
  return stack.verdict === "mixed" || stack.verdict === "unplaced"
    ? stack
    : { ...stack, verdict: "regular", detail: "" };
}

function compare(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}

/** One stack, or where slices share places, one for each value of the marks that tell them apart. */
function stacksOf(slices: readonly DicomSlice[]): { stack: Stack; part: string }[] {
  const stacks = [...new Set(slices.map(({ marks }) => marks.stack))].filter((id) => id !== undefined);
  if (stacks.length > 1) {
    return stacks.flatMap((id) => {
      const part = `stack ${id || "?"}`;
      const own = stacksOf(
        slices.filter(({ marks }) => marks.stack === id).map((s) => ({ ...s, marks: { ...s.marks, stack: "" } })),
      );
      return own.map((one) => ({ stack: one.stack, part: one.part === "" ? part : `${part}, ${one.part}` }));
    });
  }
  const whole = stackOf(slices);
  if (whole.verdict !== "duplicate") return [{ stack: whole, part: "" }];
  const names = Object.keys(slices[0].marks).filter((name) => new Set(slices.map(({ marks }) => marks[name])).size > 1);
  // One mark alone where it is enough, else all that differ.
  for (const chosen of [...names.map((name) => [name]), ...(names.length > 1 ? [names] : [])]) {
    const parts = new Map<string, DicomSlice[]>();
    for (const slice of slices) {
      const part = chosen.map((name) => `${name} ${slice.marks[name] || "?"}`).join(", ");
      const own = parts.get(part) ?? [];
      own.push(slice);
      parts.set(part, own);
    }
    const inOrder = [...parts].sort(([a], [b]) => a.localeCompare(b, "en", { numeric: true }));
    const made = inOrder.map(([part, own]) => ({ stack: stackOf(own), part }));
    if (made.every(({ stack }) => stack.verdict !== "duplicate")) return made;
  }
  return [{ stack: whole, part: "" }];
}
