#define _GNU_SOURCE
#include "CSpindle.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

_Thread_local uint8_t spindle_local_vain;
_Thread_local void *spindle_local_token;
_Thread_local void *spindle_local_worker;
_Thread_local void *spindle_local_lane;
_Thread_local int64_t spindle_local_sharers;

int32_t spindle_thread_id(void) { return (int32_t)syscall(SYS_gettid); }

struct start {
  void (*body)(void *);
  void *context;
  char name[16];
};

static void *run(void *raw) {
  struct start start = *(struct start *)raw;
  free(raw);
  spindle_thread_set_own_name(start.name);
  start.body(start.context);
  return NULL;
}

int spindle_start_detached(const char *name, void (*body)(void *), void *context) {
  struct start *start = malloc(sizeof *start);
  if (!start) return ENOMEM;
  *start = (struct start){.body = body, .context = context};
  strncpy(start->name, name, sizeof start->name - 1);
  pthread_attr_t attributes;
  pthread_attr_init(&attributes);
  pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
  // A helper thread must never be the one on which the program's signal handlers run.
  sigset_t all, before;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &before);
  pthread_t thread;
  int error = pthread_create(&thread, &attributes, run, start);
  pthread_sigmask(SIG_SETMASK, &before, NULL);
  pthread_attr_destroy(&attributes);
  if (error) free(start);
  return error;
}

// --- Threads that users start ------------------------------------------------------------------

_Thread_local void *spindle_local_thread;

int spindle_thread_start(size_t stack_size, void *(*body)(void *), void *context, uintptr_t *handle) {
  pthread_attr_t attributes;
  pthread_attr_t *used = NULL;
  if (stack_size) {
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    size_t smallest = (size_t)sysconf(_SC_THREAD_STACK_MIN);
    if (stack_size < smallest) stack_size = smallest;
    if (stack_size > SIZE_MAX / 2 - page) return EINVAL;
    pthread_attr_init(&attributes);
    used = &attributes;
    int error = pthread_attr_setstacksize(used, (stack_size + page - 1) / page * page);
    if (error) {
      pthread_attr_destroy(used);
      return error;
    }
  }
  pthread_t thread;
  int error = pthread_create(&thread, used, body, context);
  if (!error) {
    *handle = (uintptr_t)thread;
    spindle_local_has_woken = true;  // it takes as long as a wake-up
  }
  if (used) pthread_attr_destroy(used);
  return error;
}

uintptr_t spindle_thread_handle(void) { return (uintptr_t)pthread_self(); }

#if defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define THREAD_SANITIZER 1
#endif
#endif

int spindle_thread_join(uintptr_t handle, int64_t deadline) {
  if (deadline == SPINDLE_NEVER) return pthread_join((pthread_t)handle, NULL);
  if (deadline < 0) return pthread_tryjoin_np((pthread_t)handle, NULL);
#ifdef THREAD_SANITIZER
  // It does not know the next call, and would keep the handle.
  int result;
  while ((result = pthread_tryjoin_np((pthread_t)handle, NULL)) == EBUSY) {
    if (spindle_now() >= deadline) return ETIMEDOUT;
    spindle_nap(1000000);
  }
  return result;
#endif
  struct timespec t = {deadline / 1000000000, deadline % 1000000000};
  return pthread_clockjoin_np((pthread_t)handle, NULL, CLOCK_MONOTONIC, &t);
}

void spindle_thread_detach(uintptr_t handle) {
#ifdef THREAD_SANITIZER
  // ThreadSanitizer forgets a handle only after pthread_detach has returned; by then a new thread may have it, which
  // ends the program with an error inside the sanitizer. Whoever is detached here has ended or is the caller.
  if (!pthread_equal((pthread_t)handle, pthread_self())) {
    pthread_join((pthread_t)handle, NULL);
    return;
  }
#endif
  pthread_detach((pthread_t)handle);
}

// What the kernel can show of a name: 15 bytes, no character of UTF-8 cut apart.
static size_t shown_length(const char *name) {
  size_t length = strnlen(name, 16);
  if (length < 16) return length;
  length = 15;
  while (length > 0 && ((unsigned char)name[length] & 0xC0) == 0x80) length--;
  return length;
}

void spindle_thread_set_own_name(const char *name) {
  char shown[16] = {0};
  memcpy(shown, name, shown_length(name));
  prctl(PR_SET_NAME, shown);
}

void spindle_thread_set_name(int32_t thread, const char *name) {
  if (thread == spindle_thread_id()) {
    spindle_thread_set_own_name(name);
    return;
  }
  char path[64];
  snprintf(path, sizeof path, "/proc/self/task/%d/comm", thread);
  int descriptor = open(path, O_WRONLY | O_CLOEXEC);
  if (descriptor < 0) return;  // without /proc the name stays ours alone
  ssize_t ignored = write(descriptor, name, shown_length(name));
  (void)ignored;
  close(descriptor);
}

int spindle_is_main_thread(void) { return getpid() == spindle_thread_id(); }

static pthread_key_t end_keys[2];
static int end_errors[2];
static void (*end_bodies[2])(void *);
static pthread_once_t end_once[2] = {PTHREAD_ONCE_INIT, PTHREAD_ONCE_INIT};

static void make_end_key(enum spindle_end what) { end_errors[what] = pthread_key_create(&end_keys[what], end_bodies[what]); }
static void make_record_key(void) { make_end_key(spindle_end_record); }
static void make_values_key(void) { make_end_key(spindle_end_values); }

int spindle_thread_on_end(enum spindle_end what, void (*ended)(void *), void *value) {
  __atomic_store_n(&end_bodies[what], ended, __ATOMIC_RELAXED);  // the same at every call
  pthread_once(&end_once[what], what == spindle_end_record ? make_record_key : make_values_key);
  return end_errors[what] ? end_errors[what] : pthread_setspecific(end_keys[what], value);
}

_Thread_local struct spindle_values spindle_local_values;
_Thread_local struct spindle_spares spindle_spares;

int spindle_set_local_cell(size_t index, uint64_t serial, void *cell) {
  struct spindle_values *values = &spindle_local_values;
  if (index >= values->count) {
    size_t count = values->count ? values->count : 8;
    while (count <= index) count *= 2;
    struct spindle_value *entries = realloc(values->entries, count * sizeof *entries);
    if (!entries) return ENOMEM;
    memset(entries + values->count, 0, (count - values->count) * sizeof *entries);
    *values = (struct spindle_values){count, entries};
  }
  values->entries[index] = (struct spindle_value){serial, cell};
  return 0;
}

struct spindle_values spindle_take_local_values(void) {
  struct spindle_values values = spindle_local_values;
  spindle_local_values = (struct spindle_values){0};
  return values;
}

void spindle_free_local_values(struct spindle_values values) { free(values.entries); }

int32_t spindle_try_again(void) { return EAGAIN; }
