/** The texts of --help and --version, loaded only when asked for. */
import type { ProgramName } from "../options/programs.ts";
import { renderCommandHelp, renderHelp } from "../options/render/help.ts";
import { VERSION } from "../options/version.ts";

/**
 * @param columns Of the terminal, if it is one.
 * @param name By which the program was called.
 */
export function usageText(program: ProgramName, columns?: number, name?: string): string {
  return renderHelp(program, VERSION, columns, name);
}

/** @param name By which the program was called. */
export function versionText(name: string): string {
  return `${name} version ${VERSION} running on Node.js ${process.versions.node}.\n`;
}

/** What the broker prints for -h. @param name By which it was called. */
export function brokerUsageText(name: string): string {
  return usageText("ts-broker", undefined, name);
}

/**
 * What the broker prints for --help behind one of its commands.
 *
 * @param name By which the command was called, where that is a name of its own.
 */
export function commandUsageText(command: string, name?: string): string {
  return renderCommandHelp("ts-broker", command, VERSION, name);
}
