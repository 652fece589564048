/** What has which colour on a terminal. Loaded only where there is one that wants them. */
import { Chalk } from "chalk";

/** Each gives its text back, set apart. */
export interface Colours {
  readonly heading: (text: string) => string;
  readonly topic: (text: string) => string;
  readonly metadata: (text: string) => string;
  readonly error: (text: string) => string;
  readonly warning: (text: string) => string;
  /** Parts of JSON. */
  readonly key: (text: string) => string;
  readonly string: (text: string) => string;
  readonly literal: (text: string) => string;
}

/** Those that every terminal has, so that the user's own theme says what they look like. */
export function colours(): Colours {
  const chalk = new Chalk({ level: 1 });
  return {
    heading: chalk.bold,
    topic: chalk.cyan,
    metadata: chalk.dim,
    error: chalk.red,
    warning: chalk.yellow,
    key: chalk.blue,
    string: chalk.green,
    literal: chalk.yellow,
  };
}

/** None. */
export const NO_COLOURS: Colours = {
  heading: same,
  topic: same,
  metadata: same,
  error: same,
  warning: same,
  key: same,
  string: same,
  literal: same,
};

function same(text: string): string {
  return text;
}
