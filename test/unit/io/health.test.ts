import { createServer, type Socket } from "node:net";
import { afterEach, describe, expect, it } from "vitest";
import { askHealth } from "../../../src/io/health.ts";
import { freePort } from "../../support/programs.ts";

const closers: (() => void)[] = [];
afterEach(() => {
  for (const close of closers.splice(0)) close();
});

/** A server that does this with what comes, as hexadecimal text. */
async function answering(onText: (socket: Socket, text: string) => void): Promise<number> {
  const sockets = new Set<Socket>();
  const server = createServer((socket) => {
    sockets.add(socket);
    socket.on("error", () => undefined);
    socket.on("data", (chunk) => onText(socket, chunk.toString("hex")));
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  closers.push(() => {
    server.close();
    for (const socket of sockets) socket.destroy();
  });
  const address = server.address();
  if (address === null || typeof address === "string") throw new Error("TCP has ports");
  return address.port;
}

const bytes = (hex: string) => Buffer.from(hex, "hex");
const ask = (port: number, timeoutMs = 5_000) =>
  askHealth({ port, address: "127.0.0.1" }, timeoutMs);

describe("a broker", () => {
  it("is healthy when it lets us in and answers a ping, however its bytes come", async () => {
    const heard: string[] = [];
    const port = await answering((socket, text) => {
      heard.push(text);
      if (text.startsWith("10")) {
        socket.write(bytes("20"));
        setImmediate(() => socket.write(bytes("020000")));
      } else if (text === "c000") {
        socket.write(bytes("d0"));
        setImmediate(() => socket.write(bytes("00")));
      }
    });
    expect(await ask(port)).toEqual({ isHealthy: true, detail: "it answers" });
    expect(heard).toEqual(["100c00044d5154540402003c0000", "c000"]);
  });

  it.each([1, 2, 4, 5])("is healthy when it turns us away with code %i", async (code) => {
    const port = await answering((socket) => socket.write(bytes(`2002000${code}`)));
    expect(await ask(port)).toMatchObject({ isHealthy: true });
  });

  it.each([
    ["20020003", "it refuses clients with code 3"],
    ["485454502f", "what answers there does not speak MQTT"],
    ["15030300020228", "what answers there does not speak MQTT"],
    ["20030000", "what answers there does not speak MQTT"],
    [`20020000${"30020000".repeat(400)}`, "it does not answer a ping"],
  ])("is not healthy when it answers %s", async (answer, detail) => {
    const port = await answering((socket) => socket.write(bytes(answer)));
    expect(await ask(port)).toEqual({ isHealthy: false, detail });
  });

  it.each(["", "20", "200200", "20020000"])(
    "is not healthy when it ends after %j",
    async (answer) => {
      const port = await answering((socket) => socket.end(bytes(answer)));
      const detail = "it closed the connection without an answer";
      expect(await ask(port)).toEqual({ isHealthy: false, detail });
    },
  );

  it.each(["", "200200", "20020000"])(
    "is not healthy when it says %j and no more",
    async (answer) => {
      const port = await answering((socket, text) => {
        if (text.startsWith("10")) socket.write(bytes(answer));
      });
      expect(await ask(port, 30)).toEqual({ isHealthy: false, detail: "no answer in time" });
    },
  );

  it("is not healthy when there is none", async () => {
    const { isHealthy, detail } = await ask(await freePort());
    expect(isHealthy).toBe(false);
    expect(detail).toMatchObject({ code: "ECONNREFUSED" });
  });
});
