/** `medvox serve`: a data set, runs and jobs for browsers and programs, until it is stopped. */
import { startServer } from "../../serve/index.ts";
import { defineCommand } from "../command.ts";
import { wholeNumber } from "../values.ts";

interface Options {
  data: string;
  runs: string;
  host: string;
  port: number;
  token?: string;
  name?: string[];
  labels?: string[];
  log?: boolean;
}

const list = (text: string): string[] => text.split(",").map((part) => part.trim());

export const command = defineCommand<Options>({
  configure: (command) =>
    command
      .requiredOption("--data <folder>", "the data set: a Decathlon folder, or an empty one that becomes it")
      .requiredOption("--runs <folder>", "where trainings go, and what is predicted with")
      .option("--host <address>", "where it listens; others than this machine reach it only with a token", "127.0.0.1")
      .option("--port <n>", "0 takes one that is free", wholeNumber({ min: 0, max: 65535 }), 8080)
      .option("--token <token>", "what clients show (default: MEDVOX_TOKEN, else one is made and printed)")
      .option("--name <names>", "further names it is asked for by, with commas between, e.g. that of a proxy", list)
      .option("--labels <names>", "classes of a new data set, with commas between (default foreground)", list)
      .option("--log", "say a line for each request"),
  examples: [
    "medvox serve --data Task04_Hippocampus --runs runs",
    "medvox serve --data scans --runs runs --labels liver,tumour --port 8090",
  ],
  details:
    "It ends with Ctrl-C. Trainings under way are gone on with, to the same bits, when it is started again; predictions are done anew.\n" +
    "docs/how-to/serve.md shows the API, docs/explanation/security.md says who can do what.",
  json: { url: "where it listened", stopped: "true: it was asked to end" },
  async run({ signal, progress }, { name, token = process.env.MEDVOX_TOKEN, log, ...options }) {
    const onLog = (line: string): void => {
      if (log || line.startsWith("error")) progress.note(line);
    };
    const server = await startServer({ ...options, names: name, token, onLog });
    progress.note(`serving  ${server.url}/`);
    // One that was given is known already, and has no business in a terminal's history.
    if (token === undefined) progress.note(`token    ${server.token}`);
    await new Promise<void>((done) => {
      if (signal.aborted) done();
      else signal.addEventListener("abort", () => done(), { once: true });
    });
    await server.close();
    return { document: { url: server.url, stopped: true }, text: "stopped" };
  },
});
