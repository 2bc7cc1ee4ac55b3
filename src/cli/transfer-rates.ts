/** A tenth of the rate from scratch for the encoder (Med3D §4), new layers at the rate from scratch. */
export function transferRates(from: string | null): { learningRate?: number; newLayerRate?: number } {
  return from === null ? {} : { learningRate: 1e-4, newLayerRate: 10 };
}
