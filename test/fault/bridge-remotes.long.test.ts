/** All of bridge-remotes.test.ts: each kind of nonsense. */
import "./bridge-remotes.test.ts";
