/** What the commands of transfer have in common. */
import { ConfigError } from "../errors.ts";

/**
 * A tenth of the rate from scratch for the encoder (Med3D §4), new layers at the rate from scratch.
 * @param from null where the training is to begin from scratch, undefined where nobody said
 * @throws ConfigError where nobody said: a training from scratch must not pass for a transfer
 */
export function transferRates(from: string | null | undefined): { learningRate?: number; newLayerRate?: number } {
  if (from === undefined)
    throw new ConfigError(
      "--from: is missing; name weights or a run to start from, or --from none to train from scratch",
    );
  return from === null ? {} : { learningRate: 1e-4, newLayerRate: 10 };
}
