/** `medvox doctor`: what works on this machine, and why the rest does not. */
import { type Machine, machine, type Versions, versions } from "../../machine.ts";
import { probeDevices } from "../../runtime/index.ts";
import { defineCommand } from "../command.ts";
import type { Style } from "../style.ts";

const NODE_MINIMUM = [20, 19] as const;

type Device = Awaited<ReturnType<typeof probeDevices>>[number];

export const command = defineCommand<object>({
  examples: ["medvox doctor", "medvox doctor --json"],
  details: "Exit status 1 where medvox cannot run here at all: Node.js too old, or no processor device.",
  json: {
    ok: "whether medvox can run here",
    machine: "cpu, cores, memoryGb, features (instruction sets), os",
    versions: "of medvox, node and onnxruntime",
    devices: "per device: name, works, why not, experimental (what it cannot do yet)",
  },
  async run({ style }) {
    const found = { machine: machine(), versions: versions(), devices: await probeDevices() };
    const node = nodeIsRecentEnough(found.versions.node);
    const ok = node && found.devices.some((device) => device.name === "cpu" && device.works);
    return { document: { ok, ...found }, text: page(found.machine, found.versions, found.devices, style), ok };
  },
});

export function nodeIsRecentEnough(version: string): boolean {
  const [major, minor] = version.split(".").map(Number);
  return major > NODE_MINIMUM[0] || (major === NODE_MINIMUM[0] && minor >= NODE_MINIMUM[1]);
}

function page(machine: Machine, versions: Versions, devices: readonly Device[], style: Style): string {
  const mark = (works: boolean): string => (works ? style.green("yes") : style.red("no "));
  const nodeWorks = nodeIsRecentEnough(versions.node);
  // The runtime's messages begin with a place in its own source; the document keeps it.
  const reason = (why: string): string => why.replace(/^\/\S+:\d+ .* was (?:true|false)\. /, "");
  const features = machine.features.join(", ") || "not told by this system";
  return [
    style.bold(`medvox ${versions.medvox}`),
    "",
    `processor   ${machine.cpu}, ${machine.cores} ${machine.cores === 1 ? "core" : "cores"}`,
    `features    ${features}`,
    `memory      ${machine.memoryGb} GB`,
    `system      ${machine.os}`,
    `node        ${versions.node}${nodeWorks ? "" : style.red(`: too old, medvox needs ${NODE_MINIMUM.join(".")} or later`)}`,
    `onnxruntime ${versions.onnxruntime}`,
    "",
    style.bold("devices"),
    ...devices.flatMap(({ name, works, why, experimental }) => [
      `  ${name.padEnd(8)}${mark(works)}${why ? `  ${reason(why)}` : ""}`,
      ...(experimental === undefined ? [] : [`             ${experimental}`]),
    ]),
    "  docs/how-to/gpu.md says what each of them needs",
  ].join("\n");
}
