/** Counts which files a test and its worker threads open: a module that wraps Node's own door, to be imported by each. */
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { pathToFileURL } from "node:url";

export interface OpenCount {
  /** Where a worker module is found that counts, instead of the one given: for `spawnWorker`. */
  counting(callerUrl: string | URL, stem: string): readonly [callerUrl: string, stem: string];
  /** How often each file of a folder was opened since the last time this was asked. */
  opened(folder: string): Map<string, number>;
}

/** @param folder where the module and its list lie, outside what is counted */
export async function countOpens(folder: string): Promise<OpenCount> {
  const [list, path] = [join(folder, "opens.txt"), join(folder, "count-opens.mjs")];
  writeFileSync(list, "");
  writeFileSync(join(folder, "package.json"), '{ "type": "module" }');
  let workers = 0;
  writeFileSync(
    path,
    `import fs from "node:fs";
     import { syncBuiltinESMExports } from "node:module";
     for (const name of ["open", "readFile"]) {
       const original = fs.promises[name];
       fs.promises[name] = (path, ...more) => {
         fs.appendFileSync(${JSON.stringify(list)}, path + "\\n");
         return original(path, ...more);
       };
     }
     syncBuiltinESMExports();`,
  );
  const module = pathToFileURL(path).href;
  await import(/* @vite-ignore */ module);
  return {
    counting: (callerUrl, stem) => {
      const name = `counting-${workers++}`;
      const imports = [module, new URL(`${stem}.ts`, callerUrl).href].map((url) => `import ${JSON.stringify(url)};\n`);
      writeFileSync(join(folder, `${name}.ts`), imports.join(""));
      return [pathToFileURL(join(folder, "caller.ts")).href, `./${name}`];
    },
    opened: (within) => {
      const counts = new Map<string, number>();
      for (const line of readFileSync(list, "utf8").split("\n"))
        if (line.startsWith(within)) counts.set(line, (counts.get(line) ?? 0) + 1);
      writeFileSync(list, "");
      return counts;
    },
  };
}
