/**
 * A broker's named pipe, by which it is told what a signal tells elsewhere: Windows has none that
 * a program could answer. One line asks, one answers. Any local socket does, which is how it is
 * tested. Loaded only where there are no signals, or one is to be told so.
 *
 * Who may open the pipe is the system's to say: on Windows whoever runs the broker, and
 * administrators.
 */
import { connect, createServer, type Server, type Socket } from "node:net";

/** Milliseconds for a question, and for its answer. */
const ANSWER_MS_MAX = 10_000;
/** Bytes of a question or an answer; what is longer ends the connection. */
const LINE_BYTES_MAX = 4_096;
const CONNECTIONS_MAX = 8;

/** The pipe of the broker that is this process. */
export function controlPipe(pid: number): string {
  return `\\\\.\\pipe\\ts-broker-${pid}`;
}

/**
 * Listens on `path`.
 *
 * @param answer Carries out what is asked, and says how it went on one line.
 * @throws The system's error.
 */
export function listenControl(
  path: string,
  answer: (word: string) => Promise<string>,
): Promise<Server> {
  const server = createServer((socket) => {
    lineOf(socket).then(
      async (word) => socket.end(`${await answer(word)}\n`),
      () => socket.destroy(),
    );
  });
  server.maxConnections = CONNECTIONS_MAX;
  return new Promise((resolve, reject) => {
    server.once("error", reject);
    server.listen(path, () => {
      server.off("error", reject);
      // Of one accept; the next may do better.
      server.on("error", () => undefined);
      resolve(server);
    });
  });
}

/**
 * Asks the broker that listens on `path`.
 *
 * @throws The system's error, or one that says what came instead of an answer.
 */
export async function askControl(path: string, word: string): Promise<string> {
  const socket = connect(path);
  socket.write(`${word}\n`);
  try {
    return await lineOf(socket);
  } finally {
    socket.destroy();
  }
}

/** The first line that comes. */
function lineOf(socket: Socket): Promise<string> {
  socket.setTimeout(ANSWER_MS_MAX, () => socket.destroy(new Error("there was no answer in time")));
  return new Promise((resolve, reject) => {
    let text = "";
    socket.setEncoding("utf8");
    socket.on("data", (chunk: string) => {
      text += chunk;
      const end = text.indexOf("\n");
      if (end >= 0) resolve(text.slice(0, end));
      else if (text.length > LINE_BYTES_MAX) socket.destroy(new Error("the line is too long"));
    });
    socket.on("error", reject);
    socket.on("close", () => reject(new Error("the connection ended without an answer")));
  });
}
