/**
 * Makes one single executable with @yao-pkg/pkg, in a process of the Node.js that its base is of:
 * what is put into a file is laid out for one version.
 *
 *     node native-pkg.mjs REQUEST
 *
 * REQUEST is a `PkgRequest` as JSON.
 */
import { createRequire } from "node:module";
import { join } from "node:path";

/**
 * @typedef {object} PkgRequest What is to be made.
 * @property {string} tools The directory where pkg is installed.
 * @property {string} base The Node.js to put the programs into.
 * @property {string} platform As pkg names it: linux, win or macos.
 * @property {string} arch
 * @property {string} output The file to make.
 * @property {string} directory For temporary files, with `MAIN` in it.
 * @property {Readonly<Record<string, string>>} assets Files by name.
 * @property {readonly string[]} nodeOptions Options for Node.js that the file is to have.
 */

const MAIN = "main.js";

/** @type {PkgRequest} */
const request = JSON.parse(process.argv[2] ?? "");
const { tools, base, platform, arch, output, directory, assets, nodeOptions } = request;
// There pkg makes a directory to work in.
process.env.TMPDIR = directory;
process.env.TEMP = directory;
const { default: sea } = createRequire(`${tools}/`)("@yao-pkg/pkg/lib-es5/sea.js");
const nodeRange = `node${process.versions.node.split(".")[0]}`;
await sea(join(directory, MAIN), {
  nodePath: base,
  // This process has the version of the base, which may not run here to be asked.
  useLocalNode: true,
  targets: [{ nodeRange, platform, arch, output }],
  seaConfig: {
    // From where pkg works, so that no path of this machine gets into the file.
    main: `../${MAIN}`,
    assets,
    disableExperimentalSEAWarning: true,
    useSnapshot: false,
    // The parts bring caches of what they did when they were tried, which is better.
    useCodeCache: false,
    execArgv: nodeOptions,
    // Nothing in the environment adds to these options.
    execArgvExtension: "none",
  },
});
