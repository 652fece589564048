/**
 * The project's own source files, read and parsed once, for tests about how they are written.
 *
 * Looks at syntax only, through the compiler's parser: comments and strings do not count as code.
 */
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import ts from "typescript";
import { ROOT } from "./programs.ts";

/** A file, with what the rules ask about. */
export interface Source {
  /** From the top of the checkout, with slashes: "src/core/errors.ts". */
  readonly path: string;
  readonly text: string;
  readonly tree: ts.SourceFile;
}

/** A place in a file, as `path:line`. */
export type Place = string;

export interface Import {
  readonly place: Place;
  /** As written: "../core/errors.ts", "node:net", "chalk". */
  readonly specifier: string;
  /** What a relative one means, from the top of the checkout. */
  readonly target: string;
  readonly isTypeOnly: boolean;
}

/** Every .ts and .mjs file in these directories of the checkout, in order of their names. */
export function sourcesIn(...directories: readonly string[]): Source[] {
  return directories.flatMap(filesUnder).filter(isSource).map(read);
}

/** Static, dynamic and type imports, and exports from elsewhere. */
export function importsOf(source: Source): Import[] {
  const found: Import[] = [];
  const add = (node: ts.Node, specifier: ts.Node | undefined, isTypeOnly: boolean) => {
    if (specifier === undefined || !ts.isStringLiteralLike(specifier)) return;
    const target = specifier.text.startsWith(".")
      ? join(source.path, "..", specifier.text).replaceAll("\\", "/")
      : specifier.text;
    found.push({ place: placeOf(source, node), specifier: specifier.text, target, isTypeOnly });
  };
  walk(source.tree, (node) => {
    if (ts.isImportDeclaration(node)) {
      add(
        node,
        node.moduleSpecifier,
        node.importClause?.phaseModifier === ts.SyntaxKind.TypeKeyword,
      );
    } else if (ts.isExportDeclaration(node)) {
      add(node, node.moduleSpecifier, node.isTypeOnly);
    } else if (ts.isCallExpression(node) && node.expression.kind === ts.SyntaxKind.ImportKeyword) {
      add(node, node.arguments[0], false);
    } else if (ts.isImportTypeNode(node) && ts.isLiteralTypeNode(node.argument)) {
      add(node, node.argument.literal, true);
    }
  });
  return found;
}

/** Calls `visit` with every node below `node`, outermost first. */
export function walk(node: ts.Node, visit: (node: ts.Node) => void): void {
  ts.forEachChild(node, (child) => {
    visit(child);
    walk(child, visit);
  });
}

/** Where `node` begins. */
export function placeOf(source: Source, node: ts.Node): Place {
  return `${source.path}:${lineOf(source, node.getStart(source.tree))}`;
}

/** How many lines `node` covers. */
export function linesOf(source: Source, node: ts.Node): number {
  return lineOf(source, node.end) - lineOf(source, node.getStart(source.tree)) + 1;
}

/** The name under which a call is made: `it`, `describe.each`, `vi.fn`; "" for anything longer. */
export function calleeOf(call: ts.CallExpression): string {
  const name = (node: ts.Expression): string => {
    if (ts.isIdentifier(node)) return node.text;
    if (ts.isPropertyAccessExpression(node)) return `${name(node.expression)}.${node.name.text}`;
    // it.each(table)("title", …) is called by what it.each returned.
    if (ts.isCallExpression(node)) return name(node.expression);
    if (ts.isTaggedTemplateExpression(node)) return name(node.tag);
    return "";
  };
  return name(call.expression);
}

/** The titles of all tests in a test file; of a template, the text around its values. */
export function titlesOf(source: Source): string[] {
  const titles: string[] = [];
  walk(source.tree, (node) => {
    if (!ts.isCallExpression(node) || !/^(it|test)(\.|$)/.test(calleeOf(node))) return;
    const [title] = node.arguments;
    if (title === undefined) return;
    if (ts.isStringLiteralLike(title)) titles.push(title.text);
    if (ts.isTemplateExpression(title)) {
      titles.push(title.head.text + title.templateSpans.map((span) => span.literal.text).join("…"));
    }
  });
  return titles;
}

/** The files in a directory of the checkout and below, from its top; none if it is not there. */
export function filesUnder(directory: string): string[] {
  let entries: ReturnType<typeof entriesOf>;
  try {
    entries = entriesOf(directory);
  } catch {
    // Not every directory that may exist does.
    return [];
  }
  return entries.flatMap((entry) => {
    const path = `${directory}/${entry.name}`;
    return entry.isDirectory() ? filesUnder(path) : [path];
  });
}

function entriesOf(directory: string) {
  const entries = readdirSync(join(ROOT, directory), { withFileTypes: true });
  return entries.sort((a, b) => (a.name < b.name ? -1 : 1));
}

function isSource(path: string): boolean {
  return /\.(ts|mjs)$/.test(path);
}

/** Those that were read before. */
const known = new Map<string, Source>();

/** Parsed only when somebody asks for the tree: it takes a hundred times as long as to read. */
function read(path: string): Source {
  const before = known.get(path);
  if (before !== undefined) return before;
  const text = readFileSync(join(ROOT, path), "utf8");
  let tree: ts.SourceFile | undefined;
  const source = {
    path,
    text,
    get tree() {
      tree ??= parsed(path, text);
      return tree;
    },
  };
  known.set(path, source);
  return source;
}

function parsed(path: string, text: string): ts.SourceFile {
  const kind = path.endsWith(".mjs") ? ts.ScriptKind.JS : ts.ScriptKind.TS;
  return ts.createSourceFile(path, text, ts.ScriptTarget.Latest, false, kind);
}

function lineOf({ tree }: Source, at: number): number {
  return ts.getLineAndCharacterOfPosition(tree, at).line + 1;
}
