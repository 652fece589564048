/** What the broker counts of itself, for `$SYS`. Counters only grow; gauges are asked elsewhere. */
export class Counters {
  packetsReceived = 0;
  packetsSent = 0;
  bytesReceived = 0;
  bytesSent = 0;
  publishReceived = 0;
  publishSent = 0;
  publishDropped = 0;
  /** Messages that came back in a loop, and went no further. */
  publishLooped = 0;
  publishBytesReceived = 0;
  publishBytesSent = 0;
  socketsAccepted = 0;
  connectsReceived = 0;
  sessionsExpired = 0;
}
