/**
 * Detections as structured reports (PS3.16 TID 1500): by default a group for each finding with a rectangle on the slice through its
 * middle (TID 1410), which viewers draw; or with an ellipsoid in space (TID 1411), which says its whole extent.
 */
import { invertAffine } from "../../volume/affine.ts";
import type { DicomOrigin } from "../../volume/formats/dicom-origin.ts";
import type { Affine, Vec3 } from "../../volume/types.ts";
import { lpsAffine } from "../geometry/stack.ts";
import { type CodeTable, codesFor } from "./codes.ts";
import { type DicomValues, encodeDicom, newUid } from "./part10.ts";
import { code, commonValues, instanceReferences, requireReferable, type WriteObjectOptions } from "./source.ts";

/** An object that was found: its box in the voxels of the volume that was read, edges at whole numbers. */
export interface ReportFinding {
  readonly low: Vec3;
  readonly high: Vec3;
  /** What it is. */
  readonly name: string;
  /** From 0 to 1. */
  readonly score: number;
}

export interface ReportOptions extends WriteObjectOptions {
  /** `"planar"` (default): rectangles on slices; `"volumetric"`: ellipsoids in space. */
  readonly kind?: "planar" | "volumetric";
  /** Codes for what is found, by name, beside medvox's own. */
  readonly codes?: CodeTable;
  /** For messages. */
  readonly name?: string;
}

const comprehensive3d = "1.2.840.10008.5.1.4.1.1.88.34";
const mm = code("mm", "UCUM", "millimeter");

/**
 * The file of a report on what was found in a volume.
 * @param affine of that volume: voxels to RAS mm; a box from 0 to 1 is the first voxel
 * @throws DataError where the images have no UIDs to refer to
 */
export function encodeReport(
  findings: readonly ReportFinding[],
  affine: Affine,
  origin: DicomOrigin,
  { kind = "planar", codes, name = "report", ...options }: ReportOptions = {},
): Uint8Array {
  requireReferable(origin, name);
  const images = [...new Map(origin.slices.map((slice) => [slice.sopInstanceUid, slice])).values()];
  const groups = findings.map((finding, i) =>
    kind === "planar"
      ? planarGroup(finding, i, affine, origin, codes)
      : volumetricGroup(finding, i, affine, origin, codes),
  );
  const references = instanceReferences(origin);
  return encodeDicom({
    ...commonValues(origin, "SR", kind === "planar" ? 400 : 401, {
      seriesDescription: "medvox detections",
      ...options,
    }),
    SOPClassUID: comprehensive3d,
    CompletionFlag: "COMPLETE",
    VerificationFlag: "UNVERIFIED",
    PreliminaryFlag: "PRELIMINARY",
    ReferencedPerformedProcedureStepSequence: [],
    PerformedProcedureCodeSequence: [],
    CurrentRequestedProcedureEvidenceSequence: [
      {
        StudyInstanceUID: origin.study.StudyInstanceUID,
        ReferencedSeriesSequence: [{ SeriesInstanceUID: origin.seriesInstanceUid, ReferencedSOPSequence: references }],
      },
    ],
    ...container("", code("126000", "DCM", "Imaging Measurement Report"), "1500", [
      codeItem(
        "HAS CONCEPT MOD",
        code("121049", "DCM", "Language of Content Item and Descendants"),
        code("en", "RFC5646", "English"),
      ),
      codeItem("HAS OBS CONTEXT", code("121005", "DCM", "Observer Type"), code("121007", "DCM", "Device")),
      uidItem("HAS OBS CONTEXT", code("121012", "DCM", "Device Observer UID"), newUid()),
      textItem("HAS OBS CONTEXT", code("121013", "DCM", "Device Observer Name"), "medvox"),
      codeItem("HAS CONCEPT MOD", code("121058", "DCM", "Procedure reported"), procedure(origin.modality)),
      container("CONTAINS", code("111028", "DCM", "Image Library"), "", [
        container(
          "CONTAINS",
          code("126200", "DCM", "Image Library Group"),
          "",
          images.map((slice) => imageItem("CONTAINS", slice)),
        ),
      ]),
      container("CONTAINS", code("126010", "DCM", "Imaging Measurements"), "", groups),
    ]),
  });
}

function procedure(modality: string): DicomValues {
  if (modality === "CT") return code("77477000", "SCT", "Computed Tomography X-Ray");
  if (modality === "MR") return code("113091000", "SCT", "Magnetic Resonance Imaging");
  if (modality === "PT") return code("82918005", "SCT", "Positron Emission Tomography");
  return code("363679005", "SCT", "Imaging procedure");
}

/** The centre and the half axes, LPS mm: the box's own axes. */
function ellipsoidOf({ low, high }: ReportFinding, affine: Affine) {
  const lps = (voxel: readonly number[], w: number): number[] =>
    [-1, -1, 1].map(
      (sign, row) =>
        sign *
        (affine[4 * row] * voxel[0] +
          affine[4 * row + 1] * voxel[1] +
          affine[4 * row + 2] * voxel[2] +
          w * affine[4 * row + 3]),
    );
  // Edges are at whole numbers, voxel centres half a voxel further.
  const centre = lps(
    low.map((value, i) => (value + high[i]) / 2 - 0.5),
    1,
  );
  const axes = [0, 1, 2].map((axis) =>
    lps(
      [0, 0, 0].map((_, i) => (i === axis ? (high[i] - low[i]) / 2 : 0)),
      0,
    ),
  );
  return { centre, axes, lengths: axes.map((axis) => 2 * Math.hypot(...axis)) };
}

function planarGroup(
  finding: ReportFinding,
  i: number,
  affine: Affine,
  origin: DicomOrigin,
  codes?: CodeTable,
): DicomValues {
  const { centre, axes, lengths } = ellipsoidOf(finding, affine);
  const k = nearestSlice(centre, origin);
  const slice = origin.slices[k];
  // World to the pixels of that slice: RAS on both sides.
  const toPixel = invertAffine(sliceAffine(origin, slice.position));
  const pixel = (lps: readonly number[]): [number, number] => {
    const ras = [-lps[0], -lps[1], lps[2]];
    const at = (row: number) =>
      toPixel[4 * row] * ras[0] + toPixel[4 * row + 1] * ras[1] + toPixel[4 * row + 2] * ras[2] + toPixel[4 * row + 3];
    // The standard counts pixels from the corner of the first, whose middle is at ½.
    return [at(0) + 0.5, at(1) + 0.5];
  };
  const corners = [-1, 1].flatMap((a) =>
    [-1, 1].map((b) => pixel(centre.map((v, c) => v + a * axes[0][c] + b * axes[1][c]))),
  );
  const [x, y] = [corners.map(([column]) => column), corners.map(([, row]) => row)];
  const clamp = (value: number, most: number) => Math.min(most, Math.max(0, value));
  const [x0, x1] = [clamp(Math.min(...x), origin.columns), clamp(Math.max(...x), origin.columns)];
  const [y0, y1] = [clamp(Math.min(...y), origin.rows), clamp(Math.max(...y), origin.rows)];
  return container("CONTAINS", code("125007", "DCM", "Measurement Group"), "1410", [
    ...about(finding, i, codes),
    {
      RelationshipType: "CONTAINS",
      ValueType: "SCOORD",
      ConceptNameCodeSequence: [code("111030", "DCM", "Image Region")],
      GraphicType: "POLYLINE",
      GraphicData: [x0, y0, x1, y0, x1, y1, x0, y1, x0, y0],
      ContentSequence: [imageItem("SELECTED FROM", slice, code("260753009", "SCT", "Source"))],
    },
    numberItem(code("81827009", "SCT", "Diameter"), Math.max(lengths[0], lengths[1]), mm),
    numberItem(code("111012", "DCM", "Certainty of Finding"), 100 * finding.score, code("%", "UCUM", "percent")),
  ]);
}

function volumetricGroup(
  finding: ReportFinding,
  i: number,
  affine: Affine,
  origin: DicomOrigin,
  codes?: CodeTable,
): DicomValues {
  const { centre, axes, lengths } = ellipsoidOf(finding, affine);
  // The ends of the three axes, the longest first.
  const order = [0, 1, 2].sort((a, b) => lengths[b] - lengths[a]);
  const ends = order.flatMap((axis) =>
    [-1, 1].flatMap((sign) => centre.map((value, c) => value + sign * axes[axis][c])),
  );
  return container("CONTAINS", code("125007", "DCM", "Measurement Group"), "1411", [
    ...about(finding, i, codes),
    {
      RelationshipType: "CONTAINS",
      ValueType: "SCOORD3D",
      ConceptNameCodeSequence: [code("121231", "DCM", "Volume Surface")],
      GraphicType: "ELLIPSOID",
      GraphicData: ends,
      ReferencedFrameOfReferenceUID: origin.frameOfReferenceUid,
    },
    uidItem("CONTAINS", code("121232", "DCM", "Source series for segmentation"), origin.seriesInstanceUid),
    numberItem(code("81827009", "SCT", "Diameter"), Math.max(...lengths), mm),
    numberItem(
      code("118565006", "SCT", "Volume"),
      (Math.PI / 6) * lengths[0] * lengths[1] * lengths[2],
      code("mm3", "UCUM", "cubic millimeter"),
    ),
    numberItem(code("111012", "DCM", "Certainty of Finding"), 100 * finding.score, code("%", "UCUM", "percent")),
  ]);
}

/** What every group says first: how it is tracked, what it is, who found it. */
function about({ name }: ReportFinding, i: number, codes: CodeTable | undefined): DicomValues[] {
  return [
    textItem("HAS OBS CONTEXT", code("112039", "DCM", "Tracking Identifier"), `${name} ${i + 1}`),
    uidItem("HAS OBS CONTEXT", code("112040", "DCM", "Tracking Unique Identifier"), newUid()),
    codeItem("CONTAINS", code("121071", "DCM", "Finding"), code(...codesFor(name, i + 1, codes).type)),
    textItem("HAS CONCEPT MOD", code("111001", "DCM", "Algorithm Name"), "medvox"),
    textItem("HAS CONCEPT MOD", code("111003", "DCM", "Algorithm Version"), "1"),
  ];
}

function nearestSlice(lps: readonly number[], { slices, orientation }: DicomOrigin): number {
  const [a, b, c, d, e, f] = orientation;
  const normal = [b * f - c * e, c * d - a * f, a * e - b * d];
  const distance = (position: readonly number[]) =>
    Math.abs(lps.reduce((sum, v, i) => sum + (v - position[i]) * normal[i], 0));
  let best = 0;
  for (let k = 1; k < slices.length; k++) if (distance(slices[k].position) < distance(slices[best].position)) best = k;
  return best;
}

function sliceAffine({ orientation, pixelSpacing }: DicomOrigin, position: Vec3): Affine {
  const [a, b, c, d, e, f] = orientation;
  const normal = [b * f - c * e, c * d - a * f, a * e - b * d];
  return lpsAffine(
    [a, b, c].map((v) => v * pixelSpacing[1]),
    [d, e, f].map((v) => v * pixelSpacing[0]),
    normal,
    position,
  );
}

function container(
  relation: string,
  name: DicomValues,
  template: string,
  children: readonly DicomValues[],
): DicomValues {
  return {
    ...(relation !== "" && { RelationshipType: relation }),
    ValueType: "CONTAINER",
    ConceptNameCodeSequence: [name],
    ContinuityOfContent: "SEPARATE",
    ...(template !== "" && {
      ContentTemplateSequence: [{ MappingResource: "DCMR", TemplateIdentifier: template }],
    }),
    ...(children.length > 0 && { ContentSequence: children }),
  };
}

function codeItem(relation: string, name: DicomValues, value: DicomValues): DicomValues {
  return {
    RelationshipType: relation,
    ValueType: "CODE",
    ConceptNameCodeSequence: [name],
    ConceptCodeSequence: [value],
  };
}

function textItem(relation: string, name: DicomValues, text: string): DicomValues {
  return { RelationshipType: relation, ValueType: "TEXT", ConceptNameCodeSequence: [name], TextValue: text };
}

function uidItem(relation: string, name: DicomValues, uid: string): DicomValues {
  return { RelationshipType: relation, ValueType: "UIDREF", ConceptNameCodeSequence: [name], UID: uid };
}

function numberItem(name: DicomValues, value: number, unit: DicomValues): DicomValues {
  return {
    RelationshipType: "CONTAINS",
    ValueType: "NUM",
    ConceptNameCodeSequence: [name],
    MeasuredValueSequence: [{ NumericValue: value, MeasurementUnitsCodeSequence: [unit] }],
  };
}

function imageItem(
  relation: string,
  { sopClassUid, sopInstanceUid, frame }: DicomOrigin["slices"][number],
  name?: DicomValues,
): DicomValues {
  return {
    RelationshipType: relation,
    ValueType: "IMAGE",
    ...(name && { ConceptNameCodeSequence: [name] }),
    ReferencedSOPSequence: [
      {
        ReferencedSOPClassUID: sopClassUid,
        ReferencedSOPInstanceUID: sopInstanceUid,
        ...(frame !== undefined && relation === "SELECTED FROM" && { ReferencedFrameNumber: frame }),
      },
    ],
  };
}
