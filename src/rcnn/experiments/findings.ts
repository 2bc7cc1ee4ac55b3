/** The ablations' answer: one row for every condition, its difference to the detector as trained, charts. */
import { digits, type Findings, intervalText, minutesEach } from "../../experiments/index.ts";
import { meanOf, type RepeatedScore, type Repeats, repeatedDifference, repeatedScore } from "../../metrics/index.ts";
import type { ForestGroup, ReportChart } from "../../report/index.ts";
import type { AnchorVariant, RpnCondition, RpnExperimentConfig, Schedule } from "./config.ts";
import { classAp, type ImageScore, meanAp, type RankedImage, rankedImages, recall } from "./scores.ts";
import { asTrained, testTimeConditions } from "./test-time.ts";
import { type RpnResult, UNSHARED } from "./trial.ts";

interface Row extends RepeatedScore {
  readonly of: RpnCondition | null;
  readonly name: string;
  readonly limit: number | null;
  /** The detector as trained, which all others are compared with. */
  readonly isBase: boolean;
  /** Of a training of its own. */
  readonly trained: boolean;
  readonly own: readonly RpnResult[];
  readonly images: Repeats<ImageScore>;
  readonly ranked: Repeats<RankedImage>;
}

export function rpnFindings(config: RpnExperimentConfig, results: readonly RpnResult[]): Findings {
  const [{ classes }] = results;
  const score = meanAp(classes.length);
  const rows = describedRows(config, results).map(({ variant, schedule, condition, ...about }): Row => {
    const own = results
      .filter((trial) => trial.target === variant && trial.condition === schedule)
      .sort((a, b) => a.seed - b.seed);
    const images = own.map(({ conditions }) => conditions[condition]);
    const ranked = images.map(rankedImages);
    const trained = condition === asTrained.name;
    return { ...about, trained, own, images, ranked, ...repeatedScore(ranked, score) };
  });
  const base = rows.find(({ isBase }) => isBase)!;
  // Of one seed it would say the same again.
  const perSeed = config.seeds > 1 ? ["each seed"] : [];
  return {
    title: "What the parts of the RPN bring",
    charts: charts(rows, base),
    table: {
      columns: [
        "condition",
        "AP50",
        "95 % interval",
        "difference",
        "its interval",
        ...perSeed,
        ...classes,
        "recall at 0.5",
        "at 0.7",
        "proposals",
        "steps",
        "minutes each",
      ],
      rows: rows.map((row) => {
        const gain = row === base ? undefined : repeatedDifference(row.ranked, base.ranked, score);
        const images = row.images.flat();
        const proposals = images.reduce((sum, image) => sum + image.proposals, 0) / images.length;
        return [
          row.name,
          digits(row.mean),
          intervalText(row.interval),
          gain === undefined ? "" : digits(gain.mean),
          gain === undefined ? "" : intervalText(gain.interval),
          ...perSeed.map(() => row.perSeed.map(digits).join(", ")),
          ...classes.map((_, k) => digits(meanOf(row.ranked.map(classAp(k))))),
          digits(recall(row.images, "met50")),
          digits(recall(row.images, "met70")),
          proposals.toFixed(0),
          row.trained ? String(row.own[0].steps) : "",
          row.trained ? minutesEach(row.own) : "",
        ];
      }),
    },
  };
}

interface Described {
  readonly of: RpnCondition | null;
  readonly name: string;
  readonly limit: number | null;
  readonly isBase: boolean;
  readonly variant: AnchorVariant;
  readonly schedule: Schedule;
  /** The name in a trial's scores. */
  readonly condition: string;
}

/** Every row of the table: the detector as trained first. */
function describedRows(config: RpnExperimentConfig, results: readonly RpnResult[]): Described[] {
  const { conditions, schedule } = config;
  const anchorsText = (variant: AnchorVariant): string => {
    const { scales, ratios } = results.find(({ target }) => target === variant)!;
    return `${scales} scale${scales === 1 ? "" : "s"}, ${ratios} ratio${ratios === 1 ? "" : "s"}`;
  };
  const usual = { limit: null, isBase: false, schedule, condition: asTrained.name };
  const onBase = testTimeConditions(config, 0).map(({ name, text, of, limit }): Described => {
    const base = of === null;
    const said = base ? `${scheduleTexts[schedule]}, ${anchorsText("all")}` : text;
    return { of, name: said, limit, isBase: base, variant: "all", schedule, condition: name };
  });
  const variants = conditions.includes("anchors") ? (["scales", "ratios", "one"] as const) : [];
  const anchors = variants.map(
    (variant): Described => ({ ...usual, of: "anchors", name: anchorsText(variant), variant }),
  );
  const other: Schedule = schedule === "joint" ? "alternating" : "joint";
  const sharing: Described[] = [
    { ...usual, of: "sharing", name: scheduleTexts[other], variant: "all", schedule: other },
    {
      ...usual,
      of: "sharing",
      name: "steps 1 and 2, unshared",
      variant: "all",
      schedule: "alternating",
      condition: UNSHARED,
    },
  ];
  const [first, ...rest] = onBase;
  return [first, ...anchors, ...rest, ...(conditions.includes("sharing") ? sharing : [])];
}

const scheduleTexts: Readonly<Record<Schedule, string>> = {
  joint: "joint training",
  alternating: "four steps, shared",
};

function charts(rows: readonly Row[], base: Row): ReportChart[] {
  const drawn = (row: Row) => ({
    name: row.name,
    color: row === base ? 0 : 1,
    mean: row.mean,
    interval: row.interval,
    single: row.perSeed,
  });
  const group = (name: string, of: readonly (RpnCondition | null)[]): ForestGroup[] => {
    const own = rows.filter((row) => row !== base && of.includes(row.of));
    return own.length === 0 ? [] : [{ name, rows: own.map(drawn) }];
  };
  const forest: ReportChart = {
    kind: "forest",
    title: "AP50 on held-out images",
    xName: "AP50",
    groups: [
      { name: "as trained", rows: [drawn(base)] },
      ...group("anchors", ["anchors"]),
      ...group("number of proposals", ["proposals"]),
      ...group("without a part", ["nms", "cls", "reg"]),
      ...group("sharing", ["sharing"]),
    ],
  };
  const byNumber = rows.filter(({ of }) => of === "proposals").sort((a, b) => a.limit! - b.limit!);
  if (byNumber.length < 2) return [forest];
  const line = (name: string, color: number, value: (row: Row) => number | null) => ({
    name,
    color,
    dots: true,
    points: byNumber.flatMap((row) => {
      const at = value(row);
      return at === null ? [] : [[row.limit!, at] as const];
    }),
  });
  return [
    forest,
    {
      kind: "curve",
      title: "By the number of proposals",
      xName: "proposals of an image, at most",
      series: [
        line("AP50", 0, ({ mean }) => mean),
        line("recall at IoU 0.5", 1, ({ images }) => recall(images, "met50")),
        line("recall at IoU 0.7", 2, ({ images }) => recall(images, "met70")),
      ],
    },
  ];
}
