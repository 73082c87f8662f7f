#define _GNU_SOURCE
#include "CSpindle.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#ifndef MFD_NOEXEC_SEAL
#define MFD_NOEXEC_SEAL 8U
#endif

// ---- Files without a name ----

int32_t spindle_shared_create(const char *label, uint64_t size) {
  // Kernels from 6.3 on want to be told that nobody will execute the file; older ones refuse the flag.
  int descriptor = memfd_create(label, MFD_CLOEXEC | MFD_ALLOW_SEALING | MFD_NOEXEC_SEAL);
  if (descriptor < 0 && errno == EINVAL) descriptor = memfd_create(label, MFD_CLOEXEC | MFD_ALLOW_SEALING);
  if (descriptor < 0) return -errno;
  // Nobody can take the end of a mapped file away: reading it never ends a process by SIGBUS.
  if (ftruncate(descriptor, (off_t)size) != 0 || fcntl(descriptor, F_ADD_SEALS, F_SEAL_SHRINK) != 0) {
    int error = errno;
    close(descriptor);
    return -error;
  }
  return descriptor;
}

bool spindle_shared_is_ours(int32_t descriptor) {
  int seals = fcntl(descriptor, F_GET_SEALS);
  return seals >= 0 && (seals & F_SEAL_SHRINK) && !(seals & (F_SEAL_WRITE | F_SEAL_GROW));
}

int64_t spindle_shared_size(int32_t descriptor) {
  struct stat status;
  return fstat(descriptor, &status) == 0 ? (int64_t)status.st_size : -(int64_t)errno;
}

int32_t spindle_shared_grow(int32_t descriptor, uint64_t size) {
  int64_t now = spindle_shared_size(descriptor);
  if (now < 0) return (int32_t)-now;
  if ((uint64_t)now >= size) return 0;
  while (ftruncate(descriptor, (off_t)size) != 0)
    if (errno != EINTR) return errno;
  return 0;
}

// A number of bytes in a file of one line; UINT64_MAX when there is no such file, or it says "max".
static uint64_t number_in(const char *path) {
  char text[32];
  int64_t count = spindle_read_file(path, text, sizeof text - 1);
  if (count <= 0) return UINT64_MAX;
  text[count] = 0;
  char *end;
  uint64_t number = strtoull(text, &end, 10);
  return end == text ? UINT64_MAX : number;
}

// How much memory can be had at most, as far as the system says.
static uint64_t available(void) {
  uint64_t result = UINT64_MAX;
  char text[1024];
  int64_t count = spindle_read_file("/proc/meminfo", text, sizeof text - 1);
  if (count > 0) {
    text[count] = 0;
    const char *line = strstr(text, "MemAvailable:");
    if (line) result = strtoull(line + sizeof "MemAvailable:" - 1, NULL, 10) * 1024;
    line = strstr(text, "SwapFree:");
    if (line) result += strtoull(line + sizeof "SwapFree:" - 1, NULL, 10) * 1024;
  }
  uint64_t limit = number_in("/sys/fs/cgroup/memory.max"), used = number_in("/sys/fs/cgroup/memory.current");
  if (limit != UINT64_MAX && used != UINT64_MAX) {
    uint64_t left = limit > used ? limit - used : 0;
    if (left < result) result = left;
  }
  return result;
}

int32_t spindle_shared_commit(int32_t descriptor, uint64_t offset, uint64_t count) {
  // The kernel does not refuse what it does not have: it takes all there is, and then kills somebody.
  if (count >= (uint64_t)64 << 20 && count > available()) return ENOMEM;
  while (fallocate(descriptor, 0, (off_t)offset, (off_t)count) != 0) {
    if (errno == EOPNOTSUPP) return 0;
    if (errno != EINTR) return errno;
  }
  return 0;
}

void spindle_shared_release(int32_t descriptor, uint64_t offset, uint64_t count) {
  fallocate(descriptor, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, (off_t)offset, (off_t)count);
}

void *spindle_shared_map(int32_t descriptor, uint64_t offset, size_t count, int32_t *error) {
  void *address = mmap(NULL, count, PROT_READ | PROT_WRITE, MAP_SHARED, descriptor, (off_t)offset);
  if (address != MAP_FAILED) return address;
  *error = errno;
  return NULL;
}

void *spindle_shared_map_private(size_t count) {
  void *address = mmap(NULL, count, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  return address == MAP_FAILED ? NULL : address;
}

void spindle_shared_unmap(void *address, size_t count) { munmap(address, count); }

void *spindle_allocate(size_t count) { return malloc(count); }
void spindle_deallocate(void *memory) { free(memory); }

// ---- The lock ----

_Static_assert(sizeof(pthread_mutex_t) <= spindle_shared_lock_size, "the lock has outgrown its place");

int32_t spindle_shared_lock_make(void *lock) {
  pthread_mutexattr_t attributes;
  int error = pthread_mutexattr_init(&attributes);
  if (error) return error;
  error = pthread_mutexattr_setpshared(&attributes, PTHREAD_PROCESS_SHARED);
  if (!error) error = pthread_mutexattr_setrobust(&attributes, PTHREAD_MUTEX_ROBUST);
  if (!error) error = pthread_mutex_init(lock, &attributes);
  pthread_mutexattr_destroy(&attributes);
  return error;
}

static int32_t outcome(pthread_mutex_t *lock, int result) {
  switch (result) {
  case 0: return spindle_shared_lock_held;
  case EBUSY: return spindle_shared_lock_busy;
  case EOWNERDEAD:
    // What the lock guards is always whole (see SharedRing): nothing is to be mended before going on.
    pthread_mutex_consistent(lock);
    return spindle_shared_lock_owner_died;
  default: return result;
  }
}

int32_t spindle_shared_lock_try(void *lock) { return outcome(lock, pthread_mutex_trylock(lock)); }

int32_t spindle_shared_lock_acquire(void *lock) {
  while (1) {
    // In slices, so that a holder that died between unlocking and waking costs a slice at most.
    struct timespec end;
    clock_gettime(CLOCK_REALTIME, &end);
    end.tv_nsec += 100000000;
    if (end.tv_nsec >= 1000000000) {
      end.tv_nsec -= 1000000000;
      end.tv_sec += 1;
    }
    int result = pthread_mutex_timedlock(lock, &end);
    if (result != ETIMEDOUT) return outcome(lock, result);
  }
}

void spindle_shared_lock_release(void *lock) { pthread_mutex_unlock(lock); }

// ---- Sleeping on a word of shared memory ----

#if defined(__linux__) && !defined(SPINDLE_PORTABLE_PARKING)

#include <linux/futex.h>
#include <sys/syscall.h>

void spindle_shared_wait(const uint32_t *word, uint32_t expected, int64_t deadline) {
  struct timespec t = {deadline < 0 ? 0 : deadline / 1000000000, deadline < 0 ? 0 : deadline % 1000000000};
  // Without FUTEX_PRIVATE_FLAG the kernel knows the word by file and offset, whatever its address.
  syscall(SYS_futex, word, FUTEX_WAIT_BITSET, expected, deadline == SPINDLE_NEVER ? NULL : &t, NULL,
          FUTEX_BITSET_MATCH_ANY);
}

void spindle_shared_wake(const uint32_t *word, int32_t count) {
  syscall(SYS_futex, word, FUTEX_WAKE, count, NULL, NULL, 0);
}

#else

// Short naps: what every system has, at the price of a little time and a few wake-ups.
void spindle_shared_wait(const uint32_t *word, uint32_t expected, int64_t deadline) {
  if (__atomic_load_n(word, __ATOMIC_ACQUIRE) != expected) return;
  int64_t left = deadline == SPINDLE_NEVER ? INT64_MAX : deadline - spindle_now();
  if (left > 0) spindle_nap(left < 1000000 ? left : 1000000);
}

void spindle_shared_wake(const uint32_t *word, int32_t count) {
  (void)word;
  (void)count;
}

#endif
