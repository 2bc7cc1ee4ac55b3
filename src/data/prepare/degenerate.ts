/** What a fingerprint says of cases that no plan can mend. */
import { counted } from "../counted.ts";
import type { Fingerprint } from "../plan/fingerprint.ts";

export interface Degenerate {
  readonly case: string;
  readonly problem: string;
}

/** Voxels that are no numbers, constant images, axes of one slice, spacings that no scanner has; labelled cases without a labelled voxel. */
export function degenerateCases({ cases }: Fingerprint): Degenerate[] {
  return cases.flatMap(({ id, size, spacingMm, intensity, labelVoxels, notFinite = 0, spacingAssumed }) => {
    const problems: string[] = [];
    if (notFinite > 0) problems.push(`${counted(notFinite, "voxel")} with NaN or infinity; training refuses it`);
    for (const [channel, { low, high, sd }] of intensity.entries()) {
      const where = intensity.length > 1 ? `channel ${channel} of ` : "";
      if (sd === 0 || low === high) problems.push(`${where}the image is constant (${low}) but for outliers`);
    }
    const thin = size.indexOf(1);
    if (thin >= 0) problems.push(`has one slice along ${"xyz"[thin]}; a 3D network sees no third dimension in it`);
    const odd = spacingMm.find((mm) => !(mm > 0.001 && mm < 100));
    if (odd !== undefined) problems.push(`has a spacing of ${odd} mm; the header's is missing or wrong`);
    if (spacingAssumed) problems.push("its header gives no spacing; 1 mm is taken");
    const foreground = Object.entries(labelVoxels).some(([value, voxels]) => value !== "0" && voxels > 0);
    if (Object.keys(labelVoxels).length > 0 && !foreground) problems.push("its label map marks nothing");
    return problems.map((problem) => ({ case: id, problem }));
  });
}
