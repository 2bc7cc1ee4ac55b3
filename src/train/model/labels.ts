/**
 * Labels, checked where they enter the engine. A loss compares labels with the classes 0 … K−1; any other number would match no class and
 * cost nothing, as if all were right. So whoever feeds a step is told of it: one pass over whole numbers, which takes well under a
 * hundredth of the step's time.
 */
import { DataError } from "../../errors.ts";
import type { Graph, Tensor } from "../../graph/index.ts";
import type { Feeds } from "../../runtime/types.ts";

/** What the numbers of an input may be: 0 … classes − 1, or `ignored`. */
export interface InputRule {
  readonly input: string;
  readonly classes: number;
  readonly ignored?: number;
}

/** Operators whose output holds numbers of their first input and no others. */
const moving: ReadonlySet<string> = new Set(["reshape", "transpose", "expand", "slice", "gather"]);

/** What the losses of a graph expect of its inputs. */
export function inputRules(graph: Graph): InputRule[] {
  const rules = graph.labelRules.flatMap(({ target, classes, ignored }) => {
    const input = inputOf(target);
    return input === undefined ? [] : [{ input, classes, ignored }];
  });
  const known = new Set<string>();
  return rules.filter((rule) => {
    const key = JSON.stringify(rule);
    return !known.has(key) && known.add(key);
  });
}

/** The input that a tensor's numbers come from. */
function inputOf(tensor: Tensor): string | undefined {
  let { source } = tensor;
  while (source.kind === "node" && moving.has(source.node.op)) source = source.node.inputs[0].source;
  return source.kind === "input" ? source.name : undefined;
}

/**
 * @param where begins the message, e.g. `step 3`
 * @throws DataError with the input, the label, its place and the number of classes
 */
export function refuseStrangeLabels(feeds: Feeds, rules: readonly InputRule[], where: string): void {
  for (const { input, classes, ignored } of rules) {
    const fed = feeds[input];
    if (fed === undefined) continue;
    const { data, shape } = fed;
    for (let i = 0; i < data.length; i++) {
      const label = data[i] as number;
      if ((label >= 0 && label < classes) || label === ignored) continue;
      const except = ignored === undefined ? "" : `, or ${ignored} where nothing counts`;
      throw new DataError(
        `${where}: ${input}: label ${label} at [${placeOf(i, shape).join(", ")}]; labels of ${classes} classes are 0 to ${classes - 1}${except}`,
      );
    }
  }
}

function placeOf(index: number, shape: readonly number[]): number[] {
  const place: number[] = [];
  let rest = index;
  for (const size of shape.toReversed()) {
    place.unshift(rest % size);
    rest = Math.floor(rest / size);
  }
  return place;
}
