/** Completion for fish. */
import type { Completion, Description } from "../option.ts";
import type { Command, Program } from "../programs.ts";

export function renderFish({ name, options, commands }: Program): string {
  const lines = Object.values(options).map((row) => `complete -c ${name} ${parts(row)}`);
  const note = "# Made from the option tables by src/build/render.mjs. Do not edit.";
  const more = commands.flatMap((command) => commandLines(name, command));
  return `${[note, `complete -c ${name} -f`, ...lines, ...more].join("\n")}\n`;
}

/** The command itself as the first word; after it what it takes, and files. */
function commandLines(program: string, { name, brief, actions, options }: Command): string[] {
  const begin = `complete -c ${program}`;
  const within = `${begin} -n '__fish_seen_subcommand_from ${name}'`;
  return [
    `${begin} -n '__fish_is_first_arg' -a ${name} -d '${brief}'`,
    ...Object.entries(actions).map(([word, does]) => `${within} -a ${word} -d '${does}'`),
    ...Object.values(options).map((row) => `${within} ${parts(row)}`),
    `${within} -F`,
  ];
}

function parts({ short, long, value, brief, complete }: Description): string {
  return [
    ...(short === undefined ? [] : [`-s ${short}`]),
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
