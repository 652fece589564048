/**
 * The programs as their help and man pages present them: what they are for, how they are
 * called, examples and exit statuses. Their options are in the tables.
 *
 * Loaded only to print: a run that asks for no help pays nothing for these texts.
 */
import { BROKER_OPTIONS } from "./broker.ts";
import { CHECK_ACL_OPTIONS } from "./check-acl.ts";
import { DB_ACTIONS, DB_OPTIONS } from "./db.ts";
import { DYNSEC_ACTIONS, DYNSEC_OPTIONS } from "./dynsec.ts";
import { INSTALL_OPTIONS, UNINSTALL_OPTIONS } from "./install.ts";
import type { OptionTable } from "./option.ts";
import { PASSWD_OPTIONS } from "./passwd.ts";
import { PUB_OPTIONS } from "./pub.ts";
import { RR_OPTIONS } from "./rr.ts";
import { SIGNAL_ACTIONS, SIGNAL_OPTIONS } from "./signal.ts";
import { SUB_OPTIONS } from "./sub.ts";

export type ProgramName = "ts-broker" | "ts-pub" | "ts-sub" | "ts-rr";

export interface Example {
  /** What it does: a sentence. */
  readonly text: string;
  readonly command: string;
}

/** What a program does when its first word says so. */
export interface Command {
  readonly name: string;
  /** For completion: starts with a verb, no full stop. */
  readonly brief: string;
  /** The words that may follow, and what they do. */
  readonly actions: Readonly<Record<string, string>>;
  /** What follows program and name, a line for each way of calling it. */
  readonly usage: readonly string[];
  /** Paragraphs. */
  readonly description: readonly string[];
  readonly options: OptionTable;
  readonly examples: readonly Example[];
}

export interface Program {
  readonly name: ProgramName;
  /** Section of the manual. */
  readonly section: 1 | 8;
  /** What it is, after the name and a dash: no full stop. */
  readonly summary: string;
  readonly commands: readonly Command[];
  /** What follows the name, a line for each way of calling it. */
  readonly usage: readonly string[];
  /** Paragraphs. The first one is in --help, too. */
  readonly description: readonly string[];
  readonly options: OptionTable;
  readonly examples: readonly Example[];
  /** Whether it has -F. */
  readonly hasFormat?: boolean;
  /** Files that it reads by itself. */
  readonly files?: readonly (readonly [path: string, meaning: string])[];
  readonly exitStatuses: readonly (readonly [status: string, meaning: string])[];
  readonly seeAlso: readonly string[];
}

/** The option files of a program, for which mosquitto's names count. */
function optionFiles(name: string): NonNullable<Program["files"]> {
  return [
    [`$XDG_CONFIG_HOME/${name}`, "Options, as the -o option has them."],
    [`$HOME/.config/${name}`, "The same, where XDG_CONFIG_HOME is not set."],
  ];
}

/** Statuses of a client for what becomes of its connection. */
const CONNECTION_STATUSES: Program["exitStatuses"] = [
  ["2", "The broker broke the protocol, or what answered was none."],
  ["4", "The proxy found no way to the broker."],
  ["7", "The connection was lost, and not made again; a message may be lost with it."],
  ["8", "TLS was not agreed on."],
  ["11", "The proxy wants a log-in, or forbids the connection."],
  ["16", "The proxy failed in another way."],
  ["19", "The broker fell silent."],
];

const PUB: Program = {
  name: "ts-pub",
  section: 1,
  summary: "publish messages over MQTT",
  commands: [],
  usage: ["-t TOPIC {-m TEXT | -f FILE | -l | -s | -n} [-h HOST] [-p PORT] [-q LEVEL] [-r] [...]"],
  description: [
    "Publishes a message on a topic and exits, or one message for each line of standard input.",
    [
      "It takes the options of mosquitto_pub(1). An option's value is always the next word,",
      "whatever it begins with, and options are not joined: -q 1, not -q1 or --qos=1.",
    ].join(" "),
    [
      "It exits with status 0 only when every message has been handed over: with QoS 1 and 2, when",
      "the broker has acknowledged it. Lines of QoS 1 and 2 survive a lost connection.",
    ].join(" "),
  ],
  options: PUB_OPTIONS,
  files: optionFiles("mosquitto_pub"),
  examples: [
    { text: "Publish a temperature, to be retained.", command: "ts-pub -t home/attic -m 21.5 -r" },
    {
      text: "Publish what a command prints, line by line, each delivered at least once.",
      command: "vmstat 5 | ts-pub -t host/vmstat -q 1 -l",
    },
    {
      text: "Copy messages to another broker, with topics, bytes and properties.",
      command: "ts-sub -t 'home/#' -q 2 --retain-as-published --ndjson | ts-pub --ndjson -h other",
    },
    {
      text: "Keep what could not be delivered for the next run.",
      command: "journalctl -f | ts-pub -t host/log -l -q 1 --spool /var/spool/log.mqtt",
    },
    { text: "Forget the retained message of a topic.", command: "ts-pub -t home/attic -n -r" },
    {
      text: "Leave a will, and mark the message as JSON (MQTT 5.0).",
      command: "ts-pub -t a -m '{}' --will-topic a/gone -D publish content-type application/json",
    },
  ],
  exitStatuses: [
    ["0", "Everything was delivered."],
    ["1", "Wrong usage, --help, --version, no connection, bad input, or lines that are left."],
    ...CONNECTION_STATUSES,
    ["130, 143", "SIGINT or SIGTERM ended it before everything was delivered."],
    ["other", "The reason code with which the broker refused the connection or a message."],
  ],
  seeAlso: ["ts-sub(1)", "ts-rr(1)", "ts-broker(8)"],
};

const SUB: Program = {
  name: "ts-sub",
  section: 1,
  summary: "subscribe to topics over MQTT and print the messages",
  commands: [],
  usage: ["-t FILTER... [-h HOST] [-p PORT] [-q LEVEL] [-v] [-F FORMAT] [-C COUNT] [...]"],
  description: [
    "Subscribes to topics and prints every message until it is told to stop.",
    [
      "It takes the options of mosquitto_sub(1). An option's value is always the next word,",
      "whatever it begins with, and options are not joined: -q 1, not -q1 or --qos=1.",
    ].join(" "),
    "When the connection is lost it connects and subscribes again, for as long as it takes.",
  ],
  options: SUB_OPTIONS,
  hasFormat: true,
  files: optionFiles("mosquitto_sub"),
  examples: [
    { text: "Print everything below home, with topics.", command: "ts-sub -t 'home/#' -v" },
    { text: "Look at all topics at once, in a table.", command: "ts-sub -t '#' -w" },
    {
      text: "Wait ten seconds at most for one message.",
      command: "ts-sub -t home/attic -C 1 -W 10",
    },
    {
      text: "Print time, topic and payload.",
      command: "ts-sub -t 'home/+' -F '%I %t %p'",
    },
    {
      text: "Keep a session, so that nothing of QoS 1 is missed while away.",
      command: "ts-sub -t 'orders/#' -q 1 -c -i till-3",
    },
    {
      text: "Forget every retained message below old.",
      command: "ts-sub -t 'old/#' --remove-retained --retained-only",
    },
  ],
  exitStatuses: [
    ["0", "It ended as asked, or by a signal once connected."],
    ["1", "Wrong usage, --help, --version, or no connection."],
    ...CONNECTION_STATUSES,
    ["27", "The time given with -W is over."],
    ["other", "The reason code with which the broker refused the connection or a subscription."],
  ],
  seeAlso: ["ts-pub(1)", "ts-rr(1)", "ts-broker(8)"],
};

const RR: Program = {
  name: "ts-rr",
  section: 1,
  summary: "send a request over MQTT and print the response",
  commands: [],
  usage: ["-t TOPIC -e RESPONSE_TOPIC {-m TEXT | -f FILE | -s | -n} [-h HOST] [-p PORT] [...]"],
  description: [
    "Publishes a request, waits for one message on the response topic and prints it.",
    [
      "With MQTT 5.0, which is the default, the request says where the response is to go.",
      "The first message on the response topic is the response, whoever sent it.",
    ].join(" "),
    [
      "It takes the options of mosquitto_rr(1). An option's value is always the next word,",
      "whatever it begins with, and options are not joined: -q 1, not -q1 or --qos=1.",
    ].join(" "),
  ],
  options: RR_OPTIONS,
  hasFormat: true,
  files: optionFiles("mosquitto_rr"),
  examples: [
    {
      text: "Ask a lamp for its state, for five seconds at most.",
      command: "ts-rr -t lamp/get -e lamp/answers/me -n -W 5",
    },
    {
      text: "Send a file, and see how long the response takes.",
      command: "ts-rr -t rpc/sum -e rpc/answers -f numbers.json --latency",
    },
  ],
  exitStatuses: [
    ["0", "The response is printed, or a signal ended it once connected."],
    ["1", "Wrong usage, --help, --version, or no connection."],
    ...CONNECTION_STATUSES,
    ["27", "The time given with -W is over."],
    ["other", "The reason code with which the broker refused."],
  ],
  seeAlso: ["ts-pub(1)", "ts-sub(1)", "ts-broker(8)"],
};

const DB: Command = {
  name: "db",
  brief: "Look into a database",
  actions: DB_ACTIONS,
  usage: ["dump [--stats | --client-stats | --json] FILE", "check FILE"],
  description: [
    [
      "Prints or checks what a broker keeps: a mosquitto.db of version 2 to 6, or the SQLite",
      "database of ts-broker and of mosquitto's persist-sqlite plugin. It changes nothing.",
    ].join(" "),
    [
      "The broker has its database for itself while it runs: stop it first, or look into a copy.",
      "A copy of an SQLite database needs the file beside it whose name ends in -wal, too.",
    ].join(" "),
    [
      "dump prints every entry with its fields, as mosquitto_db_dump(1) does. Its exit status is 1",
      "when the file is no database or a damaged one, else 0, even when there is no such file.",
    ].join(" "),
    [
      "check goes through the whole file and prints what it is, how much there is, and a line for",
      "each problem: what is damaged, and what names something that is not there. Its exit status",
      "is 0 when the database is good, else 1.",
    ].join(" "),
  ],
  options: DB_OPTIONS,
  examples: [
    {
      text: "Print what an old mosquitto has kept.",
      command: "ts-broker db dump /var/lib/mosquitto/mosquitto.db",
    },
    {
      text: "Find the clients with the longest queues.",
      command: "ts-broker db dump --client-stats mosquitto.sqlite3 | sort -k 6 -n",
    },
    { text: "Check a database before a move.", command: "ts-broker db check mosquitto.sqlite3" },
  ],
};

const PASSWD: Command = {
  name: "passwd",
  brief: "Keep users and passwords in a file",
  actions: {},
  usage: [
    "[-H NAME] [-I COUNT] [-c | -D] FILE USER",
    "[-H NAME] [-I COUNT] [-c] -b FILE USER PASSWORD",
    "-U FILE",
  ],
  description: [
    [
      "Adds a user to a password_file, or gives it another password, as mosquitto_passwd(1) does.",
      "A link to ts-broker of that name is the same.",
    ].join(" "),
    [
      "The file is replaced as a whole, and keeps its owner and permissions. A broker reads it",
      "again at SIGHUP.",
    ].join(" "),
    [
      "The exit status is 0 when the file is as it was to be, 2 when the two passwords that were",
      "typed are not the same, and else 1.",
    ].join(" "),
  ],
  options: PASSWD_OPTIONS,
  examples: [
    { text: "Make a file with its first user.", command: "ts-broker passwd -c users ann" },
    { text: "Take a user out.", command: "ts-broker passwd -D users ann" },
  ],
};

const DYNSEC: Command = {
  name: "dynsec",
  brief: "Make the file of dynamic security",
  actions: DYNSEC_ACTIONS,
  usage: ["init FILE ADMIN [PASSWORD]"],
  description: [
    [
      "Makes the file that the plugin mosquitto_dynamic_security is told of with",
      "plugin_opt_config_file, as mosquitto_ctrl dynsec init does: with one user, who may change",
      "everything in it, with mosquitto_ctrl(1) for one, and who may receive everything.",
    ].join(" "),
    [
      "A password among the words is there for everybody on the machine to read while the program",
      "runs. Without one it is asked for twice on the terminal.",
    ].join(" "),
    "The exit status is 0 when the file has been made, else 1. A file that is there stays as it is.",
  ],
  options: DYNSEC_OPTIONS,
  examples: [
    {
      text: "Make a file for a new broker.",
      command: "ts-broker dynsec init /etc/mosquitto/dynamic-security.json admin",
    },
  ],
};

const CHECK_ACL: Command = {
  name: "check-acl",
  brief: "Say what a client may do, and by which rule",
  actions: {},
  usage: ["-c FILE [--client-id ID] [-p PORT] USER TOPIC"],
  description: [
    [
      "Says whether a client with the user name USER, or - for none, may read and write TOPIC by",
      "the acl_file and the plugins of a configuration, and names the file of the rule that",
      "decides, with its line or, for dynamic security, its role.",
    ].join(" "),
  ],
  options: CHECK_ACL_OPTIONS,
  examples: [
    {
      text: "Say whether ann may publish there.",
      command: "ts-broker check-acl -c broker.conf ann house/heating",
    },
  ],
};

const RELOAD: Command = {
  name: "reload",
  brief: "Have a running broker read its configuration again",
  actions: {},
  usage: ["{-p PID | --pid-file FILE | -c FILE}"],
  description: [
    [
      "Has a broker read its configuration again and open its log file anew, as SIGHUP does; what",
      "is wrong with the configuration is in its log. It is the same as signal config-reload. On",
      "Windows, which has no such signal, it uses a pipe, and says what is wrong itself.",
    ].join(" "),
    "The exit status is 0 when the broker has been told, else 1.",
  ],
  options: SIGNAL_OPTIONS,
  examples: [
    { text: "After a change to the file.", command: "ts-broker reload -c /etc/ts-broker.conf" },
  ],
};

const SIGNAL: Command = {
  name: "signal",
  brief: "Tell a running broker something",
  actions: SIGNAL_ACTIONS,
  usage: ["ACTION {-p PID | --pid-file FILE | -c FILE}"],
  description: [
    [
      "Tells a broker what mosquitto_signal(1) tells mosquitto: config-reload and log-rotate send",
      "SIGHUP, shutdown SIGINT and tree-print SIGUSR2; on Windows a pipe has the same effect.",
      "A process that is no broker is told nothing.",
    ].join(" "),
    "The exit status is 0 when the broker has been told, else 1.",
  ],
  options: SIGNAL_OPTIONS,
  examples: [
    {
      text: "In a script that moves the log file away.",
      command: "ts-broker signal log-rotate --pid-file /run/ts-broker.pid",
    },
  ],
};

const INSTALL: Command = {
  name: "install",
  brief: "Install this executable and what belongs to it",
  actions: {},
  usage: ["[--prefix DIR | --user] [--systemd] [--compat] [--dry-run]"],
  description: [
    [
      "Copies the single-file executable to bin, with the names ts-pub, ts-sub and ts-rr, and adds",
      "man pages, completions for bash, zsh and fish, and a configuration to begin with,",
      "etc/ts-broker/ts-broker.conf.",
    ].join(" "),
    [
      "What is there already and was not put there by it is never overwritten: nothing is changed",
      "then, and a sentence names it. A configuration that has been changed is left. Over an older",
      "version it is an upgrade, with what was asked for then. Whatever goes wrong, all of it",
      "is installed or nothing.",
    ].join(" "),
    "The exit status is 0 when it is installed, else 1; 130 and 143 when a signal ended it.",
  ],
  options: INSTALL_OPTIONS,
  examples: [
    {
      text: "See what would be done.",
      command: "ts-broker install --systemd --dry-run",
    },
    {
      text: "Install it for oneself, under mosquitto's names, too.",
      command: "ts-broker install --user --compat",
    },
  ],
};

const UNINSTALL: Command = {
  name: "uninstall",
  brief: "Take back what install has put there",
  actions: {},
  usage: ["[--prefix DIR | --user] [--dry-run]"],
  description: [
    [
      "Removes what is in share/ts-broker/installed, the list that install keeps, as long as it is",
      "as it was put there; what has been changed since is left, and named. Databases stay.",
    ].join(" "),
    "The exit status is 0 when all of it is gone but what was named, else 1.",
  ],
  options: UNINSTALL_OPTIONS,
  examples: [
    { text: "Take back an installation.", command: "ts-broker uninstall --prefix /opt/mqtt" },
  ],
};

const BROKER: Program = {
  name: "ts-broker",
  section: 8,
  summary: "an MQTT broker",
  commands: [DB, PASSWD, DYNSEC, CHECK_ACL, RELOAD, SIGNAL, INSTALL, UNINSTALL],
  usage: [
    "[-c config_file] [-d] [-h] [-p port] [-v]",
    "db {dump | check} FILE",
    "passwd [-b] [-c | -D | -U] FILE [USER] [PASSWORD]",
    "dynsec init FILE ADMIN [PASSWORD]",
    "check-acl -c FILE USER TOPIC",
    "reload {-p PID | --pid-file FILE | -c FILE}",
    "signal ACTION {-p PID | --pid-file FILE | -c FILE}",
    "install [--prefix DIR | --user] [--systemd] [--compat] [--dry-run]",
    "uninstall [--prefix DIR | --user] [--dry-run]",
  ],
  description: [
    "Takes MQTT 3.1, 3.1.1 and 5.0 clients and hands messages from publishers to subscribers.",
    [
      "Without a configuration that names a listener, only this machine can connect: on port 1883,",
      "or those of the port option.",
    ].join(" "),
    "It takes the options and the configuration file of mosquitto(8).",
    [
      "SIGINT and SIGTERM stop it. SIGHUP has it read its configuration and open its log file",
      "again. SIGUSR1 has it write what is in its write-ahead log into the database, which is one",
      "file then. SIGUSR2 prints the tree of subscriptions on standard output. SIGRTMIN, by which",
      "mosquitto opens its log file again, cannot be answered by a program for Node.js and ends it:",
      "use SIGHUP.",
    ].join(" "),
    [
      "On a terminal its log lines have the time of day, their kind and their text in columns, with",
      "colours unless NO_COLOR is set; whatever else reads them gets them as mosquitto has them.",
    ].join(" "),
    [
      "Below systemd, as a unit of Type=notify, it says when it is ready, and with WatchdogSec= every",
      "half period that it goes on, by way of systemd-notify(1). A unit with User= needs",
      "NotifyAccess=all, for systemd listens to the main process alone otherwise; one whose broker",
      "gives up root by itself does not.",
    ].join(" "),
  ],
  options: BROKER_OPTIONS,
  examples: [
    { text: "Try it, with every packet in the log.", command: "ts-broker -v" },
    {
      text: "Serve a configuration, after checking it.",
      command: "ts-broker -c broker.conf --test-config && ts-broker -c broker.conf",
    },
    {
      text: "Ask whether it answers, for the health check of a container.",
      command: "ts-broker --health -c broker.conf",
    },
  ],
  exitStatuses: [
    [
      "0",
      "It was asked to stop, or only to print something; with --health: the broker is healthy.",
    ],
    ["1", "It could not listen, or could not start for another reason; with --health: it is not."],
    ["3", "Wrong usage or configuration."],
  ],
  seeAlso: ["ts-broker.conf(5)", "ts-pub(1)", "ts-sub(1)"],
};

export const PROGRAMS: Readonly<Record<ProgramName, Program>> = {
  "ts-broker": BROKER,
  "ts-pub": PUB,
  "ts-sub": SUB,
  "ts-rr": RR,
};
