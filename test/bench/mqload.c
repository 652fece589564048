/* mqload: a single-threaded load generator for MQTT 3.1.1 and 5.0 brokers on loopback.
 *
 * It is cheap on purpose (packets built in place, batched writes, epoll), so that the broker is
 * what is measured. Every mode is bounded in count and time, and counts what arrives. All are
 * closed-loop, but a flow with -R.
 *
 *   mqload flow   -P pubs -S subs [-t one|pair|fanin] [-q qos] [-s size] [-n total] [-w window]
 *   mqload conns  -n connections      connect, subscribe, hold: memory of idle connections
 *   mqload hold   -n connections      as conns, and stays until its standard input ends
 *   mqload retain -n topics [-s size] publish n retained (QoS 1), then one '#' subscriber drains
 *   mqload keep   -n topics [-s size] as retain, but the publishing is measured and nothing drains
 *   mqload queue  -n messages         a session goes offline, n QoS 1 messages queue, it drains
 *   mqload store  -n messages         as queue, but the queueing is measured and nothing drains
 *   mqload grow   -t exact|wild|share|retain -n size [-S subs] [-q qos] [-m messages]
 *                                     what each costs when there are so many of them;
 *                                     the deadline is each phase's
 *
 * -R RATE has a flow publish so many messages a second, evenly from all publishers, whatever comes
 * back: a message that is late for its time counts in lateMs, and it ends a second after the last
 * arrival where not all arrive.
 * -d makes the subscribers of a flow sessions that outlive their connections.
 * -L speaks TLS (built with -DWITH_TLS -lssl -lcrypto), whatever certificate the broker shows.
 * -W speaks WebSocket, each packet in a frame of its own, as most clients do.
 * -u USER:PASSWORD is what every connection logs in with.
 * -r PORT has the subscribers of a flow at another broker, which a bridge leads to; -x and -y are
 * what topics begin with where they are published and where they are subscribed to (bench/).
 * Common: -p port  -5 (MQTT 5)  -T deadline in seconds
 *         -b pids of the brokers, with commas (for their CPU and memory)
 *
 * One JSON object on stdout, from grow one for each of its phases, which its mode names. In retain
 * and queue, time and CPU are of the drain alone.
 * Exit status: 0 all that was sent was received, or -R; 1 something was lost or late; 2 misused,
 * refused.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>
#ifdef WITH_TLS
#include <openssl/err.h>
#include <openssl/ssl.h>
#endif

typedef struct {
  uint8_t *bytes;
  size_t length, capacity, offset; /* bytes[offset, length) are still to be handled */
} Buf;

typedef struct {
  int fd, id, wants_out, is_publisher;
  Buf in, out;      /* packets */
  Buf raw, wire;    /* frames, with WebSocket */
  void *ssl;
  uint64_t sent, acked;
  uint16_t packet_id;
  char topic[64]; /* what a subscriber subscribes to and a publisher publishes on */
} Conn;

typedef struct {
  uint64_t cpu_ns;
  long rss_kib, anon_kib;
} Usage;

enum { READ_CHUNK = 262144, OUT_MAX = 65536, BURST = 64, TICK_NS = 250000, LATE_MAX = 1 << 20 };

static const char *mode, *topology = "one", *password;
static char *user;
static const char *published_below = "bench/", *subscribed_below = "bench/";
static int port = 1883, remote_port, v5, qos, size = 64, window = 1000, publishers = 1, subscribers = 1;
static int broker_pids[4], broker_count, epoll_fd, ready, is_durable, is_secure, is_web_socket;
static long total = 100000, messages = 200000;
static double deadline = 60, rate;
static uint64_t started, received, sent_total, acked_total, expected, longest_ns, late_ns, last_ns;
static uint32_t histogram[64 * 32]; /* delays: 32 steps to each power of two of nanoseconds */

static uint64_t now_ns(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return t.tv_sec * 1000000000ull + t.tv_nsec;
}

static void die(const char *what) {
  fprintf(stderr, "mqload: %s: %s\n", what, strerror(errno));
  exit(2);
}

static void *zeroed(size_t count, size_t each) {
  void *memory = calloc(count, each);
  if (!memory) die("calloc");
  return memory;
}

/* ---- buffers ---- */

static size_t pending(const Buf *b) { return b->length - b->offset; }

static void reserve(Buf *b, size_t more) {
  if (b->offset == b->length) b->offset = b->length = 0;
  if (b->length + more <= b->capacity) return;
  if (b->offset) {
    memmove(b->bytes, b->bytes + b->offset, pending(b));
    b->length -= b->offset;
    b->offset = 0;
  }
  while (b->length + more > b->capacity) b->capacity = b->capacity ? b->capacity * 2 : 4096;
  if (!(b->bytes = realloc(b->bytes, b->capacity))) die("realloc");
}

static void put(Buf *b, const void *bytes, size_t count) {
  reserve(b, count);
  memcpy(b->bytes + b->length, bytes, count);
  b->length += count;
}

static void put8(Buf *b, int value) {
  uint8_t byte = value;
  put(b, &byte, 1);
}

static void put16(Buf *b, int value) {
  put8(b, value >> 8);
  put8(b, value & 255);
}

static void put32(Buf *b, uint32_t value) {
  put16(b, value >> 16);
  put16(b, value & 65535);
}

static void put_string(Buf *b, const char *text) {
  put16(b, strlen(text));
  put(b, text, strlen(text));
}

static void put_varint(Buf *b, size_t value) {
  do {
    int low = value & 127;
    value >>= 7;
    put8(b, low | (value ? 128 : 0));
  } while (value);
}

/* ---- TLS ---- */

#ifdef WITH_TLS
static SSL_CTX *tls_context;

static void secure(Conn *c) {
  if (!tls_context) {
    tls_context = SSL_CTX_new(TLS_client_method());
    SSL_CTX_set_mode(tls_context, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
    SSL_CTX_set_verify(tls_context, SSL_VERIFY_NONE, NULL);
  }
  c->ssl = SSL_new(tls_context);
  SSL_set_fd(c->ssl, c->fd);
  if (SSL_connect(c->ssl) == 1) return;
  ERR_print_errors_fp(stderr);
  exit(2);
}

/* As read and write tell it. */
static ssize_t told(Conn *c, int count) {
  if (count > 0) return count;
  int error = SSL_get_error(c->ssl, count);
  if (error == SSL_ERROR_ZERO_RETURN) return 0;
  errno = error == SSL_ERROR_WANT_READ || error == SSL_ERROR_WANT_WRITE ? EAGAIN : EPROTO;
  return -1;
}

static ssize_t give(Conn *c, const void *bytes, size_t count) {
  return is_secure ? told(c, SSL_write(c->ssl, bytes, count)) : write(c->fd, bytes, count);
}

static ssize_t take(Conn *c, void *bytes, size_t count) {
  return is_secure ? told(c, SSL_read(c->ssl, bytes, count)) : read(c->fd, bytes, count);
}
#else
static void secure(Conn *c) {
  (void)c;
  fprintf(stderr, "mqload: built without TLS\n");
  exit(2);
}

static ssize_t give(Conn *c, const void *bytes, size_t count) { return write(c->fd, bytes, count); }
static ssize_t take(Conn *c, void *bytes, size_t count) { return read(c->fd, bytes, count); }
#endif

/* ---- WebSocket ---- */

/* Asks for it, and waits for the answer: the socket blocks still. */
static void upgrade(Conn *c) {
  static const char request[] =
      "GET /mqtt HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
      "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n"
      "Sec-WebSocket-Protocol: mqtt\r\n\r\n";
  if (give(c, request, sizeof request - 1) < 0) die("write");
  char answer[4096] = "";
  for (size_t have = 0; !strstr(answer, "\r\n\r\n"); have++) {
    if (have + 1 == sizeof answer || take(c, answer + have, 1) != 1) die("upgrade");
  }
  if (!strncmp(answer, "HTTP/1.1 101", 12)) return;
  fprintf(stderr, "mqload: no WebSocket: %.40s\n", answer);
  exit(2);
}

/* Puts each packet that waits into a frame. */
static void frame(Conn *c) {
  static const uint8_t mask[4] = {0x5a, 0xc3, 0x3c, 0xa5};
  while (pending(&c->out)) {
    uint8_t *head = c->out.bytes + c->out.offset;
    size_t at = 1, length = 0;
    for (int shift = 0;; shift += 7) {
      length |= (size_t)(head[at] & 127) << shift;
      if (!(head[at++] & 128)) break;
    }
    length += at;
    put8(&c->wire, 0x82);
    if (length < 126) {
      put8(&c->wire, 0x80 | length);
    } else if (length < 65536) {
      put8(&c->wire, 0x80 | 126);
      put16(&c->wire, length);
    } else {
      put8(&c->wire, 0x80 | 127);
      put32(&c->wire, 0);
      put32(&c->wire, length);
    }
    put(&c->wire, mask, sizeof mask);
    reserve(&c->wire, length);
    uint8_t *to = c->wire.bytes + c->wire.length;
    for (size_t i = 0; i < length; i++) to[i] = head[i] ^ mask[i & 3];
    c->wire.length += length;
    c->out.offset += length;
  }
}

/* Takes the frames apart that are whole. */
static void unframe(Conn *c) {
  Buf *b = &c->raw;
  for (;;) {
    uint8_t *head = b->bytes + b->offset;
    size_t have = pending(b), at = 2, length;
    if (have < 2) return;
    length = head[1] & 127;
    if (length == 126) {
      if (have < (at = 4)) return;
      length = head[2] << 8 | head[3];
    } else if (length == 127) {
      if (have < (at = 10)) return;
      length = 0;
      for (int i = 2; i < 10; i++) length = length << 8 | head[i];
    }
    if (have < at + length) return;
    if ((head[0] & 15) < 3) put(&c->in, head + at, length);
    b->offset += at + length;
  }
}

static void flush_out(Conn *c) {
  if (is_web_socket && !pending(&c->wire)) frame(c);
  Buf *b = is_web_socket ? &c->wire : &c->out;
  while (pending(b)) {
    ssize_t count = give(c, b->bytes + b->offset, pending(b));
    if (count < 0) {
      if (errno == EAGAIN) break;
      die("write");
    }
    b->offset += count;
  }
  int wants_out = pending(b) > 0 || pending(&c->out) > 0;
  if (wants_out != c->wants_out) {
    struct epoll_event e = {.events = EPOLLIN | (wants_out ? EPOLLOUT : 0), .data.ptr = c};
    epoll_ctl(epoll_fd, EPOLL_CTL_MOD, c->fd, &e);
    c->wants_out = wants_out;
  }
}

/* ---- packets out ---- */

/* A persistent 5.0 session is kept for an hour. */
static void send_connect(Conn *c, int is_clean, const char *client_id) {
  Buf *b = &c->out;
  int properties = v5 ? (is_clean ? 1 : 6) : 0;
  put8(b, 0x10);
  int login = user ? 2 + strlen(user) + 2 + strlen(password) : 0;
  put_varint(b, 10 + properties + 2 + strlen(client_id) + login);
  put_string(b, "MQTT");
  put8(b, v5 ? 5 : 4);
  put8(b, (is_clean ? 2 : 0) | (user ? 0xc0 : 0));
  put16(b, 0);
  if (v5) put8(b, properties - 1);
  if (v5 && !is_clean) {
    put8(b, 0x11);
    put32(b, 3600);
  }
  put_string(b, client_id);
  if (user) put_string(b, user), put_string(b, password);
  flush_out(c);
}

static void send_subscribe(Conn *c) {
  Buf *b = &c->out;
  put8(b, 0x82);
  put_varint(b, 2 + (v5 ? 1 : 0) + 2 + strlen(c->topic) + 1);
  put16(b, 1);
  if (v5) put8(b, 0);
  put_string(b, c->topic);
  put8(b, qos);
  flush_out(c);
}

/* The payload begins with the time, from which the receiving side takes the delay. */
static void put_publish(Conn *c, const char *topic, int retain) {
  Buf *b = &c->out;
  size_t length = 2 + strlen(topic) + (qos ? 2 : 0) + (v5 ? 1 : 0) + size;
  reserve(b, length + 8);
  put8(b, 0x30 | (qos << 1) | retain);
  put_varint(b, length);
  put_string(b, topic);
  if (qos) {
    if (++c->packet_id == 0) c->packet_id = 1;
    put16(b, c->packet_id);
  }
  if (v5) put8(b, 0);
  uint8_t *payload = b->bytes + b->length;
  uint64_t now = now_ns();
  memset(payload, 'x', size);
  if (size >= 8) memcpy(payload, &now, 8);
  b->length += size;
  c->sent++;
  sent_total++;
}

static void put_ack(Conn *c, int head, const uint8_t *packet_id) {
  uint8_t bytes[4] = {head, 2, packet_id[0], packet_id[1]};
  put(&c->out, bytes, 4);
}

/* ---- packets in ---- */

static void record(uint64_t ns) {
  int power = ns ? 63 - __builtin_clzll(ns) : 0;
  int step = power >= 5 ? (ns >> (power - 5)) & 31 : 0;
  histogram[power * 32 + step]++;
  if (ns > longest_ns) longest_ns = ns;
}

static double percentile_ms(double share) {
  uint64_t all = 0, seen = 0;
  for (int i = 0; i < 64 * 32; i++) all += histogram[i];
  for (int i = 0; all && i < 64 * 32; i++) {
    seen += histogram[i];
    if (seen < share * all) continue;
    int power = i / 32;
    return ((1ull << power) + ((uint64_t)(i % 32) << (power >= 5 ? power - 5 : 0))) / 1e6;
  }
  return 0;
}

static void on_publish(Conn *c, uint8_t head, const uint8_t *body, size_t length) {
  int of_qos = (head >> 1) & 3;
  size_t at = 2 + (body[0] << 8 | body[1]);
  const uint8_t *packet_id = body + at;
  if (of_qos) at += 2;
  if (v5) {
    size_t properties = 0;
    int shift = 0;
    do {
      properties |= (size_t)(body[at] & 127) << shift;
      shift += 7;
    } while (body[at++] & 128);
    at += properties;
  }
  if (length >= at + 8) {
    uint64_t sent_at, now = now_ns();
    memcpy(&sent_at, body + at, 8);
    if (now > sent_at) record(now - sent_at);
    last_ns = now;
  }
  received++;
  if (of_qos == 1) put_ack(c, 0x40, packet_id);
  if (of_qos == 2) put_ack(c, 0x50, packet_id);
}

static void on_packet(Conn *c, uint8_t head, const uint8_t *body, size_t length) {
  switch (head >> 4) {
    case 2: /* CONNACK */
      if (body[1]) {
        fprintf(stderr, "mqload: refused with code %d\n", body[1]);
        exit(2);
      }
      if (c->is_publisher) ready++;
      else send_subscribe(c);
      break;
    case 3:
      on_publish(c, head, body, length);
      break;
    case 4: /* PUBACK */
    case 7: /* PUBCOMP */
      c->acked++;
      acked_total++;
      break;
    case 5: /* PUBREC */
      put_ack(c, 0x62, body);
      break;
    case 6: /* PUBREL */
      put_ack(c, 0x70, body);
      break;
    case 9:  /* SUBACK */
    case 11: /* UNSUBACK */
      ready++;
      break;
    case 14: /* DISCONNECT */
      fprintf(stderr, "mqload: the broker sent DISCONNECT 0x%02x\n", length ? body[0] : 0);
      exit(1);
  }
}

static void on_readable(Conn *c) {
  Buf *b = is_web_socket ? &c->raw : &c->in;
  do {
    reserve(b, READ_CHUNK);
    ssize_t count = take(c, b->bytes + b->length, b->capacity - b->length);
    if (count < 0 && errno == EAGAIN) break;
    if (count <= 0) {
      fprintf(stderr, "mqload: connection %d closed by the broker, %lu received\n", c->id, received);
      exit(1);
    }
    b->length += count;
  } while (is_secure); /* what TLS has read is not seen by epoll */
  if (is_web_socket) unframe(c);
  b = &c->in;
  for (;;) {
    uint8_t *head = b->bytes + b->offset;
    size_t have = pending(b), at = 1, length = 0;
    int shift = 0, is_whole = 0;
    while (at < have && at < 5 && !is_whole) {
      length |= (size_t)(head[at] & 127) << shift;
      shift += 7;
      is_whole = !(head[at++] & 128);
    }
    if (!is_whole || have < at + length) break;
    on_packet(c, head[0], head + at, length);
    b->offset += at + length;
  }
  if (pending(&c->out)) flush_out(c);
}

/* ---- the world ---- */

static void turn_ns(long wait_ns) {
  static struct epoll_event events[1024];
  struct timespec wait = {wait_ns / 1000000000, wait_ns % 1000000000};
  int count = epoll_pwait2(epoll_fd, events, 1024, &wait, NULL);
  for (int i = 0; i < count; i++) {
    Conn *c = events[i].data.ptr;
    if (events[i].events & EPOLLOUT) flush_out(c);
    if (events[i].events & (EPOLLIN | EPOLLHUP | EPOLLERR)) on_readable(c);
  }
  if ((now_ns() - started) / 1e9 > deadline) {
    fprintf(stderr, "mqload: out of time: sent %lu, received %lu of %lu, acked %lu, ready %d\n",
            sent_total, received, expected, acked_total, ready);
    exit(1);
  }
}

static void turn(int wait_ms) { turn_ns(wait_ms * 1000000l); }

/* Subscribers may have a broker of their own. */
static int port_of(const Conn *c) { return remote_port && !c->is_publisher ? remote_port : port; }

/* Another address for every 20,000, since an address has so many ports only. The port is chosen at
 * connect, so that those which connections to other brokers have left a minute ago serve too. */
static void open_connection(Conn *c, int id) {
  c->id = id;
  c->fd = socket(AF_INET, SOCK_STREAM, 0);
  if (c->fd < 0) die("socket");
  int one = 1;
  setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
  struct sockaddr_in from = {.sin_family = AF_INET};
  from.sin_addr.s_addr = htonl(0x7f000001 + id / 20000);
  setsockopt(c->fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &one, sizeof one);
  if (bind(c->fd, (void *)&from, sizeof from)) die("bind");
  struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(port_of(c))};
  to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  if (connect(c->fd, (void *)&to, sizeof to)) die("connect");
  if (is_secure) secure(c);
  if (is_web_socket) upgrade(c);
  fcntl(c->fd, F_SETFL, O_NONBLOCK);
  struct epoll_event e = {.events = EPOLLIN, .data.ptr = c};
  epoll_ctl(epoll_fd, EPOLL_CTL_ADD, c->fd, &e);
}

static void wait_until_ready(int count) {
  while (ready < count) turn(100);
}

/* Adds CPU time of every thread of a broker, in nanoseconds, and its memory. */
static void add_usage(Usage *u, int pid) {
  char path[400];
  snprintf(path, sizeof path, "/proc/%d/task", pid);
  DIR *threads = opendir(path);
  struct dirent *entry;
  while (threads && (entry = readdir(threads))) {
    if (entry->d_name[0] == '.') continue;
    unsigned long long ns = 0;
    snprintf(path, sizeof path, "/proc/%d/task/%s/schedstat", pid, entry->d_name);
    FILE *file = fopen(path, "r");
    if (file && fscanf(file, "%llu", &ns) == 1) u->cpu_ns += ns;
    if (file) fclose(file);
  }
  if (threads) closedir(threads);
  snprintf(path, sizeof path, "/proc/%d/statm", pid);
  FILE *file = fopen(path, "r");
  long pages = 0, shared = 0, page_kib = sysconf(_SC_PAGESIZE) / 1024;
  if (file && fscanf(file, "%*d %ld %ld", &pages, &shared) == 2) {
    u->rss_kib += pages * page_kib;
    u->anon_kib += (pages - shared) * page_kib;
  }
  if (file) fclose(file);
}

/* Of all brokers together. */
static Usage usage(void) {
  Usage u = {0, 0, 0};
  for (int i = 0; i < broker_count; i++) add_usage(&u, broker_pids[i]);
  return u;
}

static void report(double seconds, uint64_t count, Usage before) {
  Usage after = usage();
  double cpu_us = (after.cpu_ns - before.cpu_ns) / 1e3;
  struct rusage own;
  getrusage(RUSAGE_SELF, &own);
  double own_seconds = own.ru_utime.tv_sec + own.ru_stime.tv_sec +
                       (own.ru_utime.tv_usec + own.ru_stime.tv_usec) / 1e6;
  printf("{\"mode\":\"%s\",\"pubs\":%d,\"subs\":%d,\"topology\":\"%s\",\"qos\":%d,\"size\":%d,"
         "\"mqtt\":%d,\"seconds\":%.4f,\"sent\":%lu,\"received\":%lu,\"perSecond\":%.0f,"
         "\"p50Ms\":%.4f,\"p99Ms\":%.4f,\"longestMs\":%.4f,\"lateMs\":%.4f,"
         "\"cpuUsPerMessage\":%.4f,\"cpuSeconds\":%.4f,\"rssKib\":%ld,\"rssGrownKib\":%ld,"
         "\"anonGrownKib\":%ld,\"generatorCpuSeconds\":%.3f}\n",
         mode, publishers, subscribers, topology, qos, size, v5 ? 5 : 4, seconds, sent_total,
         received, count / seconds, percentile_ms(.5), percentile_ms(.99), longest_ns / 1e6,
         late_ns / 1e6, count ? cpu_us / count : 0, cpu_us / 1e6, after.rss_kib,
         after.rss_kib - before.rss_kib, after.anon_kib - before.anon_kib, own_seconds);
}

/* ---- modes ---- */

static void name_topic(Conn *c, int index) {
  const char *below = c->is_publisher ? published_below : subscribed_below;
  size_t most = sizeof c->topic;
  if (!strcmp(topology, "pair")) snprintf(c->topic, most, "%s%d", below, index);
  else if (strcmp(topology, "fanin")) snprintf(c->topic, most, "%st", below);
  else if (c->is_publisher) snprintf(c->topic, most, "%s%d", below, index);
  else snprintf(c->topic, most, "%s+", below);
}

/* mosquitto takes 20 at once: of all in 5.0, of QoS 2 in 3.1.1, where it closes on more. */
static int may_send(const Conn *c) {
  return !qos || c->sent - c->acked < (uint64_t)(v5 || qos == 2 ? 20 : 1000);
}

/* Fills each publisher's window in turn. Returns whether anything was sent. */
static int publish_round(Conn *first, int turn_index, int fan) {
  int has_sent = 0;
  for (int k = 0; k < publishers; k++) {
    Conn *c = &first[(turn_index + k) % publishers];
    for (int burst = 0; burst < BURST && sent_total < (uint64_t)total; burst++) {
      if (sent_total * fan - received >= (uint64_t)window * fan) break;
      if (pending(&c->out) >= OUT_MAX) break;
      if (!may_send(c)) break;
      put_publish(c, c->topic, 0);
      has_sent = 1;
    }
    if (pending(&c->out)) flush_out(c);
  }
  return has_sent;
}

/* Publishes what is due, from each publisher in turn, every TICK_NS at most: a turn for each
 * message would cost more than sending it. Returns nanoseconds until the next turn. */
static long publish_due(Conn *first, uint64_t start) {
  static uint64_t next; /* when to publish again: what arrives meanwhile wakes us, too */
  uint64_t elapsed = now_ns() - start, due = elapsed / 1e9 * rate + 1;
  if (elapsed < next) return next - elapsed;
  if (due > (uint64_t)total) due = total;
  uint64_t since = sent_total / rate * 1e9;
  if (sent_total < due && elapsed > since && elapsed - since > late_ns) late_ns = elapsed - since;
  while (sent_total < due) {
    Conn *c = &first[sent_total % publishers];
    if (!may_send(c) || pending(&c->out) >= LATE_MAX) break;
    put_publish(c, c->topic, 0);
  }
  for (int i = 0; i < publishers; i++)
    if (pending(&first[i].out)) flush_out(&first[i]);
  next = sent_total / rate * 1e9;
  if (next < elapsed + TICK_NS) next = elapsed + TICK_NS;
  elapsed = now_ns() - start;
  return next > elapsed ? next - elapsed : 0;
}

/* Ends the sessions of an earlier run, with what was under way to them. */
static void forget_sessions(void) {
  Conn *old = zeroed(subscribers, sizeof *old);
  for (int i = 0; i < subscribers; i++) {
    char id[64];
    snprintf(id, sizeof id, "mqload-durable-%d", i);
    open_connection(&old[i], i);
    old[i].is_publisher = 1; /* subscribes to nothing */
    send_connect(&old[i], 1, id);
  }
  wait_until_ready(subscribers);
  for (int i = 0; i < subscribers; i++) close(old[i].fd);
  ready = 0;
}

static int flow(void) {
  int count = publishers + subscribers;
  if (is_durable) forget_sessions();
  Conn *conns = zeroed(count, sizeof *conns);
  for (int i = 0; i < count; i++) {
    char id[64];
    conns[i].is_publisher = i >= subscribers;
    name_topic(&conns[i], conns[i].is_publisher ? i - subscribers : i);
    open_connection(&conns[i], i);
    snprintf(id, sizeof id, "mqload-%d-%d", getpid(), i);
    if (is_durable) snprintf(id, sizeof id, "mqload-durable-%d", i);
    send_connect(&conns[i], !is_durable || conns[i].is_publisher, id);
    if (i % 64 == 63) turn(0);
  }
  wait_until_ready(count);
  int fan = strcmp(topology, "pair") ? subscribers : 1;
  expected = (uint64_t)total * fan;
  Usage before = usage();
  uint64_t start = now_ns();
  for (int i = 0; received < expected || (qos && acked_total < (uint64_t)total); i++) {
    int is_more = sent_total < (uint64_t)total;
    if (rate && !is_more && last_ns && now_ns() - last_ns > 1000000000) break;
    if (rate && is_more) turn_ns(publish_due(&conns[subscribers], start));
    else turn(is_more && publish_round(&conns[subscribers], i % publishers, fan) ? 0 : 10);
  }
  report((now_ns() - start) / 1e9, received, before);
  return rate || received == expected ? 0 : 1;
}

static int idle_connections(int is_held) {
  Conn *conns = zeroed(total, sizeof *conns);
  Usage before = usage();
  uint64_t start = now_ns();
  for (int i = 0; i < total; i++) {
    char id[64];
    snprintf(conns[i].topic, sizeof conns[i].topic, "bench/%d/cmd", i);
    open_connection(&conns[i], i);
    snprintf(id, sizeof id, "mqload-%d-%d", getpid(), i);
    send_connect(&conns[i], 1, id);
    if (i % 32 == 31) turn(0);
  }
  wait_until_ready(total);
  double seconds = (now_ns() - start) / 1e9;
  usleep(1000000); /* to let the broker put away what only connecting took */
  subscribers = total;
  publishers = 0;
  report(seconds, total, before);
  fflush(stdout);
  char byte;
  while (is_held && read(0, &byte, 1) > 0);
  return 0;
}

/* `total` messages at QoS 1, a window unacknowledged; NULL: a topic each, retained. */
static void publish_all(Conn *c, const char *topic) {
  while (acked_total < (uint64_t)total) {
    while (sent_total < (uint64_t)total && c->sent - c->acked < (uint64_t)(v5 ? 20 : window) &&
           pending(&c->out) < OUT_MAX) {
      char own[64];
      snprintf(own, sizeof own, "retain/%lu/%lu", sent_total % 100, sent_total);
      put_publish(c, topic ? topic : own, topic == NULL);
    }
    flush_out(c);
    turn(10);
  }
  memset(histogram, 0, sizeof histogram);
}

static int drain(Conn *c, int is_clean, const char *client_id) {
  expected = total;
  Usage before = usage();
  uint64_t start = now_ns();
  open_connection(c, 2);
  send_connect(c, is_clean, client_id);
  while (received < expected) turn(10);
  report((now_ns() - start) / 1e9, received, before);
  return 0;
}

static int retain(int is_drained) {
  Conn *conns = zeroed(2, sizeof *conns);
  qos = 1;
  conns[0].is_publisher = 1;
  open_connection(&conns[0], 0);
  send_connect(&conns[0], 1, "mqload-retain-pub");
  wait_until_ready(1);
  Usage before = usage();
  uint64_t start = now_ns();
  publish_all(&conns[0], NULL);
  if (!is_drained) {
    report((now_ns() - start) / 1e9, acked_total, before);
    return 0;
  }
  strcpy(conns[1].topic, "retain/#");
  return drain(&conns[1], 1, "mqload-retain-sub");
}

/* A session that is away, with nothing queued. */
static void leave_session(Conn *c, int is_clean, int id) {
  strcpy(c->topic, "queue/#");
  open_connection(c, id);
  send_connect(c, is_clean, "mqload-queue");
  wait_until_ready(id + 1);
  close(c->fd);
  usleep(200000); /* the broker has to notice first */
}

static int queue(int is_drained) {
  Conn *conns = zeroed(4, sizeof *conns);
  qos = 1;
  leave_session(&conns[0], 1, 0); /* of an earlier run */
  leave_session(&conns[1], 0, 1);
  conns[2].is_publisher = 1;
  open_connection(&conns[2], 2);
  send_connect(&conns[2], 1, "mqload-queue-pub");
  wait_until_ready(3);
  Usage before = usage();
  uint64_t start = now_ns();
  publish_all(&conns[2], "queue/a");
  if (!is_drained) {
    report((now_ns() - start) / 1e9, acked_total, before);
    return 0;
  }
  strcpy(conns[3].topic, "queue/#");
  return drain(&conns[3], 0, "mqload-queue");
}

/* ---- growth ---- */

static int is_grown(const char *kind) { return !strcmp(topology, kind); }

/* The topic of the index-th of many. */
static void grown_topic(char *to, size_t most, long index) {
  if (is_grown("share")) snprintf(to, most, "bench/t");
  else snprintf(to, most, is_grown("wild") ? "bench/%ld/%ld/x" : "bench/%ld/%ld", index % 1000, index);
}

/* The filter that matches that topic and no other. */
static void grown_filter(char *to, size_t most, long index) {
  if (is_grown("share")) snprintf(to, most, "$share/group/bench/t");
  else if (is_grown("wild")) snprintf(to, most, "bench/+/%ld/#", index);
  else grown_topic(to, most, index);
}

/* One SUBSCRIBE or UNSUBSCRIBE for so many filters, every step-th from the index-th on. */
static void put_filters(Conn *c, int is_new, long index, long step, int count) {
  Buf body = {0};
  put16(&body, 1);
  if (v5) put8(&body, 0);
  for (int i = 0; i < count; i++) {
    char filter[64];
    grown_filter(filter, sizeof filter, index + i * step);
    put_string(&body, filter);
    if (is_new) put8(&body, qos);
  }
  put8(&c->out, is_new ? 0x82 : 0xa2);
  put_varint(&c->out, body.length);
  put(&c->out, body.bytes, body.length);
  free(body.bytes);
}

/* All filters, a hundred a packet, from one connection after the other; and all answers. */
static void change_filters(Conn *conns, int is_new) {
  Usage before = usage();
  uint64_t start = started = now_ns();
  int wanted = ready;
  for (long done = 0; done * subscribers < total; done += 100) {
    for (long i = 0; i < subscribers && done * subscribers + i < total; i++) {
      long left = (total - i + subscribers - 1) / subscribers - done;
      put_filters(&conns[i], is_new, done * subscribers + i, subscribers, left < 100 ? left : 100);
      flush_out(&conns[i]);
      wanted++;
    }
    wait_until_ready(wanted);
  }
  double seconds = (now_ns() - start) / 1e9;
  if (is_new) usleep(1000000); /* to let the broker put away what only subscribing took */
  mode = is_new ? "subscribe" : "unsubscribe";
  report(seconds, total, before);
}

/* So many messages onto topics in no order, or each once; a phase when it has a name. */
static void publish_grown(Conn *c, const char *phase, long count, int is_random, int retain) {
  static uint64_t chance = 1;
  int is_received = !is_grown("retain");
  uint64_t sent = sent_total, acked = acked_total, arrived = received;
  Usage before = usage();
  uint64_t start = started = now_ns();
  for (;;) {
    uint64_t done = qos ? acked_total - acked : received - arrived;
    if (is_received && received - arrived < done) done = received - arrived;
    if (done == (uint64_t)count) break;
    int has_sent = 0;
    while (sent_total - sent < (uint64_t)count && sent_total - sent - done < (uint64_t)window &&
           pending(&c->out) < OUT_MAX && may_send(c)) {
      char topic[64];
      chance = chance * 6364136223846793005ull + 1442695040888963407ull;
      grown_topic(topic, sizeof topic, is_random ? (chance >> 33) % total : sent_total - sent);
      put_publish(c, topic, retain);
      has_sent = 1;
    }
    flush_out(c);
    turn(has_sent ? 0 : 10);
  }
  double seconds = (now_ns() - start) / 1e9;
  if (!phase) return;
  if (retain && !is_random && size) usleep(1000000);
  mode = phase;
  report(seconds, count, before);
}

/* Subscriptions to single topics, each of which has a message retained. */
static void subscribe_singly(Conn *c) {
  long count = total < 20000 ? total : 20000;
  Usage before = usage();
  uint64_t start = started = now_ns(), arrived = received;
  int first = ready;
  for (long i = 0; i < count; i++) {
    put_filters(c, 1, i * (total / count), 1, 1);
    if (i % 100 < 99 && i < count - 1) continue;
    flush_out(c);
    wait_until_ready(first + i + 1);
  }
  while (received - arrived < (uint64_t)count) turn(10);
  mode = "subscribe";
  report((now_ns() - start) / 1e9, count, before);
}

static int grow(void) {
  if (is_grown("share")) subscribers = total;
  if (is_grown("retain")) subscribers = qos = 1;
  Conn *conns = zeroed(subscribers + 1, sizeof *conns), *publisher = &conns[subscribers];
  for (int i = 0; i <= subscribers; i++) {
    char id[64];
    conns[i].is_publisher = 1; /* subscribes when told to */
    open_connection(&conns[i], i);
    snprintf(id, sizeof id, "mqload-%d-%d", getpid(), i);
    send_connect(&conns[i], 1, id);
    if (i % 64 == 63) turn(0);
  }
  wait_until_ready(subscribers + 1);
  if (is_grown("retain")) {
    publish_grown(publisher, "fill", total, 0, 1);
    publish_grown(publisher, "replace", messages, 1, 1);
    publish_grown(publisher, "publish", messages, 1, 0);
    subscribe_singly(conns);
    close(conns->fd);
    size = 0;
    publish_grown(publisher, "clear", total, 0, 1);
    return 0;
  }
  change_filters(conns, 1);
  publish_grown(publisher, NULL, messages / 4, 1, 0);
  publish_grown(publisher, "publish", messages, 1, 0);
  change_filters(conns, 0);
  return 0;
}

int main(int argc, char **argv) {
  if (argc < 2) {
    fprintf(stderr, "usage: mqload flow|conns|hold|retain|keep|queue|store|grow [options]: see the head of mqload.c\n");
    return 2;
  }
  mode = argv[1];
  optind = 2;
  int letter;
  while ((letter = getopt(argc, argv, "P:S:t:q:s:n:w:m:R:p:r:x:y:b:T:u:5dLW")) != -1) switch (letter) {
      case 'P': publishers = atoi(optarg); break;
      case 'S': subscribers = atoi(optarg); break;
      case 't': topology = optarg; break;
      case 'q': qos = atoi(optarg); break;
      case 's': size = atoi(optarg); break;
      case 'n': total = atol(optarg); break;
      case 'w': window = atoi(optarg); break;
      case 'm': messages = atol(optarg); break;
      case 'R': rate = atof(optarg); break;
      case 'p': port = atoi(optarg); break;
      case 'r': remote_port = atoi(optarg); break;
      case 'x': published_below = optarg; break;
      case 'y': subscribed_below = optarg; break;
      case 'b':
        for (char *pid = strtok(optarg, ","); pid && broker_count < 4; pid = strtok(NULL, ","))
          broker_pids[broker_count++] = atoi(pid);
        break;
      case 'T': deadline = atof(optarg); break;
      case 'u': user = optarg; break;
      case '5': v5 = 1; break;
      case 'd': is_durable = 1; break;
      case 'L': is_secure = 1; break;
      case 'W': is_web_socket = 1; break;
      default: return 2;
    }
  char *colon = user ? strchr(user, ':') : NULL;
  password = colon ? colon + 1 : "";
  if (colon) *colon = 0;
  struct rlimit files;
  getrlimit(RLIMIT_NOFILE, &files);
  files.rlim_cur = files.rlim_max;
  setrlimit(RLIMIT_NOFILE, &files);
  epoll_fd = epoll_create1(0);
  started = now_ns();
  if (!strcmp(mode, "flow")) return flow();
  if (!strcmp(mode, "conns")) return idle_connections(0);
  if (!strcmp(mode, "hold")) return idle_connections(1);
  if (!strcmp(mode, "retain")) return retain(1);
  if (!strcmp(mode, "keep")) return retain(0);
  if (!strcmp(mode, "queue")) return queue(1);
  if (!strcmp(mode, "store")) return queue(0);
  if (!strcmp(mode, "grow")) return grow();
  fprintf(stderr, "mqload: unknown mode %s\n", mode);
  return 2;
}
