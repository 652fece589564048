/** Completion for zsh, through its _arguments. */
import type { Completion, Option, OptionTable } from "../option.ts";
import type { Command, Program } from "../programs.ts";

export function renderZsh({ name, options, commands }: Program): string {
  const specs = Object.values(options).map((row) => `  ${spec(row, options)}`);
  return `#compdef ${name}
# Made from the option tables by src/build/render.mjs. Do not edit.

${commands.map(commandLines).join("")}\
_arguments \\
${[...specs, ...first(commands)].join(" \\\n")}
`;
}

/** After the command's word: what it takes, and a file. */
function commandLines({ name, actions, options }: Command): string {
  const specs = Object.values(options).map((row) => spec(row, options));
  const words = `'1:command:(${Object.keys(actions).join(" ")})'`;
  return `\
if (( CURRENT > 2 )) && [[ \${words[2]} == ${name} ]]; then
  shift words
  (( CURRENT-- ))
  _arguments ${[...specs, words, "'2:FILE:_files'"].join(" \\\n    ")}
  return
fi
`;
}

function first(commands: readonly Command[]): string[] {
  return commands.length === 0
    ? []
    : [`  '1:command:(${commands.map(({ name }) => name).join(" ")})'`];
}

/** One row as _arguments has it: what it excludes, its names, its brief, its operands. */
function spec(row: Option<unknown>, options: OptionTable): string {
  const names = namesOf(row);
  const others = (row.excludes?.keys ?? []).flatMap((key) => namesOf(options[key]!));
  const excluded = [...new Set([...names, ...others])].join(" ");
  const before = row.repeatable ? "'*'" : `'(${excluded})'`;
  const shown = names.length === 1 ? `'${names[0]}` : `{${names.join(",")}}'`;
  const [first, ...rest] = row.value?.split(" ") ?? [];
  const operands =
    first === undefined
      ? ""
      : [
          `:${first}:${choices(row.complete)}`,
          ...rest.map((word, i) => `:${word}:${choices(i === 0 ? row.completeSecond : "none")}`),
        ].join("");
  return `${before}${shown}[${quote(row.brief)}]${operands}'`;
}

function choices(complete: Completion = "none"): string {
  if (complete === "none") return " ";
  if (complete === "file") return "_files";
  if (complete === "host") return "_hosts";
  return `(${complete.join(" ")})`;
}

/** Inside single quotes and brackets. */
function quote(text: string): string {
  return text.replace(/[[\]:\\]/g, "\\$&").replaceAll("'", "'\\''");
}

function namesOf({ short, long }: Option<unknown>): string[] {
  return [
    ...(short === undefined ? [] : [`-${short}`]),
    ...(long === undefined ? [] : [`--${long}`]),
  ];
}
