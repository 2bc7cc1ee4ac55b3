/** Puts a report on disk, whole or not at all. */
import { writeFileAtomic } from "../../files/index.ts";
import type { CaseLoader, ReportInput } from "./input.ts";
import { renderReport } from "./segmentation.ts";

/**
 * Writes `report.html`.
 * @param load see {@link renderReport}
 * @throws ConfigError where the file exists and `force` is not set, DataError where it cannot be written
 */
export async function writeReport(
  path: string,
  input: ReportInput,
  load?: CaseLoader,
  options: { readonly force?: boolean } = {},
): Promise<void> {
  await writeFileAtomic(path, await renderReport(input, load), { force: options.force });
}
