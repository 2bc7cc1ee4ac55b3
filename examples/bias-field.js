// @ts-check
/**
 * An augmentation of one's own, as a module: MRI's bias field, a slow change of brightness over the volume. Every worker thread of a loader
 * loads the module and calls its default export for each patch, after medvox's own augmentation.
 */
/**
 * Multiplies the image by exp(slope · position), a different slope along each axis; positions go from −1 to 1. The label map is left alone.
 * All chance comes from `random`, which belongs to the patch, so the same seed gives the same batches with any number of workers.
 *
 * @type {import("medvox/data").OwnAugmentation}
 */
const biasField = ({ image, shape }, random) => {
  const [channels, ...sizes] = shape;
  const slopes = sizes.map(() => random.between(-0.4, 0.4));
  const factors = sizes.map((n, axis) =>
    Float64Array.from({ length: n }, (_, i) => Math.exp(slopes[axis] * ((2 * i + 1) / n - 1))),
  );
  const [depth, height, width] = sizes;
  for (let c = 0, i = 0; c < channels; c++) {
    for (let z = 0; z < depth; z++) {
      for (let y = 0; y < height; y++) {
        for (let x = 0; x < width; x++) image[i++] *= factors[0][z] * factors[1][y] * factors[2][x];
      }
    }
  }
};

export default biasField;
