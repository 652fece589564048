/**
 * The texts of the Debian package: what dpkg is told, and what its scripts do.
 *
 * The scripts say nothing of their own. They make the user that the unit names, and treat the
 * service as packages of Debian's do: enabled and started when installed, started anew by an
 * upgrade, stopped and forgotten when removed.
 */

/** As dpkg, the maintainer scripts and the unit name it. */
export const PACKAGE = "ts-mqtt";
const UNIT = "ts-broker.service";
const STATE = "/var/lib/ts-broker";
const HAS_HELPER = "command -v deb-systemd-helper >/dev/null";
/** Whoever builds it for others says who they are, as for every package of Debian's. */
const { DEBFULLNAME = "The ts-mqtt authors", DEBEMAIL = "ts-mqtt@example.org" } = process.env;
const MAINTAINER = `${DEBFULLNAME} <${DEBEMAIL}>`;

/** Every program is linked with no more than these; the versions are those Node.js 24 asks for. */
const DEPENDS = [
  "adduser",
  "init-system-helpers (>= 1.54~)",
  "libc6 (>= 2.28)",
  "libgcc-s1 (>= 3.0)",
  "libstdc++6 (>= 5.2)",
];

/** @param {{ version: string, architecture: string, kibibytes: number }} about */
export function controlText({ version, architecture, kibibytes }) {
  return lines([
    `Package: ${PACKAGE}`,
    `Version: ${version}`,
    `Architecture: ${architecture}`,
    `Maintainer: ${MAINTAINER}`,
    `Installed-Size: ${kibibytes}`,
    `Depends: ${DEPENDS.join(", ")}`,
    "Recommends: systemd",
    "Section: net",
    "Priority: optional",
    "Description: MQTT broker, publisher and subscriber that mosquitto's users know",
    " An MQTT 3.1, 3.1.1 and 5.0 broker with the options, the configuration and the",
    " database of mosquitto, in which an acknowledgement means that a message is on",
    " disk; and clients that publish, subscribe and send requests.",
    " .",
    " The programs are one executable with a JavaScript engine in it.",
  ]);
}

/** @param {{ version: string, seconds: number }} about When the sources were last changed. */
export function changelogText({ version, seconds }) {
  return lines([
    `${PACKAGE} (${version}) unstable; urgency=medium`,
    "",
    "  * Built from the project's own sources; see changelog.gz.",
    "",
    ` -- ${MAINTAINER}  ${mailDate(seconds)}`,
  ]);
}

/** @param {string} licence The project's own. */
export function copyrightText(licence) {
  const [, copyright = "Copyright (c) The ts-mqtt authors"] =
    /^(Copyright .*)$/m.exec(licence) ?? [];
  return lines([
    "ts-mqtt",
    "=======",
    "",
    copyright,
    "",
    licence.trim(),
    "",
    "What else is in the executable",
    "==============================",
    "",
    "It is Node.js with the programs inside, and with it V8, OpenSSL, SQLite and other libraries;",
    "and there is code of packages from npm. Their copyrights and licences are in",
    `/usr/share/doc/${PACKAGE}/LICENSES.gz, one after the other.`,
  ]);
}

/** What lintian complains of, and why it is so. */
export const LINTIAN_OVERRIDES = lines([
  "# Node.js is built by its own project, with its own OpenSSL, SQLite, zlib and others inside.",
  `${PACKAGE}: embedded-library *`,
  "# No bug of Debian's asks for the package.",
  `${PACKAGE}: initial-upload-closes-no-bugs *`,
]);

export const POSTINST = script(`
if [ "$1" = configure ]; then
  if ! getent passwd ts-broker >/dev/null; then
    adduser --quiet --system --group --no-create-home --home ${STATE} ts-broker
  fi
fi
case "$1" in configure | abort-upgrade | abort-deconfigure | abort-remove)
  if ${HAS_HELPER}; then
    deb-systemd-helper unmask ${UNIT} >/dev/null || true
    if deb-systemd-helper --quiet was-enabled ${UNIT}; then
      deb-systemd-helper enable ${UNIT} >/dev/null || true
    else
      deb-systemd-helper update-state ${UNIT} >/dev/null || true
    fi
  fi
  if [ -d /run/systemd/system ]; then
    systemctl --system daemon-reload >/dev/null || true
    if [ -n "$2" ]; then action=restart; else action=start; fi
    deb-systemd-invoke $action ${UNIT} >/dev/null || true
  fi
;; esac
`);

export const PRERM = script(`
if [ "$1" = remove ] && [ -d /run/systemd/system ]; then
  deb-systemd-invoke stop ${UNIT} >/dev/null || true
fi
`);

/** The database is what a purge is about; the user stays, as its files elsewhere may. */
export const POSTRM = script(`
if [ "$1" = remove ] && [ -d /run/systemd/system ]; then
  systemctl --system daemon-reload >/dev/null || true
fi
if [ "$1" = remove ] && ${HAS_HELPER}; then
  deb-systemd-helper mask ${UNIT} >/dev/null || true
fi
if [ "$1" = purge ]; then
  if ${HAS_HELPER}; then
    deb-systemd-helper purge ${UNIT} >/dev/null || true
    deb-systemd-helper unmask ${UNIT} >/dev/null || true
  fi
  rm -rf ${STATE}
fi
`);

/** @param {string} body */
function script(body) {
  return `#!/bin/sh\nset -e\n${body}`;
}

/** @param {readonly string[]} all */
function lines(all) {
  return `${all.join("\n")}\n`;
}

/** RFC 2822, in UTC. @param {number} seconds */
function mailDate(seconds) {
  return new Date(seconds * 1_000).toUTCString().replace("GMT", "+0000");
}
