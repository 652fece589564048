/**
 * Loaded ahead of a program (`node -r`): writes which of its late parts it compiled, and which of
 * Node's own modules it loaded, to the file that LOADED_TO names.
 */
const { writeFileSync } = require("node:fs");
const { Session } = require("node:inspector");

/** Every module that Node.js has loaded. It is not documented, and so not typed.
 * @returns {string[]} */
const moduleNames = () => Reflect.get(process, "moduleLoadList");

const session = new Session();
session.connect();
session.post("Profiler.enable");
session.post("Profiler.startPreciseCoverage", { callCount: true, detailed: false });
const before = new Set(moduleNames());

process.on("exit", () => {
  const builtins = moduleNames().filter((name) => !before.has(name));
  session.post("Profiler.takePreciseCoverage", (_error, { result }) => {
    // Each part that is not in the eager code, source or package, is a script by its name.
    const parts = result.map(({ url }) => url).filter((url) => !/^(node|file):/.test(url));
    writeFileSync(process.env.LOADED_TO ?? "", JSON.stringify([...parts, ...builtins]));
  });
});
