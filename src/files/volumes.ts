/**
 * The file system's door for volumes: paths in, volumes out, and back. Formats are told by content and extension:
 * NIfTI-1/2 (.nii, .nii.gz, .hdr + .img), NRRD (.nrrd, .nhdr), MetaImage (.mha, .mhd), FreeSurfer's MGH (.mgz, .mgh); DICOM as a
 * folder, a zip archive or a file. The formats themselves are in `volume/`; here are paths, partner files, zlib and the system's errors.
 */
import { access } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { DataError, GeometryError } from "../errors.ts";
import { gridDifference } from "../volume/affine.ts";
import { checkInflatable, inflatePrefix, isGzip } from "../volume/formats/gzip.ts";
import type { LoadedVolume, VolumeHeader } from "../volume/formats/header.ts";
import type { MetaImageLayout } from "../volume/formats/metaimage.ts";
import { metaImageVolume, parseMetaImageHeader, skipHeader } from "../volume/formats/metaimage.ts";
import { isMgh, mghVoxelOffset, parseMghHeader } from "../volume/formats/mgh.ts";
import type { DecodeOptions, EncodeOptions } from "../volume/formats/nifti.ts";
import { encodeNiftiParts, niftiVolume, niftiVolumeHeader } from "../volume/formats/nifti.ts";
import { niftiHeaderBytes, niftiVersion, parseNiftiHeader } from "../volume/formats/nifti-header.ts";
import type { NrrdLayout } from "../volume/formats/nrrd.ts";
import { encodeNrrdParts, isNrrd, nrrdVolume, parseNrrdHeader, skipLines } from "../volume/formats/nrrd.ts";
import type { Volume, VoxelArray } from "../volume/types.ts";
import { allocateVoxels, bytesPerVoxel, checkVoxelBytes, defaultMaxBytes, orderBytes } from "../volume/voxels.ts";
import { arraySlice, readSlice, readSliceHeader } from "./array-slices.ts";
import { dicomPlace } from "./dicom/place.ts";
import { isDicomPath, readDicomHeader, readDicomVolume } from "./dicom/volumes.ts";
import { writeFileAtomic } from "./disk/atomic.ts";
import { OpenFiles } from "./open-files.ts";
import { gzipPieces, inflateInto, inflateUpTo } from "./packed/inflate.ts";

export interface ReadOptions {
  /** The largest decoded volume, in bytes of stored voxels. Default 4 GiB. */
  maxBytes?: number;
}

export interface WriteVolumeOptions extends EncodeOptions {
  /** Replace existing files. Default false. */
  force?: boolean;
  /** Stops the writing; no file is left then, and an existing one stays as it was. */
  signal?: AbortSignal;
  /** zlib's level for .nii.gz, 0 to 9. Default 6. */
  gzipLevel?: number;
}

/** File name endings that are read as volumes, longest first. `.img` stands for its `.hdr`. */
export const volumeExtensions = [
  ".nii.gz",
  ".hdr.gz",
  ".img.gz",
  ".mgh.gz",
  ".nii",
  ".hdr",
  ".img",
  ".nrrd",
  ".nhdr",
  ".mha",
  ".mhd",
  ".mgz",
  ".mgh",
  ".dcm",
  ".zip",
] as const;

/** The volume ending of a path in lower case, or `undefined`. */
export function volumeExtension(path: string): (typeof volumeExtensions)[number] | undefined {
  const lower = path.toLowerCase();
  return volumeExtensions.find((extension) => lower.endsWith(extension));
}

/** The case a file is named after: `…/hippocampus_001.nii.gz` → `hippocampus_001`; of a series in DICOM files `…/scan#2` → `scan_2`. */
export function caseName(path: string): string {
  const { file: whole, series } = dicomPlace(path);
  const file = basename(whole);
  const extension = volumeExtension(file);
  const stem = extension === undefined ? file : file.slice(0, -extension.length);
  return series === undefined ? stem : `${stem}_${series}`;
}

/** The start of a header file, enough for every header that is not deliberately huge. */
const peekBytes = 2 ** 18;

/**
 * Reads a volume. Throws `DataError` where the file is missing, damaged or of a kind that medvox does not read, and
 * `GeometryError` where its affine is unusable; both name the path.
 */
export async function readVolume(path: string, options: ReadOptions = {}): Promise<LoadedVolume> {
  const slice = arraySlice(path);
  if (slice !== undefined) return readSlice(slice);
  if (await maybeDicom(path)) return readDicomVolume(path, options);
  const files = new OpenFiles();
  try {
    return await readWhole(files, path, options);
  } finally {
    await files.close();
  }
}

/** Files of the other formats have their endings, and are not looked into twice. */
async function maybeDicom(path: string): Promise<boolean> {
  const extension = volumeExtension(path);
  return (extension === undefined || extension === ".dcm" || extension === ".zip") && (await isDicomPath(path));
}

async function readWhole(files: OpenFiles, path: string, options: ReadOptions): Promise<LoadedVolume> {
  const decode: DecodeOptions & { name: string } = { ...options, name: path };
  const limit = (options.maxBytes ?? defaultMaxBytes) + peekBytes;
  const opened = await readHeader(files, path, decode);
  if (opened.kind === "nifti") {
    const voxelPath = opened.header.nifti?.pair ? await findImage(opened.path) : opened.path;
    // A small file has been read whole already.
    const whole = voxelPath === opened.path && opened.start.length < peekBytes ? opened.start : undefined;
    const { voxelOffset, littleEndian } = opened.header.nifti ?? { voxelOffset: 0, littleEndian: true };
    const place = { header: opened.header, voxelOffset, littleEndian };
    return niftiVolume(opened.header, await readRawVoxels(files, voxelPath, place, limit, whole), path);
  }
  if (opened.kind === "mgh") {
    const { header } = opened;
    const whole = opened.start.length < peekBytes ? opened.start : undefined;
    const place = { header, voxelOffset: mghVoxelOffset, littleEndian: false };
    const data = await readRawVoxels(files, path, place, limit, whole);
    return { data, size: header.size, channels: header.channels, affine: header.affine, name: path, header };
  }
  const { layout } = opened;
  const parts: Uint8Array[] = [];
  for await (const data of voxelFiles(files, path, layout, limit)) {
    const source = opened.kind === "nrrd" ? skipLines(data, opened.layout, path) : skipHeader(data, opened.layout);
    parts.push(await inflateStored(source, layout, path));
  }
  return opened.kind === "nrrd" ? nrrdVolume(opened.layout, parts, path) : metaImageVolume(opened.layout, parts, path);
}

/** Size, affine, channels and element type, from the first bytes of the file alone. */
export async function readVolumeHeader(path: string, options: ReadOptions = {}): Promise<VolumeHeader> {
  const slice = arraySlice(path);
  if (slice !== undefined) return readSliceHeader(slice);
  if (await maybeDicom(path)) return readDicomHeader(path);
  const files = new OpenFiles();
  try {
    const opened = await readHeader(files, path, { ...options, name: path });
    return "layout" in opened ? opened.layout.header : opened.header;
  } finally {
    await files.close();
  }
}

/**
 * Writes a volume whole or not at all. The ending says the format: .nii, .nii.gz, .hdr or .img (the pair), .nrrd.
 * With `like`, the header of the volume that was read, grid fields are copied bit for bit into NIfTI files.
 */
export async function writeVolume(path: string, volume: Volume, options: WriteVolumeOptions = {}): Promise<void> {
  const { force, signal, gzipLevel, ...encode } = options;
  const how = { force, signal };
  const extension = volumeExtension(path);
  if (extension === ".nrrd") {
    const difference = options.like === undefined ? undefined : gridDifference(volume, options.like);
    if (difference !== undefined) {
      throw new GeometryError(`${path}: not on the grid of the volume it is written like: ${difference}`);
    }
    const { header, voxels } = encodeNrrdParts(volume, options.dtype);
    await writeFileAtomic(path, [header, voxels], how);
  } else if (extension === ".nii" || extension === ".nii.gz") {
    const { header, voxels } = encodeNiftiParts(volume, { ...encode, pair: false });
    const pieces = [header, voxels];
    await writeFileAtomic(path, extension === ".nii" ? pieces : gzipPieces(pieces, gzipLevel), how);
  } else if (extension === ".hdr" || extension === ".img") {
    const { header, voxels } = encodeNiftiParts(volume, { ...encode, pair: true });
    const stem = path.slice(0, -extension.length);
    // Voxels first, so that a header never stands without them.
    await writeFileAtomic(`${stem}.img`, voxels, how);
    await writeFileAtomic(`${stem}.hdr`, header, how);
  } else {
    throw new DataError(`${path}: cannot write a volume of this kind; use .nii.gz, .nii, .hdr, .img or .nrrd`);
  }
}

type OpenedHeader =
  | { kind: "nifti"; path: string; start: Uint8Array; header: VolumeHeader }
  | { kind: "mgh"; start: Uint8Array; header: VolumeHeader }
  | { kind: "nrrd"; path: string; layout: NrrdLayout }
  | { kind: "metaimage"; path: string; layout: MetaImageLayout };

async function readHeader(
  files: OpenFiles,
  asked: string,
  options: DecodeOptions & { name: string },
): Promise<OpenedHeader> {
  const extension = volumeExtension(asked);
  const path = extension === ".img" || extension === ".img.gz" ? await findPartner(asked, ".hdr") : asked;
  const start = await files.read(path, 0, peekBytes);
  if (start.length === 0) throw new DataError(`${path}: the file is empty`);
  if (isNrrd(start)) return { kind: "nrrd", path, layout: parseNrrdHeader(start, options) };
  if (extension === ".mha" || extension === ".mhd") {
    return { kind: "metaimage", path, layout: parseMetaImageHeader(start, options) };
  }
  const plain = isGzip(start) ? inflatePrefix(start, niftiHeaderBytes, options.name) : start;
  const isNamedMgh = extension === ".mgz" || extension === ".mgh" || extension === ".mgh.gz";
  if (isNamedMgh || (niftiVersion(plain) === undefined && isMgh(plain))) {
    return { kind: "mgh", start, header: parseMghHeader(plain, options) };
  }
  if (niftiVersion(plain) === undefined && extension === undefined) {
    throw new DataError(`${path}: not a volume that medvox reads (NIfTI, NRRD, MetaImage, MGH, DICOM)`);
  }
  const header = niftiVolumeHeader(parseNiftiHeader(plain, options.name), options);
  return { kind: "nifti", path, start, header };
}

/** Where voxels lie that are stored as they are, after a header. */
interface RawVoxels {
  readonly header: VolumeHeader;
  /** From the start of the (inflated) file. */
  readonly voxelOffset: number;
  readonly littleEndian: boolean;
}

/** Straight into the array the voxels stay in; a compressed file is inflated piece by piece on the way. */
async function readRawVoxels(
  files: OpenFiles,
  path: string,
  { header, voxelOffset: offset, littleEndian }: RawVoxels,
  limit: number,
  whole: Uint8Array | undefined,
): Promise<VoxelArray> {
  const count = header.size[0] * header.size[1] * header.size[2] * header.channels;
  const end = offset + count * bytesPerVoxel(header.voxelType);
  const compressed = isGzip(whole ?? (await files.read(path, 0, 3)));
  const stored = whole?.length ?? Math.min(await files.sizeOf(path), limit);
  if (compressed) checkInflatable(stored, end, path);
  else checkVoxelBytes(Math.max(0, stored - offset), end - offset, path);
  const voxels = allocateVoxels(header.voxelType, count, path);
  const raw = new Uint8Array(voxels.buffer);
  const pieces =
    whole === undefined ? files.pieces(path, compressed ? 0 : offset, compressed ? limit : raw.length) : [whole];
  if (compressed) checkVoxelBytes(await inflateInto(pieces, offset, raw, path), raw.length, path);
  else if (whole !== undefined) raw.set(whole.subarray(offset, end));
  else {
    let filled = 0;
    for await (const piece of pieces) {
      raw.set(piece, filled);
      filled += piece.length;
    }
    checkVoxelBytes(filled, raw.length, path);
  }
  return orderBytes(voxels, littleEndian);
}

/** What lies in the voxel files of a text header, one after the other; of an attached header, what follows it. */
async function* voxelFiles(
  files: OpenFiles,
  path: string,
  { dataFiles, dataOffset }: { readonly dataFiles: readonly string[]; readonly dataOffset: number },
  limit: number,
): AsyncGenerator<Uint8Array> {
  if (dataFiles.length === 0) yield files.read(path, dataOffset, limit);
  for (const file of dataFiles) {
    const found = await findNamed(dirname(path), file);
    yield await files.read(found, 0, limit);
    // There may be thousands of them.
    await files.close(found);
  }
}

/** The path of a file that a header names; a name may be composed (é) in the one and decomposed (e and an accent) on the disk. */
async function findNamed(folder: string, file: string): Promise<string> {
  for (const name of new Set([file, file.normalize("NFC"), file.normalize("NFD")]))
    if (await isThere(join(folder, name))) return join(folder, name);
  return join(folder, file);
}

function isThere(path: string): Promise<boolean> {
  return access(path).then(
    () => true,
    () => false,
  );
}

async function inflateStored(
  source: Uint8Array,
  layout: { compression: "none" | "gzip" | "zlib"; length: number },
  name: string,
): Promise<Uint8Array> {
  return layout.compression === "none" ? source : inflateUpTo(source, layout.length, name, layout.compression);
}

function findImage(headerPath: string): Promise<string> {
  return findPartner(headerPath, ".img");
}

/** The other file of a pair, plain or gzip, in the case of letters that the first one has. */
async function findPartner(path: string, wanted: ".hdr" | ".img"): Promise<string> {
  const extension = volumeExtension(path);
  const stem = extension === undefined ? path : path.slice(0, -extension.length);
  const upper = extension !== undefined && path.endsWith(extension.toUpperCase());
  for (const ending of [wanted, `${wanted}.gz`]) {
    const candidate = stem + (upper ? ending.toUpperCase() : ending);
    if (await isThere(candidate)) return candidate;
  }
  throw new DataError(`${path}: its partner ${basename(stem)}${wanted} is missing`);
}
