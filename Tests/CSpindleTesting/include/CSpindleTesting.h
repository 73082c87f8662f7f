// What the tests stand on: raw threads, a watchdog, programs to run. Plain pthreads, nothing of what is tested.
#pragma once

#include <stddef.h>
#include <stdint.h>

/// Starts `count` threads, lets them run `body` at once when all are there, joins them.
/// Returns 0, or an errno value when a thread could not be started; then no body runs.
int spindle_race(uint32_t count, void (*body)(void *context, uint32_t index), void *context);

typedef struct spindle_watchdog spindle_watchdog;

/// A thread that calls `expired` unless it is stopped within `nanoseconds`; NULL when it cannot start.
spindle_watchdog *spindle_watchdog_start(int64_t nanoseconds, void (*expired)(void *), void *context);

/// Stops and frees a watchdog; returns after `expired` if that is running.
void spindle_watchdog_stop(spindle_watchdog *dog);

/// Calls `line` with what each other thread of this process does: a headline that starts with two spaces,
/// then its stack, a line a frame. Uses the signal SIGRTMAX - 3.
void spindle_each_thread(void (*line)(void *context, const char *text), void *context);

/// The value of an environment variable, or NULL.
const char *spindle_test_setting(const char *name);

/// A process that traces another, as a debugger does: returns its number, or -1 where that is not allowed. It lets go of the other
/// when it is killed.
int32_t spindle_trace(int32_t process);

/// The kernel's name of the calling thread.
void spindle_test_thread_name(char *name, size_t capacity);

/// The kernel's ids of the threads of this process; returns how many were written.
size_t spindle_test_threads(int32_t *ids, size_t capacity);

/// Runs a program that lies beside the running one, with one argument; what it wrote to stdout and stderr goes to
/// `output`. After `seconds` it is killed. Returns its wait status, or -1 when it cannot be started.
int spindle_test_run(const char *program, const char *argument, int32_t seconds, char *output, size_t capacity);

/// How much memory there is at that address, which `malloc` gave.
size_t spindle_test_memory(void *address);

/// Forks; the child calls exit(status). Returns the child's wait status.
int spindle_test_fork_and_exit(int status);

