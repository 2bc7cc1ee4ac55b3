/**
 * Reads damaged PyTorch checkpoints and prints what came of it, as JSON:
 *
 *     npx tsx bench/fuzz-weights.ts [count, default 50000] [seed, default 1]
 */
import { fuzzWeights } from "../test/weights-fuzz.ts";

const [count = "50000", seed = "1"] = process.argv.slice(2);
const report = fuzzWeights({ count: Number(count), seed: Number(seed) });
console.log(JSON.stringify(report, undefined, 2));
process.exitCode = report.failures.length === 0 && report.peakMegabytes < 1024 ? 0 : 1;
