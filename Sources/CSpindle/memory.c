#define _GNU_SOURCE
#include <errno.h>
#include <sys/mman.h>
#include <unistd.h>

#include "CSpindle.h"

int32_t spindle_memory_create(const char *name, size_t byte_count) {
  int descriptor = memfd_create(name, MFD_CLOEXEC);
  if (descriptor < 0) return -errno;
  if (ftruncate(descriptor, (off_t)byte_count) != 0) {
    int error = errno;
    close(descriptor);
    return -error;
  }
  return descriptor;
}

void *spindle_memory_map(int32_t descriptor, size_t byte_count) {
  void *memory = mmap(NULL, byte_count, PROT_READ | PROT_WRITE, MAP_SHARED, descriptor, 0);
  return memory == MAP_FAILED ? NULL : memory;
}

void spindle_memory_unmap(void *memory, size_t byte_count) { munmap(memory, byte_count); }
