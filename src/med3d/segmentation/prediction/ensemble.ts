/**
 * Several segmentations as one: each predicts by a plan of its own (spacing, patch, intensities), their class probabilities are averaged
 * on the image's own grid, and the most probable class is taken.
 */
import type { Axis } from "../../../augment/index.ts";
import { restoreClasses } from "../../../data/index.ts";
import { ConfigError } from "../../../errors.ts";
import type { Volume } from "../../../volume/index.ts";
import { type KeepLargest, keepLargest, keepLargestText } from "../keep-largest.ts";
import type { Pass } from "./members.ts";
import { mostProbable } from "./probabilities.ts";

/** An opened segmentation, and what it is called in messages. */
export interface NamedPass {
  readonly name: string;
  readonly pass: Pass;
}

/** @throws ConfigError where they have other labels or other channels than the first */
export function ensemblePass(members: readonly NamedPass[]): Pass {
  const [{ name: firstName, pass: first }, ...others] = members;
  const { plan } = first;
  for (const { name, pass } of others) checkAlike(firstName, plan, name, pass.plan);
  const passes = members.map(({ pass }) => pass);
  // Each was opened beside those before it; those after it are beside it from now on.
  for (const [i, pass] of passes.entries()) for (const later of passes.slice(i + 1)) pass.share(later.resident());
  const mirrored = passes.every((pass) => pass.mirrored !== undefined)
    ? passes[0].mirrored!.filter((axis: Axis) => passes.every((pass) => pass.mirrored!.includes(axis)))
    : undefined;
  return {
    plan,
    mirrored,
    get keepLargest() {
      return commonRule(members);
    },
    predict: async (image, options) => {
      const { keepLargest: rule = commonRule(members), probabilities, onWindow, ...each } = options;
      let [done, doneMs] = [0, 0];
      let mean: Volume<Float32Array> | undefined;
      for (const [i, pass] of passes.entries()) {
        let [own, ownMs] = [0, 0];
        const found = await pass.predict(image, {
          ...each,
          keepLargest: null,
          probabilities: true,
          onWindow: (window, windows, ms) => {
            [own, ownMs] = [windows, ms];
            // The networks to come will take about as many windows as this one.
            onWindow?.(done + window, done + windows * (passes.length - i), doneMs + ms);
          },
        });
        done += own;
        doneMs += ownMs;
        mean = added(mean, found.probabilities!, passes.length);
      }
      const classes = mostProbable(mean!);
      keepLargest(classes, image.size, rule, plan);
      const { size, affine, name } = image;
      const volume = restoreClasses({ data: classes, size, affine, name, channels: 1 }, image, plan.preprocessing);
      return { volume, probabilities: probabilities ? mean : undefined };
    },
    memory: (image, options) => {
      // The mean stays while the next network makes its own probabilities.
      const [x, y, z] = image.size;
      const mean = 4 * plan.preprocessing.labels.length * x * y * z;
      for (const pass of passes) pass.share(mean);
      try {
        const all = passes.map((pass) => pass.memory(image, { ...options, probabilities: true }));
        const windows = all.reduce((sum, one) => sum + one.windows, 0);
        return { ...all.reduce((a, b) => (a.bytes > b.bytes ? a : b)), windows };
      } finally {
        for (const pass of passes) pass.share(-mean);
      }
    },
    resident: () => passes.reduce((sum, pass) => sum + pass.resident(), 0),
    share: (bytes) => {
      for (const pass of passes) pass.share(bytes);
    },
    close: async () => {
      for (const pass of passes) await pass.close();
    },
  };
}

/** Adds the share of one of `count` to the mean so far. */
function added(mean: Volume<Float32Array> | undefined, own: Volume<Float32Array>, count: number): Volume<Float32Array> {
  const sum = mean?.data ?? new Float32Array(own.data.length);
  for (let i = 0; i < sum.length; i++) sum[i] += own.data[i] / count;
  return { ...own, data: sum };
}

/** @throws ConfigError where the members keep different components */
function commonRule(members: readonly NamedPass[]): KeepLargest | null {
  const [first, ...others] = members;
  const rule = first.pass.keepLargest;
  const other = others.find(({ pass }) => JSON.stringify(pass.keepLargest) !== JSON.stringify(rule));
  if (other === undefined) return rule;
  const told = (one: KeepLargest | null): string => keepLargestText(one) ?? "all parts";
  throw new ConfigError(
    `keepLargest: ${first.name} keeps ${told(rule)}, ${other.name} ${told(other.pass.keepLargest)}; say which, e.g. --keep-largest none`,
  );
}

function checkAlike(firstName: string, first: Pass["plan"], name: string, plan: Pass["plan"]): void {
  const labels = (one: Pass["plan"]): string =>
    one.labels.map(({ index, name: label }) => `${index} ${label}`).join(", ");
  if (labels(plan) !== labels(first))
    throw new ConfigError(
      `${name}: has the labels ${labels(plan)}, ${firstName} has ${labels(first)}; only networks of the same labels are averaged`,
    );
  const [theirs, ours] = [plan.preprocessing.channels, first.preprocessing.channels];
  if (theirs !== ours)
    throw new ConfigError(
      `${name}: takes images of ${theirs} channels, ${firstName} of ${ours}; both must take the same`,
    );
}
