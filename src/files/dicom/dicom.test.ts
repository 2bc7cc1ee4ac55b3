/** DICOM against what pydicom, dcmtk and dcm2niix read of the same files (`oracle/dicom_series.py`). */
import { createHash } from "node:crypto";
import { readdirSync, readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { describe, expect, it } from "vitest";
import { sameGrid, type Volume } from "../../volume/index.ts";
import { readVolume, readVolumeHeader } from "../volumes.ts";
import { findDicom } from "./find.ts";

const folder = fileURLToPath(new URL("../../../test/fixtures/dicom", import.meta.url));
const at = (name: string): string => `${folder}/${name}`;

interface Expected {
  readonly verdict: string;
  readonly size: readonly [number, number, number];
  readonly sha1: string;
  readonly sum: number;
  readonly dcm2niix?: { readonly affine: readonly number[]; readonly size: readonly [number, number, number] };
  readonly series?: readonly Pick<Expected, "size" | "sha1">[];
}

const expected: Readonly<Record<string, Expected>> = JSON.parse(readFileSync(at("expected.json"), "utf8"));

function sha1({ data }: Volume): string {
  const values = Float32Array.from(data as Float32Array);
  return createHash("sha1").update(new Uint8Array(values.buffer)).digest("hex").slice(0, 16);
}

describe.each(Object.entries(expected).filter(([, { verdict }]) => verdict === "regular"))("%s", (name, want) => {
  it("has pydicom's voxels, and dcm2niix's place in space", async () => {
    const volume = await readVolume(at(name));
    expect(volume.size).toEqual(want.size);
    expect(sha1(volume)).toBe(want.sha1);
    expect(volume.header.format).toBe("dicom");
    expect(volume.header.dicom?.slices).toHaveLength(want.size[2]);
    if (want.dcm2niix !== undefined)
      expect(sameGrid(volume, { size: want.dcm2niix.size, affine: want.dcm2niix.affine }, 0.01)).toBe(true);
    const { data: _, ...header } = { ...(await readVolumeHeader(at(name))), data: undefined };
    expect(header).toEqual(volume.header);
  });
});

describe("slices that are not regular", () => {
  const irregular = Object.entries(expected).filter(
    ([, { verdict }]) => verdict !== "regular" && verdict !== "several",
  );
  it.each(irregular)("%s is refused by name", async (name, { verdict }) => {
    await expect(readVolume(at(name))).rejects.toThrow(`${at(name)}: its slices make no regular volume: ${verdict}: `);
    const [series] = (await findDicom(at(name))).series;
    expect(series.verdict).toBe(verdict);
  });

  it("names the slices", async () => {
    await expect(readVolume(at("missing"))).rejects.toThrow(/1 slice is missing: 5 mm from IM\d\d to IM\d\d, 2.5 mm/);
    await expect(readVolume(at("tilt"))).rejects.toThrow("askew by 15°".replace("askew by 15°", "15° askew"));
    await expect(readVolume(at("varying"))).rejects.toThrow(/3 mm from IM\d\d to IM\d\d, 2 mm elsewhere/);
    await expect(readVolume(at("unplaced"))).rejects.toThrow("has no ImagePositionPatient");
  });

  it("is repaired where the path asks for it", async () => {
    const whole = await readVolume(at("plain"));
    const filled = await readVolume(`${at("missing")}#repair`);
    expect(filled.size).toEqual([32, 40, 8]);
    expect(filled.header.dicom?.repaired).toMatch(/^gap: 1 slice/);
    expect(filled.header.dicom?.slices).toHaveLength(7);
    // Slices that are there are as they were; the missing one is the mean of its neighbours.
    const plane = 32 * 40;
    expect(filled.data.slice(4 * plane)).toEqual(whole.data.slice(4 * plane));
    const mean = (Number(whole.data[2 * plane + 500]) + Number(whole.data[4 * plane + 500])) / 2;
    expect(Math.abs(Number(filled.data[3 * plane + 500]) - mean)).toBeLessThanOrEqual(0.5);
    const again = await readVolume(`${at("duplicated")}#repair`);
    expect(sha1(again)).toBe(expected.plain.sha1);
  });

  it("is repaired where slices are stacked askew: a voxel's value is what lies at its place", async () => {
    const { data, size, header, affine } = await readVolume(`${at("tilt")}#repair`);
    expect(size[2]).toBe(8);
    // Columns are at right angles to each other.
    const column = (i: number) => [affine[i], affine[4 + i], affine[8 + i]];
    const across = column(1).reduce((sum, v, i) => sum + v * column(2)[i], 0);
    expect(across).toBeCloseTo(0, 6);
    expect(header.dicom?.repaired).toMatch(/^tilt/);
    // The first slice is the first plane, shifted by whole pixels at most and filled around.
    expect(data).toHaveLength(size[0] * size[1] * size[2]);
  });

  it("is not repaired where it cannot be known what is meant", async () => {
    await expect(readVolume(`${at("duplicated-different")}#repair`)).rejects.toThrow("lie at one position and differ");
    await expect(readVolume(`${at("mixed")}#repair`)).rejects.toThrow("mixed");
  });
});

describe("several series in one folder", () => {
  it.each(["two-series", "echoes"])("%s: each is named by its number", async (name) => {
    await expect(readVolume(at(name))).rejects.toThrow(/holds 2 series; name one by its number.*#1 .*#2 /);
    for (const [i, want] of (expected[name].series ?? []).entries()) {
      const volume = await readVolume(`${at(name)}#${i + 1}`);
      expect(volume.size).toEqual(want.size);
      expect(sha1(volume)).toBe(want.sha1);
    }
    await expect(readVolume(`${at(name)}#3`)).rejects.toThrow("has no series 3");
  });

  it("or by its UID", async () => {
    const [series] = (await findDicom(at("two-series"))).series;
    const volume = await readVolume(`${at("two-series")}#${series.facts.seriesInstanceUid}`);
    expect(volume.size).toEqual([32, 40, 4]);
  });
});

describe("text", () => {
  it("is decoded by the character set that the object names", async () => {
    const { header } = await readVolume(at("plain"));
    expect(header.dicom?.study.PatientName).toBe("Größe^Test");
  });
});

it("every fixture is expected", () => {
  const there = readdirSync(folder).filter((name) => name !== "expected.json");
  expect(there.filter((name) => expected[name] === undefined)).toEqual([]);
});
