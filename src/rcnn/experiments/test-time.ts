/**
 * What can be changed of a trained detector's proposals when it is used (Faster R-CNN, arXiv:1506.01497, Table 2): how many there are, whether
 * they are suppressed, ordered by objectness, regressed.
 */
import { random } from "../../random.ts";
import type { ProposalRule } from "../parts/proposals.ts";
import type { RpnCondition, RpnExperimentConfig } from "./config.ts";

export interface TestTimeCondition {
  /** In files, e.g. `proposals-100`. */
  readonly name: string;
  /** For people. */
  readonly text: string;
  /** What it belongs to; null for the detector as it was trained. */
  readonly of: RpnCondition | null;
  /** How many proposals the head sees at most; null: as configured. */
  readonly limit: number | null;
  readonly rule: (image: string) => Partial<ProposalRule>;
}

/** The detector as it was trained. */
export const asTrained: TestTimeCondition = {
  name: "full",
  text: "as trained",
  of: null,
  limit: null,
  rule: () => ({}),
};

/** Every condition that is asked for, after the detector as it was trained. @param seed draws boxes where there is no objectness */
export function testTimeConditions(
  { conditions, proposals, unsuppressed, drawn }: RpnExperimentConfig,
  seed: number,
): TestTimeCondition[] {
  const all: TestTimeCondition[] = [
    asTrained,
    ...proposals.map(
      (limit): TestTimeCondition => ({
        name: `proposals-${limit}`,
        text: `${limit} proposals`,
        of: "proposals",
        limit,
        rule: () => ({ after: limit }),
      }),
    ),
    {
      name: "without-nms",
      text: `without NMS, best ${unsuppressed}`,
      of: "nms",
      limit: unsuppressed,
      rule: () => ({ suppress: false, before: unsuppressed, after: unsuppressed }),
    },
    ...drawn.map(
      (limit): TestTimeCondition => ({
        name: `without-cls-${limit}`,
        text: `without cls, ${limit} at random`,
        of: "cls",
        limit,
        // Neither order nor suppression is left: any of all boxes, others in every image.
        rule: (image) => ({
          suppress: false,
          before: Number.POSITIVE_INFINITY,
          after: limit,
          shuffledBy: random(seed, `boxes of ${image}`),
        }),
      }),
    ),
    { name: "without-reg", text: "without reg, anchors", of: "reg", limit: null, rule: () => ({ regress: false }) },
  ];
  return all.filter(({ of }) => of === null || conditions.includes(of));
}
