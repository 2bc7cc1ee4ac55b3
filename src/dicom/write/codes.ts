/**
 * What labels are called in SNOMED CT, for viewers and registries that compare segments by code and not by name. A label is found by
 * its name; users give codes of their own for what is not here.
 */

/** `[value, scheme, meaning]` */
export type Code = readonly [value: string, scheme: string, meaning: string];

export interface SegmentCodes {
  readonly type: Code;
  /** Default: anatomical structure. */
  readonly category?: Code;
  /** Left or right. */
  readonly modifier?: Code;
}

/** Codes by the names of labels, lower case, words apart by spaces. */
export type CodeTable = Readonly<Record<string, SegmentCodes>>;

const anatomical: Code = ["91723000", "SCT", "Anatomical Structure"];
const morphological: Code = ["49755003", "SCT", "Morphologically Abnormal Structure"];
const left: Code = ["7771000", "SCT", "Left"];
const right: Code = ["24028007", "SCT", "Right"];

/** Structures by name: value and meaning. */
const structures: Readonly<Record<string, readonly [value: string, meaning: string]>> = {
  "adrenal gland": ["23451007", "Adrenal gland"],
  aorta: ["15825003", "Aorta"],
  bladder: ["89837001", "Bladder"],
  brain: ["12738006", "Brain"],
  cerebellum: ["113305005", "Cerebellum"],
  "cerebrospinal fluid": ["65216001", "Cerebrospinal Fluid"],
  colon: ["71854001", "Colon"],
  duodenum: ["38848004", "Duodenum"],
  esophagus: ["32849002", "Esophagus"],
  femur: ["71341001", "Femur"],
  gallbladder: ["28231008", "Gallbladder"],
  "gray matter": ["389081007", "Gray Matter"],
  heart: ["80891009", "Heart"],
  hippocampus: ["5366008", "Hippocampus"],
  "inferior vena cava": ["64131007", "Inferior vena cava"],
  kidney: ["64033007", "Kidney"],
  "left atrium": ["82471001", "Left atrium"],
  "left ventricle": ["87878005", "Left ventricle"],
  liver: ["10200004", "Liver"],
  lung: ["39607008", "Lung"],
  pancreas: ["15776009", "Pancreas"],
  "portal vein": ["32764006", "Portal vein"],
  prostate: ["41216001", "Prostate"],
  "pulmonary artery": ["81040000", "Pulmonary artery"],
  rib: ["113197003", "Rib"],
  "right ventricle": ["53085002", "Right ventricle"],
  sacrum: ["54735007", "Sacrum"],
  "small intestine": ["30315005", "Small intestine"],
  "spinal cord": ["2748008", "Spinal cord"],
  spleen: ["78961009", "Spleen"],
  stomach: ["69695003", "Stomach"],
  thyroid: ["69748006", "Thyroid"],
  trachea: ["44567001", "Trachea"],
  uterus: ["35039007", "Uterus"],
  vertebra: ["51282000", "Vertebra"],
  "white matter": ["389080008", "White Matter"],
};
const findings: typeof structures = {
  cyst: ["367643001", "Cyst"],
  edema: ["79654002", "Edema"],
  lesion: ["52988006", "Lesion"],
  mass: ["4147007", "Mass"],
  necrosis: ["6574001", "Necrosis"],
  nodule: ["27925004", "Nodule"],
  tumor: ["108369006", "Neoplasm"],
};
const synonyms: Readonly<Record<string, string>> = {
  cancer: "tumor",
  csf: "cerebrospinal fluid",
  kidneys: "kidney",
  lesions: "lesion",
  lungs: "lung",
  nodules: "nodule",
  neoplasm: "tumor",
  oedema: "edema",
  oesophagus: "esophagus",
  spine: "vertebra",
  tumour: "tumor",
  "urinary bladder": "bladder",
  vertebrae: "vertebra",
};

/**
 * The codes of a label. What neither table knows gets a code of medvox's own scheme, `99MEDVOX`, whose meaning is its name.
 * @param own tables of the user's, asked first
 */
export function codesFor(
  name: string,
  value: number,
  own: CodeTable = {},
): Required<Pick<SegmentCodes, "type" | "category">> & SegmentCodes {
  const words = normal(name);
  const given = Object.entries(own).find(([key]) => normal(key) === words)?.[1];
  if (given !== undefined) return { ...given, category: given.category ?? anatomical };
  const whole = known(words);
  if (whole !== undefined) return whole;
  const match = /^(?:(left|right) )?(.+?)(?: (left|right|l|r))?$/.exec(words);
  const [, before, middle, after] = match ?? [];
  const found = middle === undefined || (before ?? after) === undefined ? undefined : known(middle);
  if (found === undefined)
    return {
      type: [`label-${value}`.slice(0, 16), "99MEDVOX", name.slice(0, 64) || `label ${value}`],
      category: anatomical,
    };
  return { ...found, modifier: (before ?? after ?? "").startsWith("l") ? left : right };
}

function known(words: string): Required<Pick<SegmentCodes, "type" | "category">> | undefined {
  const name = synonyms[words] ?? words;
  const structure = Object.hasOwn(structures, name) ? structures[name] : undefined;
  if (structure !== undefined) return { type: [structure[0], "SCT", structure[1]], category: anatomical };
  const finding = Object.hasOwn(findings, name) ? findings[name] : undefined;
  return finding && { type: [finding[0], "SCT", finding[1]], category: morphological };
}

function normal(name: string): string {
  return name
    .toLowerCase()
    .replaceAll(/[_\-\s]+/g, " ")
    .trim();
}
