/** Cases: their images and labels, uploads, and who drew what when. */
import { z } from "@hono/zod-openapi";
import { volumeExtension, volumeExtensions } from "../../files/index.ts";
import { FINAL, type ServedCase } from "../data/served-set.ts";
import { bodyOf } from "../http/bodies.ts";
import { fileAnswer } from "../http/files.ts";
import { confined } from "../http/ids.ts";
import { Refusal } from "../http/refusal.ts";
import type { ServerContext } from "../server-context.ts";
import { answers, bytes, fileBody, newApi, refusals, route } from "./app.ts";
import { annotator, caseId, caseSchema, versionSchema } from "./schemas.ts";

const params = z.object({ id: caseId });
const ofAnnotator = z.object({ annotator: annotator.default(FINAL) });
const extension = z.string().optional();

const shownCase = ({ id, image, labels }: ServedCase): z.output<typeof caseSchema> => ({
  id,
  image: `cases/${id}/image`,
  extension: volumeExtension(image) ?? "",
  annotators: [...labels.keys()].sort(),
});

/** Which kind of file a client says that it sends. @throws Refusal for one that medvox does not take */
function takenExtension(given = ".nii.gz"): string {
  // Formats of one file alone: of a pair, half would be missing.
  const taken = volumeExtensions.filter((known) =>
    [".nii", ".nii.gz", ".nrrd", ".mha", ".mgz", ".mgh"].includes(known),
  );
  const found = taken.find((known) => known === given.toLowerCase());
  if (found === undefined) throw new Refusal(415, "E_FORMAT", `extension: expected one of ${taken.join(", ")}`);
  return found;
}

export function caseRoutes({ set, limits }: ServerContext) {
  const api = newApi();
  api.openapi(
    route({
      method: "get",
      path: "/cases",
      responses: { 200: answers("all cases", z.array(caseSchema)), ...refusals },
    }),
    (c) => c.json(set.cases().map(shownCase), 200),
  );
  api.openapi(
    route({
      method: "post",
      path: "/cases",
      description: "Adds an image: the body is the file.",
      request: { query: z.object({ id: caseId, extension }), body: fileBody },
      responses: { 201: answers("it is there", caseSchema), ...refusals },
    }),
    async (c) => {
      const { id, extension: given } = c.req.valid("query");
      const content = bodyOf(c.req.raw, limits.imageBytes);
      const added = await set.addImage(id, { content, extension: takenExtension(given), signal: c.req.raw.signal });
      return c.json(shownCase(added), 201);
    },
  );
  api.openapi(
    route({
      method: "get",
      path: "/cases/{id}",
      request: { params },
      responses: { 200: answers("the case", caseSchema), ...refusals },
    }),
    (c) => c.json(shownCase(set.case(c.req.valid("param").id)), 200),
  );
  api.openapi(
    route({
      method: "get",
      path: "/cases/{id}/image",
      request: { params },
      responses: { 200: bytes("the image's file"), ...refusals },
    }),
    async (c) => {
      const { id, image } = set.case(c.req.valid("param").id);
      return fileAnswer(await confined(set.root, image), { name: `${id}${volumeExtension(image) ?? ""}` });
    },
  );
  api.openapi(
    route({
      method: "get",
      path: "/cases/{id}/label",
      request: { params, query: ofAnnotator },
      responses: { 200: bytes("the label's file"), ...refusals },
    }),
    async (c) => {
      const { id } = c.req.valid("param");
      const path = set.label(id, c.req.valid("query").annotator);
      return fileAnswer(await confined(set.root, path), { name: `${id}${volumeExtension(path) ?? ""}` });
    },
  );
  api.openapi(
    route({
      method: "put",
      path: "/cases/{id}/label",
      description: "Keeps a label on the image's own grid: the body is the file. Earlier ones stay in the history.",
      request: { params, query: ofAnnotator.extend({ extension }), body: fileBody },
      responses: { 200: answers("it is kept", versionSchema), ...refusals },
    }),
    async (c) => {
      const { annotator: who, extension: given } = c.req.valid("query");
      const content = bodyOf(c.req.raw, limits.labelBytes);
      const upload = { content, extension: takenExtension(given), signal: c.req.raw.signal };
      return c.json(await set.saveLabel(c.req.valid("param").id, who, upload), 200);
    },
  );
  api.openapi(
    route({
      method: "get",
      path: "/cases/{id}/history",
      request: { params },
      responses: { 200: answers("its labels, the oldest first", z.array(versionSchema)), ...refusals },
    }),
    async (c) => c.json([...(await set.history(c.req.valid("param").id))], 200),
  );
  return api;
}
