/**
 * Loaded ahead of a program (`node -r`): writes which of its parts ran, and which of Node's own
 * modules they loaded, to the file that LOADED_TO names.
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
    const scripts = result.filter(({ url }) => !url.startsWith("node:"));
    // A bundled part is a function by the name of its source; a late package a script of its own.
    const parts = scripts
      .flatMap(({ functions }) => functions)
      .filter(({ functionName, ranges }) => /[/:]/.test(functionName) && ranges[0]?.count)
      .map(({ functionName }) => functionName);
    const all = [...parts, ...scripts.map(({ url }) => url), ...builtins];
    writeFileSync(process.env.LOADED_TO ?? "", JSON.stringify(all));
  });
});
