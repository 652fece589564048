/** What people see on a terminal, and only there: colours, table, spinner and progress. */
import { describe, expect, it } from "vitest";
import { connect } from "../../src/client/client.ts";
import { ourBroker } from "../support/our-broker.ts";
import { tmux } from "../support/peers.ts";
import { freePort, ourProgram, startOurs } from "../support/programs.ts";
import { sample } from "../support/set.ts";
import { Terminal, type TerminalOptions } from "../support/tmux.ts";
import { waitFor } from "../support/wait-for.ts";
import { ScriptedBroker } from "./scripted-broker.ts";

// Much of their time goes in waiting for what shows up after two seconds.
const ON_A_TERMINAL = { skip: tmux === undefined, concurrent: true };

describe("ts-broker on a terminal", ON_A_TERMINAL, () => {
  it("has its log in columns and colours", async () => {
    const port = await freePort();
    const program = `"${process.execPath}" "${ourProgram("ts-broker")}"`;
    await using terminal = await inShell(`${program} -p ${port}`, { columns: 100, rows: 20 });
    await terminal.untilScreen(/^\d\d:\d\d:\d\d info {4}ts-broker version \S+ running$/m);
    expect(terminal.colouredScreen).toContain("\x1b[36minfo");
    terminal.press("C-c");
    await terminal.untilScreen("status 0");
  });
});

describe("ts-sub --watch on a terminal", ON_A_TERMINAL, () => {
  it("shows a table of topics, and leaves the terminal as it was", async () => {
    await using broker = await ourBroker();
    const words = subWords(broker.port, "-t '#' -w");
    await using terminal = await inShell(`echo before; ${words}`, { columns: 70, rows: 8 });
    await using client = await connect({ host: "127.0.0.1", port: broker.port });
    await terminal.untilScreen("messages/s");
    await client.publish("b/second", '{"t":\n2}', { qos: 1 });
    await client.publish("a/first", Buffer.from("ff00", "hex"), { qos: 1 });
    await terminal.untilScreen(/0xff00/);
    const { lines } = terminal;
    expect(lines[0]).toMatch(/^TOPIC {2,}RATE\/S +AGE VALUE$/);
    expect(lines[1]).toMatch(/^a\/first +\d\.\d +(now|\ds) 0xff00$/);
    expect(lines[2]).toMatch(/^b\/second +\d\.\d +(now|\ds) \{"t":␊2\}$/);
    expect(lines[7]).toMatch(/^2 topics · \d\.\d messages\/s$/);
    expect(terminal.colouredScreen).toContain("\x1b[36mb/second");
    expect(terminal.state).toEqual({ isAlternate: true, hasCursor: false });
    terminal.press("C-c");
    await terminal.untilScreen("status 0");
    expect(terminal.screen.trim()).toMatch(/^before\n\^?C?status 0/);
    expect(terminal.state).toEqual({ isAlternate: false, hasCursor: true });
  });

  it("fits the window, however that changes and however many topics there are", async () => {
    await using broker = await ourBroker();
    const words = subWords(broker.port, "-t '#' -w");
    await using terminal = await inShell(words, { columns: 70, rows: 8 });
    await terminal.untilScreen("messages/s");
    await using client = await connect({ host: "127.0.0.1", port: broker.port });
    const topics = Array.from({ length: 50 }, (_, i) => `t/${i + 10}`);
    await Promise.all(topics.map((topic) => client.publish(topic, "x".repeat(200), { qos: 1 })));
    await terminal.untilScreen("50 topics · 44 of them not shown");
    terminal.resize(40, 5);
    await terminal.untilScreen("50 topics · 47 of them not shown");
    expect(terminal.lines[1]).toMatch(/^t\/10 +\d+(\.\d)? +(now|\d+s) x+…$/);
    expect(terminal.lines[1]).toHaveLength(40);
    terminal.resize(1, 1);
    await terminal.untilScreen(/^…$/m);
    terminal.resize(80, 24);
    await terminal.untilScreen("50 topics · 28 of them not shown");
    terminal.press("C-c");
    await terminal.untilScreen("status 0");
  });

  it("keeps up with a flood", async () => {
    await using broker = await ourBroker();
    await using terminal = await inShell(subWords(broker.port, "-t '#' -w"), { rows: 10 });
    await terminal.untilScreen("messages/s");
    const lines = Array.from({ length: 50_000 }, (_, i) => `value ${i + 1}\n`);
    const program = startOurs("ts-pub", ["-p", `${broker.port}`, "-t", "flood", "-l"]);
    program.endInput(lines.join(""));
    await terminal.untilScreen(/flood .* value 50000$/m);
    terminal.press("C-c");
    await terminal.untilScreen("status 0");
  });

  it("says when there is no connection", async () => {
    await using broker = await ScriptedBroker.start();
    const words = `${program("ts-sub")} ${broker.words.join(" ")} -t a -w`;
    await using terminal = await inShell(words, { rows: 6 });
    await terminal.untilScreen(/^0 topics · 0 messages\/s$/m);
    broker.peer.hangUp();
    await terminal.untilScreen(/^no connection · 0 topics/m);
    await broker.until("connect", 2);
    await terminal.untilScreen(/^0 topics · 0 messages\/s$/m);
    terminal.press("C-c");
    await terminal.untilScreen("status 0");
  });

  it("keeps what a stranger sends off the terminal", async () => {
    await using broker = await ScriptedBroker.start();
    const words = `${program("ts-sub")} ${broker.words.join(" ")} -t '#' -w`;
    await using terminal = await inShell(words, { rows: 6 });
    await broker.until("subscribe");
    broker.peer.publish("t\u202e2J", "\x1b]0;title\x07\x1b[31mred\x9b5m\x85\u202e\r\n");
    await terminal.untilScreen("t�2J");
    expect(terminal.lines[1]).toContain("␛]0;title␇␛[31mred�5m��␍␊");
    expect(terminal.colouredScreen).not.toContain("\x1b[31m");
    terminal.press("C-c");
    await terminal.untilScreen("status 0");
  });

  it("is whole again a second after somebody has typed on it", async () => {
    await using broker = await ScriptedBroker.start();
    const words = `${program("ts-sub")} ${broker.words.join(" ")} -t '#' -w`;
    await using terminal = await inShell(words, { rows: 6 });
    await broker.until("subscribe");
    broker.peer.publish("a", "x");
    await terminal.untilScreen(/^a .* x$/m);
    terminal.press("typed", ...Array.from({ length: 10 }, () => "Enter"), "more");
    await waitFor("it is whole", () => /^TOPIC .*\na .* x\n\n\n\n1 topic/.test(terminal.screen));
    terminal.press("C-c");
    await terminal.untilScreen("status 0");
  });

  it("leaves the terminal as it was when it is stopped, goes on, and quits", async () => {
    await using broker = await ScriptedBroker.start();
    const words = `${program("ts-sub")} ${broker.words.join(" ")} -t '#' -w`;
    await using terminal = await inShell(`set -m; ${words}; echo stopped; fg >/dev/null`);
    await terminal.untilScreen("messages/s");
    terminal.press("C-z");
    await terminal.untilScreen("messages/s");
    expect(terminal.state.isAlternate).toBe(true);
    terminal.press("C-\\");
    await terminal.untilScreen(/status 1[0-9]{2}/);
    expect(terminal.screen).toContain("stopped");
    expect(terminal.state).toEqual({ isAlternate: false, hasCursor: true });
  });

  it("says what goes wrong below the table, and again when the table is gone", async () => {
    await using broker = await ScriptedBroker.start({
      onSubscribe: (peer, packetId) => peer.grant(packetId, [0, 0x80]),
    });
    const words = `${program("ts-sub")} ${broker.words.join(" ")} -t a -t b -w`;
    await using terminal = await inShell(words, { columns: 100, rows: 8 });
    await terminal.untilScreen(/messages\/s · Warning: Subscription to 'b' was denied/);
    terminal.press("C-c");
    await terminal.untilScreen("status 128");
    expect(terminal.screen).toMatch(/^Warning: Subscription to 'b' was denied/m);
  });
});

describe("ts-sub on a terminal", ON_A_TERMINAL, () => {
  const retained = async (port: number): Promise<void> => {
    await using client = await connect({ host: "127.0.0.1", port });
    await client.publish("a/b", '{"n":1,"s":"x"}', { qos: 1, retain: true });
  };

  it("colours the topic with -v", async () => {
    await using broker = await ourBroker();
    await retained(broker.port);
    await using terminal = await inShell(subWords(broker.port, "-t '#' -v -C 1"));
    await terminal.untilScreen("status 0");
    expect(terminal.colouredScreen).toContain('\x1b[36ma/b\x1b[39m {"n":1,"s":"x"}');
  });

  it("draws no table with -d, whose lines would stand all over it", async () => {
    await using broker = await ourBroker();
    await retained(broker.port);
    await using terminal = await inShell(subWords(broker.port, "-t '#' -w -d -C 1"));
    await terminal.untilScreen("status 0");
    expect(terminal.screen).toMatch(/received CONNACK [\s\S]*^a\/b \{"n":1,"s":"x"\}$/m);
    expect(terminal.screen).not.toContain("RATE/S");
  });

  it.each(sample([{ NO_COLOR: "1" }, { TERM: "dumb" }], 2))(
    "has no colours with %j",
    async (env) => {
      await using broker = await ourBroker();
      await retained(broker.port);
      await using terminal = await inShell(subWords(broker.port, "-t '#' -v -C 1"), { env });
      await terminal.untilScreen("status 0");
      expect(terminal.colouredScreen).toContain('a/b {"n":1,"s":"x"}');
      expect(terminal.colouredScreen).not.toContain("\x1b[3");
    },
  );

  it("lays JSON out with --pretty", async () => {
    await using broker = await ourBroker();
    await retained(broker.port);
    await using terminal = await inShell(subWords(broker.port, "-t '#' --pretty -C 1"));
    await terminal.untilScreen("status 0");
    expect(terminal.lines.slice(0, 4)).toEqual([
      "{",
      '        "n":    1,',
      '        "s":    "x"',
      "}",
    ]);
    expect(terminal.colouredScreen).toContain('\x1b[34m"n"\x1b[39m:');
  });
});

describe("ts-sub that connects slowly, on a terminal", ON_A_TERMINAL, () => {
  it.each(["", "-w"])("ends in order all the same, with %j", async (word) => {
    await using broker = await ScriptedBroker.start({ onConnect: () => undefined });
    const words = `${program("ts-sub")} ${broker.words.join(" ")} -t a ${word}`;
    await using terminal = await inShell(words);
    await terminal.untilScreen(`Connecting to 127.0.0.1:${broker.port}`);
    broker.peer.accept();
    await broker.until("subscribe");
    if (word === "-w") await terminal.untilScreen("messages/s");
    terminal.press("C-c");
    await terminal.untilScreen("status 0");
    await broker.until("disconnect");
    expect(terminal.state).toEqual({ isAlternate: false, hasCursor: true });
    expect(terminal.screen).not.toContain("Connecting");
  });
});

describe("ts-rr on a terminal", ON_A_TERMINAL, () => {
  it("shows what it waits for, and nothing of that with the response", async () => {
    await using broker = await ScriptedBroker.start({ onConnect: () => undefined });
    const words = `${program("ts-rr")} ${broker.words.join(" ")} -i me -t q -e r -m x`;
    await using terminal = await inShell(words);
    await terminal.untilScreen(`Connecting to 127.0.0.1:${broker.port}`);
    broker.peer.accept();
    await broker.until("publish");
    await terminal.untilScreen("Waiting for a response on r");
    broker.peer.publish("r", "answer");
    await terminal.untilScreen("status 0");
    expect(terminal.screen.trim()).toBe("answer\nstatus 0");
    expect(terminal.state.hasCursor).toBe(true);
  });
});

describe("what goes wrong while somebody waits, on a terminal", ON_A_TERMINAL, () => {
  it.each(sample(["ts-rr", "ts-sub", "ts-pub"] as const, 3))(
    "stands on a line of its own: %s",
    async (name) => {
      await using broker = await ScriptedBroker.start({ onConnect: () => undefined });
      const more = { "ts-sub": "", "ts-rr": "-e r -m x", "ts-pub": "-m x" }[name];
      const words = `${program(name)} ${broker.words.join(" ")} -V 5 -i me -t a ${more}`;
      await using terminal = await inShell(words);
      await terminal.untilScreen(`Connecting to 127.0.0.1:${broker.port}`);
      broker.peer.accept(0x87);
      await terminal.untilScreen("status 135");
      expect(terminal.lines[0]).toBe("Connection error: Not authorized");
      expect(terminal.screen).not.toContain("Connecting");
    },
  );
});

describe("ts-pub on a terminal", ON_A_TERMINAL, () => {
  it("shows that connecting takes long, and leaves standard input to the user", async () => {
    await using broker = await ScriptedBroker.start({ onConnect: () => undefined });
    const words = `${program("ts-pub")} ${broker.words.join(" ")} -t a -l`;
    await using terminal = await inShell(words);
    await terminal.untilScreen(`Connecting to 127.0.0.1:${broker.port}`);
    terminal.press("h", "e", "y", "Enter");
    // tmux has it, and the terminal.
    await terminal.untilScreen("hey");
    broker.peer.accept();
    const [message] = await broker.until("publish");
    expect(message!.payload).toBe("hey");
    terminal.press("C-d");
    await terminal.untilScreen("status 0");
    expect(terminal.screen).toMatch(/^1 sent, 0 acknowledged, 0 failed in /m);
    expect(terminal.state.hasCursor).toBe(true);
  });

  it("shows nothing of that once it is connected", async () => {
    await using broker = await ScriptedBroker.start({ onConnect: () => undefined });
    const words = `${program("ts-pub")} ${broker.words.join(" ")} -t a -m b`;
    await using terminal = await inShell(words);
    await terminal.untilScreen(`Connecting to 127.0.0.1:${broker.port}`);
    broker.peer.accept();
    await terminal.untilScreen("status 0");
    expect(terminal.screen.trim()).toBe("status 0");
    expect(terminal.state.hasCursor).toBe(true);
  });

  it("shows how far a long job is, and what came of it", async () => {
    await using broker = await ScriptedBroker.start({ onPublish: () => undefined });
    const words = `${program("ts-pub")} ${broker.words.join(" ")} -t a -l -q 1`;
    await using terminal = await inShell(`printf 'one\\ntwo\\n' | ${words}`);
    await terminal.untilScreen(/2 lines read, 0 sent/);
    for (const message of broker.all("publish")) broker.peer.acknowledge(message);
    await terminal.untilScreen("status 0");
    expect(terminal.screen).toMatch(/^2 sent, 2 acknowledged, 0 failed in /m);
    expect(terminal.screen).not.toContain("lines read");
  });

  it("shows that a large file takes long", async () => {
    await using broker = await ScriptedBroker.start({ onPublish: () => undefined });
    const words = `${program("ts-pub")} ${broker.words.join(" ")} -t a -q 1 -f /dev/stdin`;
    await using terminal = await inShell(`head -c 250000 /dev/zero | ${words}`);
    await terminal.untilScreen(/Sending 0\.3 MB/);
    for (const message of broker.all("publish")) broker.peer.acknowledge(message);
    await terminal.untilScreen("status 0");
    expect(terminal.screen.trim()).toBe("status 0");
  });

  it("shows how far --repeat is", async () => {
    await using broker = await ScriptedBroker.start();
    const words = `${program("ts-pub")} ${broker.words.join(" ")} -t a -m x --repeat 3`;
    await using terminal = await inShell(`${words} --repeat-delay 2`);
    await terminal.untilScreen(/[12] of 3 messages sent/);
    terminal.press("C-c");
    await terminal.untilScreen("status 130");
    expect(terminal.state.hasCursor).toBe(true);
  });

  it("draws nothing on a terminal that cannot", async () => {
    await using broker = await ScriptedBroker.start();
    const words = `${program("ts-pub")} ${broker.words.join(" ")} -t a -m x --repeat 2`;
    const env = { TERM: "dumb" };
    await using terminal = await inShell(`${words} --repeat-delay 2.5`, { env });
    await terminal.untilScreen("status 0");
    expect(broker.all("publish")).toHaveLength(2);
    expect(terminal.screen.trim()).toBe("status 0");
  });
});

function inShell(line: string, options: TerminalOptions = {}): Promise<Terminal> {
  // The shell outlives the key that ends the program, and the window the shell's last word.
  return Terminal.start(["sh", "-c", `trap : INT; ${line}; echo "status $?"; cat`], options);
}

function program(name: "ts-pub" | "ts-sub" | "ts-rr"): string {
  return `'${process.execPath}' '${ourProgram(name)}'`;
}

function subWords(port: number, words: string): string {
  return `${program("ts-sub")} -h 127.0.0.1 -p ${port} ${words}`;
}
