/**
 * The ts-broker.conf that an installation begins with: short, with what most people change, each
 * option in a comment, for all of them are in ts-broker.conf(5).
 */

export interface FirstConfiguration {
  /** The directory it is in. */
  readonly directory: string;
  /** Where a service keeps its database; "" for where it is started; undefined: there is none. */
  readonly state?: string | undefined;
  /** In a container nobody connects from the same machine. */
  readonly isContained?: boolean;
}

export function renderFirstConfiguration(conf: FirstConfiguration): string {
  const { directory } = conf;
  return `${[
    "# The configuration of ts-broker. Every option is explained in ts-broker.conf(5); those of a",
    "# mosquitto.conf are the same. A line that begins with # says nothing: take the # away from",
    "# what you want, and a space follows each name.",
    "#",
    "# To check it:           ts-broker -c FILE --test-config",
    "# To have it read again: ts-broker reload, or systemctl reload ts-broker",
    "",
    ...listenerLines(conf),
    "",
    "# --- Who may come in, and what they may do ---",
    "# ts-broker passwd -c FILE USER makes the first file; ts-broker check-acl tries the second.",
    `#password_file ${directory}/passwords`,
    `#acl_file ${directory}/acl`,
    "# Lets in whoever gives no user name.",
    "#allow_anonymous true",
    "",
    "# --- What lasts ---",
    "# With persistence an acknowledgement means that the message is on disk.",
    ...stateLines(conf),
    "",
    "# --- The log ---",
    "# It goes to standard error unless a line says otherwise, which systemd keeps in its journal.",
    "#log_dest file /var/log/ts-broker.log",
    "#log_type error",
    "#log_type warning",
    "#log_type notice",
    "",
    "# --- Limits ---",
    "#max_queued_messages 1000",
    "#max_packet_size 2000000",
    "#max_connections 1000",
    "",
    "# --- A bridge to another broker ---",
    "#connection office",
    "#address broker.example:8883",
    "#topic house/# out 1",
    "",
    "# --- More files of this kind ---",
    `#include_dir ${directory}/conf.d`,
  ].join("\n")}\n`;
}

function listenerLines({ directory, isContained }: FirstConfiguration): string[] {
  const own = isContained
    ? ["# Nobody comes in before one of the lines below says who may.", "listener 1883"]
    : [
        "# Without a listener only this machine can connect, on port 1883, and needs no user name.",
        "# With one, nobody comes in before one of the lines further below says who may.",
        "#listener 1883",
      ];
  return [
    "# --- Where clients connect ---",
    ...own,
    "# With TLS:",
    "#listener 8883",
    `#certfile ${directory}/server.pem`,
    `#keyfile ${directory}/server.key`,
    "# WebSocket:",
    "#listener 8080",
    "#protocol websockets",
    "# Health and figures for Prometheus, over HTTP:",
    "#listener 9883 127.0.0.1",
    "#protocol http_api",
  ];
}

function stateLines({ state }: FirstConfiguration): string[] {
  if (state === undefined) {
    return ["#persistence true", "#persistence_location /var/lib/ts-broker"];
  }
  if (state !== "") return ["persistence true", `persistence_location ${state}`];
  return [
    "# The database is in the directory in which the broker is started, unless a line says where.",
    "persistence true",
    "#persistence_location /var/lib/ts-broker",
  ];
}
