import { openSegmenter } from "medvox/med3d";
import { spacingOf } from "medvox/volume";

const segmenter = await openSegmenter("runs/tutorial");
for (const id of ["hippocampus_204", "hippocampus_376"]) {
  const { volume } = await segmenter.segment({ id, image: `tutorial/others/images/${id}.nii.gz` });
  const [x, y, z] = spacingOf(volume.affine);
  for (const { index, name } of segmenter.plan.labels.slice(1)) {
    const voxels = volume.data.filter((value) => value === index).length;
    console.log(`${id}  ${name}  ${((voxels * x * y * z) / 1000).toFixed(2)} ml`);
  }
}
await segmenter.close();
