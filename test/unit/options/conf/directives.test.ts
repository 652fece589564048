import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { ConfigurationReader } from "../../../../src/options/conf/conf-file.ts";
import type { Reload } from "../../../../src/options/conf/directive.ts";
import { DIRECTIVES, findDirective, nearestName } from "../../../../src/options/conf/directives.ts";

/** Reload as mosquitto 2.1 does it, for options that are easily got wrong. */
const RELOAD: readonly (readonly [string, Reload])[] = [
  ["max_packet_size", "no"],
  ["max_inflight_messages", "no"],
  ["sys_interval", "yes"],
  ["message_size_limit", "yes"],
  ["allow_anonymous", "yes"],
  ["log_type", "yes"],
  ["max_connections", "listener"],
  ["mount_point", "listener"],
  ["listener", "no"],
  ["bind_interface", "no"],
  ["user", "no"],
  ["autosave_interval", "yes"],
  ["autosave_on_changes", "yes"],
  ["plugin", "no"],
  ["plugin_opt_sync", "no"],
];

describe("directives", () => {
  it.each(RELOAD)("say of %s whether SIGHUP reads it again: %s", (name, reload) => {
    expect(findDirective(name)?.row.reload).toBe(reload);
  });

  it("find an option by its aliases, and nothing by what is no name", () => {
    expect(findDirective("maximum_qos")).toBe(findDirective("max_qos"));
    for (const name of ["", "Port", "constructor", "__proto__"]) {
      expect(findDirective(name)).toBeUndefined();
    }
  });

  it("give each option that takes a value a refusal when there is none", () => {
    for (const { row } of DIRECTIVES) {
      if (/ignored/.test(row.text)) continue;
      const reader = new ConfigurationReader({ list: () => [], read: () => undefined }, () => {});
      const above = ["plugin mosquitto_persist_sqlite", "listener 1"];
      if (row.scope === "bridge") above.push("connection c");
      const text = [...above, row.name].map((line) => `${line}\n`).join("");
      expect(() => reader.readFile("f", Buffer.from(text)), row.name).toThrow(/^Error: Empty /);
    }
  });
});

describe("nearestName", () => {
  it.each([
    ["max_qeued_messages", "max_queued_messages"],
    ["MAX_QOS", "max_qos"],
    ["loglevel", undefined],
    ["log_tpye", "log_type"],
    ["", undefined],
    ["x", undefined],
  ])("of %j is %j", (name, nearest) => expect(nearestName(name)).toBe(nearest));

  it("is the name itself for every known one, and never fails", () => {
    for (const { row } of DIRECTIVES) expect(nearestName(row.name)).toBe(row.name);
    fc.assert(
      fc.property(fc.string(), (name) => void nearestName(name)),
      { seed: 1 },
    );
  });
});
