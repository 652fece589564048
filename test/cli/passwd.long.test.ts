/** All of passwd.test.ts: each refusal. */
import "./passwd.test.ts";
