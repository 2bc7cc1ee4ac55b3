/** Every DICOM object of ../shared/data/dicom against what pydicom reads of it (index.csv): the stored values to the bit, or refused by name. */
import { createHash } from "node:crypto";
import { existsSync, readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { describe, expect, it } from "vitest";
import { parseCsv } from "../../data/csv.ts";
import { type DicomFile, frameReader, parseDicom, pixelLayout } from "../../dicom/index.ts";
import { DataError } from "../../errors.ts";

const folder = fileURLToPath(new URL("../../../../shared/data/dicom/", import.meta.url));

interface Row {
  readonly path: string;
  readonly dtype: string;
  readonly sha1: string;
  readonly mean: number;
  readonly colour: boolean;
  readonly syntax: string;
}

function rows(): Row[] {
  const file = `${folder}index.csv`;
  return parseCsv(readFileSync(file, "utf8"), file).rows.map(({ fields }) => ({
    path: fields.path,
    dtype: fields.dtype,
    sha1: fields.sha1,
    mean: Number(fields.mean),
    colour: !["", "1"].includes(fields.SamplesPerPixel) || fields.PhotometricInterpretation.startsWith("PALETTE"),
    syntax: fields.ts_uid,
  }));
}

/** pydicom's array of all frames, as bytes. */
async function storedBytes(file: DicomFile): Promise<{ bytes: Uint8Array; mean: number }> {
  const layout = pixelLayout(file);
  const read = frameReader(file, layout);
  const parts: Uint8Array[] = [];
  let [sum, count] = [0, 0];
  for (let frame = 0; frame < layout.frames; frame++) {
    const values = await read(frame);
    for (const value of values) sum += value;
    count += values.length;
    parts.push(new Uint8Array(values.buffer, values.byteOffset, values.byteLength));
  }
  return { bytes: Buffer.concat(parts), mean: sum / count };
}

/** Bytes of 16-bit numbers the other way round. */
const swapped = (bytes: Uint8Array): Uint8Array => Buffer.from(bytes).swap16();

/** JPEG with losses: decoders differ by one step where they round, so the mean is compared. */
const lossy = ["1.2.840.10008.1.2.4.50", "1.2.840.10008.1.2.4.51", "1.2.840.10008.1.2.4.91"];

describe.skipIf(!existsSync(folder))("../shared/data/dicom", () => {
  it.each(existsSync(folder) ? rows() : [])("$path", async ({ path, dtype, sha1, mean, colour, syntax }) => {
    const bytes = new Uint8Array(readFileSync(folder + path));
    const reading = async () => storedBytes(await parseDicom(bytes, { name: path }));
    if (colour || (sha1 === "" && !/\.(53|55)$/.test(syntax))) {
      const refused = await reading().then(
        () => undefined,
        (error: unknown) => error,
      );
      expect(refused).toBeInstanceOf(DataError);
      expect((refused as DataError).message).toContain(path);
      return;
    }
    const made = await reading();
    // pydicom reads neither of the two; dcmtk does, and test/fixtures/dicom holds what it makes of them.
    if (sha1 === "") return;
    const all = dtype.startsWith(">") ? swapped(made.bytes) : made.bytes;
    if (lossy.includes(syntax)) expect(Math.abs(made.mean - mean)).toBeLessThan(0.05);
    else expect(createHash("sha1").update(all).digest("hex").slice(0, 16)).toBe(sha1);
  });
});
