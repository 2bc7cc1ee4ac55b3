/**
 * A DICOM file as its attributes: any transfer syntax, with or without the 128 bytes and `DICM` in front. dicom-parser walks over
 * the elements; what it throws, strings among it, becomes one `DataError` with the file's name.
 */
import parser from "dicom-parser";
import { Inflate } from "fflate";
import { DataError } from "../errors.ts";
import { attributes, type Keyword } from "./tags.ts";
import { explicitLittleEndian, implicitLittleEndian, transferSyntaxes } from "./transfer-syntaxes.ts";

/** What a deflated data set may come to. */
const mostInflatedBytes = 2 ** 31 - 1;
/** Deflate cannot say more in fewer bytes (1032 : 1). */
const bestRatio = 1100;

export interface ParseDicomOptions {
  /** For messages: the file's path. Default `"DICOM"`. */
  readonly name?: string;
  /** Stops before the pixels: the bytes may then be the start of a file. Default false. */
  readonly headerOnly?: boolean;
}

/** A parsed file. */
export interface DicomFile {
  readonly name: string;
  readonly transferSyntaxUid: string;
  readonly attributes: DicomAttributes;
  /** From the head of the file, for data sets whose own are empty. */
  readonly sopClassUid: string;
  readonly sopInstanceUid: string;
}

/** Whether bytes begin as a DICOM file does: `DICM` after 128 bytes, or, without those, an element of the group 0008. */
export function isDicom(bytes: Uint8Array): boolean {
  return hasMark(bytes) || isBare(bytes) || isHeadAlone(bytes);
}

const mark = [0x44, 0x49, 0x43, 0x4d];

function hasMark(bytes: Uint8Array): boolean {
  return bytes.length >= 132 && mark.every((byte, i) => bytes[128 + i] === byte);
}

/** The same file with what belongs in front of it. */
function marked(bytes: Uint8Array): Uint8Array {
  const whole = new Uint8Array(132 + bytes.length);
  whole.set(mark, 128);
  whole.set(bytes, 132);
  return whole;
}

/** A file that begins with its head, without the 128 bytes and `DICM` in front of it. */
function isHeadAlone(bytes: Uint8Array): boolean {
  return bytes.length > 16 && bytes[0] === 2 && bytes[1] === 0 && bytes[2] <= 2 && bytes[3] === 0 && bytes[4] === 0x55;
}

/** A data set without a head, as old programs and some networks write it. */
function isBare(bytes: Uint8Array): boolean {
  const starts = bytes.length > 16 && bytes[0] === 8 && bytes[1] === 0 && bytes[3] === 0;
  // (0008,0000) group length, (0008,0005) character set, (0008,0008) image type, (0008,0016) class.
  return starts && [0x00, 0x01, 0x05, 0x08, 0x16].includes(bytes[2]);
}

/**
 * Parses a file.
 * @throws DataError where it is no DICOM file, is damaged, or is in a transfer syntax that medvox does not read
 */
export function parseDicom(given: Uint8Array, { name = "DICOM", headerOnly }: ParseDicomOptions = {}): DicomFile {
  if (!isDicom(given)) throw new DataError(`${name}: not a DICOM file`);
  // Not a Buffer of Node's, whose `slice` is no copy.
  const plain = new Uint8Array(given.buffer, given.byteOffset, given.byteLength);
  const bytes = hasMark(plain) || isBare(plain) ? plain : marked(plain);
  return guarded(name, () => {
    const bare = hasMark(bytes) ? undefined : bareSyntax(bytes);
    const uid = bare ?? (parser.readPart10Header(bytes).string(attributes.TransferSyntaxUID[0]) || undefined);
    if (uid === undefined) throw new DataError(`${name}: its head names no transfer syntax`);
    if (transferSyntaxes[uid] === undefined) throw new DataError(`${name}: transfer syntax ${uid} is not read`);
    const dataSet = parser.parseDicom(bytes, {
      ...(bare !== undefined && { TransferSyntaxUID: bare }),
      ...(headerOnly && { untilTag: attributes.PixelData[0] }),
      inflater: (_: Uint8Array, begin: number) => inflated(bytes.subarray(begin), name),
    });
    const values = new DicomAttributes(dataSet);
    return {
      name,
      transferSyntaxUid: uid,
      attributes: values,
      sopClassUid: values.text("SOPClassUID") || values.text("MediaStorageSOPClassUID"),
      sopInstanceUid: values.text("SOPInstanceUID") || values.text("MediaStorageSOPInstanceUID"),
    };
  });
}

/** dicom-parser throws errors, strings and objects that hold either. */
function guarded<T>(name: string, work: () => T): T {
  try {
    return work();
  } catch (error) {
    if (error instanceof DataError) throw error;
    const inner = error !== null && typeof error === "object" && "exception" in error ? error.exception : error;
    if (inner instanceof DataError) throw inner;
    const fact = inner instanceof Error ? inner.message : String(inner);
    throw new DataError(`${name}: damaged DICOM: ${fact.replace(/^dicomParser\.\w+: /, "")}`, { cause: error });
  }
}

/** Whether values are written with their types, told by the first element. */
function bareSyntax(bytes: Uint8Array): string {
  const isExplicit = /^[A-Z]{2}$/.test(String.fromCharCode(bytes[4], bytes[5]));
  return isExplicit ? explicitLittleEndian : implicitLittleEndian;
}

/** Raw deflate, in pieces, so that a bomb is stopped. */
function inflated(bytes: Uint8Array, name: string): Uint8Array {
  const most = Math.min(mostInflatedBytes, bestRatio * (bytes.length + 1));
  const pieces: Uint8Array[] = [];
  let length = 0;
  const inflate = new Inflate((piece) => {
    length += piece.length;
    if (length > most) throw new DataError(`${name}: its data set inflates to more than ${most} bytes`);
    pieces.push(piece);
  });
  const step = 2 ** 16;
  for (let at = 0; at < bytes.length; at += step)
    inflate.push(bytes.subarray(at, at + step), at + step >= bytes.length);
  const whole = new Uint8Array(length);
  let at = 0;
  for (const piece of pieces) {
    whole.set(piece, at);
    at += piece.length;
  }
  return whole;
}

/** The attributes of a data set or of an item in a sequence, by keyword. */
export class DicomAttributes {
  readonly dataSet: parser.DataSet;
  /** Of the file, for the text of its items. */
  private readonly decoder: TextDecoder;

  constructor(dataSet: parser.DataSet, decoder?: TextDecoder) {
    this.dataSet = dataSet;
    this.decoder = decoder ?? decoderOf(dataSet.string(attributes.SpecificCharacterSet[0]));
  }

  has(keyword: Keyword): boolean {
    return this.element(keyword) !== undefined;
  }

  element(keyword: Keyword): parser.Element | undefined {
    return this.dataSet.elements[attributes[keyword][0]];
  }

  /** The bytes of a value, inside those of the file; `undefined` where there are none. @throws DataError where it is cut off */
  bytes(keyword: Keyword): Uint8Array | undefined {
    const element = this.element(keyword);
    if (element === undefined || element.length <= 0) return undefined;
    const { dataOffset, length } = element;
    if (dataOffset + length > this.dataSet.byteArray.length) throw new DataError(`${keyword} is cut off`);
    return this.dataSet.byteArray.subarray(dataOffset, dataOffset + length);
  }

  /** A text value without the spaces around it; `""` where there is none. */
  text(keyword: Keyword): string {
    const bytes = this.bytes(keyword);
    if (bytes === undefined) return "";
    const text = this.decoder.decode(bytes);
    const end = text.indexOf("\0");
    return (end < 0 ? text : text.slice(0, end)).trim();
  }

  /** The values of a text attribute that has several. */
  texts(keyword: Keyword): string[] {
    const text = this.text(keyword);
    return text === "" ? [] : text.split("\\").map((part) => part.trim());
  }

  /** The first number of an attribute of any numeric type; `undefined` where there is none or it is no number. */
  number(keyword: Keyword): number | undefined {
    return this.numbers(keyword)[0];
  }

  /** The numbers of an attribute; those that are none are `NaN`. */
  numbers(keyword: Keyword): number[] {
    const [tag, representation] = attributes[keyword];
    if (representation === "DS" || representation === "IS")
      return this.texts(keyword).map((text) => (text === "" ? Number.NaN : Number(text)));
    const { dataSet } = this;
    const length = this.bytes(keyword)?.length ?? 0;
    const wide = representation === "US" ? 2 : representation === "FD" ? 8 : 4;
    return Array.from({ length: Math.floor(length / wide) }, (_, i) => {
      if (representation === "US") return dataSet.uint16(tag, i) as number;
      if (representation === "UL") return dataSet.uint32(tag, i) as number;
      return (representation === "FD" ? dataSet.double(tag, i) : dataSet.float(tag, i)) as number;
    });
  }

  /** The items of a sequence. */
  items(keyword: Keyword): DicomAttributes[] {
    return (this.element(keyword)?.items ?? []).flatMap(({ dataSet }) =>
      dataSet === undefined ? [] : [new DicomAttributes(dataSet, this.decoder)],
    );
  }

  /** The first item of a sequence. */
  item(keyword: Keyword): DicomAttributes | undefined {
    const dataSet = this.element(keyword)?.items?.[0]?.dataSet;
    return dataSet && new DicomAttributes(dataSet, this.decoder);
  }
}

/** The standard's character sets by the names that the Encoding Standard has for them; others are read as Latin. */
const characterSets: Readonly<Record<string, string>> = {
  "ISO_IR 192": "utf-8",
  GB18030: "gb18030",
  GBK: "gbk",
  "ISO_IR 101": "iso-8859-2",
  "ISO_IR 109": "iso-8859-3",
  "ISO_IR 110": "iso-8859-4",
  "ISO_IR 144": "iso-8859-5",
  "ISO_IR 127": "iso-8859-6",
  "ISO_IR 126": "iso-8859-7",
  "ISO_IR 138": "iso-8859-8",
  "ISO_IR 148": "windows-1254",
  "ISO_IR 166": "windows-874",
  "ISO_IR 13": "shift_jis",
  "ISO 2022 IR 87": "iso-2022-jp",
  "ISO 2022 IR 149": "euc-kr",
  "ISO 2022 IR 58": "gb18030",
};

function decoderOf(names: string | undefined): TextDecoder {
  const named = (names ?? "").split("\\").map((name) => characterSets[name.trim()]);
  return new TextDecoder(named.findLast((name) => name !== undefined) ?? "windows-1252");
}
