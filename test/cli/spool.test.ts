/**
 * ts-pub --spool as a process: what is left in the file, whatever ends the run, and that the next
 * run sends it.
 */
import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { freePort, type Outcome, outcome, startOurs } from "../support/programs.ts";
import { ScriptedBroker } from "./scripted-broker.ts";

let folder: string;
let spool: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "ts-mqtt-test-"));
  spool = join(folder, "spool");
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

describe("ts-pub --spool", () => {
  it("keeps lines while there is no broker, and the next run sends them first", async () => {
    const port = await freePort();
    const away = await pub(["-h", "127.0.0.1", "-p", `${port}`], "one\ntwo\r\n\nthree");
    expect(away.status).toBe(1);
    expect(away.stderr).toBe(`Error: Connection refused\n4 lines are kept in "${spool}".\n`);
    expect(lines()).toEqual(["one", "two\r", "", "three"]);
    await using broker = await ScriptedBroker.start();
    expect(await pub(broker.words, "four\n")).toMatchObject({ status: 0, stderr: "" });
    expect(payloads(broker)).toEqual(["one", "two\r", "", "three", "four"]);
    expect(lines()).toEqual([]);
    expect(existsSync(`${spool}.lock`)).toBe(false);
  });

  it.each(["0", "1", "2"])(
    "keeps what had not arrived when a broker says no, QoS %s",
    async (qos) => {
      await using broker = await ScriptedBroker.start({
        onPublish: (peer) => peer.disconnect(0x8e),
        ...(qos === "0" && { onConnect: (peer) => peer.accept(0x87) }),
      });
      const refused = await pub([...broker.words, "-V", "5", "-i", "me", "-q", qos], "one\ntwo\n");
      expect(refused.status).toBe(qos === "0" ? 0x87 : 0x8e);
      expect(refused.stderr).toMatch(new RegExp(`\\n2 lines are kept in "${spool}".\\n$`));
      await using other = await ScriptedBroker.start();
      expect((await pub([...other.words, "-q", qos])).status).toBe(0);
      expect(payloads(other)).toEqual(["one", "two"]);
    },
  );
});

async function pub(words: readonly string[], input: string | Buffer = ""): Promise<Outcome> {
  const hasQos = words.includes("-q") ? [] : ["-q", "1"];
  const all = ["-t", "a", "-l", "--spool", spool, ...hasQos, ...words];
  return outcome(startOurs("ts-pub", all), { input });
}

/** The lines that are left in the file. */
function lines(): string[] {
  const text = readFileSync(spool, "latin1");
  const head = Number(text.slice("ts-pub spool 1 ".length, 35));
  const rest = text.slice(head);
  return rest === "" ? [] : rest.slice(0, -1).split("\n");
}

function payloads(broker: ScriptedBroker): string[] {
  return broker.all("publish").map(({ payload }) => payload);
}
