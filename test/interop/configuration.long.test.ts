/** All of configuration.test.ts: every file. */
import "./configuration.test.ts";
