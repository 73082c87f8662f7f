// What worker_entry.c, spawn.c, fork_server.c, crash_report.c and images.c know of each other.
#pragma once
#include <stdbool.h>
#include <stdint.h>

#include "CSpindle.h"

/// The image that holds this code. The same identity (never 0) in two processes means the same build of it.
struct spindle_own_image {
  uint64_t identity;
  bool is_executable;
};
struct spindle_own_image spindle_own_image(void);

/// True when this process was started as a worker and could not be diverted: it must not start children, or each
/// generation of a program that cannot be diverted would start the next.
bool spindle_is_misfit(void);
/// True when this code was loaded after `main` had begun, so that no child of this program could be diverted.
bool spindle_is_latecomer(void);

/// Tells the parent why there will be no worker, and ends.
_Noreturn void spindle_refuse(int control, const char *reason);
/// Sends a small frame (its payload is cut at 256 bytes) with few descriptors. False when the parent is gone.
bool spindle_send_frame(int control, uint32_t kind, const void *payload, size_t length, const int32_t *descriptors,
                        size_t descriptor_count);

/// What a process becomes that was started to fork others. `parent` is the program.
_Noreturn void spindle_serve_forks(int32_t parent);
/// What a copy of that process becomes, with its control socket at its place: the worker of that name.
_Noreturn void spindle_become_forked_worker(const char *name, uint32_t flags);

/// Puts our handler before that of Swift's backtracer; false where no backtracer is switched on. Once for a fork server and its copies.
bool spindle_watch_crashes(void);
/// Lets the report of Swift's backtracer be kept when this process crashes: the memory for it as a descriptor, or -1
/// where no backtracer is switched on.
int spindle_keep_crash_report(void);

/// Lets this process die at a step of its start, where the order to start it asked for that: in debug builds, for the tests.
#ifdef DEBUG
void spindle_fault_at(enum spindle_fault step, uint32_t flags);
#define spindle_fault(step) spindle_fault_at(step, worker.flags)
#else
#define spindle_fault_at(step, flags) ((void)(flags))
#define spindle_fault(step) ((void)0)
#endif
