#!/usr/bin/env node
/** The broker: see src/cli/broker.ts. */
import { main } from "../src/cli/broker.ts";

void main(process).then((status) => process.exit(status));
