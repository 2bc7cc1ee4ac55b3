/** Every operator of medvox. The mapped type makes a missing entry, or an entry without a gradient, a compile error. */

import type { OperatorTable } from "../core.ts";
import { convolution } from "./convolution.ts";
import { elementwise } from "./elementwise.ts";
import { movement } from "./movement.ts";
import { normalisation } from "./normalisation.ts";
import { pooling } from "./pooling.ts";
import { reductions } from "./reductions.ts";
import { selection } from "./selection.ts";

/** Every operator: its shape rule, its ONNX form and its gradient. */
export const operators: OperatorTable = {
  ...elementwise,
  ...reductions,
  ...movement,
  ...convolution,
  ...pooling,
  ...normalisation,
  ...selection,
};
