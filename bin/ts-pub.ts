#!/usr/bin/env node
/** Publishes messages: see src/cli/pub.ts. */
import { CLIENTS, run } from "../src/cli/called.ts";

// All output is written by then. Waiting for Node to notice would cost each start a millisecond.
void run(process, CLIENTS, "ts-pub").then((status) => process.exit(status));
