// Closures that do not escape, handed to another thread while their caller waits.
#include "CSpindle.h"

__attribute__((swiftcall)) struct spindle_closure spindle_words_of_closure(const void *code, const void *context) {
  struct spindle_closure closure = {code, context};
  return closure;
}

__attribute__((swiftcall)) void spindle_keep_closure(const void *code, const void *context) {
  (void)code;
  (void)context;
}

extern void *swift_nonatomic_retain(void *object);

void spindle_retain_unshared(void *object) { (void)swift_nonatomic_retain(object); }
