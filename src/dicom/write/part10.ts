/**
 * DICOM files written: explicit little endian, with the head in front (PS3.5, PS3.10). Values are given by keyword; sequences are lists
 * of such values. The pixels are not among them, so that they can follow piece by piece.
 */
import { attributes, type Keyword } from "../tags.ts";
import { explicitLittleEndian } from "../transfer-syntaxes.ts";

/** A value: texts and numbers, several of them, or the items of a sequence. */
export type DicomValue = string | number | readonly string[] | readonly number[] | readonly DicomValues[];
/** A data set, or an item of a sequence. */
export type DicomValues = { readonly [K in Keyword]?: DicomValue };

/** medvox as the writer of a file, made once from a random UUID as PS3.5 B.2 asks. */
const implementationUid = "2.25.112732842701942929848241615389780860848";
/** Representations whose length takes four bytes. */
const long = new Set(["OB", "OF", "OW", "SQ", "UT"]);
const ascii = new TextEncoder();

/** A unique identifier of its own for each call, from a random UUID (PS3.5 B.2). */
export function newUid(): string {
  // Not medvox's repeatable random numbers: two programs must never make the same one.
  return `2.25.${BigInt(`0x${globalThis.crypto.randomUUID().replaceAll("-", "")}`)}`;
}

/** The bytes before a file's pixels, or the whole of a file without. */
export function encodeDicom(values: DicomValues): Uint8Array {
  const meta: DicomValues = {
    MediaStorageSOPClassUID: values.SOPClassUID,
    MediaStorageSOPInstanceUID: values.SOPInstanceUID,
    TransferSyntaxUID: explicitLittleEndian,
  };
  const head = joinBytes([
    element("x00020001", "OB", Uint8Array.of(0, 1)),
    dataSet(meta),
    element("x00020012", "UI", padded(implementationUid, 0)),
    element("x00020013", "SH", padded("medvox", 0x20)),
  ]);
  const mark = new Uint8Array(132);
  mark.set(ascii.encode("DICM"), 128);
  const length = new Uint8Array(4);
  new DataView(length.buffer).setUint32(0, head.length, true);
  return joinBytes([
    mark,
    element("x00020000", "UL", length),
    head,
    dataSet({ SpecificCharacterSet: "ISO_IR 192", ...values }),
  ]);
}

/** The head of the element that holds the pixels, which follow: `bytes` of them, an even number. */
export function pixelDataHead(bytes: number): Uint8Array {
  const head = new Uint8Array(12);
  head.set([0xe0, 0x7f, 0x10, 0x00, 0x4f, 0x42]);
  new DataView(head.buffer).setUint32(8, bytes, true);
  return head;
}

function dataSet(values: DicomValues): Uint8Array {
  const given = (Object.keys(values) as Keyword[]).filter((keyword) => values[keyword] !== undefined);
  given.sort((a, b) => (attributes[a][0] < attributes[b][0] ? -1 : 1));
  return joinBytes(
    given.map((keyword) => {
      const [tag, representation] = attributes[keyword];
      return element(tag, representation, encoded(values[keyword] as DicomValue, representation));
    }),
  );
}

function element(tag: string, representation: string, value: Uint8Array): Uint8Array {
  const head = new Uint8Array(long.has(representation) ? 12 : 8);
  const view = new DataView(head.buffer);
  view.setUint16(0, Number.parseInt(tag.slice(1, 5), 16), true);
  view.setUint16(2, Number.parseInt(tag.slice(5), 16), true);
  head.set(ascii.encode(representation), 4);
  if (head.length === 12) view.setUint32(8, value.length, true);
  else view.setUint16(6, value.length, true);
  return joinBytes([head, value]);
}

function encoded(value: DicomValue, representation: string): Uint8Array {
  const list = Array.isArray(value) ? value : [value];
  if (representation === "SQ") return joinBytes((list as DicomValues[]).map(item));
  if (representation === "AT") return joinBytes(list.map((tag) => tagBytes(String(tag))));
  const wide = { US: 2, UL: 4, FL: 4, FD: 8 }[representation];
  if (wide !== undefined) {
    const view = new DataView(new ArrayBuffer(wide * list.length));
    for (const [i, number] of (list as number[]).entries()) {
      if (representation === "US") view.setUint16(2 * i, number, true);
      else if (representation === "UL") view.setUint32(4 * i, number, true);
      else if (representation === "FL") view.setFloat32(4 * i, number, true);
      else view.setFloat64(8 * i, number, true);
    }
    return new Uint8Array(view.buffer);
  }
  const text = list.map((one) => (typeof one === "number" ? decimalString(one) : String(one))).join("\\");
  return padded(text, representation === "UI" ? 0 : 0x20);
}

function item(values: DicomValues): Uint8Array {
  const body = dataSet(values);
  const head = Uint8Array.of(0xfe, 0xff, 0x00, 0xe0, 0, 0, 0, 0);
  new DataView(head.buffer).setUint32(4, body.length, true);
  return joinBytes([head, body]);
}

function tagBytes(tag: string): Uint8Array {
  const bytes = new Uint8Array(4);
  const view = new DataView(bytes.buffer);
  view.setUint16(0, Number.parseInt(tag.slice(1, 5), 16), true);
  view.setUint16(2, Number.parseInt(tag.slice(5), 16), true);
  return bytes;
}

/** A number in the 16 characters that a decimal string may have, as exactly as they can say it. */
function decimalString(value: number): string {
  for (let digits = 17; digits > 0; digits--) {
    const text = String(digits === 17 ? value : Number(value.toPrecision(digits)));
    if (text.length <= 16) return text;
  }
  return "0";
}

function padded(text: string, by: number): Uint8Array {
  const bytes = ascii.encode(text);
  if (bytes.length % 2 === 0) return bytes;
  const even = new Uint8Array(bytes.length + 1);
  even.set(bytes);
  even[bytes.length] = by;
  return even;
}

function joinBytes(pieces: readonly Uint8Array[]): Uint8Array {
  const whole = new Uint8Array(pieces.reduce((sum, { length }) => sum + length, 0));
  let at = 0;
  for (const piece of pieces) {
    whole.set(piece, at);
    at += piece.length;
  }
  return whole;
}
