/** All of terminal.test.ts: each program, with the brokers as built. */
import "./terminal.test.ts";
