/** What the epochs of a detection's run have brought, phase by phase. */
import { epochRecordsOf } from "../train/index.ts";
import type { DetectionConfig } from "./detector-config.ts";
import { type Phase, phaseEpochs, schedules } from "./schedule.ts";
import { phaseFolder } from "./train-phases.ts";

export interface DetectionPhase {
  readonly phase: Phase;
  /** What it does, for people. */
  readonly title: string;
  readonly folder: string;
  /** How many epochs it is to have. */
  readonly epochs: number;
}

const titles: Readonly<Record<Phase["name"], string>> = {
  joint: "Both stages at once",
  "rpn-1": "Step 1: the RPN",
  "detector-1": "Step 2: a separate detector on its proposals",
  "rpn-2": "Step 3: the RPN on the detector’s backbone",
  "detector-2": "Step 4: the detector’s own layers on the new proposals",
};

/** The phases of a run, in their order. @param folder the run's */
export function detectionPhases(folder: string, config: DetectionConfig): DetectionPhase[] {
  const schedule = schedules[config.schedule];
  return schedule.map((phase) => ({
    phase,
    title: titles[phase.name],
    folder: phaseFolder(folder, phase, schedule),
    epochs: phaseEpochs(config, phase),
  }));
}

/** Finished epochs of every phase, as a report draws them. */
export async function detectionHistory(folder: string, config: DetectionConfig) {
  const phases = [];
  for (const { phase, title, folder: place } of detectionPhases(folder, config)) {
    phases.push({ part: phase.part, title, history: await epochRecordsOf(place) });
  }
  return phases;
}
