/**
 * Which machine and which versions did the work: written into results, runs and reports, printed by `medvox doctor`.
 * The processor's features matter because they decide the speed of the engine's matrix kernels.
 */
import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { availableParallelism, cpus, release, totalmem, type } from "node:os";

export interface Machine {
  /** The processor's own name. */
  cpu: string;
  /** Cores this process may use. */
  cores: number;
  /** Memory this process may use, in GB (10⁹ bytes), one decimal. */
  memoryGb: number;
  /** Instruction sets the engine profits from, e.g. `AVX2`, `AVX-512`. Empty where the system does not tell. */
  features: string[];
  /** System, kernel release and architecture. */
  os: string;
}

export interface Versions {
  medvox: string;
  node: string;
  onnxruntime: string;
}

/** Flag names of /proc/cpuinfo and sysctl, and what people call them; weakest first. */
const FEATURES: readonly (readonly [flag: string, name: string])[] = [
  ["sse4_2", "SSE4.2"],
  ["avx", "AVX"],
  ["fma", "FMA"],
  ["avx2", "AVX2"],
  ["avx_vnni", "AVX-VNNI"],
  ["avx512f", "AVX-512"],
  ["avx512_vnni", "AVX-512 VNNI"],
  ["avx512_bf16", "AVX-512 BF16"],
  ["amx_tile", "AMX"],
  ["asimd", "NEON"],
  ["asimddp", "dot product"],
  ["i8mm", "int8 matrix"],
  ["sve", "SVE"],
  ["sve2", "SVE2"],
];

/** What this process runs on; every result says it. */
export function machine(): Machine {
  return {
    cpu: cpuName(),
    cores: availableParallelism(),
    memoryGb: Math.round(memoryBytes() / 1e8) / 10,
    features: cpuFeatures(),
    os: `${type()} ${release()} ${process.arch}`,
  };
}

/** The strongest feature of each family, for one short line: `AVX-512`, `AVX2`, `NEON`. */
export function bestFeature(features: readonly string[]): string | undefined {
  return ["AVX-512", "AVX2", "AVX", "SVE", "NEON", "SSE4.2"].find((name) => features.includes(name));
}

/** Versions of medvox, Node.js and ONNX Runtime. */
export function versions(): Versions {
  const require = createRequire(import.meta.url);
  const version = (manifest: string): string => (require(manifest) as { version: string }).version;
  return {
    medvox: version("../package.json"),
    node: process.versions.node,
    onnxruntime: version("onnxruntime-node/package.json"),
  };
}

/** Memory of the container where one limits it, else of the machine. */
function memoryBytes(): number {
  const limit = process.constrainedMemory();
  return limit > 0 ? Math.min(limit, totalmem()) : totalmem();
}

function cpuName(): string {
  const name = cpus()[0]?.model.trim();
  // Some systems hide the name (`unknown`, empty): the architecture is then the most that is known.
  return name && name !== "unknown" ? name : process.arch;
}

function cpuFeatures(): string[] {
  const flags = new Set(cpuFlags());
  return FEATURES.filter(([flag]) => flags.has(flag)).map(([, name]) => name);
}

function cpuFlags(): string[] {
  try {
    if (process.platform === "linux") {
      const line = /^(?:flags|Features)\s*:\s*(.*)$/m.exec(readFileSync("/proc/cpuinfo", "utf8"));
      return line ? line[1].trim().split(/\s+/) : [];
    }
    if (process.platform === "darwin") {
      // Every Apple processor has NEON and its dot product; Intel ones list their flags.
      if (process.arch === "arm64") return ["asimd", "asimddp"];
      const names = ["machdep.cpu.features", "machdep.cpu.leaf7_features"];
      const text = execFileSync("sysctl", ["-n", ...names], { encoding: "utf8", stdio: ["ignore", "pipe", "ignore"] });
      return text.toLowerCase().replace("avx1.0", "avx").replace("sse4.2", "sse4_2").split(/\s+/);
    }
  } catch {
    // A system that does not tell is not an error: the list stays empty.
  }
  return [];
}
