/**
 * Makes a Node.js deaf to variables of the environment that are meant for those who run scripts
 * with it, and are nobody's business in an executable of ours: some keep it from starting or make
 * it another process, some have it write to standard error or into folders of the user's.
 *
 * Most are read before the first line of a script is, and no option turns them off: each name gets
 * another first letter, wherever it stands. The length stays, and so does what V8 has compiled.
 * Single executables have an option that ignores NODE_OPTIONS, but in their threads it counts.
 */

const NAMES = [
  "NODE_OPTIONS",
  // With a number for a channel to a parent process, which is not there.
  "NODE_CHANNEL_FD",
  "NODE_CHANNEL_SERIALIZATION_MODE",
  "NODE_UNIQUE_ID",
  "WATCH_REPORT_DEPENDENCIES",
  // Each ends the start: the first beside the option for NODE_OPTIONS, the second for some values.
  "NODE_REPL_EXTERNAL_MODULE",
  "NODE_USE_ENV_PROXY",
  // With folders or files to write.
  "NODE_COMPILE_CACHE",
  "NODE_REDIRECT_WARNINGS",
  "NODE_V8_COVERAGE",
  // With more on standard error.
  "NODE_DEBUG",
  "NODE_DEBUG_NATIVE",
  "NODE_PENDING_DEPRECATION",
  // About trust, where options of ours say all there is to say: these would only warn.
  "NODE_EXTRA_CA_CERTS",
  "NODE_TLS_REJECT_UNAUTHORIZED",
];

/** A letter in a script's names as well as in texts, and one that no shell sets a variable with. */
const FIRST_LETTER = "$";

/**
 * @param {Buffer} bytes Of a Node.js, for any system; changed in place.
 * @param {readonly string[]} [names]
 * @throws {Error} When one of the names is not there: then it has another, or the file is another.
 */
export function deafen(bytes, names = NAMES) {
  for (const name of names) {
    let isFound = false;
    for (let at = bytes.indexOf(name); at >= 0; at = bytes.indexOf(name, at + name.length)) {
      if (isLetter(bytes[at - 1]) || isLetter(bytes[at + name.length])) continue;
      bytes.write(FIRST_LETTER, at, "latin1");
      isFound = true;
    }
    if (!isFound) throw new Error(`This Node.js knows no ${name}.`);
  }
  return bytes;
}

/** Whether it would make the name a longer one. @param {number | undefined} byte */
function isLetter(byte) {
  return byte !== undefined && /[A-Za-z0-9_]/.test(String.fromCharCode(byte));
}
