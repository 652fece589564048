#!/usr/bin/env node
/** Sends a request and prints the response: see src/cli/rr.ts. */
import { CLIENTS, run } from "../src/cli/called.ts";

// All output is written by then. Waiting for Node to notice would cost each start a millisecond.
void run(process, CLIENTS, "ts-rr").then((status) => process.exit(status));
