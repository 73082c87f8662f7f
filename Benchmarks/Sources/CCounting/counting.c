// Stands in front of the C library's allocator and counts. Part of the executable, so every call of the Swift runtime
// comes through here.
#include "CCounting.h"

#include <stdatomic.h>
#include <stddef.h>

extern void *__libc_malloc(size_t);
extern void *__libc_calloc(size_t, size_t);
extern void *__libc_realloc(void *, size_t);
extern void *__libc_memalign(size_t, size_t);

static _Atomic uint64_t count;

uint64_t allocations_so_far(void) { return atomic_load(&count); }

static void counted(void) { atomic_fetch_add_explicit(&count, 1, memory_order_relaxed); }

void *malloc(size_t size) {
  counted();
  return __libc_malloc(size);
}
void *calloc(size_t number, size_t size) {
  counted();
  return __libc_calloc(number, size);
}
void *realloc(void *block, size_t size) {
  counted();
  return __libc_realloc(block, size);
}
void *memalign(size_t alignment, size_t size) {
  counted();
  return __libc_memalign(alignment, size);
}
void *aligned_alloc(size_t alignment, size_t size) {
  counted();
  return __libc_memalign(alignment, size);
}
int posix_memalign(void **block, size_t alignment, size_t size) {
  counted();
  *block = __libc_memalign(alignment, size);
  return *block ? 0 : 12;
}
