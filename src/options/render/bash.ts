/** Completion for bash, 3.2 or later. */
import type { Completion, Description } from "../option.ts";
import type { Command, Program } from "../programs.ts";

export function renderBash({ name, options, commands }: Program): string {
  const rows = Object.values(options);
  const own = `_${name.replaceAll("-", "_")}`;
  const valued = rows.filter((row) => row.value !== undefined);
  const cases = valued.map((row) => {
    return `    ${wordsOf(row).join(" | ")}) ${reply(row.complete)} return ;;\n`;
  });
  return `# Made from the option tables by src/build/render.mjs. Do not edit.

${own}() {
  local IFS=$'\\n' cur="\${COMP_WORDS[COMP_CWORD]}" prev=""
  if ((COMP_CWORD > 0)); then prev="\${COMP_WORDS[COMP_CWORD - 1]}"; fi
${commands.map(commandLines).join("")}\
  case "$prev" in
${cases.join("")}\
  esac
  COMPREPLY=($(compgen -W $'${rows.flatMap(wordsOf).join("\\n")}' -- "$cur"))
}
complete -o filenames -F ${own} ${name}
`;
}

/** The command itself as the first word; after it what it takes, and files. */
function commandLines({ name, actions, options }: Command): string {
  const words = [...Object.keys(actions), ...Object.values(options).flatMap(wordsOf)];
  return `\
  if ((COMP_CWORD == 1)) && [[ -n "$cur" && ${name} == "$cur"* ]]; then
    COMPREPLY=(${name})
    return
  fi
  if ((COMP_CWORD > 1)) && [[ "\${COMP_WORDS[1]}" == ${name} ]]; then
    COMPREPLY=($(compgen -W $'${words.join("\\n")}' -- "$cur"))
    if ((COMP_CWORD > 2)); then COMPREPLY+=($(compgen -f -- "$cur")); fi
    return
  fi
`;
}

function reply(complete: Completion = "none"): string {
  if (complete === "none") return "COMPREPLY=();";
  if (complete === "file") return 'COMPREPLY=($(compgen -f -- "$cur"));';
  if (complete === "host") return 'COMPREPLY=($(compgen -A hostname -- "$cur"));';
  return `COMPREPLY=($(compgen -W $'${complete.join("\\n")}' -- "$cur"));`;
}

function wordsOf({ short, long }: Description): string[] {
  return [
    ...(short === undefined ? [] : [`-${short}`]),
    ...(long === undefined ? [] : [`--${long}`]),
  ];
}
