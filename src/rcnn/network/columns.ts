/**
 * The network's scores of a region are columns: column 0 is the background, and class c is column c + 1. Everywhere else (data sets,
 * truth, detections, metrics, files) classes count from 0 and there is no background, so these two functions are the only place
 * where the one is added or taken away.
 */

/** The network's column of a class that counts from 0. */
export const columnOf = (label: number): number => label + 1;

/** The class, from 0, of a column that is not the background's. */
export const labelOf = (column: number): number => column - 1;
