/**
 * Reads damaged volume files and prints what came of it, as JSON:
 *
 *     npx tsx bench/fuzz-volumes.ts [count, default 100000] [seed, default 1]
 */
import { fuzzVolumes } from "../test/volume-fuzz.ts";

const [count = "100000", seed = "1"] = process.argv.slice(2);
const report = await fuzzVolumes({ count: Number(count), seed: Number(seed) });
console.log(JSON.stringify(report, undefined, 2));
process.exitCode = report.failures.length === 0 && report.peakMegabytes < 1024 ? 0 : 1;
