/** What the epochs of a detection's run have brought, phase by phase. */
import { epochRecordsOf, type Store } from "../../train/index.ts";
import { phaseStore } from "../training/phases.ts";
import { type Phase, phaseEpochs, schedules } from "../training/schedule.ts";
import type { DetectionConfig } from "./config.ts";

export interface DetectionPhase {
  readonly phase: Phase;
  /** What it does, for people. */
  readonly title: string;
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

/** The phases of a run, in their order. */
export function detectionPhases(
  config: Pick<DetectionConfig, "schedule" | "epochs" | "phaseEpochs">,
): DetectionPhase[] {
  const schedule = schedules[config.schedule];
  return schedule.map((phase) => ({
    phase,
    title: titles[phase.name],
    epochs: phaseEpochs(config, phase),
  }));
}

/** Finished epochs of every phase, as a report draws them. */
export async function detectionHistory(store: Store, config: DetectionConfig) {
  const phases = [];
  for (const { phase, title } of detectionPhases(config)) {
    const place = phaseStore(store, phase, schedules[config.schedule]);
    phases.push({ part: phase.part, title, history: await epochRecordsOf(place) });
  }
  return phases;
}
