// Where an error was thrown, for errors that leave a worker process.

#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

#include "CSpindle.h"

// Called by Swift's runtime for every error that is thrown, with its box; NULL in a runtime without the hook.
extern _Atomic(void (*)(void *)) _swift_willThrow __attribute__((weak));

// The same for an error of a type known to the compiler, which has no box yet.
extern _Atomic(void (*)(void *, const void *, const void *)) _swift_willThrowTypedImpl __attribute__((weak));

static _Atomic(void (*)(void *)) earlier;
static _Atomic(void (*)(void *, const void *, const void *)) earlier_typed;
static _Thread_local const void *last_error;
static _Thread_local uintptr_t last_place;

// Frames are linked through the stack: ours, swift_willThrow's, the one that throws. No frame pointer is believed that does
// not lead a few words up from here.
__attribute__((noinline)) static void remember(void *error) {
  uintptr_t *ours = __builtin_frame_address(0);
  uintptr_t *runtime = (uintptr_t *)ours[0];
  last_error = error;
  last_place = runtime > ours && runtime < ours + 32 && (uintptr_t)runtime % sizeof(uintptr_t) == 0 ? runtime[1] - 1 : 0;
  void (*next)(void *) = atomic_load_explicit(&earlier, memory_order_acquire);
  if (next != NULL) next(error);
}

// The box it gets later may lie where the last one lay: forget that one.
static void forget(void *value, const void *type, const void *conformance) {
  last_error = NULL;
  void (*next)(void *, const void *, const void *) = atomic_load_explicit(&earlier_typed, memory_order_acquire);
  if (next != NULL) next(value, type, conformance);
}

void spindle_watch_throws(void) {
  if (&_swift_willThrow == NULL) return;
  void (*before)(void *) = atomic_load_explicit(&_swift_willThrow, memory_order_acquire);
  if (before == remember) return;
  atomic_store_explicit(&earlier, before, memory_order_release);
  atomic_store_explicit(&_swift_willThrow, remember, memory_order_release);
  if (&_swift_willThrowTypedImpl == NULL) return;
  atomic_store_explicit(
      &earlier_typed, atomic_load_explicit(&_swift_willThrowTypedImpl, memory_order_acquire), memory_order_release);
  atomic_store_explicit(&_swift_willThrowTypedImpl, forget, memory_order_release);
}

uintptr_t spindle_thrown_at(const void *error) {
  uintptr_t place = error == last_error ? last_place : 0;
  last_error = NULL;
  return place;
}
