// How a child that runs the same program becomes a worker before its `main` begins, with no set-up by the user.
//
//   the program (spawn.c)                        its child, the same executable
//   P1 puts SPINDLE_WORKER into the child's
//      environment: descriptor, its own pid,
//      the identity of this image, flags, name
//   P2 execve("/proc/self/exe")                  C1 the loader relocates, runs the constructors
//                                                C2 ours finds SPINDLE_WORKER, checks it, removes it
//                                                C3 it replaces the LAST entry of the executable's
//                                                   .init_array by `diverted`
//                                                C4 the remaining constructors run: Swift's types are
//                                                   registered, C++ statics are initialised
//                                                C5 `diverted` runs the original entry, says hello and
//                                                   becomes the worker; it never returns to `main`
//   P3 hears hello, or learns from the pidfd
//      or a time-out that there will be none
//
// Running the worker in the constructor itself (C2) would be too early: constructors of other objects come later.

#define _GNU_SOURCE
#include "CSpindle.h"

#include <dlfcn.h>
#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <link.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>
#include <unwind.h>

#include "worker_internal.h"

typedef void (*init_entry)(int, char **, char **);

// The linker's own names for the executable's array: needed only where there is no dynamic section (static, not PIE).
extern init_entry __init_array_start[] __attribute__((weak, visibility("hidden")));
extern init_entry __init_array_end[] __attribute__((weak, visibility("hidden")));

// Weak, because an executable may link this library without the Swift side.
extern int32_t spindle_worker_main(int32_t control) __attribute__((weak));
// Weak, because a program need not load Dispatch. These two are what CFRunLoop serves the main queue with.
extern int _dispatch_get_main_queue_handle_4CF(void) __attribute__((weak));
extern void _dispatch_main_queue_callback_4CF(void *) __attribute__((weak));

static struct {
  bool is_worker, is_latecomer;
  int32_t parent;
  uint32_t flags;
  init_entry original;
  char name[128];
} worker;

bool spindle_is_worker(void) { return worker.is_worker; }
// A diverted worker has removed its order (C2). Where it is still there, `main` runs although it should not.
bool spindle_is_misfit(void) { return getenv("SPINDLE_WORKER") != NULL; }
bool spindle_is_latecomer(void) { return worker.is_latecomer; }
int32_t spindle_worker_parent(void) { return worker.parent; }
const char *spindle_worker_name(void) { return worker.name; }

// ---- C2 and C3: the constructor ----

// In one piece, which is all the more likely to go through.
bool spindle_send_frame(int control, uint32_t kind, const void *payload, size_t length, const int32_t *descriptors,
                        size_t descriptor_count) {
  struct {
    struct spindle_frame_header header;
    char payload[256];
  } frame = {.header = {.magic = spindle_frame_magic, .kind = kind, .descriptors = (uint32_t)descriptor_count}};
  if (length > sizeof frame.payload) length = sizeof frame.payload;
  frame.header.length = length;
  memcpy(frame.payload, payload, length);
  size_t count = sizeof frame.header + length;
  return spindle_control_send(control, &frame, count, descriptors, descriptor_count, true) == (intptr_t)count;
}

_Noreturn void spindle_refuse(int control, const char *reason) {
  (void)spindle_send_frame(control, spindle_frame_refusal, reason, strlen(reason), NULL, 0);
  _exit(127);
}

struct executable {
  init_entry *first;
  size_t count;
  uintptr_t read_only_start, read_only_end;
};

static int read_executable(struct dl_phdr_info *info, size_t size, void *context) {
  (void)size;
  struct executable *executable = context;
  for (int i = 0; i < info->dlpi_phnum; i++) {
    const ElfW(Phdr) *header = &info->dlpi_phdr[i];
    if (header->p_type == PT_GNU_RELRO) {
      executable->read_only_start = info->dlpi_addr + header->p_vaddr;
      executable->read_only_end = executable->read_only_start + header->p_memsz;
    } else if (header->p_type == PT_DYNAMIC) {
      const ElfW(Dyn) *entry = (const void *)(info->dlpi_addr + header->p_vaddr);
      for (; entry->d_tag != DT_NULL; entry++) {
        if (entry->d_tag == DT_INIT_ARRAY) executable->first = (init_entry *)(info->dlpi_addr + entry->d_un.d_ptr);
        if (entry->d_tag == DT_INIT_ARRAYSZ) executable->count = entry->d_un.d_val / sizeof(init_entry);
      }
    }
  }
  return 1;  // the executable is the first object
}

static void diverted(int argc, char **argv, char **environment);
static void spindle_constructor(int argc, char **argv, char **environment);
static _Noreturn void become_worker(void);

static const char *divert(void) {
  struct executable executable = {0};
  dl_iterate_phdr(read_executable, &executable);
  if (executable.first == NULL && __init_array_start != NULL) {
    executable.first = __init_array_start;
    executable.count = (size_t)(__init_array_end - __init_array_start);
  }
  if (executable.first == NULL || executable.count == 0) return "the executable has no initialisers (.init_array)";
  init_entry *last = &executable.first[executable.count - 1];
  if (*last == spindle_constructor) become_worker();  // every other initialiser has run already
  worker.original = *last;

  // The array lies in the part that the loader made read-only after relocating (RELRO).
  uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE), address = (uintptr_t)last;
  uintptr_t start = address & ~(page - 1), length = address + sizeof *last - start;
  if (mprotect((void *)start, length, PROT_READ | PROT_WRITE) != 0) return "the initialisers cannot be made writable";
  *(volatile init_entry *)last = diverted;
  if (start >= (executable.read_only_start & ~(page - 1)) && start + length <= executable.read_only_end)
    (void)mprotect((void *)start, length, PROT_READ);
  return NULL;
}

// In a shared library, this constructor may run long after `main` has begun (dlopen). Then, and only then, the executable's
// own code is on the stack, or this is not the first thread.
struct span {
  uintptr_t start, end;
};
static int executable_span(struct dl_phdr_info *info, size_t size, void *context) {
  (void)size;
  struct span *span = context;
  for (int i = 0; i < info->dlpi_phnum; i++) {
    const ElfW(Phdr) *header = &info->dlpi_phdr[i];
    if (header->p_type != PT_LOAD || !(header->p_flags & PF_X)) continue;
    uintptr_t start = info->dlpi_addr + header->p_vaddr;
    if (span->end == 0 || start < span->start) span->start = start;
    if (start + header->p_memsz > span->end) span->end = start + header->p_memsz;
  }
  return 1;
}
struct stack_search {
  struct span span;
  bool found;
};
static _Unwind_Reason_Code look_at_frame(struct _Unwind_Context *frame, void *context) {
  struct stack_search *search = context;
  uintptr_t at = _Unwind_GetIP(frame);
  if (at >= search->span.start && at < search->span.end) search->found = true;
  return search->found ? _URC_END_OF_STACK : _URC_NO_REASON;
}
static bool main_has_begun(void) {
  if (syscall(SYS_gettid) != getpid()) return true;
  struct stack_search search = {0};
  dl_iterate_phdr(executable_span, &search.span);
  (void)_Unwind_Backtrace(look_at_frame, &search);
  return search.found;
}

static bool lies_in_executable(const void *code) {
  struct span span = {0};
  dl_iterate_phdr(executable_span, &span);
  return (uintptr_t)code >= span.start && (uintptr_t)code < span.end;
}

// The priority only makes it early; C4 holds for any place but the last, and the last is recognised.
__attribute__((constructor(900))) static void spindle_constructor(int argc, char **argv, char **environment) {
  (void)argc, (void)argv, (void)environment;
  bool is_in_executable = lies_in_executable((const void *)spindle_constructor);
  worker.is_latecomer = !is_in_executable && main_has_begun();
  const char *order = getenv("SPINDLE_WORKER");
  if (order == NULL) return;
  int control = -1, parent = 0, name_at = 0;
  unsigned flags = 0;
  unsigned long long identity = 0;
  int fields = sscanf(order, "%d:%d:%llx:%x:%n", &control, &parent, &identity, &flags, &name_at);
  pid_t now = getppid();
  if (fields != 4 || name_at == 0) return;
  if (identity != spindle_own_image().identity) {
    // Another copy of Spindle in the same program (a plug-in) leaves the order to its addressee. But an order that came down
    // from a process further up is for nobody here.
    if (now != 0 && now != parent) unsetenv("SPINDLE_WORKER");
    return;
  }
  if (fcntl(control, F_SETFD, FD_CLOEXEC) != 0) return;
  snprintf(worker.name, sizeof worker.name, "%s", order + name_at);
  unsetenv("SPINDLE_WORKER");
  // exec drops the death signal of a program with privileges of its own, so ask again; then look whether it came too late.
  // Parent 0: the parent is outside this process's pid namespace and cannot be compared.
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  now = getppid();
  if (now != 0 && now != parent) _exit(127);
  worker.parent = parent;
  worker.flags = flags;
  prctl(PR_SET_NAME, worker.name);  // else ps shows "exe"

  if (worker.is_latecomer)
    spindle_refuse(control, "Spindle lies in a shared library that was loaded after main had begun (dlopen); "
                            "link it to the executable so that its children can be diverted before main");
  worker.is_worker = true;
  const char *problem = divert();
  if (problem != NULL) spindle_refuse(control, problem);
}

// ---- C5: the worker ----

static void diverted(int argc, char **argv, char **environment) {
  if (worker.original != NULL) worker.original(argc, argv, environment);
  become_worker();
}

static bool has_own_group(void) { return (worker.flags & spindle_start_own_group) != 0 && getpgrp() == getpid(); }

static _Noreturn void end_with_parent(void) {
  if (has_own_group()) kill(-getpid(), SIGKILL);
  kill(getpid(), SIGKILL);
  for (;;) pause();
}

// Ends the worker when the parent is gone, whatever user code is doing. PR_SET_PDEATHSIG does the same and may be lost (a
// changed user id clears it), so there are two. But where there is a group to be ended, the death signal would come before
// anybody could do so; there it is only for a worker that has lost its socket.
static void watch_parent(void *context) {
  (void)context;
  // The one signal with which Swift's runtime stops the threads of a process that crashes; blocked, it would wait for us.
  sigset_t stop;
  sigemptyset(&stop);
  sigaddset(&stop, SIGPROF);
  pthread_sigmask(SIG_UNBLOCK, &stop, NULL);
  struct pollfd watched = {.fd = spindle_worker_control, .events = POLLRDHUP};
  for (;;) {
    int count = poll(&watched, 1, -1);
    if (count < 0 && errno == EINTR) continue;
    if (count < 0 || (watched.revents & POLLNVAL)) {  // user code closed the socket
      prctl(PR_SET_PDEATHSIG, SIGKILL);               // of this thread, and any thread's counts
      pid_t now = getppid();
      if (now != 0 && now != worker.parent) end_with_parent();
      for (;;) pause();
    }
    end_with_parent();
  }
}

static void *run_worker(void *context) {
  (void)context;
  exit(spindle_worker_main(spindle_worker_control));
}

// `@MainActor` code and DispatchQueue.main need a main thread that serves the main queue, as CFRunLoop does it.
// dispatchMain() is no way: it ends the main thread, and crashes before `main`.
static _Noreturn void serve_main_thread(void) {
  int (*handle)(void) = _dispatch_get_main_queue_handle_4CF;
  void (*drain)(void *) = _dispatch_main_queue_callback_4CF;
  if (handle == NULL || drain == NULL) {
    handle = (int (*)(void))dlsym(RTLD_DEFAULT, "_dispatch_get_main_queue_handle_4CF");
    drain = (void (*)(void *))dlsym(RTLD_DEFAULT, "_dispatch_main_queue_callback_4CF");
  }
  if (handle == NULL || drain == NULL)
    for (;;) pause();
  struct pollfd watched = {.fd = handle(), .events = POLLIN};
  for (;;) {
    if (poll(&watched, 1, -1) <= 0) continue;
    if (watched.revents & POLLNVAL)
      for (;;) pause();
    spindle_event_drain(watched.fd);
    drain(NULL);
  }
}

// Says hello, and with it who this is where nobody else can be relied upon to say it.
static void say_hello(int control, bool with_process) {
  struct spindle_introduction hello = {.process = getpid()};
  int32_t descriptors[2];
  size_t count = 0;
  if (with_process) {
    descriptors[count] = spindle_open_process(hello.process);
    if (descriptors[count] >= 0) hello.has_pidfd = 1, count++;
  }
  int report = spindle_keep_crash_report();
  if (report >= 0) hello.has_report = 1, descriptors[count++] = report;
  bool sent = spindle_send_frame(control, spindle_frame_hello, &hello, sizeof hello, descriptors, count);
  if (hello.has_pidfd) close(descriptors[0]);
  if (!sent) _exit(127);
}

static _Noreturn void run_as_worker(bool is_forked) {
  int control = spindle_worker_control;
  spindle_fault(spindle_fault_before_hello);
  if (spindle_worker_main == NULL) spindle_refuse(control, "the executable links CSpindle without SpindleProcesses");
  if (spindle_start_detached("spindle-watch", watch_parent, NULL) != 0)
    spindle_refuse(control, "no thread could be started to watch the parent");
  if (has_own_group()) prctl(PR_SET_PDEATHSIG, 0);
  // A line is the least that is lost when the worker dies, and the least that two processes can write without mixing.
  setvbuf(stdout, NULL, _IOLBF, 0);

  pthread_attr_t attributes;
  pthread_attr_init(&attributes);
  pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
  size_t stack = 0;
  pthread_attr_getstacksize(&attributes, &stack);
  // User code that would have had the main thread's stack gets as much.
  if (stack < 8u << 20) pthread_attr_setstacksize(&attributes, 8u << 20);

  say_hello(control, is_forked);
  spindle_fault(spindle_fault_after_hello);
  pthread_t thread;
  if (pthread_create(&thread, &attributes, run_worker, NULL) != 0)
    spindle_refuse(control, "no thread could be started for the worker");
  pthread_attr_destroy(&attributes);
  serve_main_thread();
}

static _Noreturn void become_worker(void) {
  if (worker.flags & spindle_start_fork_server) spindle_serve_forks(worker.parent);
  run_as_worker(false);
}

_Noreturn void spindle_become_forked_worker(const char *name, uint32_t flags) {
  snprintf(worker.name, sizeof worker.name, "%s", name);
  worker.flags = flags;
  prctl(PR_SET_NAME, worker.name);
  run_as_worker(true);
}
