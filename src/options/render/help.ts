/**
 * The text of --help, laid out by commander. The one file that imports it, and itself imported
 * only when the text is asked for: commander takes four milliseconds to load.
 */
import { Command, Option } from "commander";
import { assert } from "../../core/base/assert.ts";
import type { Description } from "../option.ts";
import { PROGRAMS, type Program, type ProgramName } from "../programs.ts";

/**
 * The whole usage, with its last newline.
 *
 * @param columns Of the terminal; 80 where there is none.
 * @param shownAs The name by which the program was called.
 */
export function renderHelp(
  name: ProgramName,
  version: string,
  columns = 80,
  shownAs: string = name,
): string {
  const program = PROGRAMS[name];
  const command = commandFor(shownAs, program, `${program.description[0]}\nVersion ${version}.`);
  for (const { name: word, usage, brief } of program.commands) {
    command.addCommand(new Command(word).usage(usage.join(" | ")).summary(brief).helpOption(false));
  }
  return textOf(command, program, columns, (line) => line.replaceAll(`${name} `, `${shownAs} `));
}

/**
 * The usage of one of a program's commands, as `renderHelp`.
 *
 * @param shownAs The name by which the command was called.
 */
export function renderCommandHelp(
  name: ProgramName,
  word: string,
  version: string,
  shownAs = `${name} ${word}`,
  columns = 80,
): string {
  const found = PROGRAMS[name].commands.find((command) => command.name === word);
  assert(found, "the program has the command");
  const about = [...found.description, `Version ${version}.`].join("\n\n");
  const command = commandFor(shownAs, found, about);
  for (const [action, brief] of Object.entries(found.actions)) {
    command.addCommand(new Command(action).usage("FILE").summary(brief).helpOption(false));
  }
  const called = (line: string): string => line.replaceAll(`${name} ${word} `, `${shownAs} `);
  return textOf(command, found, columns, called);
}

/** What help is made of: the same in a program and in a command. */
type Described = Pick<Program, "usage" | "options" | "examples">;

function commandFor(name: string, { usage, options }: Described, description: string): Command {
  const command = new Command(name)
    .usage(usage.join(`\n       ${name} `))
    .description(description)
    .helpOption(false)
    .helpCommand(false);
  for (const row of Object.values(options)) {
    command.addOption(new Option(flagsOf(row), briefOf(row)).helpGroup(`${row.group}:`));
  }
  return command;
}

function textOf(
  command: Command,
  { examples }: Described,
  columns: number,
  called: (line: string) => string = (line) => line,
): string {
  command.configureHelp({
    helpWidth: columns,
    // Short names stand under each other, as do long ones.
    optionTerm: ({ flags }) => (flags.startsWith("--") ? `    ${flags}` : flags),
    subcommandTerm: (sub) => sub.name(),
  });
  const lines = examples.map(({ text, command: line }) => `  ${text}\n    ${called(line)}\n`);
  return `${command.helpInformation()}\nExamples:\n${lines.join("")}`;
}

function flagsOf({ short, long, value }: Description): string {
  const names = [short && `-${short}`, long && `--${long}`].filter((name) => name !== undefined);
  return names.join(", ") + (value === undefined ? "" : ` ${value}`);
}

function briefOf({ brief, standard }: Description): string {
  return standard === undefined ? brief : `${brief} (default: ${standard})`;
}
