import { describe, expect, it } from "vitest";
import { dialled, failureOf } from "../../support/dialled.ts";
import { hex } from "../../support/hex.ts";
import { freePort } from "../../support/programs.ts";
import { startSocks } from "../../support/socks-server.ts";
import { startTcp } from "../../support/tcp-server.ts";
import { waitFor } from "../../support/wait-for.ts";

const host = "broker.example";

describe("a connection through a SOCKS5 proxy", () => {
  it.each([
    ["broker.example", "broker.example"],
    ["bücher.example", "xn--bcher-kva.example"],
    ["10.1.2.3", "0a010203"],
    ["::1", "00000000000000000000000000000001"],
  ])("has the proxy find %s", async (name, asked) => {
    await using server = await echo();
    await using proxy = await startSocks();
    const it = dialled({ host: name, port: server.port, proxy: at(proxy.port) });
    await it.opened();
    it.link.write(Buffer.from("over"));
    await it.receives("over");
    expect(proxy.asked).toEqual([`${asked}:${server.port}`]);
    expect(it.waitedFor).toEqual(["connection to the proxy", "answer from the proxy"]);
    it.link.end();
    expect(await it.closed()).toBeUndefined();
  });

  it("logs in, with letters that are not ASCII too", async () => {
    await using server = await echo();
    await using proxy = await startSocks({ logIn: { username: "ü:ser@", password: "p%w" } });
    const url = `socks5h://ü%3aser%40:p%25w@127.0.0.1:${proxy.port}`;
    const it = await dialled({ host, port: server.port, proxy: url }).opened();
    it.link.destroy();
    await it.closed();
  });

  it.each([
    ["no log-in", "", "proxyLogInMissing", "the proxy wants another log-in"],
    ["a wrong one", "me:wrong@", "proxyLogInRefused", "the proxy refused user and password"],
    ["one without a password", "me@", "proxyLogInRefused", "the proxy refused user and password"],
  ])("is refused for good with %s", async (_, logIn, code, message) => {
    await using proxy = await startSocks({ logIn: { username: "me", password: "right" } });
    const url = `socks5h://${logIn}127.0.0.1:${proxy.port}`;
    expect(await failureOf({ host, proxy: url })).toMatchObject({ code, message, isFinal: true });
  });

  it.each([
    [1, "general failure", "proxyRefused"],
    [2, "not allowed", "proxyForbidden"],
    [3, "network unreachable", "proxyUnreachable"],
    [4, "host unreachable", "proxyUnreachable"],
    [5, "connection refused", "proxyUnreachable"],
    [6, "time to live expired", "proxyRefused"],
    [7, "command not supported", "proxyRefused"],
    [8, "kind of address not supported", "proxyRefused"],
  ])("says what the proxy answers: %i is %s", async (answer, words, code) => {
    await using proxy = await startSocks({ answer });
    expect(await failureOf({ host, port: 7, proxy: at(proxy.port) })).toMatchObject({
      code,
      message: `the proxy could not connect to broker.example:7: ${words}`,
      isFinal: code === "proxyForbidden",
    });
  });

  it.each([
    ["HTTP", "HTTP/1.1 400 Bad Request\r\n\r\n", "notProxy"],
    ["an answer that means nothing", Buffer.of(5, 0, 5, 99, 0, 1, 0), "notProxy"],
    [
      "a yes of SOCKS4 behind a beginning of SOCKS5",
      hex`05 00 04 00 00 01 00000000 0000`,
      "notProxy",
    ],
    ["a log-in nobody knows", Buffer.of(5, 7), "proxyLogInMissing"],
    ["nothing", "", "proxyClosed"],
    ["half an answer", Buffer.of(5), "proxyClosed"],
  ])("fails on %s", async (_, bytes, code) => {
    await using garbage = await startTcp((socket) => {
      socket.once("data", () => socket.end(bytes));
    });
    expect(await failureOf({ host, proxy: at(garbage.port) })).toMatchObject({ code });
  });

  it("is refused when there is no proxy", async () => {
    const failure = await failureOf({ host, proxy: at(await freePort()) });
    expect(failure).toMatchObject({ code: "ECONNREFUSED" });
  });

  it("is given up while the proxy says nothing", async () => {
    await using silent = await startTcp((socket) => socket.resume());
    const it = dialled({ host, proxy: at(silent.port) });
    await waitFor("the proxy is asked", () => it.waitedFor.includes("answer from the proxy"));
    it.link.destroy();
    expect(await it.closed()).toBeUndefined();
    await waitFor("the socket is gone", () => silent.sockets[0]?.destroyed);
  });

  const at = (port: number) => `socks5h://127.0.0.1:${port}`;
  const echo = () => startTcp((socket) => socket.pipe(socket));
});
