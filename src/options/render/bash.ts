/** Completion for bash, 3.2 or later. */
import type { Completion, Description } from "../option.ts";
import type { Command, Program } from "../programs.ts";

export function renderBash({ name, options, commands }: Program): string {
  const rows = Object.values(options);
  const own = `_${name.replaceAll("-", "_")}`;
  const valued = rows.filter((row) => row.value !== undefined);
  const cases = valued.map((row) => `    ${pattern(row)}) ${offer(own, row.complete)}return ;;\n`);
  return `# shellcheck shell=bash
# Made from the option tables by src/build/render.mjs. Do not edit.

${own}_offer() {
  local word
  while IFS= read -r word; do COMPREPLY+=("$word"); done < <(compgen "$@" -- "$cur")
}

${own}() {
  local cur="\${COMP_WORDS[COMP_CWORD]}" prev="\${COMP_WORDS[COMP_CWORD - 1]}"
  COMPREPLY=()
${commands.map((command) => commandLines(own, command)).join("")}\
${valued.map((row) => furtherLines(own, row)).join("")}\
  case "$prev" in
${cases.join("")}\
  esac
  ${own}_offer -W '${rows.flatMap(wordsOf).join(" ")}'
}
complete -o filenames -F ${own} ${name}
`;
}

/** The second word of a value that has several, and those behind it. */
function furtherLines(own: string, row: Description): string {
  const count = row.value?.split(" ").length ?? 0;
  const lines: string[] = [];
  for (let place = 2; place <= count; place++) {
    const reply = place === 2 && row.completeSecond ? offer(own, row.completeSecond) : "";
    lines.push(`  if ((COMP_CWORD > ${place})); then
    case "\${COMP_WORDS[COMP_CWORD - ${place}]}" in ${pattern(row)}) ${reply}return ;; esac
  fi
`);
  }
  return lines.join("");
}

/** The command itself as the first word; after it what it takes, and files. */
function commandLines(own: string, { name, actions, options }: Command): string {
  const words = Object.values(options).flatMap(wordsOf).join(" ");
  return `\
  if ((COMP_CWORD == 1)); then ${own}_offer -W ${name}; fi
  if ((COMP_CWORD > 1)) && [[ "\${COMP_WORDS[1]}" == ${name} ]]; then
    ${own}_offer -W '${words}'
    if ((COMP_CWORD == 2)); then
      ${own}_offer -W '${Object.keys(actions).join(" ")}'
    else
      ${own}_offer -f
    fi
    return
  fi
`;
}

function offer(own: string, complete: Completion = "none"): string {
  if (complete === "none") return "";
  if (complete === "file") return `${own}_offer -f; `;
  if (complete === "host") return `${own}_offer -A hostname; `;
  return `${own}_offer -W '${complete.join(" ")}'; `;
}

function pattern(row: Description): string {
  return wordsOf(row).join(" | ");
}

function wordsOf({ short, long }: Description): string[] {
  return [
    ...(short === undefined ? [] : [`-${short}`]),
    ...(long === undefined ? [] : [`--${long}`]),
  ];
}
