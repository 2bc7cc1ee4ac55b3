/**
 * The names of COCO's categories by their numbers, as the data set gives them (Lin et al. 2014): 80 categories with numbers up to 90.
 * torchvision's detectors that were trained on COCO have a class for every number, 91 with the background, so ten of theirs mean nothing.
 */

/** By category number; 0 is the background. */
const NAMES: Readonly<Record<number, string>> = Object.fromEntries(
  [
    "1 person,bicycle,car,motorcycle,airplane,bus,train,truck,boat,traffic light,fire hydrant",
    "13 stop sign,parking meter,bench,bird,cat,dog,horse,sheep,cow,elephant,bear,zebra,giraffe",
    "27 backpack,umbrella",
    "31 handbag,tie,suitcase,frisbee,skis,snowboard,sports ball,kite,baseball bat,baseball glove,skateboard,surfboard,tennis racket,bottle",
    "46 wine glass,cup,fork,knife,spoon,bowl,banana,apple,sandwich,orange,broccoli,carrot,hot dog,pizza,donut,cake,chair,couch,potted plant,bed",
    "67 dining table",
    "70 toilet",
    "72 tv,laptop,mouse,remote,keyboard,cell phone,microwave,oven,toaster,sink,refrigerator",
    "84 book,clock,vase,scissors,teddy bear,hair drier,toothbrush",
  ].flatMap((line) => {
    const [, first, names] = /^(\d+) (.*)$/.exec(line)!;
    return names.split(",").map((name, i) => [Number(first) + i, name]);
  }),
);

/** How many classes torchvision's COCO detectors have, the background included. */
export const COCO_CLASSES = 91;

/** A category's name; `class 12` for a number that COCO does not use. */
export const cocoName = (category: number): string => NAMES[category] ?? `class ${category}`;
