#define _GNU_SOURCE
#include "CSpindleTesting.h"

#include <dirent.h>
#include <dlfcn.h>
#include <elf.h>
#include <errno.h>
#include <execinfo.h>
#include <fcntl.h>
#include <link.h>
#include <malloc.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static int64_t now(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

// Asks a thread for its stack.
#define STACK_SIGNAL (SIGRTMAX - 3)

// Threads of Swift's concurrency block all signals, and hand that down to the threads they start.
static void accept_stack_signal(void) {
  sigset_t set;
  sigemptyset(&set);
  sigaddset(&set, STACK_SIGNAL);
  pthread_sigmask(SIG_UNBLOCK, &set, NULL);
}

// --- A race: threads that start at once ------------------------------------------------------

struct gate {
  pthread_mutex_t mutex;
  pthread_cond_t changed;
  uint32_t arrived;
  int state;  // 0 closed, 1 open, -1 the race is called off
  void (*body)(void *, uint32_t);
  void *context;
};

struct runner {
  struct gate *gate;
  uint32_t index;
  pthread_t thread;
};

static void *run_racer(void *raw) {
  struct runner *runner = raw;
  struct gate *gate = runner->gate;
  char name[16];
  snprintf(name, sizeof name, "racer %u", runner->index);
  pthread_setname_np(pthread_self(), name);
  accept_stack_signal();
  pthread_mutex_lock(&gate->mutex);
  gate->arrived++;
  pthread_cond_broadcast(&gate->changed);
  while (gate->state == 0) pthread_cond_wait(&gate->changed, &gate->mutex);
  int goes = gate->state == 1;
  pthread_mutex_unlock(&gate->mutex);
  if (goes) gate->body(gate->context, runner->index);
  return NULL;
}

int spindle_race(uint32_t count, void (*body)(void *context, uint32_t index), void *context) {
  struct gate gate = {PTHREAD_MUTEX_INITIALIZER, PTHREAD_COND_INITIALIZER, 0, 0, body, context};
  struct runner *runners = calloc(count ? count : 1, sizeof *runners);
  if (!runners) return ENOMEM;
  int error = 0;
  uint32_t started = 0;
  for (; started < count && !error; started += !error) {
    runners[started] = (struct runner){.gate = &gate, .index = started};
    error = pthread_create(&runners[started].thread, NULL, run_racer, &runners[started]);
  }
  pthread_mutex_lock(&gate.mutex);
  while (!error && gate.arrived < count) pthread_cond_wait(&gate.changed, &gate.mutex);
  gate.state = error ? -1 : 1;
  pthread_cond_broadcast(&gate.changed);
  pthread_mutex_unlock(&gate.mutex);
  for (uint32_t i = 0; i < started; i++) pthread_join(runners[i].thread, NULL);
  free(runners);
  return error;
}

// --- The watchdog ----------------------------------------------------------------------------

struct spindle_watchdog {
  pthread_mutex_t mutex;
  pthread_cond_t changed;
  struct timespec deadline;
  int is_over;
  void (*expired)(void *);
  void *context;
  pthread_t thread;
};

static void *run_watchdog(void *raw) {
  spindle_watchdog *dog = raw;
  pthread_setname_np(pthread_self(), "watchdog");
  pthread_mutex_lock(&dog->mutex);
  int error = 0;
  while (!dog->is_over && error != ETIMEDOUT)
    error = pthread_cond_timedwait(&dog->changed, &dog->mutex, &dog->deadline);
  int is_over = dog->is_over;
  pthread_mutex_unlock(&dog->mutex);
  if (!is_over) dog->expired(dog->context);
  return NULL;
}

spindle_watchdog *spindle_watchdog_start(int64_t nanoseconds, void (*expired)(void *), void *context) {
  spindle_watchdog *dog = calloc(1, sizeof *dog);
  if (!dog) return NULL;
  dog->expired = expired;
  dog->context = context;
  pthread_mutex_init(&dog->mutex, NULL);
  pthread_condattr_t attributes;
  pthread_condattr_init(&attributes);
  pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
  pthread_cond_init(&dog->changed, &attributes);
  pthread_condattr_destroy(&attributes);
  clock_gettime(CLOCK_MONOTONIC, &dog->deadline);
  dog->deadline.tv_sec += nanoseconds / 1000000000;
  dog->deadline.tv_nsec += nanoseconds % 1000000000;
  if (dog->deadline.tv_nsec >= 1000000000) {
    dog->deadline.tv_sec++;
    dog->deadline.tv_nsec -= 1000000000;
  }
  accept_stack_signal();
  // The program's signal handlers must not run on the watchdog's thread.
  sigset_t all, before;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &before);
  int error = pthread_create(&dog->thread, NULL, run_watchdog, dog);
  pthread_sigmask(SIG_SETMASK, &before, NULL);
  if (!error) return dog;
  free(dog);
  return NULL;
}

void spindle_watchdog_stop(spindle_watchdog *dog) {
  pthread_mutex_lock(&dog->mutex);
  dog->is_over = 1;
  pthread_cond_signal(&dog->changed);
  pthread_mutex_unlock(&dog->mutex);
  pthread_join(dog->thread, NULL);
  pthread_cond_destroy(&dog->changed);
  pthread_mutex_destroy(&dog->mutex);
  free(dog);
}

const char *spindle_test_setting(const char *name) { return getenv(name); }

int32_t spindle_trace(int32_t process) {
  int ends[2];
  if (pipe(ends) != 0) return -1;
  pid_t tracer = fork();
  if (tracer == 0) {
    // System calls only: this is a copy of a process with threads.
    char result = ptrace(PTRACE_SEIZE, process, NULL, NULL) == 0;
    (void)!write(ends[1], &result, 1);
    for (;;) pause();
  }
  char result = 0;
  int traces = tracer > 0 && read(ends[0], &result, 1) == 1 && result;
  close(ends[0]);
  close(ends[1]);
  if (tracer > 0 && !traces) {
    kill(tracer, SIGKILL);
    waitpid(tracer, NULL, 0);
  }
  return traces ? tracer : -1;
}

// --- What the threads of this process do -----------------------------------------------------

static size_t read_file(int thread, const char *file, char *text, size_t capacity) {
  char path[64];
  snprintf(path, sizeof path, "/proc/self/task/%d/%s", thread, file);
  int descriptor = open(path, O_RDONLY | O_CLOEXEC);
  ssize_t count = descriptor < 0 ? 0 : read(descriptor, text, capacity - 1);
  if (descriptor >= 0) close(descriptor);
  if (count < 0) count = 0;
  while (count > 0 && text[count - 1] == '\n') count--;
  text[count] = 0;
  return (size_t)count;
}

// One thread at a time answers the signal, so that one buffer is enough. `asked` is the thread that is asked, minus it
// once it has answered: the buffer is its own in between, and an answer that comes too late is none.
static void *frames[64];
static int frame_count;
static int asked;

static void answer(int number) {
  (void)number;
  int before = errno;
  int thread = (int)syscall(SYS_gettid);
  if (__atomic_load_n(&asked, __ATOMIC_ACQUIRE) == thread) {
    frame_count = backtrace(frames, 64);
    __atomic_store_n(&asked, -thread, __ATOMIC_RELEASE);
  }
  errno = before;
}

// Part of Swift's run-time library.
extern char *swift_demangle(const char *name, size_t length, char *buffer, size_t *size, uint32_t flags)
    __attribute__((weak));

// The program's own functions are not in the table that dladdr() reads: read its full one.
static struct {
  const char *names;
  const Elf64_Sym *symbols;
  size_t count;
  uintptr_t base;
} program;

static int find_base(struct dl_phdr_info *info, size_t size, void *base) {
  (void)size;
  *(uintptr_t *)base = info->dlpi_addr;
  return 1;  // the first one is the program
}

static void read_program(void) {
  dl_iterate_phdr(find_base, &program.base);
  int descriptor = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
  struct stat status;
  if (descriptor < 0) return;
  if (fstat(descriptor, &status) == 0) {
    // Stays mapped: the process is about to end.
    char *file = mmap(NULL, (size_t)status.st_size, PROT_READ, MAP_PRIVATE, descriptor, 0);
    if (file != MAP_FAILED) {
      const Elf64_Ehdr *header = (const Elf64_Ehdr *)file;
      const Elf64_Shdr *sections = (const Elf64_Shdr *)(file + header->e_shoff);
      for (int i = 0; i < header->e_shnum; i++) {
        if (sections[i].sh_type != SHT_SYMTAB) continue;
        program.symbols = (const Elf64_Sym *)(file + sections[i].sh_offset);
        program.count = sections[i].sh_size / sizeof(Elf64_Sym);
        program.names = file + sections[sections[i].sh_link].sh_offset;
      }
    }
  }
  close(descriptor);
}

static const char *program_symbol(uintptr_t address) {
  for (size_t i = 0; i < program.count; i++) {
    const Elf64_Sym *symbol = &program.symbols[i];
    uintptr_t start = program.base + symbol->st_value;
    if (ELF64_ST_TYPE(symbol->st_info) == STT_FUNC && address >= start && address < start + symbol->st_size)
      return program.names + symbol->st_name;
  }
  return NULL;
}

static void write_frame(void *address, void (*line)(void *, const char *), void *context) {
  char text[1024];
  Dl_info info = {0};
  const char *symbol = NULL;
  if (dladdr(address, &info)) symbol = info.dli_sname;
  // A return address may be the first byte after a call that never returns.
  if (!symbol) symbol = program_symbol((uintptr_t)address - 1);
  if (!symbol) {
    const char *file = info.dli_fname ? strrchr(info.dli_fname, '/') : NULL;
    snprintf(text, sizeof text, "    %s+%#zx", file ? file + 1 : "?",
             (size_t)((uintptr_t)address - (uintptr_t)info.dli_fbase));
  } else {
    char *plain = swift_demangle ? swift_demangle(symbol, strlen(symbol), NULL, NULL, 0) : NULL;
    // Thunks say nothing to a reader.
    int is_thunk = plain && (strstr(plain, "thunk helper") || strstr(plain, "partial apply forwarder"));
    snprintf(text, sizeof text, "    %s", plain ? plain : symbol);
    free(plain);
    if (is_thunk) return;
  }
  line(context, text);
}

static int blocks(int thread, int signal) {
  char status[4096];
  read_file(thread, "status", status, sizeof status);
  char *mask = strstr(status, "SigBlk:");
  return mask && strtoull(mask + 7, NULL, 16) >> (signal - 1) & 1;
}

static void each_frame(int thread, void (*line)(void *, const char *), void *context) {
  if (blocks(thread, STACK_SIGNAL)) {
    line(context, "    (blocks signals: no stack)");
    return;
  }
  __atomic_store_n(&asked, thread, __ATOMIC_RELEASE);
  if (syscall(SYS_tgkill, getpid(), thread, STACK_SIGNAL) != 0) return;
  for (int round = 0; round < 100 && __atomic_load_n(&asked, __ATOMIC_ACQUIRE) == thread; round++)
    nanosleep(&(struct timespec){0, 1000000}, NULL);
  if (__atomic_load_n(&asked, __ATOMIC_ACQUIRE) == thread) {
    line(context, "    (does not answer: no stack)");
    return;
  }
  // The first two frames are the signal's own.
  for (int i = 2; i < frame_count; i++) write_frame(frames[i], line, context);
}

void spindle_each_thread(void (*line)(void *context, const char *text), void *context) {
  // Two watchdogs may bark at once; the first ends the process when it has printed everything.
  static pthread_mutex_t one = PTHREAD_MUTEX_INITIALIZER;
  pthread_mutex_lock(&one);
  // The first call of backtrace() loads a library; do it here, not in the handler.
  void *warm[2];
  backtrace(warm, 2);
  read_program();
  struct sigaction action = {.sa_handler = answer, .sa_flags = SA_RESTART}, old;
  sigemptyset(&action.sa_mask);
  sigaction(STACK_SIGNAL, &action, &old);
  DIR *tasks = opendir("/proc/self/task");
  if (!tasks) {
    pthread_mutex_unlock(&one);
    return;
  }
  int self = (int)syscall(SYS_gettid);
  for (struct dirent *entry; (entry = readdir(tasks));) {
    int thread = atoi(entry->d_name);
    if (thread <= 0 || thread == self) continue;
    char name[32], stat[512], place[128], call[256], text[1024];
    read_file(thread, "comm", name, sizeof name);
    read_file(thread, "stat", stat, sizeof stat);
    read_file(thread, "wchan", place, sizeof place);
    read_file(thread, "syscall", call, sizeof call);
    // The state follows the name in brackets, which may itself hold brackets.
    char *bracket = strrchr(stat, ')');
    snprintf(text, sizeof text, "  thread %d \"%s\" state %c, in the kernel at %s, system call %s", thread, name,
             bracket && bracket[1] ? bracket[2] : '?', place[0] ? place : "?", call[0] ? call : "?");
    line(context, text);
    each_frame(thread, line, context);
  }
  closedir(tasks);
  sigaction(STACK_SIGNAL, &old, NULL);
  pthread_mutex_unlock(&one);
}

void spindle_test_thread_name(char *name, size_t capacity) {
  read_file((int)syscall(SYS_gettid), "comm", name, capacity);
}

size_t spindle_test_threads(int32_t *ids, size_t capacity) {
  DIR *tasks = opendir("/proc/self/task");
  size_t count = 0;
  if (!tasks) return 0;
  for (struct dirent *entry; count < capacity && (entry = readdir(tasks));) {
    int thread = atoi(entry->d_name);
    if (thread > 0) ids[count++] = thread;
  }
  closedir(tasks);
  return count;
}

// --- Programs --------------------------------------------------------------------------------

int spindle_test_run(const char *program, const char *argument, int32_t seconds, char *output, size_t capacity) {
  char path[4096];
  ssize_t length = readlink("/proc/self/exe", path, sizeof path - 1);
  if (length <= 0) return -1;
  path[length] = 0;
  char *name = strrchr(path, '/') + 1;
  snprintf(name, sizeof path - (size_t)(name - path), "%s", program);
  int ends[2];
  if (pipe2(ends, O_CLOEXEC)) return -1;
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_adddup2(&actions, ends[1], STDOUT_FILENO);
  posix_spawn_file_actions_adddup2(&actions, ends[1], STDERR_FILENO);
  // Threads of Swift's concurrency block all signals.
  posix_spawnattr_t attributes;
  posix_spawnattr_init(&attributes);
  posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
  sigset_t set;
  sigemptyset(&set);
  posix_spawnattr_setsigmask(&attributes, &set);
  sigfillset(&set);
  posix_spawnattr_setsigdefault(&attributes, &set);
  char *argv[] = {path, (char *)argument, NULL};
  // ThreadSanitizer calls a daemon that ended and was not joined before exit a leak, which it is not.
  char *environment[] = {"SWIFT_BACKTRACE=enable=no", "TSAN_OPTIONS=report_thread_leaks=0", NULL};
  pid_t child = 0;
  int error = posix_spawn(&child, path, &actions, &attributes, argv, environment);
  posix_spawn_file_actions_destroy(&actions);
  posix_spawnattr_destroy(&attributes);
  close(ends[1]);
  int64_t deadline = now() + (int64_t)seconds * 1000000000;
  size_t count = 0;
  while (!error && count < capacity - 1) {
    struct pollfd entry = {ends[0], POLLIN, 0};
    int64_t left = (deadline - now()) / 1000000;
    int ready = poll(&entry, 1, left > 0 ? (int)left : 0);
    if (ready < 0 && errno == EINTR) continue;
    if (ready <= 0) {
      kill(child, SIGKILL);  // a program that hangs: its status says so
      break;
    }
    ssize_t n = read(ends[0], output + count, capacity - 1 - count);
    if (n <= 0) break;
    count += (size_t)n;
  }
  output[count] = 0;
  close(ends[0]);
  if (error) return -1;
  int status = 0;
  while (waitpid(child, &status, 0) < 0 && errno == EINTR) {}
  return status;
}

int spindle_test_fork_and_exit(int status) {
  pid_t child = fork();
  if (child == 0) exit(status);
  while (waitpid(child, &status, 0) < 0 && errno == EINTR) {}
  return status;
}

size_t spindle_test_memory(void *address) { return malloc_usable_size(address); }
