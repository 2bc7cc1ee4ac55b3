/** Predicts one image (arguments: model, image, most memory in bytes) and prints what that took; for the test of the formula. */
import { createHash } from "node:crypto";
import { readCaseSize } from "../../src/data/index.ts";
import { openSegmenter } from "../../src/med3d/index.ts";
import { peakBytes } from "../peak.ts";

const [model, image, most] = process.argv.slice(2);
const segmenter = await openSegmenter(model, { threads: 1, maxMemory: most === undefined ? undefined : Number(most) });
const item = { id: "ct", image };
const { bytes, band } = segmenter.estimate(await readCaseSize(item));
const { volume } = await segmenter.predictCase(item);
await segmenter.close();
const hash = createHash("sha256").update(volume.data).digest("hex");
console.log(JSON.stringify({ peak: peakBytes(), formula: bytes, band, hash }));
