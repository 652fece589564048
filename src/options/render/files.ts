/** Every file that is made from the option tables, by its path in the project. */
import { PROGRAMS } from "../programs.ts";
import { renderBash } from "./bash.ts";
import { renderFish } from "./fish.ts";
import { renderConfMan, renderMan } from "./man.ts";
import { renderZsh } from "./zsh.ts";

export function renderedFiles(): ReadonlyMap<string, string> {
  const files = new Map<string, string>();
  for (const program of Object.values(PROGRAMS)) {
    const { name, section } = program;
    files.set(`man/${name}.${section}`, renderMan(program));
    files.set(`completions/${name}.bash`, renderBash(program));
    files.set(`completions/${name}.fish`, renderFish(program));
    files.set(`completions/_${name}`, renderZsh(program));
  }
  files.set("man/ts-broker.conf.5", renderConfMan());
  return files;
}
