/*
 * Receives what sd_notify(3) sends, for tests: Node.js has no such sockets.
 *
 *     notify-receiver @NAME      a name without a file
 *
 * Prints "listening", then a line for each message: the process that systemd would take for its
 * sender, and the assignments with blanks between them. Ends when its standard input does.
 */
#define _GNU_SOURCE
#include <poll.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

static void receive(int fd) {
  char text[4096];
  union { struct cmsghdr align; char bytes[1024]; } control;
  struct iovec part = {text, sizeof text - 1};
  struct msghdr message = {0};
  message.msg_iov = &part;
  message.msg_iovlen = 1;
  message.msg_control = control.bytes;
  message.msg_controllen = sizeof control.bytes;
  ssize_t size = recvmsg(fd, &message, 0);
  if (size < 0) return;
  text[size] = 0;
  for (char *c = text; *c; c++)
    if (*c == '\n') *c = ' ';
  long sender = -1;
  for (struct cmsghdr *c = CMSG_FIRSTHDR(&message); c; c = CMSG_NXTHDR(&message, c)) {
    if (c->cmsg_level != SOL_SOCKET) continue;
    if (c->cmsg_type == SCM_CREDENTIALS) sender = ((struct ucred *)CMSG_DATA(c))->pid;
    /* A descriptor that comes along is a barrier: it is waited for until it is closed. */
    if (c->cmsg_type == SCM_RIGHTS) close(*(int *)CMSG_DATA(c));
  }
  printf("%ld %s\n", sender, text);
  fflush(stdout);
}

int main(int count, char **words) {
  if (count != 2 || words[1][0] != '@') return 2;
  struct sockaddr_un address = {.sun_family = AF_UNIX};
  size_t length = strlen(words[1]);
  if (length >= sizeof address.sun_path) return 2;
  memcpy(address.sun_path, words[1], length);
  address.sun_path[0] = 0;
  int fd = socket(AF_UNIX, SOCK_DGRAM, 0);
  int on = 1;
  setsockopt(fd, SOL_SOCKET, SO_PASSCRED, &on, sizeof on);
  socklen_t size = offsetof(struct sockaddr_un, sun_path) + length;
  if (bind(fd, (struct sockaddr *)&address, size) < 0) return 1;
  printf("listening\n");
  fflush(stdout);
  struct pollfd waits[] = {{fd, POLLIN, 0}, {0, POLLIN, 0}};
  while (poll(waits, 2, -1) > 0) {
    if (waits[0].revents & POLLIN) receive(fd);
    if (waits[1].revents) return 0;
  }
  return 0;
}
