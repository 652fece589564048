/**
 * The options of mosquitto.conf that ts-broker knows by name and cannot carry out yet: refused
 * with a sentence of their own, so that nobody takes them for a slip of the pen, and never
 * ignored, so that nobody believes in a password file that is not read.
 */
const BRIDGE = [
  "connection",
  "address",
  "addresses",
  "topic",
  "bridge_protocol_version",
  "remote_clientid",
  "clientid",
  "local_clientid",
  "remote_username",
  "username",
  "remote_password",
  "password",
  "local_username",
  "local_password",
  "cleansession",
  "local_cleansession",
  "keepalive_interval",
  "idle_timeout",
  "threshold",
  "start_type",
  "restart_timeout",
  "round_robin",
  "try_private",
  "notifications",
  "notifications_local_only",
  "notification_topic",
  "bridge_attempt_unsubscribe",
  "bridge_bind_address",
  "bridge_outgoing_retain",
  "bridge_max_packet_size",
  "bridge_max_topic_alias",
  "bridge_receive_maximum",
  "bridge_session_expiry_interval",
  "bridge_reload_type",
  "bridge_tcp_keepalive",
  "bridge_tcp_user_timeout",
  "bridge_cafile",
  "bridge_capath",
  "bridge_certfile",
  "bridge_keyfile",
  "bridge_alpn",
  "bridge_ciphers",
  "bridge_ciphers_tls1.3",
  "bridge_tls_version",
  "bridge_tls_use_os_certs",
  "bridge_insecure",
  "bridge_require_ocsp",
  "bridge_identity",
  "bridge_psk",
];

export const LATER_NAMES: ReadonlySet<string> = new Set(BRIDGE);

/** Whether `name` is such an option. */
export function isLater(name: string): boolean {
  return LATER_NAMES.has(name);
}
