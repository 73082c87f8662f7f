// Packets between processes, and memory that is sealed before it is handed over.

#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "CSpindle.h"

#ifndef MFD_NOEXEC_SEAL
#define MFD_NOEXEC_SEAL 8U
#endif

int32_t spindle_packet_pair(int32_t ends[2]) {
  if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) != 0) return errno;
  // Room for some long packets. The system gives as much of it as it gives anybody, and takes memory only for what is in it.
  int room = 1 << 20;
  for (int end = 0; end < 2; end++) setsockopt(ends[end], SOL_SOCKET, SO_SNDBUF, &room, sizeof room);
  return 0;
}

// One piece of memory, always of the same size, for whoever comes next.
static void *_Atomic spare_room;

void *spindle_packet_room_take(size_t count) {
  // Acquiring: pairs with the release below, so that the last user's reading is over.
  void *room = atomic_exchange_explicit(&spare_room, NULL, memory_order_acquire);
  return room ? room : malloc(count);
}

void spindle_packet_room_give(void *room) {
  if (room) free(atomic_exchange_explicit(&spare_room, room, memory_order_acq_rel));
}

bool spindle_is_packet_socket(int32_t descriptor) {
  int domain = 0, type = 0;
  socklen_t size = sizeof domain;
  if (getsockopt(descriptor, SOL_SOCKET, SO_DOMAIN, &domain, &size) != 0) return false;
  size = sizeof type;
  return getsockopt(descriptor, SOL_SOCKET, SO_TYPE, &type, &size) == 0 && domain == AF_UNIX && type == SOCK_SEQPACKET;
}

intptr_t spindle_packet_peek(int32_t socket, void *bytes, size_t count) {
  ssize_t n;
  // Without room for control messages the descriptors stay with the packet.
  do n = recv(socket, bytes, count, MSG_PEEK | MSG_DONTWAIT);
  while (n < 0 && errno == EINTR);
  return n >= 0 ? n : -errno;
}

int32_t spindle_poll(const int32_t *descriptors, bool *ready, size_t count, bool writing, int64_t deadline) {
  struct pollfd few[16], *polled = few;
  if (count > sizeof few / sizeof *few) {
    polled = malloc(count * sizeof *polled);
    if (!polled) return -ENOMEM;
  }
  for (size_t i = 0; i < count; i++)
    // Only the first is written to; what else is waited for is to be read.
    polled[i] = (struct pollfd){.fd = descriptors[i], .events = writing && i == 0 ? POLLOUT : POLLIN};
  int result;
  while (1) {
    struct timespec left = {0, 0}, *limit = &left;
    if (deadline == SPINDLE_NEVER) {
      limit = NULL;
    } else if (deadline > 0) {
      int64_t rest = deadline - spindle_now();
      if (rest > 0) left = (struct timespec){rest / 1000000000, rest % 1000000000};
    }
    result = ppoll(polled, count, limit, NULL);
    if (result >= 0 || errno != EINTR) break;
  }
  if (result < 0) result = -errno;
  for (size_t i = 0; i < count; i++) ready[i] = result > 0 && polled[i].revents != 0;
  if (polled != few) free(polled);
  return result;
}

int32_t spindle_parcel_create(const char *label, const void *bytes, size_t count) {
  int descriptor = memfd_create(label, MFD_CLOEXEC | MFD_ALLOW_SEALING | MFD_NOEXEC_SEAL);
  if (descriptor < 0 && errno == EINVAL) descriptor = memfd_create(label, MFD_CLOEXEC | MFD_ALLOW_SEALING);
  if (descriptor < 0) return -errno;
  int error = 0;
  for (size_t written = 0; written < count && !error;) {
    ssize_t n = write(descriptor, (const char *)bytes + written, count - written);
    if (n < 0 && errno != EINTR) error = errno;
    if (n > 0) written += (size_t)n;
  }
  // From here on nobody can change or cut what the receiver reads.
  if (!error && fcntl(descriptor, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE) != 0) error = errno;
  if (!error) return descriptor;
  close(descriptor);
  return -error;
}

const void *spindle_parcel_open(int32_t descriptor, size_t *count, int32_t *error) {
  int seals = fcntl(descriptor, F_GET_SEALS), wanted = F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE;
  struct stat status;
  *error = EBADMSG;
  if (seals < 0 || (seals & wanted) != wanted || fstat(descriptor, &status) != 0 || status.st_size <= 0) return NULL;
  *count = (size_t)status.st_size;
  void *address = mmap(NULL, *count, PROT_READ, MAP_SHARED | MAP_POPULATE, descriptor, 0);
  if (address != MAP_FAILED) return address;
  *error = errno;
  return NULL;
}

void spindle_parcel_close(const void *address, size_t count) { munmap((void *)address, count); }
