// What Swift's backtracer prints when a worker crashes, kept where the parent finds it.
//
// The runtime's handler for a crash starts the backtracer, waits until it has printed, and lets the process die of the same
// signal. Ours comes before it: it lets standard output and standard error be a piece of memory for as long as that takes,
// then writes the report to where it would have gone. The parent holds the same memory and reads it after the death.
//
//     C1 the worker crashes; this handler
//     C2 points 1 and 2 at the memory
//     C3 the runtime's handler: the other threads stop, the backtracer prints
//     C4 points 1 and 2 back, copies the memory to standard error
//     C5 returns; the signal, now with its default, ends the process      P1 reaps, reads the memory
//
// Where the worker has closed 1 or 2, that number stays closed. A death without a report (kill -9, no backtracer) leaves the memory empty.
// Without memory (a fork server, which only hands the handler on to its copies) the report goes where it would have gone.

#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <link.h>
#include <signal.h>
#include <sys/mman.h>
#include <unistd.h>

#include "CSpindle.h"
#include "worker_internal.h"

extern void *swift_allocObject(const void *metadata, size_t size, size_t alignment_mask);

static const int crashes[] = {SIGQUIT, SIGABRT, SIGBUS, SIGFPE, SIGILL, SIGSEGV, SIGTRAP};
enum { crash_count = sizeof crashes / sizeof *crashes };

static struct {
  int memory;
  bool is_taken;
  struct sigaction runtime[crash_count];
} report = {.memory = -1};

enum { report_limit = 256 << 10 };

size_t spindle_read_start(int32_t file, void *bytes, size_t capacity) {
  size_t got = 0;
  while (got < capacity) {
    ssize_t count = pread(file, (char *)bytes + got, capacity - got, (off_t)got);
    if (count < 0 && errno == EINTR) continue;
    if (count <= 0) break;
    got += (size_t)count;
  }
  return got;
}

// Bounded, so that no mistake with descriptors could make it feed on itself.
static void copy_report(int to) {
  char piece[1024];
  for (off_t at = 0; at < report_limit;) {
    ssize_t count = pread(report.memory, piece, sizeof piece, at);
    if (count <= 0) return;
    for (ssize_t sent = 0, n; sent < count; sent += n)
      if ((n = write(to, piece + sent, (size_t)(count - sent))) <= 0) return;
    at += count;
  }
}

static void on_crash(int number, siginfo_t *info, void *context) {
  const struct sigaction *runtime = NULL;
  for (int i = 0; i < crash_count; i++)
    if (crashes[i] == number) runtime = &report.runtime[i];
  if (runtime == NULL) return;
  int saved[2] = {-1, -1}, error = errno;
  // A second thread that crashes meanwhile is the runtime's affair.
  bool is_first = !__atomic_exchange_n(&report.is_taken, true, __ATOMIC_RELAXED);
  if (is_first && report.memory >= 0)
    for (int i = 0; i < 2; i++)
      if ((saved[i] = fcntl(i + 1, F_DUPFD_CLOEXEC, 3)) >= 0) (void)dup2(report.memory, i + 1);  // C2
  errno = error;
  if (runtime->sa_flags & SA_SIGINFO)
    runtime->sa_sigaction(number, info, context);  // C3
  else
    runtime->sa_handler(number);
  error = errno;
  for (int i = 0; i < 2; i++) {
    if (saved[i] < 0) continue;
    (void)dup2(saved[i], i + 1);
    close(saved[i]);
  }
  if (saved[1] >= 0) copy_report(STDERR_FILENO);  // C4
  errno = error;
}

// ---- Whether the runtime has a handler ----

struct image_of_runtime {
  uintptr_t runtime, handler;
  bool is_same;
};

static int compare_images(struct dl_phdr_info *info, size_t size, void *context) {
  (void)size;
  struct image_of_runtime *images = context;
  bool has_runtime = false, has_handler = false;
  for (int i = 0; i < info->dlpi_phnum; i++) {
    const ElfW(Phdr) *header = &info->dlpi_phdr[i];
    if (header->p_type != PT_LOAD) continue;
    uintptr_t start = info->dlpi_addr + header->p_vaddr;
    has_runtime |= images->runtime - start < header->p_memsz;
    has_handler |= images->handler - start < header->p_memsz;
  }
  images->is_same = has_runtime && has_handler;
  return has_runtime || has_handler;
}

// The runtime installs its handlers when it is loaded, unless SWIFT_BACKTRACE switches them off. A handler from elsewhere
// (a sanitizer's) does other things.
static bool is_of_runtime(const struct sigaction *action) {
  if (action->sa_handler == SIG_DFL || action->sa_handler == SIG_IGN) return false;
  struct image_of_runtime images = {(uintptr_t)swift_allocObject, (uintptr_t)action->sa_sigaction, false};
  return dl_iterate_phdr(compare_images, &images) != 0 && images.is_same;
}

bool spindle_watch_crashes(void) {
  struct sigaction action;
  if (sigaction(SIGILL, NULL, &action) != 0) return false;
  if (action.sa_sigaction == on_crash) return true;  // copied with the fork server
  if (!is_of_runtime(&action)) return false;
  for (int i = 0; i < crash_count; i++) {
    if (sigaction(crashes[i], NULL, &report.runtime[i]) != 0 || !is_of_runtime(&report.runtime[i])) continue;
    action = report.runtime[i];
    action.sa_sigaction = on_crash;
    action.sa_flags |= SA_SIGINFO;
    (void)sigaction(crashes[i], &action, NULL);
  }
  return true;
}

int spindle_keep_crash_report(void) {
  if (!spindle_watch_crashes()) return -1;
  report.memory = memfd_create("spindle-crash", MFD_CLOEXEC);
  return report.memory;
}
