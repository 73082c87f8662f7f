// Swift values seen as words: closures that do not escape, handed to another thread while their caller waits, and
// the standard library's keyed containers.
#include "CSpindle.h"
#include <malloc.h>
#include <stdlib.h>

__attribute__((swiftcall)) struct spindle_closure spindle_words_of_closure(const void *code, const void *context) {
  struct spindle_closure closure = {code, context};
  return closure;
}

__attribute__((swiftcall)) void spindle_keep_closure(const void *code, const void *context) {
  (void)code;
  (void)context;
}

extern void *swift_retain(void *object);

// Swift functions that return a value whose size the compiler does not know: the caller has made room for it.
__attribute__((swiftcall)) void spindle_encoding_container_of_box(
    __attribute__((swift_indirect_result)) void **container, void *box) {
  *container = swift_retain(box);
}

__attribute__((swiftcall)) void spindle_decoding_container_of_box(
    __attribute__((swift_indirect_result)) void **container, void *box) {
  *container = swift_retain(box);
}

extern void *swift_nonatomic_retain(void *object);

void spindle_retain_unshared(void *object) { (void)swift_nonatomic_retain(object); }

// More is given back as soon as it can be.
enum { largest_kept = 64 };

extern bool swift_isUniquelyReferenced_nonNull_native(const void *object);
extern void *swift_nonatomic_unownedRetain(void *object);

uintptr_t spindle_keep_memory(uintptr_t context) {
  if (context == 0) return 0;
  void *object = (void *)context;
  const uintptr_t *metadata = *(const uintptr_t **)object;
  if (*metadata != SPINDLE_CAPTURES_KIND || malloc_usable_size(object) > largest_kept) return 0;
  if (!swift_isUniquelyReferenced_nonNull_native(object)) return 0;
  // An unowned reference keeps the memory. It is never released: that is only for objects of classes.
  (void)swift_nonatomic_unownedRetain(object);
  return context;
}

void spindle_free_memory(uintptr_t context) { free((void *)context); }
