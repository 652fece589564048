/**
 * What a shell offers for the end of a line, by its own completion, one process for many lines.
 *
 *     offersOf("fish", ["ts-pub --will-"], ROOT)
 */
import { spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { ROOT } from "./programs.ts";

export const SHELLS = ["bash", "zsh", "fish"] as const;
export type Shell = (typeof SHELLS)[number];

const SCRIPTS = { bash: bashScript, zsh: zshScript, fish: fishScript };
const FOLDER = join(ROOT, "completions");
/** Stands behind what is offered for a line. */
const END = "-- end of offers --";

/**
 * @param cwd Where files are looked for.
 * @returns What is offered for each line, in the shell's order, without descriptions.
 */
export function offersOf(shell: Shell, lines: readonly string[], cwd: string): string[][] {
  const folder = mkdtempSync(join(tmpdir(), "ts-mqtt-test-"));
  try {
    const out = join(folder, "out");
    writeFileSync(out, "");
    const script = join(folder, `script.${shell}`);
    writeFileSync(script, SCRIPTS[shell](lines, out));
    const quiet = shell === "bash" ? ["--norc"] : shell === "zsh" ? ["-f"] : ["--no-config"];
    const { status, stderr } = spawnSync(shell, [...quiet, script], {
      cwd,
      encoding: "utf8",
      timeout: 50_000,
      env: { ...process.env, HOME: folder, XDG_CONFIG_HOME: folder, TERM: "dumb" },
    });
    const parts = readFileSync(out, "utf8").split(`${END}\n`);
    if (status !== 0 || parts.length !== lines.length + 1) {
      throw new Error(`${shell} ended with ${status}, ${parts.length} parts: ${stderr}`);
    }
    return parts.slice(0, -1).map((part) => part.split("\n").filter((line) => line !== ""));
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** bash has no way to ask: its function is called as readline would. */
function bashScript(lines: readonly string[], out: string): string {
  const asked = lines.map((line) => {
    const words = line.split(" ");
    const [program] = words;
    return `source '${FOLDER}/${program}.bash'
COMP_WORDS=(${words.map((word) => `'${word}'`).join(" ")}) COMP_CWORD=${words.length - 1}
_${program!.replaceAll("-", "_")}
printf '%s\\n' "\${COMPREPLY[@]}" '${END}' >>'${out}'
`;
  });
  return asked.join("");
}

/**
 * zsh in a terminal of its own, where Tab is pressed. What is added to the offers is noted; calls
 * that only fill or thin out arrays (-A, -D, -O) add nothing.
 */
function zshScript(lines: readonly string[], out: string): string {
  const setUp = [
    `PS1= PS2= fpath=('${FOLDER}' $fpath); autoload -Uz compinit; compinit -u -D`,
    `compadd() { if [[ "\${@[1,(i)(-|--)]}" != *-(A|D|O)\\ * ]]; then`,
    `local -a hits; builtin compadd -A hits "$@"; print -rl -- $hits >>'${out}'; fi`,
    'builtin compadd "$@" }',
    `ended() { print -r -- '${END}' >>'${out}'; BUFFER= ; }; zle -N ended`,
    'unsetopt list_beep; bindkey "^I" list-choices; bindkey "^T" ended',
  ];
  const asked = lines.map((line) => `${line}\t\x14`);
  return `zmodload zsh/zpty zsh/zselect
zpty inner zsh -f -i
say() { zpty -n -w inner "$1"; }
${setUp.map((line) => `say ${quoted(`${line}\n`)}\n`).join("")}\
typeset -i count
for line in ${asked.map(quoted).join(" ")}; do
  (( count++ ))
  say "$line"
  # What it prints must be read, or it stops; until it has said that it is done.
  until ended=(\${(M)\${(f)"$(<'${out}')"}:#${END}}); (( \${#ended} >= count )); do
    zpty -r -t inner rest || zselect -t 1
  done
done
zpty -d inner
`;
}

function quoted(text: string): string {
  return `'${text.replaceAll("'", "'\\''")}'`;
}

function fishScript(lines: readonly string[], out: string): string {
  const asked = lines.map((line) => {
    const [program] = line.split(" ");
    return `source '${FOLDER}/${program}.fish'
complete -C '${line}' | string replace -r '\\t.*' '' >>'${out}'
echo '${END}' >>'${out}'
`;
  });
  return asked.join("");
}
