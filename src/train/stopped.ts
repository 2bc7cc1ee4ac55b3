/** What a training that was stopped rejects with. */
import { MedvoxError } from "../errors.ts";

/**
 * The signal's own reason. The command line gives an `E_INTERRUPTED` as reason to be told how far the training came: it gets one with the
 * fact as its message, and the reason as its cause.
 * @param fact e.g. `stopped after step 412`
 */
export function stopReason({ reason }: AbortSignal, fact: string): unknown {
  if (!(reason instanceof MedvoxError) || reason.code !== "E_INTERRUPTED") return reason;
  return new MedvoxError(reason.code, fact, { cause: reason });
}
