/** All of storms.test.ts: longer storms. */
import "./storms.test.ts";
