/** What `medvox info` says of a volume: how it lies in space and what its values are. */
import { labelValue } from "../../data/index.ts";
import { readVolume } from "../../files/index.ts";
import { orientationCode, spacingOf, type VolumeFormat, type VoxelArray } from "../../volume/index.ts";
import type { Outcome } from "../command.ts";

const FORMAT_NAMES: Readonly<Record<VolumeFormat, string>> = {
  nifti1: "NIfTI-1",
  nifti2: "NIfTI-2",
  nrrd: "NRRD",
  metaimage: "MetaImage",
  mgh: "MGH",
  npz: "NumPy archive",
  dicom: "DICOM",
  "dicom-seg": "DICOM segmentation",
};

/** A label map has at most this many different values. */
const MOST_LABELS = 128;

export async function describeVolume(path: string): Promise<Outcome> {
  const { header, size, channels, affine, data } = await readVolume(path);
  const { format, voxelType, slope, intercept } = header;
  const spacingMm = spacingOf(affine);
  const values = summarizeValues(data);
  const labels = countLabels(data);
  const units = header.nifti?.units;
  const document = {
    kind: "volume",
    path,
    format,
    voxelType,
    size,
    channels,
    spacingMm,
    orientation: orientationCode(affine),
    affine,
    ...(header.nifti && { affineSource: header.nifti.affineSource, units }),
    ...(header.dicom && {
      series: {
        modality: header.dicom.modality,
        description: header.dicom.seriesDescription,
        uid: header.dicom.seriesInstanceUid,
        slices: header.dicom.slices.length,
        ...(header.dicom.repaired && { repaired: header.dicom.repaired }),
      },
    }),
    slope,
    intercept,
    values,
    ...(labels && { labels }),
  };
  const scaled = slope === 1 && intercept === 0 ? "" : `, × ${slope} + ${intercept}`;
  const { dicom } = header;
  const series = dicom && [dicom.modality, `${dicom.slices.length} slices`, dicom.seriesDescription].filter(Boolean);
  const lines = [
    path,
    `format       ${FORMAT_NAMES[format]}, ${voxelType}${scaled}`,
    ...(series ? [`series       ${series.join(", ")}`] : []),
    ...(dicom?.repaired ? [`repaired     ${dicom.repaired}`] : []),
    `size         ${size.join(" × ")} voxels (x × y × z)${channels === 1 ? "" : `, ${channels} channels`}`,
    `spacing      ${spacingMm.map(short).join(" × ")} mm`,
    `orientation  ${document.orientation}${header.nifti ? ` (from the ${header.nifti.affineSource})` : ""}`,
    ...[0, 1, 2].map((row) => {
      const numbers = affine.slice(4 * row, 4 * row + 4).map((value) => short(value).padStart(10));
      return `${row === 0 ? "affine" : ""}`.padEnd(11) + numbers.join("");
    }),
    `values       ${short(values.min)} to ${short(values.max)}, mean ${short(values.mean)}`,
  ];
  if (units === "m" || units === "µm")
    lines.push(`units        the file's numbers are in ${units}; here they are millimetres`);
  if (values.notFinite > 0) lines.push(`not finite   ${values.notFinite} voxels (NaN or infinite)`);
  if (labels) {
    const counts = Object.entries(labels).map(([label, count]) => `${label}: ${count}`);
    lines.push(`voxels with  ${counts.join(", ")}`);
  }
  return { document, text: lines.join("\n") };
}

interface Values {
  /** Of the finite values; NaN where there is none. */
  min: number;
  max: number;
  mean: number;
  notFinite: number;
}

function summarizeValues(data: VoxelArray): Values {
  let [min, max, sum, notFinite] = [Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY, 0, 0];
  for (const voxel of data) {
    const value = Number(voxel);
    if (!Number.isFinite(value)) {
      notFinite++;
      continue;
    }
    if (value < min) min = value;
    if (value > max) max = value;
    sum += value;
  }
  const finite = data.length - notFinite;
  return finite === 0
    ? { min: Number.NaN, max: Number.NaN, mean: Number.NaN, notFinite }
    : { min, max, mean: sum / finite, notFinite };
}

/**
 * Voxels per value of a label map, in the order of the labels; undefined for what is none. A label map has few values,
 * all whole, and is mostly background: that keeps a small 8-bit image from being taken for one.
 */
function countLabels(data: VoxelArray): Record<string, number> | undefined {
  const counts = new Map<number, number>();
  for (const voxel of data) {
    const value = labelValue(voxel);
    if (value === undefined) return undefined;
    counts.set(value, (counts.get(value) ?? 0) + 1);
    if (counts.size > MOST_LABELS) return undefined;
  }
  const background = counts.get(0) ?? 0;
  for (const count of counts.values()) if (count > background) return undefined;
  return Object.fromEntries([...counts].sort(([a], [b]) => a - b));
}

/** At most six significant digits, without trailing zeros. */
function short(value: number): string {
  return String(Number(value.toPrecision(6)));
}
