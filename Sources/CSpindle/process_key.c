// Which process is this, and does that one still live: for what processes leave in memory that they share.

#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "CSpindle.h"

#ifndef SYS_pidfd_open
#define SYS_pidfd_open 434
#endif

uint64_t *spindle_key_page;

// What /proc/PID/stat says. Returns 0, or an errno value.
static int32_t look(int32_t process, char *state, long *threads, uint64_t *start) {
  char path[32], text[1024];
  snprintf(path, sizeof path, "/proc/%d/stat", process);
  int file = open(path, O_RDONLY | O_CLOEXEC);
  if (file < 0) return errno;
  ssize_t count;
  do count = read(file, text, sizeof text - 1);
  while (count < 0 && errno == EINTR);
  int error = count < 0 ? errno : count == 0 ? ESRCH : 0;
  close(file);
  if (error) return error;
  text[count] = 0;
  // The name in the second field may hold anything, parentheses too: the last one ends it.
  char *rest = strrchr(text, ')');
  unsigned long long began;
  if (!rest ||
      sscanf(rest + 1, " %c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %*u %*u %*d %*d %*d %*d %ld %*d %llu", state,
             threads, &began) != 3)
    return EPROTO;
  *start = began;
  return 0;
}

static uint64_t key(int32_t process, uint64_t start) { return start << 32 | (uint32_t)process; }

uint64_t spindle_process_key_slow(void) {
  uint64_t *page = __atomic_load_n(&spindle_key_page, __ATOMIC_ACQUIRE);
  if (!page) {
    // The kernel empties this page in a forked child, however it was forked: the child is another process.
    page = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (page == MAP_FAILED) abort();
    if (madvise(page, 4096, MADV_WIPEONFORK) != 0) {
      munmap(page, 4096);
      page = NULL;
    } else {
      uint64_t *other = NULL;
      if (!__atomic_compare_exchange_n(&spindle_key_page, &other, page, false, __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE)) {
        munmap(page, 4096);
        page = other;
      }
    }
  }
  char state;
  long threads;
  uint64_t start = 0;
  // Without /proc there is no start: then a number alone names a process.
  look(getpid(), &state, &threads, &start);
  uint64_t made = key(getpid(), start);
  if (page) __atomic_store_n(page, made, __ATOMIC_RELAXED);
  return made;
}

bool spindle_process_lives(uint64_t which, bool exactly) {
  if ((which & ~(uint64_t)0x80000000) == spindle_process_key()) return true;
  int32_t process = (int32_t)(which & 0x7fffffff);
  uint32_t start = (uint32_t)(which >> 32);
  if (process <= 0) return false;
  int pidfd = (int)syscall(SYS_pidfd_open, process, 0);
  if (pidfd < 0 && errno == ESRCH) return false;
  if (pidfd >= 0) {
    struct pollfd ready = {.fd = pidfd, .events = POLLIN};
    int count;
    do count = poll(&ready, 1, 0);
    while (count < 0 && errno == EINTR);
    close(pidfd);
    if (count == 1) return false;  // it has ended; perhaps nobody has reaped it
    if (!exactly) return true;
  }
  // Somebody has that number. Is it still the same?
  char state = 'R';
  long threads = 1;
  uint64_t began = 0;
  int32_t error = look(process, &state, &threads, &began);
  if (error == ENOENT || error == ESRCH) {
    // Gone, or there is no /proc, or it hides others from us: then the number is all there is to go by.
    return access("/proc/self/stat", R_OK) != 0 || pidfd >= 0;
  }
  if (error) return true;
  if (start != 0 && (uint32_t)began != start) return false;
  // The first thread of a living process may have ended, and is then a zombie among others.
  return !((state == 'Z' || state == 'X' || state == 'x') && threads <= 1);
}
