/** A log without what differs from run to run. */

/** Lines of a log without the seconds they begin with. */
export function logLines(text: string): string[] {
  if (text === "") return [];
  const lines = text.replace(/\n$/, "").split("\n");
  return lines.map((line) => line.replace(/^\d{10}: /, ""));
}

/** A line with the port of the client's side as P. */
export function withoutPort(line: string): string {
  return line.replace(/(127\.0\.0\.1):\d+/g, "$1:P");
}

const MUTE = /^Client <unknown> \[(\S+)\] disconnected/;
const NEW = /^New connection from (\S+) on/;

/** Lines without those of connections that sent nothing, only to see whether a broker listens. */
export function withoutKnocks(lines: readonly string[]): string[] {
  const silent = new Set(lines.map((line) => MUTE.exec(line)?.[1]));
  return lines.filter((line) => {
    const peer = (MUTE.exec(line) ?? NEW.exec(line))?.[1];
    return peer === undefined || !silent.has(peer);
  });
}
