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
  bool is_worker;
  int32_t parent;
  init_entry original;
  char name[128];
} worker;

bool spindle_is_worker(void) { return worker.is_worker; }
// A diverted worker has removed its order (C2). Where it is still there, `main` runs although it should not.
bool spindle_is_misfit(void) { return getenv("SPINDLE_WORKER") != NULL; }
int32_t spindle_worker_parent(void) { return worker.parent; }
const char *spindle_worker_name(void) { return worker.name; }

// ---- The identity of the image that holds this code ----

static uint64_t fnv1a(uint64_t hash, const void *bytes, size_t count) {
  const unsigned char *at = bytes;
  for (size_t i = 0; i < count; i++) hash = (hash ^ at[i]) * 0x100000001b3u;
  return hash;
}

// Never 0. The build-id where the linker wrote one.
static uint64_t identity_of(const struct dl_phdr_info *info) {
  uint64_t hash = 0xcbf29ce484222325u;
  const ElfW(Phdr) *text = NULL;
  for (int i = 0; i < info->dlpi_phnum; i++) {
    const ElfW(Phdr) *header = &info->dlpi_phdr[i];
    if (header->p_type == PT_LOAD && (header->p_flags & PF_X) && text == NULL) text = header;
    if (header->p_type != PT_NOTE) continue;
    const char *at = (const char *)(info->dlpi_addr + header->p_vaddr), *end = at + header->p_memsz;
    while ((size_t)(end - at) >= sizeof(ElfW(Nhdr))) {
      const ElfW(Nhdr) *entry = (const void *)at;
      const char *name = at + sizeof *entry, *description = name + ((entry->n_namesz + 3u) & ~3u);
      if (entry->n_type == NT_GNU_BUILD_ID && entry->n_namesz == 4 && memcmp(name, "GNU", 4) == 0)
        return fnv1a(hash, description, entry->n_descsz) | 1;
      at = description + ((entry->n_descsz + 3u) & ~3u);
    }
  }
  // Linked without a build-id: the layout and the beginning of the code, neither of which relocation touches.
  hash = fnv1a(hash, info->dlpi_phdr, info->dlpi_phnum * sizeof(ElfW(Phdr)));
  if (text != NULL) {
    size_t count = text->p_filesz < 65536 ? text->p_filesz : 65536;
    hash = fnv1a(hash, (const void *)(info->dlpi_addr + text->p_vaddr), count);
  }
  return hash | 1;
}

struct image_search {
  uintptr_t address;  // in: look for the image that holds this, or
  uint64_t identity;  // in and out: for the image with this identity
  int index;
  bool found, is_executable, is_code;
  uintptr_t base;
  uint64_t offset;
};

static int look_at_image(struct dl_phdr_info *info, size_t size, void *context) {
  (void)size;
  struct image_search *search = context;
  int index = search->index++;
  uintptr_t address = search->address;
  if (address == 0) {
    if (identity_of(info) != search->identity) return 0;
    address = info->dlpi_addr + search->offset;
    search->found = true;
  }
  for (int i = 0; i < info->dlpi_phnum; i++) {
    const ElfW(Phdr) *header = &info->dlpi_phdr[i];
    if (header->p_type != PT_LOAD || address - (info->dlpi_addr + header->p_vaddr) >= header->p_memsz) continue;
    search->found = true;
    search->is_code = header->p_flags & PF_X;
  }
  if (!search->found) return 0;
  search->is_executable = index == 0;
  search->base = info->dlpi_addr;
  search->identity = identity_of(info);
  return 1;
}

static struct image_search own_image(void) {
  struct image_search search = {.address = (uintptr_t)&own_image};
  dl_iterate_phdr(look_at_image, &search);
  return search;
}

uint64_t spindle_own_image_identity(void) { return own_image().identity; }

struct spindle_code_place spindle_code_place_of(const void *code) {
  struct image_search search = {.address = (uintptr_t)code};
  if (code == NULL || dl_iterate_phdr(look_at_image, &search) == 0 || !search.is_code)
    return (struct spindle_code_place){0, 0};
  return (struct spindle_code_place){search.identity, (uintptr_t)code - search.base};
}

const void *spindle_code_at(struct spindle_code_place place) {
  struct image_search search = {.identity = place.image, .offset = place.offset};
  if (dl_iterate_phdr(look_at_image, &search) == 0 || !search.is_code) return NULL;
  return (const void *)(search.base + place.offset);
}

// ---- C2 and C3: the constructor ----

static void refuse(int control, const char *reason) {
  struct spindle_frame_header header = {
      .magic = spindle_frame_magic, .kind = spindle_frame_refusal, .length = strlen(reason)};
  if (spindle_control_send(control, &header, sizeof header, NULL, 0, true) == sizeof header)
    (void)spindle_control_send(control, reason, header.length, NULL, 0, true);
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

// The priority only makes it early; C4 holds for any place but the last, and the last is recognised.
__attribute__((constructor(900))) static void spindle_constructor(int argc, char **argv, char **environment) {
  (void)argc, (void)argv, (void)environment;
  const char *order = getenv("SPINDLE_WORKER");
  if (order == NULL) return;
  int control = -1, parent = 0, name_at = 0;
  unsigned long long identity = 0;
  int fields = sscanf(order, "%d:%d:%llx:%n", &control, &parent, &identity, &name_at);
  struct image_search image = own_image();
  pid_t now = getppid();
  if (fields != 3 || name_at == 0) return;
  if (identity != image.identity) {
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
  prctl(PR_SET_NAME, worker.name);  // else ps shows "exe"

  if (!image.is_executable && main_has_begun())
    refuse(control, "Spindle lies in a shared library that was loaded after main had begun (dlopen); "
                    "link it to the executable so that its children can be diverted before main");
  worker.is_worker = true;
  const char *problem = divert();
  if (problem != NULL) refuse(control, problem);
}

// ---- C5: the worker ----

static void diverted(int argc, char **argv, char **environment) {
  if (worker.original != NULL) worker.original(argc, argv, environment);
  become_worker();
}

// Ends the worker when the parent is gone, whatever user code is doing. PR_SET_PDEATHSIG does the same and may be lost (a
// changed user id clears it), so there are two.
static void watch_parent(void *context) {
  (void)context;
  struct pollfd watched = {.fd = spindle_worker_control, .events = POLLRDHUP};
  for (;;) {
    int count = poll(&watched, 1, -1);
    if (count < 0 && errno == EINTR) continue;
    if (count < 0 || (watched.revents & POLLNVAL)) return;  // user code closed the socket: PR_SET_PDEATHSIG remains
    kill(getpid(), SIGKILL);
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

static _Noreturn void become_worker(void) {
  int control = spindle_worker_control;
  if (spindle_worker_main == NULL) refuse(control, "the executable links CSpindle without SpindleProcesses");
  if (spindle_start_detached("spindle-watch", watch_parent, NULL) != 0)
    refuse(control, "no thread could be started to watch the parent");

  pthread_attr_t attributes;
  pthread_attr_init(&attributes);
  pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
  size_t stack = 0;
  pthread_attr_getstacksize(&attributes, &stack);
  // User code that would have had the main thread's stack gets as much.
  if (stack < 8u << 20) pthread_attr_setstacksize(&attributes, 8u << 20);

  struct spindle_frame_header hello = {.magic = spindle_frame_magic, .kind = spindle_frame_hello};
  if (spindle_control_send(control, &hello, sizeof hello, NULL, 0, true) != sizeof hello) _exit(127);
  pthread_t thread;
  if (pthread_create(&thread, &attributes, run_worker, NULL) != 0)
    refuse(control, "no thread could be started for the worker");
  pthread_attr_destroy(&attributes);
  serve_main_thread();
}
