#!/usr/bin/env node
/** Subscribes and prints what arrives: see src/cli/sub.ts. */
import { CLIENTS, run } from "../src/cli/called.ts";

// All output is written by then. Waiting for Node to notice would cost each start a millisecond.
void run(process, CLIENTS, "ts-sub").then((status) => process.exit(status));
