/** All of slow-readers.test.ts: floods of every packet, in every version. */
import "./slow-readers.test.ts";
