import { describe, expect, test } from "vitest";
import { z } from "zod";
import { ConfigError } from "../../errors.ts";
import { checkedConfig } from "./checked-config.ts";

const schema = z.strictObject({
  epochs: z.number().int().positive().default(30),
  loss: z.enum(["dice", "focal"]).default("dice"),
  depth: z.literal([10, 18]).default(10),
  sets: z.array(z.strictObject({ name: z.string() })).default([]),
  rpn: z.strictObject({ overlap: z.number(), limit: z.number().default(1) }).optional(),
  head: z
    .strictObject({ overlap: z.number(), hidden: z.number().default(1) })
    .nullable()
    .default(null),
});

describe("what was asked for", () => {
  test("is returned with defaults", () => {
    expect(checkedConfig(schema, { epochs: 3 })).toEqual({
      epochs: 3,
      loss: "dice",
      depth: 10,
      sets: [],
      head: null,
    });
  });

  test.each([
    [{ epochz: 3 }, "epochz: is no setting. Did you mean epochs?"],
    [{ wholly: 3 }, "wholly: is no setting here"],
    [{ loss: "dcie" }, 'loss: "dcie"; must be one of dice, focal'],
    [{ depth: 11 }, "depth: 11; must be one of 10, 18"],
    [{ sets: [{}] }, "sets[0].name: is missing"],
    [{ sets: [{ name: "a", labls: 1 }] }, "sets[0].labls: is no setting here"],
    [{ sets: [{ name: "a", nme: 1 }] }, "sets[0].nme: is no setting. Did you mean name?"],
    [{ rpn: { overlapp: 1, overlap: 1 } }, "rpn.overlapp: is no setting. Did you mean overlap?"],
    [{ rpn: { overlap: 1, hidden: 1 } }, "rpn.hidden: is no setting. Did you mean head.hidden?"],
    [{ overlap: 1 }, "overlap: is no setting. Did you mean rpn.overlap or head.overlap?"],
  ])("%j is refused by its key", (request, message) => {
    expect(() => checkedConfig(schema, request)).toThrow(new ConfigError(message));
  });

  test("has its place in front", () => {
    expect(() => checkedConfig(schema, { loss: 1 }, "coarse.")).toThrow("coarse.loss: 1; must be one of dice, focal");
  });
});
