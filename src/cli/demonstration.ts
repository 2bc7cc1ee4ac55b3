/** What both demos share: their bundled data, their folder, and the line about the machine. */
import { existsSync } from "node:fs";
import { ConfigError } from "../errors.ts";
import { bestFeature, machine, versions } from "../machine.ts";
import type { Progress } from "../progress.ts";
import { refuseToOverwrite } from "./outputs.ts";

export interface DemoOptions {
  out?: string;
  epochs?: number;
  threads?: number;
}

/** The folder of bundled data. @throws ConfigError where it is missing */
export function bundled(folder: string): string {
  if (!existsSync(folder)) throw new ConfigError(`${folder}: the bundled data are missing; reinstall medvox`);
  return folder;
}

/** Where a demo's run goes. Its own folder is there to be made again; another one is not touched unasked. */
export function demoOut(asked: string | undefined, usual: string, force: boolean): string {
  const out = asked ?? usual;
  if (out !== usual) refuseToOverwrite(out, force);
  return out;
}

export function sayMachine(progress: Progress): void {
  const { cpu, cores, features } = machine();
  const { medvox, onnxruntime } = versions();
  progress.note(
    `medvox ${medvox} · ${cores} cores${bestFeature(features) ? `, ${bestFeature(features)}` : ` (${cpu})`} · onnxruntime ${onnxruntime} (cpu)`,
  );
}
