/** DICOM's transfer syntaxes (PS3.5, PS3.6 annex A): how a data set and its pixels are encoded, and which of them medvox reads. */

export type PixelCoding = "native" | "rle" | "jpeg" | "jpeg-ls" | "jpeg-2000" | "htj2k";

export interface TransferSyntax {
  readonly name: string;
  readonly pixels: PixelCoding;
  /** The data set behind the file's head is deflated. */
  readonly isDeflated?: boolean;
  readonly isBigEndian?: boolean;
}

/** By UID; those that are not here are not read. */
export const transferSyntaxes: Readonly<Record<string, TransferSyntax>> = {
  "1.2.840.10008.1.2": { name: "implicit little endian", pixels: "native" },
  "1.2.840.10008.1.2.1": { name: "explicit little endian", pixels: "native" },
  "1.2.840.10008.1.2.1.99": { name: "deflated explicit little endian", pixels: "native", isDeflated: true },
  "1.2.840.10008.1.2.2": { name: "explicit big endian", pixels: "native", isBigEndian: true },
  "1.2.840.10008.1.2.5": { name: "RLE lossless", pixels: "rle" },
  "1.2.840.10008.1.2.4.50": { name: "JPEG baseline", pixels: "jpeg" },
  "1.2.840.10008.1.2.4.51": { name: "JPEG extended", pixels: "jpeg" },
  "1.2.840.10008.1.2.4.53": { name: "JPEG spectral selection", pixels: "jpeg" },
  "1.2.840.10008.1.2.4.55": { name: "JPEG full progression", pixels: "jpeg" },
  "1.2.840.10008.1.2.4.57": { name: "JPEG lossless", pixels: "jpeg" },
  "1.2.840.10008.1.2.4.70": { name: "JPEG lossless, first-order prediction", pixels: "jpeg" },
  "1.2.840.10008.1.2.4.80": { name: "JPEG-LS lossless", pixels: "jpeg-ls" },
  "1.2.840.10008.1.2.4.81": { name: "JPEG-LS near-lossless", pixels: "jpeg-ls" },
  "1.2.840.10008.1.2.4.90": { name: "JPEG 2000 lossless", pixels: "jpeg-2000" },
  "1.2.840.10008.1.2.4.91": { name: "JPEG 2000", pixels: "jpeg-2000" },
  "1.2.840.10008.1.2.4.201": { name: "HTJ2K lossless", pixels: "htj2k" },
  "1.2.840.10008.1.2.4.202": { name: "HTJ2K lossless, by resolution", pixels: "htj2k" },
  "1.2.840.10008.1.2.4.203": { name: "HTJ2K", pixels: "htj2k" },
};

export const explicitLittleEndian = "1.2.840.10008.1.2.1";
export const implicitLittleEndian = "1.2.840.10008.1.2";
