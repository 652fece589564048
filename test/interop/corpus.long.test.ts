/** All of corpus.test.ts: each configuration. */
import "./corpus.test.ts";
