#!/usr/bin/env node
/**
 * All programs in one file, for a single executable: which of them it is, its name says, or its
 * first word. See src/cli/called.ts.
 */
import { CLIENTS, run } from "../src/cli/called.ts";

const ALL = { "ts-broker": () => import("../src/cli/broker.ts"), ...CLIENTS } as const;

// All output is written by then. Waiting for Node to notice would cost each start a millisecond.
void run(process, ALL).then((status) => process.exit(status));
