/** @module serve: HTTP over a data set, runs and jobs. */
export { type RunningServer, type ServeOptions, startServer } from "./server.ts";
