// Every system call that Spindle makes goes through this header. C, small, no state of its own
// beyond what a comment names. Each section lives in the .c file of the same subject.
#pragma once

#include <stddef.h>
#include <stdint.h>

// ---------------------------------------------------------------------------------------------
// Parking (parking.c): sleep on a 32-bit word, wake those who sleep on it.
// On Linux a futex; with SPINDLE_PORTABLE_PARKING a table of pthread mutexes and conditions.

/// No deadline: sleep until woken.
#define SPINDLE_NEVER INT64_MAX

/// Sleeps while `*word == expected`, until woken or until `deadline` (nanoseconds of spindle_now()).
/// Returns 0 when the deadline has passed, 1 otherwise. May return early: look at the word again.
int spindle_wait(const uint32_t *word, uint32_t expected, int64_t deadline);

/// Wakes up to `count` threads that sleep on `word`. The word may be gone by now: it is not read.
void spindle_wake(const uint32_t *word, int32_t count);

// ---------------------------------------------------------------------------------------------
// Time and the processor (parking.c)

/// Nanoseconds of the monotonic clock.
int64_t spindle_now(void);

/// Gives the processor to another thread that is ready to run.
void spindle_yield(void);

/// Sleeps for `nanoseconds`; for back-off inside the ground floor only.
void spindle_nap(int64_t nanoseconds);

/// How many processors this thread may run on (its affinity mask), at least 1. Read once.
int32_t spindle_processors(void);

/// Tells the processor that this is a spin loop.
static inline void spindle_pause(void) {
#if defined(__x86_64__) || defined(__i386__)
  __builtin_ia32_pause();
#elif defined(__aarch64__)
  __asm__ volatile("isb" ::: "memory");
#else
  __asm__ volatile("" ::: "memory");
#endif
}

// ---------------------------------------------------------------------------------------------
// Thread-local words (threads.c): one pointer per subject, nothing is freed here.

extern _Thread_local void *spindle_local_token;

/// The cancellation token of the closure this thread runs, unretained; NULL outside of one.
static inline void *spindle_token(void) { return spindle_local_token; }
static inline void spindle_set_token(void *token) { spindle_local_token = token; }

// ---------------------------------------------------------------------------------------------
// Threads (threads.c)

/// Starts a detached thread with every signal blocked, named `name` (15 bytes seen by the kernel).
/// Returns 0 or an errno value.
int spindle_start_detached(const char *name, void (*body)(void *), void *context);

/// The kernel's id of the calling thread.
int32_t spindle_thread_id(void);

// ---------------------------------------------------------------------------------------------
// For tests (testing.c): raw threads and a watchdog that rest on nothing that is tested.

/// Starts `count` threads, lets them run `body` at once when all are there, joins them.
/// Returns 0, or an errno value when a thread could not be started; then no body runs.
int spindle_race(uint32_t count, void (*body)(void *context, uint32_t index), void *context);

typedef struct spindle_watchdog spindle_watchdog;

/// A thread that calls `expired` unless it is stopped within `nanoseconds`; NULL when it cannot start.
spindle_watchdog *spindle_watchdog_start(int64_t nanoseconds, void (*expired)(void *), void *context);

/// Stops and frees a watchdog; returns after `expired` if that is running.
void spindle_watchdog_stop(spindle_watchdog *dog);

/// Calls `line` with what each other thread of this process does: a headline that starts with two spaces,
/// then its stack, a line a frame. Uses the signal SIGRTMAX - 3. Not for two threads at once.
void spindle_each_thread(void (*line)(void *context, const char *text), void *context);

/// Writes all of `text` to standard error.
void spindle_write_error(const char *text, size_t count);

/// Ends the process at once: nothing is flushed, no exit handler runs.
void spindle_exit_now(int status);

/// The value of an environment variable, or NULL.
const char *spindle_test_setting(const char *name);
