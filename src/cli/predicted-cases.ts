/** What `medvox predict --in` names. */
import { type DataCase, listImages } from "../data/index.ts";

/** An image, or the images of a folder or data set. @param channels of an image, where the model says */
export async function casesOf(path: string, channels?: number): Promise<readonly DataCase[]> {
  return (await listImages(path, { channels })).cases;
}
