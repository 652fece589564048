import { describe, expect, it } from "vitest";
import { clientOptionsOf } from "../../../src/cli/connect-options.ts";
import { settingsOf } from "../../../src/client/options.ts";
import { transportOf } from "../../../src/client/transport.ts";
import { parsePub } from "../../../src/options/pub.ts";

describe("clientOptionsOf", () => {
  it("asks for what mosquitto's programs ask for", () => {
    expect(optionsOf([])).toMatchObject({
      host: "localhost",
      port: 1883,
      version: 4,
      cleanStart: true,
      keepAlive: 60,
      inflightMax: 20,
    });
    expect(optionsOf([]).clientId).toBeUndefined();
  });

  it("puts each property of CONNECT where the client library has it", () => {
    const options = optionsOf([
      ...["-i", "me", "-V", "5", "-c", "-x", "7"],
      ...["-D", "connect", "receive-maximum", "3", "-D", "connect", "topic-alias-maximum", "4"],
      ...["-D", "connect", "user-property", "k", "v"],
    ]);
    expect(options).toMatchObject({
      cleanStart: false,
      sessionExpiryInterval: 7,
      receiveMaximum: 3,
      topicAliasMaximum: 4,
      properties: { userProperties: [["k", "v"]] },
    });
    expect(settingsOf(options).clientId).toBe("me");
  });

  it("puts the process id behind a prefix", () => {
    expect(optionsOf(["-I", "pre"]).clientId).toBe("pre42");
  });

  it("makes up an identifier for MQTT 3.1, which no broker does", () => {
    expect(optionsOf(["-V", "31"]).clientId).toMatch(/^mosq-[A-Za-z0-9]{18}$/);
  });

  it("takes more in flight than the client library for all it can have", () => {
    expect(() => settingsOf(optionsOf(["-M", "65535"]))).not.toThrow();
  });

  it("carries a will", () => {
    const words = ["--will-topic", "w", "--will-payload", "x", "--will-qos", "1", "--will-retain"];
    expect(optionsOf(words).will).toMatchObject({ topic: "w", payload: "x", qos: 1, retain: true });
  });
});

describe("the way to the broker", () => {
  const ca = ["--cafile", "x"];

  it.each([
    [[], 1883, false],
    [ca, 8883, true],
    [["--capath", "x"], 8883, true],
    [["--psk", "00", "--psk-identity", "me"], 8883, true],
    [["-p", "8883"], 8883, true],
    [["--tls-use-os-certs"], 1883, true],
    [[...ca, "-p", "5"], 5, true],
    [["-L", "mqtts://h:5/t"], 5, true],
    [["-L", "mqtt://h:8883/t"], 8883, true],
    [["-L", "wss://h/t"], 8883, true],
    [["--cert", "x", "--key", "y"], 1883, false],
    [["--insecure", "--tls-version", "tlsv1.3", "--ciphers", "x"], 1883, false],
    [["--no-tls", ...ca], 1883, false],
    [["--no-tls", "-L", "mqtts://h/t"], 8883, false],
  ])("with %j is port %i, and TLS: %s", (words, port, isTls) => {
    const options = optionsOf(words);
    expect([options.port, options.tls !== undefined]).toEqual([port, isTls]);
    expect(() => transportOf(options)).not.toThrow();
  });

  it("has everything about TLS", () => {
    const words = [
      ...["--cafile", "ca", "--capath", "folder", "--cert", "c", "--key", "k"],
      ...["--ciphers", "list", "--tls-version", "tlsv1.3", "--tls-alpn", "mqtt"],
      ...["--tls-keylog", "log", "--insecure"],
    ];
    const { tls } = optionsOf(words);
    expect(tls).toMatchObject({ caFile: "ca", caPath: "folder", certFile: "c", keyFile: "k" });
    expect(tls).toMatchObject({ ciphers: "list", minVersion: "TLSv1.3", alpn: ["mqtt"] });
    expect(tls).toMatchObject({ keyLogFile: "log", verify: false, useSystemCa: false });
    expect(optionsOf(["-p", "8883"]).tls).toMatchObject({ useSystemCa: true, verify: true });
  });

  it("looks at no certificates with a key that both sides know", () => {
    const psk = ["--psk", "123", "--psk-identity", "me", "--tls-use-os-certs"];
    expect(optionsOf([...psk, "--cert", "c", "--key", "k"]).tls).toEqual({
      psk: { identity: "me", key: Buffer.from([1, 0x23]) },
    });
  });

  it("is a unix socket with --unix, or with port 0", () => {
    expect(optionsOf(["--unix", "/s"])).toMatchObject({ socketPath: "/s" });
    expect(optionsOf(["-h", "/s", "-p", "0"])).toMatchObject({ socketPath: "/s" });
    expect(optionsOf(["--unix", "/s", "-h", "h", "-p", "1"])).toMatchObject({ host: "h", port: 1 });
  });

  it("goes from an address, through a proxy, over WebSocket, to whom a look-up names", () => {
    const words = ["-A", "127.0.0.1", "--proxy", "socks5h://p", "--ws", "-S"];
    const proxy = "socks5h://p:1080";
    const expected = { localAddress: "127.0.0.1", proxy, webSocket: true, srv: true };
    expect(optionsOf(words)).toMatchObject(expected);
  });
});

function optionsOf(words: readonly string[]) {
  const request = parsePub(["-t", "a", "-m", "b", ...words]);
  if (request.ask !== "publish") throw new Error("nothing to publish");
  return clientOptionsOf(request.values, request.properties, { pid: 42 });
}
