/** The RPN's ablations as a user types them: on tiny made-up pictures. */
import { existsSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { smallRequest, writeSquares } from "../../src/rcnn/test/pictures.ts";
import { undeclaredKeys } from "./json-keys.ts";
import { medvox, workFolder } from "./medvox.ts";

const work = workFolder("cli-rpn");
let data = "";

function configured(name: string, changes: object): string {
  const asked = { proposals: [10], drawn: [10], detection: { ...smallRequest, data, epochs: 1, validation: 0 } };
  writeFileSync(join(work, name), JSON.stringify({ ...asked, ...changes }));
  return name;
}

beforeAll(async () => {
  data = await writeSquares();
}, 300_000);
afterAll(() => rmSync(data, { recursive: true, force: true }));

test("one document, a table, files; the same command again trains nothing", { timeout: 300_000 }, async () => {
  const config = configured("rpn.json", { conditions: ["proposals", "nms", "cls", "reg"] });
  const made = await medvox("experiment", "rpn", "--config", config, "--json");
  expect(made.status, made.stderr).toBe(0);
  expect(await undeclaredKeys("experiment rpn", made.stdout)).toEqual([]);
  const { experiment, folder, columns, rows } = JSON.parse(made.stdout);
  expect([experiment, folder]).toEqual(["rpn", "runs/rpn"]);
  expect(columns.slice(0, 4)).toEqual(["condition", "AP50", "95 % interval", "difference"]);
  expect(rows.map(([name]: string[]) => name)).toEqual([
    "joint training, 2 scales, 1 ratio",
    "10 proposals",
    "without NMS, best 6000",
    "without cls, 10 at random",
    "without reg, anchors",
  ]);
  // Two levels of 16×12 and 8×6 cells with one anchor each: all that there are.
  expect(rows[2][columns.indexOf("proposals")]).toBe("240");
  expect(made.stderr).toMatch(/^all joint, seed 0: trained in \d+\.\d min, scored$/m);
  for (const name of ["table.csv", "charts.svg", "report.html", "results.json"])
    expect(existsSync(join(work, "runs/rpn", name)), name).toBe(true);
  expect(readFileSync(join(work, "runs/rpn/report.html"), "utf8")).toContain("without reg, anchors");

  const again = await medvox("experiment", "rpn", "--config", config);
  expect(again.status, again.stderr).toBe(0);
  expect(again.stderr).not.toContain("trained in");
  expect(again.stdout).toMatch(/^10 proposals {2}/m);
});

test.each([
  [{ condition: [] }, /^ConfigError: condition: is no setting\. Did you mean conditions\?$/m],
  [{ conditions: ["anchors"] }, /^ConfigError: conditions: anchors wants a detector of one level .* has 2 levels$/m],
  [{ kind: "transfer" }, /^ConfigError: --config wrong\.json: is for medvox experiment transfer$/m],
])("%j is told in one line", async (changes, message) => {
  const { status, stderr } = await medvox(
    "experiment",
    "rpn",
    "--config",
    configured("wrong.json", changes),
    "--out",
    "none",
  );
  expect(status).toBe(2);
  expect(stderr).toMatch(message);
  expect(existsSync(join(work, "none", "trials"))).toBe(false);
});
