/**
 * A detector that `medvox export RUN --format onnx` wrote, in a browser: onnxruntime-web and nothing else. Everything from resizing the
 * picture to suppressing its boxes happens in the model.
 */
import * as ort from "../../node_modules/onnxruntime-web/dist/ort.wasm.bundle.min.mjs";

/** @param {Uint8Array} bytes of the ONNX file */
export async function openDetector(bytes) {
  const session = await ort.InferenceSession.create(bytes);
  const classes = JSON.parse(metadataOf(bytes).classes ?? "[]");
  return {
    classes,
    /**
     * What is in a picture, best first; boxes are x1, y1, x2, y2 in its pixels.
     * @param {Blob} picture PNG or JPEG, of any size
     */
    async detect(picture) {
      const bitmap = await createImageBitmap(picture, { colorSpaceConversion: "none" });
      const { width, height } = bitmap;
      const canvas = new OffscreenCanvas(width, height);
      const context = canvas.getContext("2d");
      context.drawImage(bitmap, 0, 0);
      const rgba = context.getImageData(0, 0, width, height).data;
      const pixels = width * height;
      const data = new Float32Array(3 * pixels);
      for (let i = 0; i < pixels; i++) for (let c = 0; c < 3; c++) data[c * pixels + i] = rgba[4 * i + c] / 255;
      const image = new ort.Tensor("float32", data, [1, 3, height, width]);
      const { boxes, scores, labels } = await session.run({ image });
      return Array.from(scores.data, (score, i) => {
        const label = Number(labels.data[i]);
        return {
          box: [...boxes.data.slice(4 * i, 4 * i + 4)],
          label,
          name: classes[label - 1] ?? `class ${label}`,
          score,
        };
      });
    },
  };
}

/** The model's metadata: the entries of field 14 of an ONNX file, each a key and a value; all else is stepped over. */
export function metadataOf(bytes) {
  const entries = {};
  for (const [field, entry] of fieldsOf(bytes)) {
    if (field !== 14) continue;
    const [key, value] = [1, 2].map((wanted) => {
      const found = [...fieldsOf(entry)].find(([inner]) => inner === wanted);
      return found === undefined ? "" : new TextDecoder().decode(found[1]);
    });
    entries[key] = value;
  }
  return entries;
}

/** Number and bytes of each length-delimited field of a protobuf message. */
function* fieldsOf(bytes) {
  let at = 0;
  const number = () => {
    let value = 0;
    for (let scale = 1; ; scale *= 128) {
      const byte = bytes[at++];
      value += (byte & 127) * scale;
      if (byte < 128) return value;
    }
  };
  while (at < bytes.length) {
    const tag = number();
    const wire = tag % 8;
    if (wire === 0) number();
    else if (wire === 1) at += 8;
    else if (wire === 5) at += 4;
    else {
      const length = number();
      yield [Math.floor(tag / 8), bytes.subarray(at, at + length)];
      at += length;
    }
  }
}
