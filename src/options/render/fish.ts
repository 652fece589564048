/** Completion for fish, 3.4 or later. */
import type { Completion, Description } from "../option.ts";
import type { Command, Program } from "../programs.ts";

export function renderFish({ name, options, commands }: Program): string {
  const begin = `complete -c ${name}`;
  const outside = commands.map((command) => ` -n 'not ${isFirst(command.name)}'`).join("");
  const lines = Object.values(options).flatMap((row) => [
    `${begin}${outside} ${parts(row)}`,
    ...furtherLines(begin, row),
  ]);
  const note = "# Made from the option tables by src/build/render.mjs. Do not edit.";
  const more = commands.flatMap((command) => commandLines(begin, command));
  return `${[note, `${begin} -f`, ...lines, ...more].join("\n")}\n`;
}

/** The second word of a value that has several. */
function furtherLines(begin: string, row: Description): string[] {
  if (row.completeSecond === undefined) return [];
  const names = [row.short && `-${row.short}`, row.long && `--${row.long}`].filter(Boolean);
  const behind = `contains -- (commandline -opc)[-2] ${names.join(" ")}`;
  return [`${begin} -n '${behind}' -x -a '${row.completeSecond.join(" ")}'`];
}

/** The command itself as the first word; after it what it takes, and files. */
function commandLines(begin: string, { name, brief, actions, options }: Command): string[] {
  const within = `${begin} -n '${isFirst(name)}`;
  const words = "(count (commandline -opc))";
  return [
    `${begin} -n '__fish_is_first_arg' -a ${name} -d '${brief}'`,
    ...Object.entries(actions).map(
      ([word, does]) => `${within}; and test ${words} -eq 2' -a ${word} -d '${does}'`,
    ),
    ...Object.values(options).map((row) => `${within}' ${parts(row)}`),
    `${within}; and test ${words} -gt 2' -F`,
  ];
}

function isFirst(command: string): string {
  return `contains -- ${command} (commandline -opc)[2]`;
}

/** A short name is an "old" option: with -s fish offers -q1, which no program of ours takes. */
function parts({ short, long, value, brief, complete }: Description): string {
  return [
    ...(short === undefined ? [] : [`-o ${short}`]),
    ...(long === undefined ? [] : [`-l ${long}`]),
    ...(value === undefined ? [] : [operand(complete)]),
    `-d '${brief.replaceAll("\\", "\\\\").replaceAll("'", "\\'")}'`,
  ].join(" ");
}

function operand(complete: Completion = "none"): string {
  if (complete === "none") return "-x";
  if (complete === "file") return "-r -F";
  if (complete === "host") return "-x -a '(__fish_print_hostnames)'";
  return `-x -a '${complete.join(" ")}'`;
}
