// The end of the process: what runs before it, also when main throws.
#define _GNU_SOURCE
#include "CSpindle.h"

#include <dlfcn.h>
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <unistd.h>

static void (*exit_body)(void *);
static pid_t exit_process;

static void before_exit(void *failed) {
  // A forked child has none of the threads that would be waited for.
  void (*body)(void *) = __atomic_load_n(&exit_body, __ATOMIC_ACQUIRE);
  if (body && __atomic_load_n(&exit_process, __ATOMIC_RELAXED) == getpid()) body(failed);
}

static void at_exit(void) { before_exit(NULL); }

int spindle_at_exit(void (*body)(void *)) {
  __atomic_store_n(&exit_process, getpid(), __ATOMIC_RELAXED);
  __atomic_store_n(&exit_body, body, __ATOMIC_RELEASE);
  return atexit(at_exit);
}

void spindle_sleep_for_ever(void) {
  while (1) pause();
}

// When main throws, the code that the compiler put into main calls swift_errorInMain, which prints the error and ends
// in a trap: no exit handler runs. This definition comes before the one of the shared standard library. Weak, because
// a static standard library brings a strong one, which then wins: there, a main that throws does not wait.
typedef void (*error_in_main)(void *error) __attribute__((noreturn));

__attribute__((weak, noreturn)) void swift_errorInMain(void *error) {
  before_exit(error);
  error_in_main next = (error_in_main)dlsym(RTLD_NEXT, "swift_errorInMain");
  if (next) next(error);
  abort();
}

void spindle_write_error(const char *text, size_t count) {
  while (count > 0) {
    ssize_t written = write(STDERR_FILENO, text, count);
    if (written < 0 && errno != EINTR) return;
    if (written > 0) text += written, count -= (size_t)written;
  }
}

void spindle_exit_now(int status) { _exit(status); }

void spindle_die(void) {
  kill(getpid(), SIGKILL);
  while (1) pause();
}
