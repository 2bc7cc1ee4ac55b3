#!/usr/bin/env node
/** The `medvox` command. */
import { runProcess } from "./process.ts";
import { commands } from "./table.ts";

await runProcess(commands);
