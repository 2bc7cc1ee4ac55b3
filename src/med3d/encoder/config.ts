/** The keys by which every task of Med3D says which encoder it has, and how it is trained. */
import { z } from "zod";
import { ConfigError } from "../../errors.ts";
import type { Scope, Tensor } from "../../graph/index.ts";
import { architectureName, encoder, RELEASED_WIDTH, type ResNet3dFeatures } from "../../nn/index.ts";
import { scheduleSchema } from "../../train/config/shared-config.ts";

/** Which encoder a network has, and what is trained of it. */
export const encoderKeys = {
  /** MedicalNet ResNet depth. */
  depth: z.literal([10, 18, 34, 50, 101, 152, 200]).default(10),
  /** Norm and ReLU before each convolution; depth 200 only. */
  preActivation: z.boolean().default(false),
  /** Subsampling and zero channels (A) or a 1×1×1 convolution (B) past blocks that change size. null: as released, A for 18 and 34, B for the others. */
  shortcut: z.enum(["A", "B"]).nullable().default(null),
  /** 8 as released, or 32, the usual ResNet's. */
  outputStride: z.literal([8, 32]).default(8),
  /** Channels of the encoder's first stage, a multiple of 4: 64 as released. With fewer all layers are as much narrower, and quicker. */
  width: z.number().int().positive().multipleOf(4).default(64),
  /** Leave the encoder as it is, its norms' running statistics included. */
  freeze: z.boolean().default(false),
  /** Factor on the learning rate of what stands on the encoder; 100 in MedicalNet's training. */
  newLayerRate: z.number().positive().default(1),
};

const size = z.number().int().positive();

/** What a step of a training sees, and how its rate falls. */
export const stepKeys = {
  /** Size of what a step sees of a case, [D, H, W]; null: from the plan. */
  patch: z.tuple([size, size, size]).nullable().default(null),
  /** How the learning rate falls over the epochs. */
  schedule: scheduleSchema.default({ kind: "cosine", floor: 0.01 }),
};

/** The keys that trainings of Med3D share beside those of every task. */
export const med3dKeys = { ...encoderKeys, ...stepKeys };

const schema = z.object(encoderKeys);
export type EncoderConfig = Pick<z.infer<typeof schema>, "depth"> & Partial<z.infer<typeof schema>>;

/** Features of x [N, C, D, H, W]. @param statistics where the norms keep running statistics of their own beside the encoder's */
export function encoderFeatures(
  x: Tensor,
  { depth, preActivation = false, shortcut, outputStride, width, freeze }: EncoderConfig,
  stages?: 1 | 2 | 3 | 4,
  statistics?: Scope,
): ResNet3dFeatures {
  return encoder(x, {
    depth,
    preActivation,
    shortcut: shortcut ?? undefined,
    outputStride,
    width,
    stages,
    norm: { kind: "batch", frozen: freeze, statistics },
  });
}

/** The architecture a configuration asks for, e.g. `resnet18`, or `resnet18 of width 16`. */
export function encoderName({ depth, preActivation = false, width = RELEASED_WIDTH }: EncoderConfig): string {
  const name = architectureName({ depth, preActivation });
  return width === RELEASED_WIDTH ? name : `${name} of width ${width}`;
}

/** @throws ConfigError where an encoder of random weights would be frozen */
export function refuseFrozenNothing({
  freeze,
  from,
}: {
  readonly freeze: boolean;
  readonly from: string | null;
}): void {
  if (freeze && from === null)
    throw new ConfigError("freeze: needs weights to start from; an encoder of random weights learns nothing");
}
