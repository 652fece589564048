/**
 * Log lines as people read them on a terminal: the time of day, what kind of line it is, and what
 * it says, each in its column and with colours. What goes anywhere else stays as mosquitto has it.
 */
import type { LogType } from "../options/conf/log-directives.ts";
import type { LogDress } from "../server/log-sinks.ts";
import { stampOf } from "../server/timestamp.ts";
import type { Colours } from "./colours.ts";
import { visible } from "./display.ts";

/** As short as their column. */
const LABELS: Readonly<Record<LogType, string>> = {
  error: "error",
  warning: "warning",
  notice: "notice",
  information: "info",
  debug: "debug",
  subscribe: "sub",
  unsubscribe: "unsub",
  websockets: "ws",
  internal: "intern",
};
const LABEL_WIDTH = 7;
/** Of what programs print before their lines: many seconds since 1970 tell people nothing. */
const TIME_OF_DAY = "%H:%M:%S";

export function logDress(colours: Colours): LogDress {
  return {
    stampFor(configuration) {
      const { timestamp, timestampFormat = TIME_OF_DAY } = configuration;
      const stamp = stampOf({ timestamp, timestampFormat });
      return (now) => stamp(now).replace(/: $/, "");
    },
    line(type, stamp, text) {
      const label = LABELS[type].padEnd(LABEL_WIDTH);
      // It has what clients call themselves in it, which may be anything.
      const shown = visible(text.replace(/^\t/, "  "));
      const begin = stamp === "" ? "" : `${colours.metadata(visible(stamp))} `;
      switch (type) {
        case "error":
          return `${begin}${colours.error(label)} ${colours.error(shown)}`;
        case "warning":
          return `${begin}${colours.warning(label)} ${colours.warning(shown)}`;
        case "debug":
        case "internal":
          return `${begin}${colours.metadata(`${label} ${shown}`)}`;
        default:
          return `${begin}${colours.topic(label)} ${shown}`;
      }
    },
  };
}
