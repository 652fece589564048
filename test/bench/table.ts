/**
 * The outcome as a table: medians of the rounds, and each broker's ratio to the first.
 *
 * CPU and rate are per message delivered. A ratio below 1 is better for CPU, memory and delay,
 * above 1 for the rate.
 */
import type { Flow } from "./flows.ts";
import type { Measured, Result } from "./measure.ts";

/** The results of one flow with one broker, one a round. */
export interface Series {
  readonly flow: Flow;
  readonly broker: string;
  readonly results: readonly Result[];
}

/** Medians of a series. */
export interface Summary {
  readonly flow: string;
  readonly broker: string;
  readonly rounds: number;
  /** Why a round brought nothing, if one did not. */
  readonly failed?: string;
  readonly cpuUsPerMessage?: number;
  readonly perSecond?: number;
  readonly p50Ms?: number;
  readonly p99Ms?: number;
  readonly kibPerConnection?: number;
  readonly ratioCpu?: number;
  readonly ratioRate?: number;
  readonly ratioMemory?: number;
}

/** One summary a series, with ratios to `reference` where that was measured too. */
export function summarise(series: readonly Series[], reference: string): Summary[] {
  const plain = series.map(summary);
  return plain.map((one) => {
    const base = plain.find(({ flow, broker }) => flow === one.flow && broker === reference);
    const ratio = (key: "cpuUsPerMessage" | "perSecond" | "kibPerConnection") => {
      const [ours, theirs] = [one[key], base?.[key]];
      return ours === undefined || theirs === undefined || theirs === 0 ? undefined : ours / theirs;
    };
    return defined({
      ...one,
      ratioCpu: ratio("cpuUsPerMessage"),
      ratioRate: ratio("perSecond"),
      ratioMemory: ratio("kibPerConnection"),
    });
  });
}

/** The summaries as text, a line each, in columns. */
export function table(summaries: readonly Summary[], flows: readonly Flow[]): string {
  const head = ["flow", "broker", "CPU µs/msg", "ratio", "msg/s", "ratio", "p50 ms", "p99 ms"];
  const rows = [[...head, "KiB/conn", "ratio"]];
  for (const { name, title } of flows) {
    summaries
      .filter(({ flow }) => flow === name)
      .forEach((one, i) => {
        rows.push([i === 0 ? title : "", ...cells(one)]);
      });
  }
  return columns(rows, 2);
}

/** Rows of cells as text. @param texts How many columns, from the left, are text. */
export function columns(rows: readonly (readonly string[])[], texts: number): string {
  const widths = rows[0]!.map((_, column) => Math.max(...rows.map((row) => width(row[column]))));
  return rows
    .map((row) => row.map((cell, column) => pad(cell, widths[column]!, column < texts)).join("  "))
    .map((line) => line.trimEnd())
    .join("\n");
}

function cells(one: Summary): string[] {
  if (one.failed !== undefined) return [one.broker, "–", "", "", "", "", "", "", ""];
  const ratio = (value: number | undefined) => value?.toFixed(value < 0.1 ? 3 : 2) ?? "";
  return [
    one.broker,
    one.cpuUsPerMessage?.toFixed(one.cpuUsPerMessage < 1 ? 3 : 2) ?? "",
    ratio(one.ratioCpu),
    one.perSecond === undefined ? "" : Math.round(one.perSecond).toLocaleString("en"),
    ratio(one.ratioRate),
    one.p50Ms?.toFixed(3) ?? "",
    one.p99Ms?.toFixed(3) ?? "",
    one.kibPerConnection?.toFixed(1) ?? "",
    ratio(one.ratioMemory),
  ];
}

function summary({ flow, broker, results }: Series): Summary {
  const failure = results.find((result) => "failed" in result);
  const rounds = results.length;
  if (failure !== undefined) return { flow: flow.name, broker, rounds, failed: failure.failed };
  const all = results as readonly Measured[];
  const of = (key: keyof Measured) => median(all.map((one) => one[key]));
  if (flow.tells === "memory") {
    const kibPerConnection = median(all.map((one) => one.rssGrownKib / Number(flow.count)));
    return { flow: flow.name, broker, rounds, kibPerConnection };
  }
  return defined({
    flow: flow.name,
    broker,
    rounds,
    cpuUsPerMessage: of("cpuUsPerMessage"),
    perSecond: of("perSecond"),
    p50Ms: flow.tells === "delay" ? of("p50Ms") : undefined,
    p99Ms: flow.tells === "delay" ? of("p99Ms") : undefined,
  });
}

export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  if (sorted.length % 2 === 1) return sorted[middle]!;
  return (sorted[middle - 1]! + sorted[middle]!) / 2;
}

/** Keys whose value may be undefined turned into keys that may be absent. */
type Defined<Value> = { readonly [Key in keyof Value]: Exclude<Value[Key], undefined> };

/** `record` without the keys that are undefined. */
function defined<Value extends object>(record: Value): Defined<Value> {
  const entries = Object.entries(record).filter(([, value]) => value !== undefined);
  return Object.fromEntries(entries) as Defined<Value>;
}

function width(cell: string | undefined): number {
  return [...(cell ?? "")].length;
}

function pad(cell: string, columns: number, isText: boolean): string {
  const space = " ".repeat(columns - width(cell));
  return isText ? cell + space : space + cell;
}
