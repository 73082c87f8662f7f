// Swift values seen as words: closures that do not escape, handed to another thread while their caller waits, and
// the standard library's keyed containers.
#include "CSpindle.h"

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
