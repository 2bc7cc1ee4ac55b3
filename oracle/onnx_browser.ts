/**
 * Runs a detector that medvox exported in headless Chromium with onnxruntime-web, by the code of `examples/browser-detect`, and compares
 * its boxes with those medvox found itself: as many, in the same order, of the same classes, corners within 1e-3 pixels, scores within
 * 1e-4. Exit status 1 where anything differs.
 *
 *     medvox export RUN --format onnx --out cells.onnx
 *     medvox detect predict RUN --in PICTURES --out found
 *     npx tsx oracle/onnx_browser.ts cells.onnx PICTURES found/detections.json [SCREENSHOT.png]
 *
 * `CHROMIUM` names the browser, by default `chromium`.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { createReadStream, existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { basename, extname, join, parse, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { readOnnx } from "../src/graph/index.ts";

interface Found {
  readonly box: readonly number[];
  readonly label: number;
  readonly score: number;
}
interface Wanted {
  readonly image_id: string;
  readonly category_id: number;
  readonly bbox: readonly number[];
  readonly score: number;
}

/** A browser that has not ended by then is ended. */
const PATIENCE_MS = 300_000;

const [model, pictures, detections, screenshot] = process.argv.slice(2);
if (detections === undefined)
  throw new Error("usage: npx tsx oracle/onnx_browser.ts MODEL.onnx PICTURES detections.json [SCREENSHOT.png]");
const root = fileURLToPath(new URL("..", import.meta.url));
const categories = JSON.parse(readOnnx(readFileSync(model)).metadata.categories) as number[];
const wanted = JSON.parse(readFileSync(detections, "utf8")) as Wanted[];
const names = readdirSync(pictures).filter((name) => /\.(png|jpe?g)$/i.test(name));

/** The page that runs all pictures and sends home what it found. */
const page = `<!doctype html><script type="module">
  import { openDetector } from "/examples/browser-detect/detect.js";
  const send = (body) => fetch("/found", { method: "POST", body: JSON.stringify(body) });
  try {
    const detector = await openDetector(new Uint8Array(await (await fetch("/model.onnx")).arrayBuffer()));
    const all = {};
    for (const name of ${JSON.stringify(names)})
      all[name] = await detector.detect(await (await fetch("/pictures/" + name)).blob());
    await send({ all, agent: navigator.userAgent });
  } catch (error) {
    await send({ error: String(error.stack ?? error) });
  }
</script>`;

/** Put into the example's page for a picture of it: Chromium takes it when the page is loaded, and this image comes when boxes are drawn. */
const untilDrawn = `<img src="/drawn" hidden><script>
  const drawn = setInterval(() => {
    if (!document.title.startsWith("found")) return;
    clearInterval(drawn);
    fetch("/draw", { method: "POST" });
  }, 100);
</script></body>`;
let waiting: ServerResponse | undefined;

const types: Record<string, string> = {
  ".html": "text/html",
  ".js": "text/javascript",
  ".mjs": "text/javascript",
  ".wasm": "application/wasm",
  ".png": "image/png",
  ".jpg": "image/jpeg",
};

type Report = { readonly all: Record<string, Found[]>; readonly agent: string } | { readonly error: string };
let arrived: (report: Report) => void = () => {};
const report = new Promise<Report>((done) => {
  arrived = done;
});

function answer(request: IncomingMessage, response: ServerResponse): void {
  const path = decodeURIComponent(new URL(request.url!, "http://localhost").pathname);
  if (path === "/check") {
    response.setHeader("content-type", "text/html");
    response.end(page);
  } else if (path === "/shot/examples/browser-detect/index.html") {
    response.setHeader("content-type", "text/html");
    const html = readFileSync(join(root, path.slice("/shot".length)), "utf8");
    response.end(html.replace("</body>", untilDrawn));
  } else if (path === "/drawn") waiting = response;
  else if (path === "/draw") {
    response.end();
    waiting?.end();
  } else if (path === "/found") {
    const parts: Buffer[] = [];
    request.on("data", (part: Buffer) => parts.push(part));
    request.on("end", () => {
      response.end();
      arrived(JSON.parse(Buffer.concat(parts).toString()));
    });
  } else {
    const file =
      path === "/model.onnx"
        ? resolve(model)
        : path.startsWith("/pictures/")
          ? join(resolve(pictures), basename(path))
          : join(root, path.replace(/^\/shot\//, "/"));
    if (!existsSync(file)) {
      response.statusCode = 404;
      response.end();
      return;
    }
    response.setHeader("content-type", types[extname(file)] ?? "application/octet-stream");
    createReadStream(file).pipe(response);
  }
}

const profile = mkdtempSync(join(tmpdir(), "medvox-chromium-"));
function browse(...asked: string[]): { browser: ChildProcess; ended: Promise<unknown> } {
  const common = ["--headless=new", "--no-sandbox", "--disable-gpu", "--no-first-run", `--user-data-dir=${profile}`];
  const browser = spawn(process.env.CHROMIUM ?? "chromium", [...common, ...asked], { stdio: "ignore" });
  const limit = setTimeout(() => browser.kill(), PATIENCE_MS);
  const ended = new Promise((done) => browser.once("exit", done).once("error", done));
  return { browser, ended: ended.finally(() => clearTimeout(limit)) };
}

function* differences(found: readonly Found[], others: readonly Wanted[]): Generator<string> {
  if (found.length !== others.length) {
    yield `${found.length} boxes, medvox has ${others.length}`;
    return;
  }
  for (const [i, { category_id, bbox, score }] of others.entries()) {
    const [x, y, width, height] = bbox;
    const far = Math.max(...[x, y, x + width, y + height].map((value, k) => Math.abs(value - found[i].box[k])));
    const category = categories[found[i].label - 1];
    if (category !== category_id) yield `box ${i}: category ${category}, medvox has ${category_id}`;
    if (!(far < 1e-3)) yield `box ${i}: corners ${far.toPrecision(2)} pixels apart`;
    if (!(Math.abs(score - found[i].score) < 1e-4)) yield `box ${i}: score ${found[i].score}, medvox has ${score}`;
  }
}

const server = createServer(answer).listen(0, "127.0.0.1");
await new Promise((done) => server.once("listening", done));
const home = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
const { browser, ended } = browse(`${home}/check`);
const result = await Promise.race([
  report,
  ended.then((): Report => ({ error: "the browser ended without an answer" })),
]);
browser.kill();
await ended;
let failed = 0;
if ("error" in result) {
  console.log(result.error);
  failed = 1;
} else {
  console.log(result.agent);
  for (const name of names) {
    const found = result.all[name];
    const problems = [
      ...differences(
        found,
        wanted.filter(({ image_id }) => image_id === parse(name).name),
      ),
    ];
    if (problems.length > 0) failed++;
    console.log(`${problems.length > 0 ? "FAIL" : "ok  "} ${name}: ${found.length} boxes`);
    for (const problem of problems.slice(0, 5)) console.log(`     ${problem}`);
  }
  console.log(`${names.length - failed} of ${names.length} pictures agree`);
}
if (screenshot !== undefined) {
  const url = `${home}/shot/examples/browser-detect/index.html?model=/model.onnx&picture=/pictures/${names[0]}`;
  const shot = [`--screenshot=${resolve(screenshot)}`, "--window-size=900,820"];
  await browse(...shot, url).ended;
}
server.close();
server.closeAllConnections();
rmSync(profile, { recursive: true, force: true, maxRetries: 5 });
process.exitCode = failed > 0 ? 1 : 0;
