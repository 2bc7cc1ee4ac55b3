// A command line around the built frame whose commands run until they are stopped: for the signal tests of
// src/cli/main.test.ts. `work` looks at its signal after each step, `deaf` never does, `crash` throws where nobody awaits.
import { setTimeout } from "node:timers/promises";
import { interrupted } from "../../dist/cli/failure.js";
import { runProcess } from "../../dist/cli/process.js";

const command = (name, run) => ({ name, summary: name, load: async () => ({ command: { examples: [], run } }) });

await runProcess([
  command("work", async ({ signal, progress }) => {
    for (let step = 1; step < 6000; step++) {
      progress.note(`step ${step}`);
      await setTimeout(10);
      if (signal.aborted) throw interrupted(`stopped after step ${step}; resume with: medvox train --resume runs/a`);
    }
    return { document: {}, text: "never stopped" };
  }),
  command("deaf", async ({ progress }) => {
    progress.note("step 1");
    await setTimeout(60_000);
    return { document: {}, text: "never stopped" };
  }),
  command("crash", async () => {
    setImmediate(() => {
      throw new RangeError("out of the blue");
    });
    await setTimeout(60_000);
    return { document: {}, text: "never crashed" };
  }),
  command("long", async () => ({ document: { text: "x".repeat(5_000_000) }, text: "x\n".repeat(2_500_000) })),
]);
