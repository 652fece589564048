/** ts-broker with TLS: our clients and mosquitto's, certificates, and what is wrong with them. */
import { copyFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type Certificates, hasOpenssl, makeCertificates } from "../support/certificates.ts";
import { runOurs } from "../support/in-process.ts";
import { mosquittoPub } from "../support/peers.ts";
import {
  freePort,
  outcome,
  type RunningBroker,
  start,
  startBroker,
  startOurs,
} from "../support/programs.ts";

let made: Certificates;
beforeAll(() => {
  if (hasOpenssl) made = makeCertificates();
});
afterAll(() => made?.[Symbol.dispose]());

/** What is published from then on comes. */
const SUBSCRIBED = "Sending SUBACK to ";

/** A broker with a second listener, with TLS, that has these lines. */
async function secured(
  ...lines: readonly string[]
): Promise<{ broker: RunningBroker; port: number }> {
  const port = await freePort();
  const own = [`certfile ${made.certificate("server")}`, `keyfile ${made.key("server")}`];
  // As another user it could not read the keys.
  const conf = ["user root", "log_type all", `listener ${port} 127.0.0.1`, ...own, ...lines];
  const broker = await startBroker({ conf });
  await broker.program.untilError(/running\n/);
  return { broker, port };
}

/** The words that a client needs to trust it, and to show who it is. */
function words(port: number, who?: "client" | "expired"): string[] {
  const shown = who === undefined ? [] : ["--cert", made.certificate(who), "--key", made.key(who)];
  return ["-h", "localhost", "-p", `${port}`, "--cafile", made.ca, ...shown];
}

const publish = (port: number, ...more: readonly string[]) =>
  runOurs("ts-pub", [...words(port), "-t", "a", "-m", "m", ...more]);

describe.skipIf(!hasOpenssl)("a listener with a certificate", () => {
  it("serves our clients and mosquitto's, small messages and large", async () => {
    const { broker, port } = await secured();
    await using _ = broker;
    const reader = startOurs("ts-sub", [...words(port), "-t", "#", "-C", "3", "-F", "%t %l"]);
    await broker.program.untilError(SUBSCRIBED);
    expect(await publish(port, "-q", "2")).toMatchObject({ status: 0, stderr: "" });
    const large = [...words(port), "-t", "b", "-s", "-q", "1"];
    expect((await runOurs("ts-pub", large, "x".repeat(1_000_000))).status).toBe(0);
    const third = mosquittoPub ?? process.execPath;
    const peer =
      mosquittoPub === undefined
        ? startOurs("ts-pub", [...words(port), "-t", "c", "-n"])
        : start(third, [...words(port), "-t", "c", "-n"]);
    expect((await outcome(peer)).status).toBe(0);
    expect(await outcome(reader)).toMatchObject({ status: 0, stdout: "a 1\nb 1000000\nc 0\n" });
    expect(broker.program.stderr).toMatch(/Client \S+ negotiated TLSv1\.3 cipher TLS_\w+\n/);
  });

  it("speaks no older version than it is told", async () => {
    const { broker, port } = await secured("tls_version tlsv1.3");
    await using _ = broker;
    expect((await publish(port, "--tls-version", "tlsv1.3")).status).toBe(0);
    // tlsv1.2 is the oldest that a client may ask for, and its words allow newer ones.
    const old = start("openssl", ["s_client", "-tls1_2", "-connect", `127.0.0.1:${port}`]);
    expect((await outcome(old)).status).not.toBe(0);
  });

  it("says why a client could not come in, and goes on", async () => {
    const { broker, port } = await secured();
    await using _ = broker;
    const plain = ["-p", `${port}`, "-t", "a", "-m", "m"];
    expect((await runOurs("ts-pub", plain)).status).not.toBe(0);
    await broker.program.untilError(
      /Client connection from \S+ failed: error:\w+:SSL routines::wrong/,
    );
    expect((await publish(port)).status).toBe(0);
  });
});

describe.skipIf(!hasOpenssl)("a listener that requires a certificate", () => {
  const asked = () => [`cafile ${made.ca}`, "require_certificate true"];

  it.each([
    ["use_identity_as_username true", "client"],
    ["use_subject_as_username true", "CN=client"],
  ])("%s: knows the client as %s, whatever it calls itself", async (line, username) => {
    const { broker, port } = await secured(...asked(), line, "allow_anonymous false");
    await using _ = broker;
    const as = ["-u", "somebody", "-P", "else"];
    const shown = [...words(port, "client"), ...as, "-t", "a", "-m", "m"];
    expect((await runOurs("ts-pub", shown)).status).toBe(0);
    await broker.program.untilError(`u'${username}'`);
    // A reload asks for no password either.
    const stays = startOurs("ts-sub", [...words(port, "client"), "-t", "a", "-C", "1"]);
    await broker.program.untilError(SUBSCRIBED);
    process.kill(broker.program.pid, "SIGHUP");
    await broker.program.untilError(/Reloading config\.\n/);
    await runOurs("ts-pub", [...words(port, "client"), "-t", "a", "-m", "m"]);
    expect(await outcome(stays)).toMatchObject({ status: 0, stdout: "m\n", stderr: "" });
  });
});

describe.skipIf(!hasOpenssl)("certificates", () => {
  it("are read again at SIGHUP, and a wrong one changes nothing", async () => {
    const [cert, key] = ["renewed.crt", "renewed.key"].map((name) => join(made.folder, name));
    const put = (name: "server" | "elsewhere") => {
      copyFileSync(made.certificate(name), cert!);
      copyFileSync(made.key(name), key!);
    };
    put("elsewhere");
    const port = await freePort();
    const lines = [`listener ${port} 127.0.0.1`, `certfile ${cert}`, `keyfile ${key}`];
    await using broker = await startBroker({ conf: ["user root", "log_type all", ...lines] });
    await broker.program.untilError(/running\n/);
    const stays = startOurs("ts-sub", [...words(port), "--insecure", "-t", "a", "-C", "1"]);
    await broker.program.untilError(SUBSCRIBED);
    expect((await publish(port)).status).not.toBe(0);
    put("server");
    process.kill(broker.program.pid, "SIGHUP");
    await broker.program.untilError(/Reloading config\.\n/);
    expect((await publish(port)).status).toBe(0);
    expect((await outcome(stays)).stdout).toBe("m\n");
    writeFileSync(cert!, "no certificate");
    process.kill(broker.program.pid, "SIGHUP");
    await broker.program.untilError(`Error: Unable to load server certificate "${cert}".`);
    expect((await publish(port)).status).toBe(0);
  });

  it("that cannot be used keep it from starting, and so do lines that do not fit", async () => {
    const start = async (...lines: readonly string[]) => {
      const conf = join(made.folder, "refused.conf");
      writeFileSync(conf, ["user root", `listener ${await freePort()}`, ...lines, ""].join("\n"));
      const words = { run: ["-c", conf], test: ["-c", conf, "--test-config"] };
      return {
        run: await outcome(startOurs("ts-broker", words.run)),
        test: await outcome(startOurs("ts-broker", words.test)),
      };
    };
    const certificate = `certfile ${made.certificate("server")}`;
    const mismatched = await start(certificate, `keyfile ${made.key("client")}`);
    expect([mismatched.run.status, mismatched.test.status]).toEqual([1, 0]);
    expect(mismatched.run.stderr).toContain("Error: Server certificate/key are inconsistent.\n");
    const half = await start(certificate);
    const sentence = "Error: Both certfile and keyfile must be provided if one of them is set.\n";
    expect([half.run.status, half.test.status]).toEqual([3, 3]);
    expect(half.run.stderr).toContain(sentence);
    expect(half.test.stderr).toContain(sentence);
    expect(mismatched.run.stderr + half.run.stderr).not.toMatch(/^\s+at /m);
  });
});
