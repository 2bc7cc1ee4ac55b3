/** Holds what `--json` printed to what the command says it prints, which is what the reference lists. */
import { commands } from "../../src/cli/table.ts";

/** Keys of a printed document that its command does not declare. @param name as in the table, e.g. `train segmentation` */
export async function undeclaredKeys(name: string, stdout: string): Promise<string[]> {
  const entry = commands.find((one) => one.name === name);
  if (entry === undefined) throw new Error(`${name}: is no command`);
  const { command } = await entry.load();
  const declared = new Set(Object.keys(command.json).map((key) => key.split(".")[0]));
  return Object.keys(JSON.parse(stdout)).filter((key) => !declared.has(key));
}
