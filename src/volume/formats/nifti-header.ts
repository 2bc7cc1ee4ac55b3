/**
 * The NIfTI-1 and NIfTI-2 header: fields to a grid, and a grid to fields.
 *
 * What the fields mean is decided as nibabel decides it (`Nifti1Header.get_best_affine` and its header checks): sform
 * where its code is set, else qform, else the pixdim fallback, which is centred and has its x axis towards the left.
 * One thing differs: nibabel leaves the affine in the file's unit, here a file in metres or micrometres (`xyzt_units`)
 * gives millimetres, as everything that reads a spacing expects.
 * Sources: nifti1.h, nifti2.h (NIMH); nibabel 5.4 nifti1.py, analyze.py, quaternions.py.
 */
import { DataError, GeometryError } from "../../errors.ts";
import { checkAffine, closestRotation, determinant, spacingOf } from "../affine.ts";
import type { Affine, Vec3 } from "../types.ts";
import type { VoxelType } from "../voxels.ts";
import { bytesPerVoxel } from "../voxels.ts";

export interface NiftiHeader {
  readonly version: 1 | 2;
  readonly littleEndian: boolean;
  /** Whether the voxels are in a file of their own (.img). */
  readonly pair: boolean;
  /** The 348 or 540 bytes as they stood. */
  readonly bytes: Uint8Array;
  /** `dim[1]` to `dim[dim[0]]`. */
  readonly dims: readonly number[];
  readonly voxelType: VoxelType;
  /** Where the voxels begin in their file. */
  readonly voxelOffset: number;
  readonly slope: number;
  readonly intercept: number;
  /** To millimetres, whatever the file's unit is. */
  readonly affine: Affine;
  readonly affineSource: "sform" | "qform" | "pixdim";
  /** An axis of several voxels whose spacing the header leaves at 0: 1 mm was taken, as nibabel does. */
  readonly spacingAssumed: boolean;
  /** The unit that the file's own numbers are in; `affine` is in millimetres already. */
  readonly units: "unknown" | "m" | "mm" | "µm";
}

/** The lowest three bits of `xyzt_units`, and how many millimetres the unit has; "unknown" is taken for millimetres. */
const spaceUnits: Readonly<Record<number, readonly [units: NiftiHeader["units"], mm: number]>> = {
  1: ["m", 1000],
  2: ["mm", 1],
  3: ["µm", 0.001],
};

/** Bytes that hold any NIfTI header and the extension flag after it. */
export const niftiHeaderBytes = 544;

/** NIfTI's datatype codes that medvox reads. */
const typeOfCode: Readonly<Record<number, VoxelType>> = {
  2: "uint8",
  4: "int16",
  8: "int32",
  16: "float32",
  64: "float64",
  256: "int8",
  512: "uint16",
  768: "uint32",
  1024: "int64",
  1280: "uint64",
};
const codeOfType = Object.fromEntries(Object.entries(typeOfCode).map(([code, type]) => [type, Number(code)]));
const refusedTypes: Readonly<Record<number, string>> = {
  1: "binary",
  32: "complex64",
  128: "RGB24",
  1536: "float128",
  1792: "complex128",
  2048: "complex256",
  2304: "RGBA32",
};

/** Where the fields lie: byte offsets in NIfTI-1 and NIfTI-2. */
const layout = {
  1: {
    length: 348,
    dim: 40,
    intent: [56, 60, 64],
    intentCode: 68,
    datatype: 70,
    bitpix: 72,
    pixdim: 76,
    voxelOffset: 108,
    slope: 112,
    intercept: 116,
    units: 123,
    calibration: [124, 128],
    description: 148,
    auxiliaryFile: 228,
    qformCode: 252,
    sformCode: 254,
    quaternion: 256,
    qoffset: 268,
    srow: 280,
    intentName: 328,
    magic: 344,
  },
  2: {
    length: 540,
    dim: 16,
    intent: [80, 88, 96],
    intentCode: 504,
    datatype: 12,
    bitpix: 14,
    pixdim: 104,
    voxelOffset: 168,
    slope: 176,
    intercept: 184,
    units: 500,
    calibration: [192, 200],
    description: 240,
    auxiliaryFile: 320,
    qformCode: 344,
    sformCode: 348,
    quaternion: 352,
    qoffset: 376,
    srow: 400,
    intentName: 508,
    magic: 4,
  },
} as const;

/** Which NIfTI version `bytes` begin with and in which byte order, judged by the header length field. */
function niftiForm(bytes: Uint8Array): { version: 1 | 2; littleEndian: boolean } | undefined {
  if (bytes.length < 4) return undefined;
  const view = new DataView(bytes.buffer, bytes.byteOffset, 4);
  for (const littleEndian of [true, false]) {
    const length = view.getInt32(0, littleEndian);
    if (length === layout[1].length) return { version: 1, littleEndian };
    if (length === layout[2].length) return { version: 2, littleEndian };
  }
  return undefined;
}

/** Which NIfTI version `bytes` begin with; undefined where they are none. */
export function niftiVersion(bytes: Uint8Array): 1 | 2 | undefined {
  return niftiForm(bytes)?.version;
}

/** Reads numbers out of a header: NIfTI-2 has 64 bits where NIfTI-1 has 16 or 32. */
interface FieldReader {
  /** A 16-bit number in both versions. */
  readonly short: (offset: number) => number;
  /** `float` in NIfTI-1, `double` in NIfTI-2. */
  readonly real: (offset: number, index?: number) => number;
  /** `short` in NIfTI-1, `int` in NIfTI-2. */
  readonly code: (offset: number) => number;
  readonly dims: () => number[];
  readonly voxelOffset: () => number;
  readonly units: () => number;
}

function fieldReader(head: Uint8Array, version: 1 | 2, littleEndian: boolean): FieldReader {
  const view = new DataView(head.buffer, head.byteOffset, head.byteLength);
  const at = layout[version];
  const long = (offset: number): number => Number(view.getBigInt64(offset, littleEndian));
  return version === 1
    ? {
        short: (offset) => view.getInt16(offset, littleEndian),
        real: (offset, index = 0) => view.getFloat32(offset + 4 * index, littleEndian),
        code: (offset) => view.getInt16(offset, littleEndian),
        dims: () => Array.from({ length: 8 }, (_, i) => view.getInt16(at.dim + 2 * i, littleEndian)),
        voxelOffset: () => view.getFloat32(at.voxelOffset, littleEndian),
        units: () => view.getUint8(at.units),
      }
    : {
        short: (offset) => view.getInt16(offset, littleEndian),
        real: (offset, index = 0) => view.getFloat64(offset + 8 * index, littleEndian),
        code: (offset) => view.getInt32(offset, littleEndian),
        dims: () => Array.from({ length: 8 }, (_, i) => long(at.dim + 8 * i)),
        voxelOffset: () => long(at.voxelOffset),
        units: () => view.getInt32(at.units, littleEndian),
      };
}

/**
 * Reads the header at the start of `bytes` (uncompressed; 544 bytes are enough). Throws `DataError` where it is no
 * NIfTI header or asks for something medvox does not read, `GeometryError` where its affine is unusable.
 */
export function parseNiftiHeader(bytes: Uint8Array, name = "NIfTI"): NiftiHeader {
  const form = niftiForm(bytes);
  if (form === undefined) {
    throw new DataError(`${name}: not a NIfTI file: a header begins with its length, 348 (NIfTI-1) or 540 (NIfTI-2)`);
  }
  const { version, littleEndian } = form;
  const at = layout[version];
  if (bytes.length < at.length) {
    throw new DataError(`${name}: ${bytes.length} bytes, a NIfTI-${version} header has ${at.length}: truncated?`);
  }
  const head = bytes.slice(0, at.length);
  const magic = String.fromCharCode(...head.subarray(at.magic, at.magic + 4));
  const pair = magic === `ni${version}\0`;
  if (!pair && magic !== `n+${version}\0`) {
    throw new DataError(
      `${name}: not a NIfTI file: magic is ${JSON.stringify(magic)}, must be "n+${version}" or "ni${version}" ` +
        "(Analyze 7.5 files have none; convert them first)",
    );
  }
  const fields = fieldReader(head, version, littleEndian);
  const reals = (offset: number, count: number) => Array.from({ length: count }, (_, i) => fields.real(offset, i));
  const datatype = fields.short(at.datatype);
  const voxelType = typeOfCode[datatype];
  if (voxelType === undefined) {
    const known = refusedTypes[datatype];
    throw new DataError(
      `${name}: datatype ${datatype}${known ? ` (${known})` : ""} is not read: ` +
        "medvox takes integers of 8 to 64 bits and floats of 32 and 64 bits",
    );
  }
  const dims = readDims(fields.dims(), name);
  const voxelOffset = readVoxelOffset(fields.voxelOffset(), pair, version, name);
  const [slope, intercept] = [fields.real(at.slope), fields.real(at.intercept)];
  const scaled = slope !== 0 && Number.isFinite(slope);
  if (scaled && !Number.isFinite(intercept)) {
    throw new DataError(`${name}: scl_slope is ${slope} but scl_inter ${intercept} is not finite`);
  }
  const pixdim = reals(at.pixdim, 8);
  const { affine: stored, source } = bestAffine({
    sformCode: fields.code(at.sformCode),
    qformCode: fields.code(at.qformCode),
    srow: reals(at.srow, 12),
    quaternion: [fields.real(at.quaternion), fields.real(at.quaternion, 1), fields.real(at.quaternion, 2)],
    qoffset: [fields.real(at.qoffset), fields.real(at.qoffset, 1), fields.real(at.qoffset, 2)],
    pixdim,
    dims,
    // nibabel's thresholds: three times the spacing of floats near 1 in the header's precision.
    threshold: 3 * (version === 1 ? 2 ** -23 : 2 ** -52),
    name,
  });
  const [units, mm] = spaceUnits[fields.units() & 7] ?? ["unknown", 1];
  const affine = mm === 1 ? stored : stored.map((value, i) => (i < 12 ? value * mm : value));
  checkAffine(affine, `${name}: ${source}`);
  return {
    version,
    littleEndian,
    pair,
    bytes: head,
    dims,
    voxelType,
    voxelOffset,
    slope: scaled ? slope : 1,
    intercept: scaled ? intercept : 0,
    affine,
    affineSource: source,
    spacingAssumed: source !== "sform" && [0, 1, 2].some((axis) => dims[axis] > 1 && !(Math.abs(pixdim[axis + 1]) > 0)),
    units,
  };
}

/**
 * Spatial size and channels of a NIfTI shape. Trailing axes of length 1 are dropped, missing ones are 1; of the axes
 * beyond the third at most one may be longer than 1, and that one becomes the channels.
 */
export function splitDims(dims: readonly number[], name = "NIfTI"): { size: Vec3; channels: number } {
  const size: Vec3 = [dims[0] ?? 1, dims[1] ?? 1, dims[2] ?? 1];
  const beyond = dims.slice(3).filter((n) => n > 1);
  if (beyond.length > 1) {
    throw new DataError(`${name}: shape ${dims.join("×")} has more than one axis beyond space, medvox takes one`);
  }
  return { size, channels: beyond[0] ?? 1 };
}

/** What {@link buildNiftiHeader} writes. */
export interface NiftiFields {
  readonly size: Vec3;
  readonly channels: number;
  readonly affine: Affine;
  readonly voxelType: VoxelType;
  readonly pair: boolean;
}

/**
 * Header bytes for a new file, or, with `like`, its bytes with only what concerns the values changed: element type,
 * scaling, intent, display range, free text and (where they differ) the channels. Grid fields and their unit stay bit for bit.
 */
export function buildNiftiHeader(fields: NiftiFields, version: 1 | 2, like?: NiftiHeader): Uint8Array<ArrayBuffer> {
  const at = layout[version];
  const head = new Uint8Array(at.length);
  const view = new DataView(head.buffer);
  const littleEndian = like?.littleEndian ?? true;
  const real = (offset: number, value: number) =>
    version === 1 ? view.setFloat32(offset, value, littleEndian) : view.setFloat64(offset, value, littleEndian);
  const code = (offset: number, value: number) =>
    version === 1 ? view.setInt16(offset, value, littleEndian) : view.setInt32(offset, value, littleEndian);
  const setDims = (dims: readonly number[]) => {
    for (let i = 0; i < 8; i++) {
      const value = i === 0 ? dims.length : (dims[i - 1] ?? 1);
      if (version === 1) view.setInt16(at.dim + 2 * i, value, littleEndian);
      else view.setBigInt64(at.dim + 8 * i, BigInt(value), littleEndian);
    }
  };
  const ownDims = fields.channels === 1 ? [...fields.size] : [...fields.size, fields.channels];

  if (like !== undefined) {
    head.set(like.bytes);
    if (splitDims(like.dims).channels !== fields.channels) setDims(ownDims);
    for (const offset of [...at.intent, ...at.calibration]) real(offset, 0);
    code(at.intentCode, 0);
    head.fill(0, at.intentName, at.intentName + 16);
    head.fill(0, at.auxiliaryFile, at.auxiliaryFile + 24);
  } else {
    view.setInt32(0, at.length, littleEndian);
    setDims(ownDims);
    if (version === 1) view.setUint8(at.units, 2);
    else view.setInt32(at.units, 2, littleEndian);
    writeGeometry(fields.affine, at, real, code);
    for (let i = 4; i < 8; i++) real(at.pixdim + (version === 1 ? 4 : 8) * i, 1);
  }
  view.setInt16(at.datatype, codeOfType[fields.voxelType], littleEndian);
  view.setInt16(at.bitpix, 8 * bytesPerVoxel(fields.voxelType), littleEndian);
  real(at.slope, 1);
  real(at.intercept, 0);
  head.fill(0, at.description, at.description + 80);
  head.set(new TextEncoder().encode("medvox"), at.description);
  const offset = fields.pair ? 0 : at.length + 4;
  if (version === 1) view.setFloat32(at.voxelOffset, offset, littleEndian);
  else view.setBigInt64(at.voxelOffset, BigInt(offset), littleEndian);
  const magic = `n${fields.pair ? "i" : "+"}${version}\0${version === 2 ? "\r\n\x1a\n" : ""}`;
  head.set(new TextEncoder().encode(magic), at.magic);
  return head;
}

function readDims(dim: readonly number[], name: string): number[] {
  const count = dim[0];
  if (!(count >= 1 && count <= 7)) throw new DataError(`${name}: dim[0] is ${count}, must be 1 to 7 axes`);
  const dims = dim.slice(1, count + 1);
  if (dims[0] === -1 && dims[1] === 1) {
    throw new DataError(`${name}: shape ${dims.join("×")} is FreeSurfer's form for surfaces, not a volume`);
  }
  if (!dims.every((n) => Number.isSafeInteger(n) && n > 0)) {
    throw new DataError(`${name}: shape ${dims.join("×")} must be made of positive whole numbers`);
  }
  return dims;
}

function readVoxelOffset(stored: number, pair: boolean, version: 1 | 2, name: string): number {
  const offset = Math.trunc(stored);
  const least = pair ? 0 : layout[version].length + 4;
  // 0 in a single file stands for "right after the header".
  if (offset === 0) return least;
  if (!Number.isSafeInteger(offset) || offset < least) {
    throw new DataError(`${name}: voxels begin at byte ${stored}, must be ${least} or later`);
  }
  return offset;
}

function bestAffine(h: {
  sformCode: number;
  qformCode: number;
  srow: number[];
  quaternion: Vec3;
  qoffset: Vec3;
  pixdim: readonly number[];
  dims: readonly number[];
  threshold: number;
  name: string;
}): { affine: Affine; source: "sform" | "qform" | "pixdim" } {
  // Codes that the standard does not know count as unset.
  const isSet = (code: number) => code >= 1 && code <= 5;
  if (isSet(h.sformCode)) return { affine: [...h.srow, 0, 0, 0, 1], source: "sform" };
  const zooms = [1, 2, 3].map((axis) => Math.abs(h.pixdim[axis]) || 1);
  if (isSet(h.qformCode)) {
    const r = quaternionRotation(h.quaternion, h.threshold, h.name);
    const scale = [zooms[0], zooms[1], h.pixdim[0] === -1 ? -zooms[2] : zooms[2]];
    const affine = [0, 1, 2].flatMap((row) => [...scale.map((s, c) => r[3 * row + c] * s), h.qoffset[row]]);
    return { affine: [...affine, 0, 0, 0, 1], source: "qform" };
  }
  const affine = new Array<number>(16).fill(0);
  for (let axis = 0; axis < 3; axis++) {
    const used = axis < h.dims.length;
    const zoom = (used ? zooms[axis] : 1) * (axis === 0 ? -1 : 1);
    affine[5 * axis] = zoom;
    affine[4 * axis + 3] = -(((used ? h.dims[axis] : 1) - 1) / 2) * zoom;
  }
  affine[15] = 1;
  return { affine, source: "pixdim" };
}

/** Rotation of the unit quaternion whose last three parts are given (nibabel's `fillpositive` and `quat2mat`). */
function quaternionRotation([x, y, z]: Vec3, threshold: number, name: string): number[] {
  const w2 = 1 - (x * x + y * y + z * z);
  const negligible = Math.abs(w2) < threshold;
  if (!negligible && !(w2 >= 0)) {
    throw new GeometryError(`${name}: qform quaternion (${x}, ${y}, ${z}) is longer than 1`);
  }
  const w = negligible ? 0 : Math.sqrt(w2);
  const s = 2 / (w * w + x * x + y * y + z * z);
  const [X, Y, Z] = [x * s, y * s, z * s];
  return [
    1 - (y * Y + z * Z),
    x * Y - w * Z,
    x * Z + w * Y,
    x * Y + w * Z,
    1 - (x * X + z * Z),
    y * Z - w * X,
    x * Z - w * Y,
    y * Z + w * X,
    1 - (x * X + y * Y),
  ];
}

/** sform always; qform beside it where the affine has no shear, since a quaternion cannot hold one. Code 2, aligned. */
function writeGeometry(
  affine: Affine,
  at: (typeof layout)[1 | 2],
  real: (offset: number, value: number) => void,
  code: (offset: number, value: number) => void,
): void {
  const width = at.length === 348 ? 4 : 8;
  for (let i = 0; i < 12; i++) real(at.srow + width * i, affine[i]);
  code(at.sformCode, 2);
  const spacing = spacingOf(affine);
  const qfac = determinant(affine) < 0 ? -1 : 1;
  real(at.pixdim, qfac);
  for (let axis = 0; axis < 3; axis++) {
    real(at.pixdim + width * (axis + 1), spacing[axis]);
    real(at.qoffset + width * axis, affine[4 * axis + 3]);
  }
  const rotation = closestRotation(affine);
  const sheared = rotation.some((value, i) => {
    const [row, column] = [Math.floor(i / 3), i % 3];
    return Math.abs(value - affine[4 * row + column] / spacing[column]) > 1e-5;
  });
  if (sheared) return;
  const proper = rotation.map((value, i) => (i % 3 === 2 ? value * qfac : value));
  rotationQuaternion(proper).forEach((value, axis) => {
    real(at.quaternion + width * axis, value);
  });
  code(at.qformCode, 2);
}

/** Parts b, c, d of the quaternion of a rotation matrix with a ≥ 0 (Shepperd 1978: divide by the largest part). */
function rotationQuaternion(r: readonly number[]): Vec3 {
  const squares = [1 + r[0] + r[4] + r[8], 1 + r[0] - r[4] - r[8], 1 - r[0] + r[4] - r[8], 1 - r[0] - r[4] + r[8]];
  const largest = squares.indexOf(Math.max(...squares));
  const q = Math.sqrt(squares[largest]) / 2;
  const f = 1 / (4 * q);
  const [ab, ac, ad] = [(r[7] - r[5]) * f, (r[2] - r[6]) * f, (r[3] - r[1]) * f];
  const [bc, bd, cd] = [(r[3] + r[1]) * f, (r[2] + r[6]) * f, (r[7] + r[5]) * f];
  const quaternion = [
    [q, ab, ac, ad],
    [ab, q, bc, bd],
    [ac, bc, q, cd],
    [ad, bd, cd, q],
  ][largest];
  const sign = quaternion[0] < 0 ? -1 : 1;
  return [sign * quaternion[1], sign * quaternion[2], sign * quaternion[3]];
}
