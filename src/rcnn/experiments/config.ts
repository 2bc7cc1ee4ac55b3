/** What `medvox experiment rpn` is told, checked key by key, and the trainings that follow from it. */
import { z } from "zod";
import { ConfigError } from "../../errors.ts";
import { experimentKeys } from "../../experiments/index.ts";
import { checkedConfig } from "../../train/index.ts";
import { type DetectionConfig, type DetectionRequest, detectorOf, resolveDetectionConfig } from "../run/config.ts";

const count = z.number().int().positive();

/** The zod schema of the RPN's ablations; docs/reference/configuration.md lists its keys. */
export const rpnExperimentSchema = z.strictObject({
  seeds: experimentKeys.seeds.unwrap().default(1),
  keepRuns: experimentKeys.keepRuns,
  /** As `detect train --config` takes it: data, detector, epochs. The experiment sets `seed`, `schedule` and the anchors of its conditions. */
  detection: z.looseObject({}),
  /**
   * What is compared. `anchors`: one scale or all, one ratio or all, each a training. On the trained detector with all anchors:
   * `proposals`, their number; `nms`, without suppression; `cls`, boxes drawn at random instead of by objectness; `reg`, anchors as
   * proposals. `sharing`: joint training, the four steps, and the first two of them, whose networks share nothing.
   */
  conditions: z
    .array(z.enum(["anchors", "proposals", "nms", "cls", "reg", "sharing"]))
    .min(1)
    .default(["anchors", "proposals", "nms", "cls", "reg", "sharing"]),
  /** The schedule of all trainings but those of `sharing`, which has both. */
  schedule: z.enum(["joint", "alternating"]).default("joint"),
  /** The size that stands alone, one of the detector's; null: the middle one. */
  scale: z.number().positive().nullable().default(null),
  /** How many proposals of an image the head sees, one condition each. */
  proposals: z.array(count).min(1).default([1000, 300, 100, 50, 10]),
  /** How many without suppression: the paper's 6000. */
  unsuppressed: count.default(6000),
  /** How many are drawn at random without objectness, one condition each. */
  drawn: z.array(count).min(1).default([1000, 300, 100]),
});

export type RpnExperimentConfig = z.infer<typeof rpnExperimentSchema>;
export type RpnExperimentRequest = z.input<typeof rpnExperimentSchema>;
export type RpnCondition = RpnExperimentConfig["conditions"][number];

/** Checks a request and fills in defaults. @throws ConfigError naming the key */
export function resolveRpnExperiment(request: unknown): RpnExperimentConfig {
  const config = checkedConfig(rpnExperimentSchema, request);
  for (const key of ["seed", "schedule"])
    if (key in config.detection) throw new ConfigError(`detection.${key}: is set by the experiment`);
  for (const { schedule } of trainingsOf(config)) detectionOf(config, { schedule });
  return config;
}

/** Which anchors a detector has: all of its configuration, or one scale or one ratio of them. */
export type AnchorVariant = "all" | "ratios" | "scales" | "one";

export type Schedule = RpnExperimentConfig["schedule"];

/** What is trained once for every seed. */
export function trainingsOf({ conditions, schedule }: RpnExperimentConfig): {
  readonly variant: AnchorVariant;
  readonly schedule: Schedule;
}[] {
  const variants: AnchorVariant[] = conditions.includes("anchors") ? ["all", "scales", "ratios", "one"] : ["all"];
  const other: Schedule = schedule === "joint" ? "alternating" : "joint";
  return [
    ...variants.map((variant) => ({ variant, schedule })),
    ...(conditions.includes("sharing") ? [{ variant: "all" as const, schedule: other }] : []),
  ];
}

/** Scales and ratios of a variant. @throws ConfigError where the detector has none to leave out */
export function anchorsOfVariant(config: RpnExperimentConfig, variant: AnchorVariant, axes: 2 | 3) {
  const { anchors } = detectorOf(detectionOf(config), axes, 1);
  if (variant === "all") return { sizes: anchors.sizes, ratios: anchors.ratios };
  if (anchors.sizes.length > 1)
    throw new ConfigError(
      `conditions: anchors wants a detector of one level with all sizes there (preset paper); this one has ${anchors.sizes.length} levels`,
    );
  const [sizes] = anchors.sizes;
  if (sizes.length < 2 || anchors.ratios.length < 2)
    throw new ConfigError(
      `conditions: anchors wants several sizes and ratios; the detector has ${sizes.join(", ")} and ${anchors.ratios.join(", ")}`,
    );
  const scale = config.scale ?? sizes[Math.floor((sizes.length - 1) / 2)];
  if (!sizes.includes(scale)) throw new ConfigError(`scale: ${scale}; the detector has ${sizes.join(", ")}`);
  const ratio = anchors.ratios.includes(1) ? 1 : anchors.ratios[Math.floor((anchors.ratios.length - 1) / 2)];
  return {
    sizes: variant === "scales" ? [sizes] : [[scale]],
    ratios: variant === "ratios" ? anchors.ratios : [ratio],
  };
}

/** The configuration of one training. @throws ConfigError where its anchors cannot be made of the detector's */
export function trainingOf(
  config: RpnExperimentConfig,
  variant: AnchorVariant,
  schedule: Schedule,
  seed: number,
  axes: 2 | 3,
): DetectionConfig {
  const own = detectionOf(config, { schedule, seed });
  if (variant === "all") return own;
  // Over the detector's own keys, which are laid over all others.
  const anchors = { ...(own.detector.anchors as object | undefined), ...anchorsOfVariant(config, variant, axes) };
  return { ...own, detector: { ...own.detector, anchors } };
}

/** As asked, with nobody watched unless asked for: all images but those held out are learnt from. */
function detectionOf(
  { detection }: RpnExperimentConfig,
  { schedule = "joint", seed = 0 }: { readonly schedule?: Schedule; readonly seed?: number } = {},
): DetectionConfig {
  const { phaseEpochs, ...asked } = detection;
  // The same images are held out whatever the seed.
  const own = { validation: 0, splitSeed: 0, ...asked, schedule, seed };
  // Of use for the four steps alone.
  return resolveDetectionConfig((schedule === "joint" ? own : { ...own, phaseEpochs }) as unknown as DetectionRequest);
}
