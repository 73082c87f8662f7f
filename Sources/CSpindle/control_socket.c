// Bytes and file descriptors over a Unix stream socket.

#define _GNU_SOURCE
#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include "CSpindle.h"

// Room for a whole group of descriptors, aligned as the kernel wants control messages.
union control_buffer {
  struct cmsghdr header;
  char bytes[CMSG_SPACE(spindle_descriptors_per_message * sizeof(int))];
};

intptr_t spindle_control_send(
    int32_t socket, const void *bytes, size_t count, const int32_t *descriptors, size_t descriptor_count, bool wait) {
  struct iovec part = {(void *)bytes, count};
  union control_buffer control;
  struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1};
  if (descriptor_count > spindle_descriptors_per_message) return -EINVAL;
  if (descriptor_count > 0) {
    size_t size = descriptor_count * sizeof(int);
    memset(&control, 0, CMSG_SPACE(size));
    message.msg_control = &control;
    message.msg_controllen = CMSG_SPACE(size);
    struct cmsghdr *header = CMSG_FIRSTHDR(&message);
    header->cmsg_level = SOL_SOCKET;
    header->cmsg_type = SCM_RIGHTS;
    header->cmsg_len = CMSG_LEN(size);
    memcpy(CMSG_DATA(header), descriptors, size);
  }
  ssize_t sent;
  do sent = sendmsg(socket, &message, MSG_NOSIGNAL | (wait ? 0 : MSG_DONTWAIT));
  while (sent < 0 && errno == EINTR);
  return sent >= 0 ? sent : -errno;
}

intptr_t spindle_control_receive(
    int32_t socket, void *bytes, size_t capacity, int32_t *descriptors, size_t *descriptor_count, bool wait) {
  struct iovec part = {bytes, capacity};
  union control_buffer control;
  struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof control};
  ssize_t received;
  do received = recvmsg(socket, &message, MSG_CMSG_CLOEXEC | (wait ? 0 : MSG_DONTWAIT));
  while (received < 0 && errno == EINTR);
  if (received < 0) return -errno;
  for (struct cmsghdr *header = CMSG_FIRSTHDR(&message); header != NULL; header = CMSG_NXTHDR(&message, header)) {
    if (header->cmsg_level != SOL_SOCKET || header->cmsg_type != SCM_RIGHTS) continue;
    size_t count = (header->cmsg_len - CMSG_LEN(0)) / sizeof(int);
    for (size_t i = 0; i < count; i++) {
      int descriptor;
      memcpy(&descriptor, CMSG_DATA(header) + i * sizeof descriptor, sizeof descriptor);
      if (descriptors != NULL && descriptor_count != NULL)
        descriptors[(*descriptor_count)++] = descriptor;
      else
        close(descriptor);  // nobody asked for it, nobody may leak it
    }
  }
  if (message.msg_flags & MSG_CTRUNC) return -EMFILE;  // descriptors were lost: this process has no more room for them
  return received;
}
