/**
 * The unit for systemd: a broker with as few rights as it needs.
 *
 * What is not taken away, and why: memory that is written and run, for JavaScript is compiled as it
 * runs (MemoryDenyWriteExecute); threads at will; the network, for that is its work; and /proc of
 * its own processes, from which it reads how much memory it has.
 */

export interface UnitSettings {
  /** The executable, and the configuration it is to read. */
  readonly program: string;
  readonly configuration: string;
  /**
   * Whose service it is: one of the system's, with a user that systemd makes for it where there is
   * none of that name, or with one that is there; or one of a user's own.
   */
  readonly kind: "system" | "static-user" | "user";
}

export const SERVICE_USER = "ts-broker";

/** What a unit of the system's and one of a user's can both ask for. */
const FOR_ALL = [
  "NoNewPrivileges=yes",
  "LockPersonality=yes",
  "RestrictRealtime=yes",
  "RestrictSUIDSGID=yes",
  "RestrictNamespaces=yes",
  "RestrictAddressFamilies=AF_INET AF_INET6 AF_UNIX AF_NETLINK",
  "SystemCallArchitectures=native",
  "SystemCallFilter=@system-service",
  "SystemCallFilter=~@privileged",
  "SystemCallErrorNumber=EPERM",
];

/** What only the system's own manager can give. */
const FOR_SYSTEM = [
  "CapabilityBoundingSet=",
  "AmbientCapabilities=",
  "ProtectSystem=strict",
  "ProtectHome=yes",
  "PrivateTmp=yes",
  "PrivateDevices=yes",
  "PrivateMounts=yes",
  "DevicePolicy=closed",
  "ProtectClock=yes",
  "ProtectControlGroups=yes",
  "ProtectHostname=yes",
  "ProtectKernelLogs=yes",
  "ProtectKernelModules=yes",
  "ProtectKernelTunables=yes",
  "ProtectProc=invisible",
  "RemoveIPC=yes",
];

export function renderUnit({ program, configuration, kind }: UnitSettings): string {
  const isSystem = kind !== "user";
  const user = isSystem ? [`User=${SERVICE_USER}`] : [];
  if (kind === "system") user.push("DynamicUser=yes");
  if (kind === "static-user") user.push(`Group=${SERVICE_USER}`);
  const online = "network-online.target";
  return lines([
    "[Unit]",
    "Description=MQTT broker ts-broker",
    "Documentation=man:ts-broker(8) man:ts-broker.conf(5)",
    ...(isSystem ? [`Wants=${online}`, `After=${online}`] : []),
    "",
    "[Service]",
    "Type=notify",
    "# systemd-notify(1) speaks for the broker, which is not the main process.",
    "NotifyAccess=all",
    `ExecStart=${quoted(program, "command")} -c ${quoted(configuration, "word")}`,
    "ExecReload=/bin/kill -HUP $MAINPID",
    "WatchdogSec=60",
    "TimeoutStopSec=90",
    "Restart=on-failure",
    "RestartSec=2",
    "LimitNOFILE=1048576",
    ...user,
    "# The database, and whatever else the configuration names without a directory.",
    "StateDirectory=ts-broker",
    "StateDirectoryMode=0750",
    "WorkingDirectory=%S/ts-broker",
    "UMask=0027",
    "",
    ...FOR_ALL,
    ...(isSystem ? FOR_SYSTEM : []),
    "",
    "[Install]",
    `WantedBy=${isSystem ? "multi-user.target" : "default.target"}`,
  ]);
}

/** A path in a unit's command: % is for specifiers, and $ for variables in all but the first. */
function quoted(path: string, place: "command" | "word"): string {
  const plain = path.replaceAll("%", "%%").replaceAll("\\", "\\\\").replaceAll('"', '\\"');
  const escaped = place === "word" ? plain.replaceAll("$", "$$$$") : plain;
  return /[\s"'\\;]/.test(escaped) ? `"${escaped}"` : escaped;
}

function lines(all: readonly string[]): string {
  return `${all.join("\n")}\n`;
}
