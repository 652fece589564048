/** What is in the package, and why: nothing gets into it by accident. */

/** Beside what `DECLARATIONS` says. */
export const CONTENTS: readonly string[] = [
  // npm's own rule.
  "LICENSE",
  "README.md",
  "package.json",
  "CHANGELOG.md",
  // What the options' shells and `man` look for.
  ...["ts-broker", "ts-pub", "ts-rr", "ts-sub"].flatMap((name) => [
    `completions/_${name}`,
    `completions/${name}.bash`,
    `completions/${name}.fish`,
  ]),
  "man/ts-broker.8",
  "man/ts-broker.conf.5",
  "man/ts-pub.1",
  "man/ts-rr.1",
  "man/ts-sub.1",
  // The programs.
  "dist/ts-broker.cjs",
  "dist/ts-pub.cjs",
  "dist/ts-rr.cjs",
  "dist/ts-sub.cjs",
  // The two faces, each for `require` and for `import`.
  "dist/broker.cjs",
  "dist/broker.js",
  "dist/client.cjs",
  "dist/client.js",
];

/** Declarations of sources that one of the faces shows something of, twice each. */
export const DECLARATIONS = /^dist\/types\/(?:broker|client|core|io|server)\/[\w/-]+\.d\.c?ts$/;
export const DECLARATIONS_MAX = 80;

/** Bytes of the tarball, and of what is in it. */
export const PACKED_BYTES_MAX = 1_500_000;
export const UNPACKED_BYTES_MAX = 4_500_000;

/** What `npm pack --json` tells. */
export interface Packed {
  readonly filename: string;
  readonly size: number;
  readonly unpackedSize: number;
  readonly files: readonly { readonly path: string }[];
}

/** What is wrong with a package's list of files, a line each. */
export function troubleWith(paths: readonly string[]): string[] {
  const declarations = paths.filter((path) => DECLARATIONS.test(path));
  const others = paths.filter((path) => !DECLARATIONS.test(path));
  return [
    ...CONTENTS.filter((path) => !others.includes(path)).map((path) => `is missing: ${path}`),
    ...others.filter((path) => !CONTENTS.includes(path)).map((path) => `is too much: ${path}`),
    ...declarations.slice(DECLARATIONS_MAX).map((path) => `is one declaration too many: ${path}`),
  ];
}
