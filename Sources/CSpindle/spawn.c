// Starting this program again as a worker, and learning how a child ended.

#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "CSpindle.h"
#include "worker_internal.h"

extern char **environ;

// ---- Starting ----

// The whole of /proc/self/cmdline as an argument vector in one block that the caller frees.
static char **copy_arguments(void) {
  int file = open("/proc/self/cmdline", O_RDONLY | O_CLOEXEC);
  if (file < 0) return NULL;
  size_t capacity = 4096, count = 0;
  char *bytes = malloc(capacity + 1);
  while (bytes != NULL) {
    ssize_t got = read(file, bytes + count, capacity - count);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) {
      free(bytes);
      bytes = NULL;
    }
    if (got <= 0) break;
    count += (size_t)got;
    if (count < capacity) continue;
    capacity *= 2;
    char *larger = realloc(bytes, capacity + 1);
    if (larger == NULL) free(bytes);
    bytes = larger;
  }
  int error = errno;
  close(file);
  errno = error;
  if (bytes == NULL) return NULL;
  bytes[count] = 0;
  size_t arguments = 0;
  for (size_t i = 0; i < count; i++) arguments += bytes[i] == 0;
  if (count > 0 && bytes[count - 1] != 0) arguments++;
  char **vector = malloc((arguments + 1) * sizeof *vector + count + 1);
  if (vector != NULL) {
    char *text = (char *)(vector + arguments + 1);
    memcpy(text, bytes, count + 1);
    for (size_t i = 0; i < arguments; i++, text += strlen(text) + 1) vector[i] = text;
    vector[arguments] = NULL;
  }
  free(bytes);
  return vector;
}

struct start {
  char **arguments, **environment;
  int control, output, errors;
  pid_t parent;
  uint32_t flags;
  // Written by the child, which shares the parent's memory until it execs.
  volatile int error;
  const char *volatile operation;
};

// The child of a CLONE_VM is a guest in its parent's memory. So it makes system calls and nothing else: a sanitizer's version
// of sigaction or close would write down in the parent's memory what only the child did.
static int fail(struct start *start, const char *operation) {
  start->error = errno;
  start->operation = operation;
  syscall(SYS_exit_group, 127);
  __builtin_unreachable();
}

static int duplicate(int from, int to) { return (int)syscall(SYS_dup3, from, to, 0); }
static int descriptor_flags(int descriptor) { return (int)syscall(SYS_fcntl, descriptor, F_GETFD); }
static int set_inherited(int descriptor) { return (int)syscall(SYS_fcntl, descriptor, F_SETFD, 0); }

static void close_all_from(unsigned first) {
  if (syscall(SYS_close_range, first, ~0u, 0) == 0) return;
  // A kernel before 5.9.
  uint64_t limit[2] = {0, 0};
  if (syscall(SYS_prlimit64, 0, RLIMIT_NOFILE, NULL, limit) != 0 || limit[0] > 65536) limit[0] = 65536;
  for (unsigned descriptor = first; descriptor < limit[0]; descriptor++) syscall(SYS_close, descriptor);
}

// Runs in the child, on a stack of its own, while the calling thread is suspended: nothing here may allocate, take a lock or
// touch anything but `start` and the kernel.
__attribute__((no_sanitize("thread", "address"))) static int child_main(void *context) {
  struct start *start = context;
  // The death signal first, then the look whether the parent died before it was set.
  syscall(SYS_prctl, PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
  pid_t parent = (pid_t)syscall(SYS_getppid);
  if (parent != 0 && parent != start->parent) syscall(SYS_exit_group, 127);

  // Ignored signals survive exec (a server may ignore SIGTERM); handlers would run in the parent's memory as soon as the mask
  // is lifted. The kernel's structure: the handler first, then flags and mask, all zero.
  uint64_t action[4] = {0};
  for (int number = 1; number <= 64; number++) {
    action[0] = number == SIGINT && (start->flags & spindle_start_ignores_interrupts) ? (uintptr_t)SIG_IGN : (uintptr_t)SIG_DFL;
    if (number != SIGKILL && number != SIGSTOP) syscall(SYS_rt_sigaction, number, action, NULL, 8);
  }

  // First the socket and nothing else, so that a parent at its limit of descriptors can still start children.
  if ((start->control != spindle_worker_control ? duplicate(start->control, spindle_worker_control)
                                                : set_inherited(spindle_worker_control)) < 0)
    return fail(start, "moving the control socket");
  if (start->output >= 0 && duplicate(start->output, 1) < 0) return fail(start, "dup3 of standard output");
  if (start->errors >= 0 && duplicate(start->errors, 2) < 0) return fail(start, "dup3 of standard error");
  close_all_from(spindle_worker_control + 1);
  // Two processes that read one terminal or pipe would steal from each other: as in CPython, a child reads nothing.
  int null = (int)syscall(SYS_openat, AT_FDCWD, "/dev/null", O_RDWR | O_CLOEXEC, 0);
  if (null < 0) return fail(start, "open /dev/null");
  if ((null != 0 ? duplicate(null, 0) : set_inherited(0)) < 0) return fail(start, "dup3 of /dev/null");
  // Where the parent has closed stdout or stderr, the number may belong to something else of its, or of ours.
  for (int standard = 1; standard <= 2; standard++) {
    int flags = descriptor_flags(standard);
    if ((flags < 0 || flags & FD_CLOEXEC) && duplicate(0, standard) < 0) return fail(start, "dup3 of /dev/null");
  }

  if ((start->flags & spindle_start_own_group) && syscall(SYS_setpgid, 0, 0) != 0) return fail(start, "setpgid");
  uint64_t mask = 0;
  syscall(SYS_rt_sigprocmask, SIG_SETMASK, &mask, NULL, 8);
  syscall(SYS_execve, "/proc/self/exe", start->arguments, start->environment);
  return fail(start, "execve /proc/self/exe");
}

// ThreadSanitizer takes every clone for a fork, which shares nothing; this is the same function under its other name.
#if defined(__has_feature)
#if __has_feature(thread_sanitizer)
extern int __clone(int (*)(void *), void *, int, void *, ...);
#define clone __clone
#endif
#endif

int32_t spindle_control_pair(int32_t *mine, int32_t *theirs) {
  int sockets[2];
  if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, sockets) != 0) return errno;
  *mine = sockets[0];
  *theirs = sockets[1];
  return 0;
}

int32_t spindle_output_pipe(int32_t *reading, int32_t *writing) {
  int ends[2];
  if (pipe2(ends, O_CLOEXEC) != 0) return errno;
  // Where the program has closed standard descriptors, their numbers would be given out here.
  for (int i = 0; i < 2; i++) {
    if (ends[i] > spindle_worker_control) continue;
    int moved = fcntl(ends[i], F_DUPFD_CLOEXEC, spindle_worker_control + 1), error = errno;
    close(ends[i]);
    ends[i] = moved;
    if (moved >= 0) continue;
    if (ends[1 - i] >= 0) close(ends[1 - i]);
    return error;
  }
  (void)fcntl(ends[0], F_SETFL, O_NONBLOCK);
  *reading = ends[0];
  *writing = ends[1];
  return 0;
}

bool spindle_is_inherited(int32_t descriptor) {
  int flags = fcntl(descriptor, F_GETFD);
  return flags >= 0 && (flags & FD_CLOEXEC) == 0;
}

struct spindle_spawn_result spindle_spawn_worker(
    const char *name, uint32_t flags, int32_t output, int32_t error, const char **failed_operation) {
  struct spindle_spawn_result result = {.process = -1, .pidfd = -1, .control = -1};
  if (spindle_is_latecomer()) {
    result.error = EPERM;
    *failed_operation = "starting a child from a program that loaded Spindle after its main had begun (dlopen): "
                        "the child would run main instead; link Spindle to the executable";
    return result;
  }
  if (spindle_is_misfit()) {
    result.error = EPERM;
    *failed_operation = "starting a child from a child that could not be diverted before main "
                        "(is Spindle linked to the executable?)";
    return result;
  }
  struct start start = {.parent = getpid(), .flags = flags, .output = output, .errors = error};
  int sockets[2] = {-1, -1}, pidfd = -1;
  const size_t stack_size = 64 << 10;
  void *stack = MAP_FAILED;
  size_t variables = 0;
  char order[256];
  const char *operation;

  operation = "socketpair";
  if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, sockets) != 0) goto failed;
  start.control = sockets[1];
  operation = "reading /proc/self/cmdline";
  start.arguments = copy_arguments();
  if (start.arguments == NULL) goto failed;
  operation = "allocating the environment";
  while (environ != NULL && environ[variables] != NULL) variables++;
  start.environment = malloc((variables + 2) * sizeof *start.environment);
  if (start.environment == NULL) goto failed;
  snprintf(order, sizeof order, "SPINDLE_WORKER=%d:%d:%llx:%x:%.127s", spindle_worker_control, start.parent,
           (unsigned long long)spindle_own_image().identity, flags, name);
  start.environment[0] = order;
  size_t kept = 1;
  for (size_t i = 0; i < variables; i++)
    if (strncmp(environ[i], "SPINDLE_WORKER=", 15) != 0) start.environment[kept++] = environ[i];
  start.environment[kept] = NULL;
  operation = "mmap of a stack";
  stack = mmap(NULL, stack_size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_STACK, -1, 0);
  if (stack == MAP_FAILED) goto failed;

  // CLONE_VFORK | CLONE_VM: no page tables are copied, so the parent's size does not matter, and this thread sleeps until the
  // child has exec'ed. All signals stay blocked meanwhile: a handler must not run in a child that shares our memory.
  // CLONE_PIDFD: no moment in which the number could belong to somebody else.
  sigset_t all, before;
  sigfillset(&all);
  pthread_sigmask(SIG_BLOCK, &all, &before);
  operation = "clone";
  errno = 0;
  pid_t process = clone(child_main, (char *)stack + stack_size, CLONE_VM | CLONE_VFORK | CLONE_PIDFD | SIGCHLD, &start, &pidfd);
  int clone_error = errno;
  pthread_sigmask(SIG_SETMASK, &before, NULL);
  errno = clone_error;
  if (process < 0) goto failed;
  if (start.error != 0) {
    (void)spindle_reap(pidfd);
    close(pidfd);
    operation = start.operation;
    errno = start.error;
    goto failed;
  }
  close(sockets[1]);
  munmap(stack, stack_size);
  free(start.arguments);
  free(start.environment);
  result.process = process;
  result.pidfd = pidfd;
  result.control = sockets[0];
  return result;

failed:
  result.error = errno != 0 ? errno : EIO;
  *failed_operation = operation;
  if (sockets[0] >= 0) close(sockets[0]);
  if (sockets[1] >= 0) close(sockets[1]);
  if (stack != MAP_FAILED) munmap(stack, stack_size);
  free(start.arguments);
  free(start.environment);
  return result;
}

// ---- Ending ----

// <linux/pidfd.h> of kernel 6.15 and later, version 0 of the structure.
struct pidfd_information {
  uint64_t mask, cgroup;
  uint32_t ids[11];
  int32_t exit_code;
};
#define PIDFD_INFORMATION _IOWR(0xFF, 11, struct pidfd_information)
#define PIDFD_INFORMATION_EXIT (1u << 3)
_Static_assert(sizeof(struct pidfd_information) == 64, "the kernel's size of version 0");

#ifndef P_PIDFD
#define P_PIDFD 3
#endif

static struct spindle_exit from_wait_status(int status) {
  if (WIFEXITED(status)) return (struct spindle_exit){.kind = spindle_exit_code, .value = WEXITSTATUS(status)};
  return (struct spindle_exit){
      .kind = spindle_exit_signal, .value = WTERMSIG(status), .dumped_core = WCOREDUMP(status) != 0};
}

// glibc's waitid has no place for what the child used; the kernel's has.
static int wait_for(int pidfd, siginfo_t *info, int options, struct rusage *used) {
  long outcome;
  do outcome = syscall(SYS_waitid, P_PIDFD, pidfd, info, options, used);
  while (outcome != 0 && errno == EINTR);
  return (int)outcome;
}

struct spindle_exit spindle_reap(int32_t pidfd) {
  siginfo_t info = {0};
  struct rusage used = {0};
  if (wait_for(pidfd, &info, WEXITED | WNOHANG, &used) == 0) {
    if (info.si_pid == 0) return (struct spindle_exit){.kind = spindle_exit_running};
    return (struct spindle_exit){
        .kind = info.si_code == CLD_EXITED ? spindle_exit_code : spindle_exit_signal,
        .value = info.si_status,
        .dumped_core = info.si_code == CLD_DUMPED,
        .peak_bytes = (int64_t)used.ru_maxrss * 1024};
  }
  // ECHILD: the program reaped it itself (waitpid(-1)) or ignores SIGCHLD. Newer kernels keep the status in the pidfd.
  struct pidfd_information kept = {.mask = PIDFD_INFORMATION_EXIT};
  if (ioctl(pidfd, PIDFD_INFORMATION, &kept) == 0 && (kept.mask & PIDFD_INFORMATION_EXIT))
    return from_wait_status(kept.exit_code);
  return (struct spindle_exit){.kind = spindle_exit_unknown};
}

struct spindle_exit spindle_reap_group(int32_t pidfd, int32_t process) {
  siginfo_t info = {0};
  if (wait_for(pidfd, &info, WEXITED | WNOHANG | WNOWAIT, NULL) == 0 && info.si_pid == 0)
    return (struct spindle_exit){.kind = spindle_exit_running};
  // Before it is reaped: until then, nobody else can get its number, nor a group of that number.
  (void)spindle_signal_group(pidfd, process, SIGKILL);
  return spindle_reap(pidfd);
}

int64_t spindle_peak_bytes(void) {
  struct rusage used = {0};
  return getrusage(RUSAGE_SELF, &used) == 0 ? (int64_t)used.ru_maxrss * 1024 : 0;
}

void spindle_end_and_reap(int32_t pidfd) {
  siginfo_t info;
  (void)spindle_signal_process(pidfd, SIGKILL);
  while (waitid((idtype_t)P_PIDFD, (id_t)pidfd, &info, WEXITED) != 0 && errno == EINTR) {}
}

int32_t spindle_signal_process(int32_t pidfd, int32_t signal) {
  return syscall(SYS_pidfd_send_signal, pidfd, signal, NULL, 0) == 0 ? 0 : errno;
}

#define PIDFD_SIGNAL_GROUP (1u << 2)  // <linux/pidfd.h> of kernel 6.9 and later

int32_t spindle_signal_group(int32_t pidfd, int32_t process, int32_t signal) {
  if (syscall(SYS_pidfd_send_signal, pidfd, signal, NULL, PIDFD_SIGNAL_GROUP) == 0) return 0;
  if (errno != EINVAL) return errno;
  // Older: by number, and only while the child has not been reaped, for then the number may be anybody's.
  siginfo_t info = {0};
  if (wait_for(pidfd, &info, WEXITED | WNOHANG | WNOWAIT, NULL) != 0) return ESRCH;
  return kill(-process, signal) == 0 ? 0 : errno;
}

int32_t spindle_open_process(int32_t process) {
  int pidfd = (int)syscall(SYS_pidfd_open, process, 0);
  return pidfd >= 0 ? pidfd : -errno;
}

int32_t spindle_process_id(void) { return getpid(); }
int32_t spindle_parent_process_id(void) { return getppid(); }

// ---- Descriptors and readiness ----

int32_t spindle_close(int32_t descriptor) { return close(descriptor) == 0 ? 0 : errno; }

intptr_t spindle_read_some(int32_t descriptor, void *bytes, size_t capacity) {
  ssize_t count;
  do count = read(descriptor, bytes, capacity);
  while (count < 0 && errno == EINTR);
  return count >= 0 ? count : -errno;
}

void spindle_write_stream(int32_t stream, const void *bytes, size_t count) {
  FILE *file = stream == STDOUT_FILENO ? stdout : stderr;
  // One lock for all, or a line of this program could come in between.
  flockfile(file);
  for (size_t sent = 0;;) {
    if (sent < count) sent += fwrite_unlocked((const char *)bytes + sent, 1, count - sent, file);
    if (sent == count && fflush_unlocked(file) == 0) break;
    // A descriptor that does not wait: wait for it. Anything else, and nobody will read this.
    struct pollfd room = {.fd = fileno_unlocked(file), .events = POLLOUT};
    if (errno != EAGAIN || poll(&room, 1, -1) < 0 || !(room.revents & POLLOUT)) break;
    clearerr_unlocked(file);
  }
  funlockfile(file);
}

int32_t spindle_duplicate(int32_t descriptor) {
  int copy = fcntl(descriptor, F_DUPFD_CLOEXEC, 0);
  return copy >= 0 ? copy : -errno;
}

int32_t spindle_event_descriptor(void) {
  int event = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
  return event >= 0 ? event : -errno;
}

void spindle_event_notify(int32_t event) {
  uint64_t one = 1;
  while (write(event, &one, sizeof one) < 0 && errno == EINTR) {}
}

void spindle_event_drain(int32_t event) {
  uint64_t count;
  while (read(event, &count, sizeof count) < 0 && errno == EINTR) {}
}

int32_t spindle_epoll_create(void) {
  int epoll = epoll_create1(EPOLL_CLOEXEC);
  return epoll >= 0 ? epoll : -errno;
}

_Static_assert((int)spindle_ready_read == (int)EPOLLIN && (int)spindle_ready_write == (int)EPOLLOUT &&
                   (int)spindle_ready_hang_up == (int)EPOLLHUP,
               "the bits are the kernel's");

int32_t spindle_epoll_set(int32_t epoll, int32_t descriptor, uint64_t tag, uint32_t interest, bool is_new) {
  struct epoll_event event = {.events = interest, .data.u64 = tag};
  int operation = interest == 0 ? EPOLL_CTL_DEL : is_new ? EPOLL_CTL_ADD : EPOLL_CTL_MOD;
  return epoll_ctl(epoll, operation, descriptor, &event) == 0 ? 0 : errno;
}

int32_t spindle_epoll_wait(int32_t epoll, struct spindle_ready_event *events, int32_t capacity, int32_t milliseconds) {
  struct epoll_event ready[64];
  if (capacity > 64) capacity = 64;
  int count = epoll_wait(epoll, ready, capacity, milliseconds);
  for (int i = 0; i < count; i++)
    events[i] = (struct spindle_ready_event){ready[i].data.u64, ready[i].events};
  return count < 0 ? 0 : count;  // EINTR looks like nothing yet
}

const char *spindle_error_text(int32_t error) {
  return strerror(error);  // thread-safe in glibc since 2.32 and in musl
}
