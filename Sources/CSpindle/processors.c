// How many processors there are, and the small files that say how many may be used.
#define _GNU_SOURCE
#include "CSpindle.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <unistd.h>

int32_t spindle_online_processors(void) { return (int32_t)sysconf(_SC_NPROCESSORS_ONLN); }

int32_t spindle_processor(void) {
  int number = sched_getcpu();
  return number < 0 ? 0 : number;
}

int32_t spindle_affinity_count(void) {
  // The kernel refuses a mask smaller than its own: try larger ones.
  for (int processors = 1024; processors <= 1 << 20; processors *= 2) {
    cpu_set_t *set = CPU_ALLOC(processors);
    if (!set) break;
    size_t size = CPU_ALLOC_SIZE(processors);
    int failed = sched_getaffinity(0, size, set);
    int reason = errno;
    int32_t count = failed ? 0 : CPU_COUNT_S(size, set);
    CPU_FREE(set);
    if (!failed) return count;
    if (reason != EINVAL) break;
  }
  return spindle_online_processors();
}

int64_t spindle_read_file(const char *path, void *bytes, size_t capacity) {
  int descriptor = open(path, O_RDONLY | O_CLOEXEC);
  if (descriptor < 0) return -1;
  size_t count = 0;
  while (count < capacity) {
    ssize_t n = read(descriptor, (char *)bytes + count, capacity - count);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) {
      close(descriptor);
      return -1;
    }
    if (n == 0) break;
    count += (size_t)n;
  }
  close(descriptor);
  return (int64_t)count;
}
