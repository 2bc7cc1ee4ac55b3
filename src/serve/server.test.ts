import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { openDataset } from "../data/index.ts";
import { ConfigError } from "../errors.ts";
import { readVolume, writeVolume } from "../files/index.ts";
import { quickConfig } from "../jobs/test/small-set.ts";
import { startServer } from "./server.ts";
import { jsonOf, type Served, served } from "./test/served.ts";

let it_: Served;
beforeAll(async () => {
  it_ = await served();
});
afterAll(() => it_.close());

const octets = { "content-type": "application/octet-stream" };
const put = (path: string, body: Uint8Array<ArrayBuffer>): Promise<Response> =>
  it_.api(path, { method: "PUT", headers: octets, body });
const bytesOf = async (path: string): Promise<Uint8Array<ArrayBuffer>> => Uint8Array.from(await readFile(path));

/** The events of a job, to their end. */
async function eventsOf(
  id: string,
  last?: number,
): Promise<{ id: number; event: string; data: Record<string, unknown> }[]> {
  const answer = await it_.api(
    `/jobs/${id}/events`,
    last === undefined ? {} : { headers: { "last-event-id": String(last) } },
  );
  expect(answer.headers.get("content-type")).toContain("text/event-stream");
  const blocks = (await answer.text()).split("\n\n").filter((block) => block.includes("data:"));
  return blocks.map((block) => {
    const field = (name: string): string => new RegExp(`^${name}: ?(.*)$`, "m").exec(block)?.[1] ?? "";
    return { id: Number(field("id")), event: field("event"), data: JSON.parse(field("data")) };
  });
}

describe("the API", () => {
  it("says what it has, and describes every route", async () => {
    expect(await (await it_.api("/info")).json()).toMatchObject({
      name: "Hippocampus",
      labels: { 0: "background", 1: "Anterior", 2: "Posterior" },
      cases: 4,
      labelled: 3,
    });
    const { paths, openapi, components } = await (await it_.api("/openapi.json")).json();
    expect(openapi).toBe("3.1.0");
    expect(Object.keys(paths)).toEqual(
      expect.arrayContaining([
        "/info",
        "/cases",
        "/cases/{id}/label",
        "/jobs/train",
        "/jobs/{id}/events",
        "/runs/{id}/report",
      ]),
    );
    expect(Object.keys(components.schemas)).toEqual(expect.arrayContaining(["Case", "Job", "Error", "Run"]));
  });

  it("gives images and labels as they are on disk, and says in words what there is not", async () => {
    const cases: { id: string; annotators: string[] }[] = await (await it_.api("/cases")).json();
    expect(cases.map(({ annotators }) => annotators.length)).toEqual([1, 1, 1, 0]);
    const image = await it_.api("/cases/hippocampus_001/image");
    const file = await readFile(join(it_.data, "imagesTr/hippocampus_001.nii.gz"));
    expect(Buffer.from(await image.arrayBuffer()).equals(file)).toBe(true);
    expect(image.headers.get("content-length")).toBe(String(file.length));
    expect(image.headers.get("content-disposition")).toContain("hippocampus_001.nii.gz");
    const none = await it_.api(`/cases/${cases[3].id}/label`);
    expect(none.status).toBe(404);
    expect(await none.json()).toEqual({
      error: { code: "E_MISSING", message: `case ${cases[3].id}: has no label by final` },
    });
  });

  it("keeps labels bit for bit, by annotator, with their history, in a set that stays a Decathlon's", async () => {
    const path = "/cases/hippocampus_001/label";
    const before = await bytesOf(join(it_.data, "labelsTr/hippocampus_001.nii.gz"));
    const label = await readVolume(join(it_.data, "labelsTr/hippocampus_001.nii.gz"));
    const drawn = join(it_.root, "drawn.nii.gz");
    await writeVolume(drawn, { ...label, data: Uint8Array.from(label.data as Uint8Array, (v) => (v === 2 ? 1 : v)) });
    const mine = await bytesOf(drawn);
    expect(await (await put(`${path}?annotator=anna`, mine)).json()).toEqual({
      case: "hippocampus_001",
      annotator: "anna",
      version: 1,
    });
    expect(Buffer.from(await (await it_.api(path)).arrayBuffer()).equals(before)).toBe(true);
    expect(await (await put(path, mine)).json()).toMatchObject({ annotator: "final", version: 2 });
    expect(Buffer.from(await (await it_.api(path)).arrayBuffer()).equals(mine)).toBe(true);
    expect((await bytesOf(join(it_.data, "history/hippocampus_001/final/0001.nii.gz"))).length).toBe(before.length);
    const history: { annotator: string; version: number }[] = await (
      await it_.api("/cases/hippocampus_001/history")
    ).json();
    expect(history.map(({ annotator, version }) => `${annotator} ${version}`).sort()).toEqual([
      "anna 1",
      "final 1",
      "final 2",
    ]);

    const unlabelled = (await openDataset(it_.data)).test[0].id;
    const other = await put(`/cases/${unlabelled}/label`, mine);
    expect(other.status).toBe(422);
    expect((await other.json()).error.message).toContain("draw on the image's own grid");
    const { size, affine } = await readVolume(join(it_.data, `imagesTr/${unlabelled}.nii.gz`));
    const voxels = size[0] * size[1] * size[2];
    await writeVolume(
      drawn,
      { size, affine, channels: 1, data: new Uint8Array(voxels).fill(1, 0, 100) },
      { force: true },
    );
    expect((await put(`/cases/${unlabelled}/label`, await bytesOf(drawn))).status).toBe(200);
    const opened = await openDataset(it_.data);
    expect([opened.cases.length, opened.test.length, opened.problems.length]).toEqual([4, 0, 0]);
    await writeVolume(drawn, { size, affine, channels: 1, data: new Uint8Array(voxels).fill(7) }, { force: true });
    const odd = await put(`/cases/${unlabelled}/label`, await bytesOf(drawn));
    expect((await odd.json()).error.message).toBe("label: has the value 7; the set's classes are 0, 1, 2");
    await it_.restart();
    expect(await (await it_.api("/info")).json()).toMatchObject({ cases: 4, labelled: 4 });
    expect(await (await it_.api("/cases/hippocampus_001")).json()).toMatchObject({ annotators: ["anna", "final"] });
  });

  it("takes images, once, and none that are none", async () => {
    const image = await bytesOf(join(it_.data, "imagesTr/hippocampus_001.nii.gz"));
    const post = (query: string, body: Uint8Array<ArrayBuffer>): Promise<Response> =>
      it_.api(`/cases?${query}`, { method: "POST", headers: octets, body });
    expect((await post("id=new-one", image)).status).toBe(201);
    expect((await post("id=New-One", image)).status).toBe(409);
    const broken = await post("id=broken", Uint8Array.of(1, 2, 3));
    expect(broken.status).toBe(422);
    expect((await broken.json()).error.message).not.toContain(it_.root);
    expect((await post("id=x&extension=.exe", image)).status).toBe(415);
    expect((await post("id=..%2Fx", image)).status).toBe(400);
    expect((await openDataset(it_.data)).test.map(({ id }) => id)).toEqual(["new-one"]);
    expect(await readdir(join(it_.data, "incoming"))).toEqual([]);
  });

  it("trains, tells so by events that can be taken up again, and predicts with what it trained", async () => {
    const train = await it_.api("/jobs/train", jsonOf({ run: "first", config: quickConfig }));
    expect(train.status).toBe(202);
    const { id, state, run } = await train.json();
    expect([state === "queued" || state === "running", run]).toEqual([true, "first"]);
    expect((await it_.api("/jobs/train", jsonOf({ run: "first" }))).status).toBe(409);
    const events = await eventsOf(id);
    expect(events.at(-1)).toMatchObject({ event: "end", data: { state: "done" } });
    expect(events.filter(({ event }) => event === "epoch")).toHaveLength(2);
    expect(JSON.stringify(events)).not.toContain(it_.root);
    const again = await eventsOf(id, 2);
    expect(again.map(({ id: n }) => n).filter(Boolean)).toEqual(events.map(({ id: n }) => n).filter((n) => n > 2));

    const [listed] = await (await it_.api("/runs")).json();
    expect(listed).toMatchObject({ id: "first", task: "segmentation", finished: true, epochs: 2, model: true });
    expect(await (await it_.api("/runs/first")).json()).toMatchObject({ config: { width: 4 } });
    expect((await it_.api("/runs/first/model")).headers.get("content-disposition")).toContain("first.onnx");
    expect((await it_.api("/runs/second")).status).toBe(404);

    const asked = { run: "first", cases: ["hippocampus_001", "new-one"], options: { threads: 1 } };
    const predicting = await (await it_.api("/jobs/predict", jsonOf(asked))).json();
    expect((await eventsOf(predicting.id)).at(-1)).toMatchObject({ data: { state: "done" } });
    const done = await (await it_.api(`/jobs/${predicting.id}`)).json();
    expect(done.files).toEqual(expect.arrayContaining(["hippocampus_001.nii.gz", "new-one.nii.gz"]));
    const mask = await it_.api(`/jobs/${predicting.id}/files/new-one.nii.gz`);
    expect(new Uint8Array(await mask.arrayBuffer()).subarray(0, 2)).toEqual(Uint8Array.of(0x1f, 0x8b));
    expect((await it_.api("/jobs/predict", jsonOf({ ...asked, cases: ["nobody"] }))).status).toBe(404);
  });

  it("refuses settings that name files, tasks there are not, and keys nobody knows, before anything is enqueued", async () => {
    const before = (await (await it_.api("/jobs")).json()).length;
    const refused = async (body: object): Promise<[number, string]> => {
      const answer = await it_.api("/jobs/train", jsonOf(body));
      return [answer.status, (await answer.json()).error.message];
    };
    expect(await refused({ run: "x", config: { data: "/etc" } })).toEqual([
      400,
      "config.data: is the server's to say; leave it out",
    ]);
    expect(await refused({ run: "x", config: { from: "/etc/passwd" } })).toEqual([
      400,
      "config.from: expected the name of a run of this server, or null",
    ]);
    expect((await refused({ run: "x", task: "knitting" }))[1]).toContain("task: knitting; there are");
    expect((await refused({ run: "x", config: { epoch: 3 } }))[0]).toBe(400);
    expect((await refused({ run: "../x" }))[1]).toContain("run: expected the name of a run");
    expect((await (await it_.api("/jobs")).json()).length).toBe(before);
  });
});

it("listens for others only with a token that nobody guesses", async () => {
  const options = { data: it_.data, runs: join(it_.root, "more-runs"), port: 0 };
  await expect(startServer({ ...options, host: "0.0.0.0" })).rejects.toThrow(ConfigError);
  await expect(startServer({ ...options, token: "short" })).rejects.toThrow("16 or more");
});
