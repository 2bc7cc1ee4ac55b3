/** A scan's true boxes and detections as the findings and marks of the free-response curve. */
import { type BoxArray, worldBoxOf } from "../../boxes/index.ts";
import type { Affine } from "../../volume/types.ts";
import type { Detections, TrueBoxes } from "./detection.ts";
import type { FrocFinding, FrocScan } from "./froc.ts";

/**
 * Centres in RAS millimetres. A finding is taken as its file gives it, since its box may be cut at the scan's edge; of boxes
 * alone, the centre is the box's and the diameter the geometric mean of its sides, that of a ball with its volume. Difficult
 * boxes and crowds become excluded findings.
 * @param affine of the grid the boxes are in
 */
export function frocScan(
  scan: string,
  truth: Pick<TrueBoxes, "boxes" | "labels" | "difficult" | "crowd" | "findings">,
  detections: Detections,
  affine: Affine,
): FrocScan {
  const findings: FrocFinding[] = [];
  const excluded: FrocFinding[] = [];
  for (let i = 0; i < truth.labels.length; i++) {
    const finding = truth.findings?.[i] ?? findingOf(truth.boxes, i, affine);
    if (truth.difficult?.[i] || truth.crowd?.[i]) excluded.push(finding);
    else findings.push(finding);
  }
  const markOf = (boxes: BoxArray, i: number) => worldBoxOf(boxes, i, affine).centreMm;
  const marks = Array.from(detections.scores, (score, i) => ({ centreMm: markOf(detections.boxes, i), score }));
  return { scan, findings, excluded, marks };
}

function findingOf(boxes: BoxArray, i: number, affine: Affine): FrocFinding {
  const { centreMm, sizeMm } = worldBoxOf(boxes, i, affine);
  return { centreMm, diameterMm: Math.cbrt(sizeMm[0] * sizeMm[1] * sizeMm[2]) };
}
