/** All of names.test.ts: each name and each program. */
import "./names.test.ts";
