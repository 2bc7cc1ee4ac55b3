/**
 * The order in which the parts of a detector are trained (Faster R-CNN §3.2): all at once, or in the paper's four steps. A phase is one
 * training of its own: which part learns, what it starts from, what stays as it is, whose proposals it sees.
 *
 * 1. The RPN, from the start weights.
 * 2. A separate detector, from the start weights, on the proposals of 1. Nothing is shared yet.
 * 3. The RPN again on the detector's backbone, which stays as it is; its own layers go on from 1.
 * 4. The detector's own layers, on the proposals of 3; the backbone stays. Both now share it, bit for bit.
 */
import type { ParameterGroup } from "../../nn/index.ts";
import type { StateMap } from "../../train/model/model.ts";
import { type DetectorConfig, parseDetector } from "../network/config.ts";
import { BACKBONE_PARAMETERS, RPN_PARAMETERS } from "../network/network.ts";
import type { DetectionConfig } from "../run/config.ts";
import type { TrainingPart } from "./training.ts";

export interface Phase {
  /** Folder and log name. */
  readonly name: "joint" | "rpn-1" | "detector-1" | "rpn-2" | "detector-2";
  readonly part: TrainingPart;
  /** Where first values come from: the start weights, or what an earlier phase ended with; later entries overrule. */
  readonly from: readonly { readonly phase: Phase["name"] | "start"; readonly match: RegExp }[];
  /** Parameters that stay as they are, norms' statistics included. */
  readonly frozenBackbone: boolean;
  /** Whose proposals the region head learns from. */
  readonly proposalsOf?: Phase["name"];
}

const everything = /^/;

/** Approximate joint training: one phase, proposals taken as given. */
export const jointSchedule: readonly Phase[] = [
  { name: "joint", part: "joint", from: [{ phase: "start", match: everything }], frozenBackbone: false },
];

/** The paper's four steps; in the last two the shared layers are frozen. */
export const alternatingSchedule: readonly Phase[] = [
  { name: "rpn-1", part: "rpn", from: [{ phase: "start", match: everything }], frozenBackbone: false },
  {
    name: "detector-1",
    part: "regions",
    from: [{ phase: "start", match: everything }],
    frozenBackbone: false,
    proposalsOf: "rpn-1",
  },
  {
    name: "rpn-2",
    part: "rpn",
    from: [
      { phase: "rpn-1", match: RPN_PARAMETERS },
      { phase: "detector-1", match: BACKBONE_PARAMETERS },
    ],
    frozenBackbone: true,
  },
  {
    name: "detector-2",
    part: "regions",
    from: [{ phase: "detector-1", match: /^(backbone|roi_heads)\./ }],
    frozenBackbone: true,
    proposalsOf: "rpn-2",
  },
];

/** Schedules by the names that configurations give them. */
export const schedules = { joint: jointSchedule, alternating: alternatingSchedule } as const;

/** Epochs of a phase, as a configuration says. */
export function phaseEpochs(
  { schedule, epochs, phaseEpochs: each }: Pick<DetectionConfig, "schedule" | "epochs" | "phaseEpochs">,
  { name }: Phase,
): number {
  return each?.[schedules[schedule].findIndex((phase) => phase.name === name)] ?? epochs;
}

/** The first values of a phase. @param ended weights that phases ended with, and the start's */
export function phaseStart(phase: Phase, ended: ReadonlyMap<Phase["name"] | "start", StateMap>): StateMap {
  const start: StateMap = new Map();
  for (const { phase: name, match } of phase.from) {
    for (const [parameter, value] of ended.get(name) ?? []) if (match.test(parameter)) start.set(parameter, value);
  }
  return start;
}

/** The configuration a phase trains with: a backbone that stays as it is keeps its norms' statistics, too. */
export function phaseConfig(phase: Phase, config: DetectorConfig): DetectorConfig {
  const { backbone } = config;
  if (!phase.frozenBackbone || backbone.norm !== "batch") return config;
  return parseDetector({ ...config, backbone: { ...backbone, norm: "frozen" } });
}

/** The optimizer's groups of a phase. */
export function phaseGroups(phase: Phase): ParameterGroup[] {
  return phase.frozenBackbone
    ? [{ match: BACKBONE_PARAMETERS, frozen: true, movingStatistics: true, optional: true }]
    : [];
}

/** The detector that four phases end with: the RPN of the third, the rest of the fourth. */
export function joinedWeights(ended: ReadonlyMap<Phase["name"] | "start", StateMap>): StateMap {
  const whole: StateMap = new Map();
  for (const [name, value] of ended.get("detector-2")!) whole.set(name, value);
  for (const [name, value] of ended.get("rpn-2")!) if (RPN_PARAMETERS.test(name)) whole.set(name, value);
  return whole;
}
