#!/usr/bin/env node
/** The broker: see src/cli/broker.ts. */
import { run } from "../src/cli/called.ts";

const BROKER = { "ts-broker": () => import("../src/cli/broker.ts") } as const;

void run(process, BROKER, "ts-broker").then((status) => process.exit(status));
