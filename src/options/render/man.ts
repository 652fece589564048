/** Man pages, in the macros of man(7): one for each program, and ts-broker.conf(5). */
import { BRIDGE_EXAMPLE, REMAPPING_TEXT, remappingLines } from "../conf/bridge-text.ts";
import { DIRECTIVES, type Entry } from "../conf/directives.ts";
import { FIELD_TEXTS, FORMAT_TEXT, OTHER_TEXTS } from "../format-text.ts";
import type { Description } from "../option.ts";
import type { Command, Example, Program } from "../programs.ts";
import { DATE } from "../version.ts";

/** With room for what keeps a line from being a macro. */
const LINE_COLUMNS = 78;

export function renderMan(program: Program): string {
  const { name, section, summary, options } = program;
  const groups = grouped(Object.values(options), (row) => row.group);
  return page([
    head(name, section, summary),
    ".SH SYNOPSIS",
    ...program.usage.flatMap((line) => [`.B ${roff(name)}`, roff(line), ".br"]).slice(0, -1),
    ".SH DESCRIPTION",
    ...paragraphs(program.description),
    ".SH OPTIONS",
    ...groups.flatMap(([group, rows]) => [`.SS "${group}"`, ...rows.flatMap(optionLines)]),
    ...program.commands.flatMap((command) => commandLines(name, command)),
    ...(program.hasFormat ? formatLines() : []),
    ".SH EXAMPLES",
    ...[program, ...program.commands]
      .flatMap(({ examples }) => examples)
      .flatMap(exampleLines)
      .slice(1),
    ...fileLines(program),
    '.SH "EXIT STATUS"',
    ...program.exitStatuses.flatMap(([status, meaning]) => [
      ".TP",
      `.B ${roff(status)}`,
      sentences(meaning),
    ]),
    seeAlso(program.seeAlso),
  ]);
}

export function renderConfMan(): string {
  const groups = grouped(DIRECTIVES, ({ row }) => row.group);
  return page([
    head("ts-broker.conf", 5, "the configuration of ts-broker"),
    ".SH DESCRIPTION",
    sentences(
      [
        "The file has one option a line: its name, a space and its value, without quotes.",
        "A line that begins with # is a comment. It is a mosquitto.conf(5): what is written for",
        "mosquitto is read in the same way, and an option that ts-broker cannot carry out is refused,",
        "not ignored.",
      ].join(" "),
    ),
    ".PP",
    sentences("An option for which there is no default given here is off unless given."),
    ".SH FILES",
    ".TP",
    option("include_dir", "DIRECTORY"),
    sentences(
      [
        "Reads every file of the directory whose name ends in .conf, in the order of the alphabet.",
        "It may be given more than once, in the main file only.",
      ].join(" "),
    ),
    ...groups.flatMap(([group, entries]) => [
      `.SH "${group.toUpperCase()}"`,
      ...entries.flatMap(directiveLines),
    ]),
    ".SH REMAPPING",
    ...paragraphs(REMAPPING_TEXT),
    ".PP",
    ".nf",
    ...remappingLines().map(roff),
    ".fi",
    ".SH EXAMPLES",
    ".nf",
    "listener 1883",
    "allow_anonymous true",
    `max_queued_messages 5000`,
    ".fi",
    ...exampleLines(BRIDGE_EXAMPLE),
    seeAlso(["ts-broker(8)"]),
  ]);
}

/** The first one stands right below its heading. */
function paragraphs(texts: readonly string[]): string[] {
  return texts.flatMap((text, i) => (i === 0 ? [sentences(text)] : [".PP", sentences(text)]));
}

function commandLines(program: string, { name, usage, description, options }: Command): string[] {
  return [
    `.SH "${roff(name.toUpperCase())} COMMAND"`,
    ...usage
      .flatMap((line) => [`.B ${roff(program)} ${roff(name)}`, roff(line), ".br"])
      .slice(0, -1),
    ".PP",
    ...paragraphs(description),
    ...Object.values(options).flatMap(optionLines),
  ];
}

function formatLines(): string[] {
  const entries = Object.entries({ ...FIELD_TEXTS, ...OTHER_TEXTS });
  return [
    ".SH FORMAT",
    ...paragraphs(FORMAT_TEXT),
    ...entries.flatMap(([term, text]) => [".TP", `\\fB${roff(term)}\\fR`, sentences(text)]),
  ];
}

function fileLines({ files = [] }: Program): string[] {
  const entries = files.flatMap(([path, meaning]) => [
    ".TP",
    `.I ${roff(path)}`,
    sentences(meaning),
  ]);
  return entries.length === 0 ? [] : [".SH FILES", ...entries];
}

function exampleLines({ text, command }: Example): string[] {
  return [".PP", sentences(text), ".PP", ".RS 4", ".nf", roff(command), ".fi", ".RE"];
}

function optionLines({ short, long, value, text }: Description): string[] {
  const names = [short && `-${short}`, long && `--${long}`].filter((name) => name !== undefined);
  const term = names.map((name) => `\\fB${roff(name)}\\fR`).join(", ");
  const operand = value === undefined ? "" : ` \\fI${roff(value)}\\fR`;
  return [".TP", term + operand, sentences(text)];
}

function directiveLines({ row }: Entry): string[] {
  const aliases = (row.aliases ?? []).map((alias) => [".TQ", option(alias, row.value)]);
  // Those of a bridge all are, which the line that begins one says.
  const isSaid = row.reload === "no" || row.scope === "bridge" || row.scope === "connection";
  const again = isSaid ? [] : ["It is read again on SIGHUP."];
  return [
    ".TP",
    option(row.name, row.value),
    ...aliases.flat(),
    sentences([row.text, ...again].join(" ")),
  ];
}

function option(name: string, value: string): string {
  return `\\fB${roff(name)}\\fR \\fI${roff(value)}\\fR`;
}

function head(name: string, section: number, summary: string): string {
  const title = `.TH "${roff(name.toUpperCase())}" ${section} "${DATE}" "ts-mqtt" "ts-mqtt"`;
  return `${title}\n.SH NAME\n${roff(name)} \\- ${roff(summary)}`;
}

function seeAlso(names: readonly string[]): string {
  const lines = names.map((name) => `.BR ${roff(name).replace("(", " (")}`);
  return `.SH "SEE ALSO"\n${lines.join(" ,\n")}`;
}

/** Rows by their heading, in the order in which headings come first. */
function grouped<Row>(rows: readonly Row[], headingOf: (row: Row) => string): [string, Row[]][] {
  const groups = new Map<string, Row[]>();
  for (const row of rows) {
    const heading = headingOf(row);
    groups.set(heading, [...(groups.get(heading) ?? []), row]);
  }
  return [...groups];
}

/** Each sentence begins a line, as roff wants it, and none is longer than a terminal is wide. */
function sentences(text: string): string {
  return text
    .split(/(?<=[.!?]) (?=[A-Z-])/)
    .flatMap((sentence) => wrapped(roff(sentence)))
    .map((line) => line.replace(/^[.']/, "\\&$&"))
    .join("\n");
}

function wrapped(sentence: string): string[] {
  const lines: string[] = [];
  let line = "";
  for (const word of sentence.split(" ")) {
    if (line !== "" && line.length + 1 + word.length > LINE_COLUMNS) {
      lines.push(line);
      line = word;
    } else line = line === "" ? word : `${line} ${word}`;
  }
  return [...lines, line];
}

/** Hyphens that can be copied into a shell, and no character with a meaning of its own. */
function roff(text: string): string {
  return text
    .replaceAll("\\", "\\e")
    .replaceAll("-", "\\-")
    .replaceAll("'", "\\(aq")
    .replaceAll("`", "\\(ga")
    .replaceAll("~", "\\(ti")
    .replaceAll("^", "\\(ha")
    .replaceAll("∞", "\\(if");
}

function page(lines: readonly string[]): string {
  const note = '.\\" Made from the option tables by src/build/render.mjs. Do not edit.';
  return `${[note, ...lines].join("\n")}\n`;
}
