// A process that was loaded once and forks workers: as pristine as a spawned one, and faster, because the loader's work and
// the runtime's is done. It has one thread, so that a copy of it is whole.
//
//   the program (SupervisorLoop)               fork server                        worker
//   F1 spawns it as a worker (worker_entry.c)  Z1 diverted before main, says hello
//   F2 makes a control socket, sends one end
//      of it with name and flags
//   F3 may write to its own end at once        Z2 receives, clones               W1 is a child of the program, not of
//                                              Z3 tells the number on its own       the server; looks whether that lives
//                                                 socket, closes the worker's     W2 says hello with its own number
//   F4 knows the worker from Z3 or W2          Z4 waits for the next (Z2)        W3 is a worker like any other
//
// Whoever dies: the worker's socket is held by the message in flight, then by the server, then by the worker, and by nobody
// else. When it has closed (F2's other side) before either told the number, the worker has died early, and Z3 is still to
// come; or the server has died, and its end says for certain that there is no worker. When the server dies between Z2 and Z3,
// W2 tells. Only when both are killed in that moment does the program never learn of a child that it would have to reap; and when
// the server is killed in that moment and the worker hangs before W2, the program gives it up when its time is over (F8): it closes
// the socket, so that the worker ends if it ever goes on.

#define _GNU_SOURCE
#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <link.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "CSpindle.h"
#include "worker_internal.h"

// Weak, because a program need not load Dispatch.
extern void dispatch_atfork_child(void) __attribute__((weak));
// Weak, because an executable may link this library without the Swift side.
extern void spindle_warm_up(void) __attribute__((weak));

static struct {
  int32_t parent, process;
  // Where glibc keeps the number of the first thread, and its list of robust locks.
  int *thread_id;
  void *robust_list;
  size_t robust_size;
  struct {
    uintptr_t code;
    char *start;
    size_t size;
  } dispatch;
} server;

// ---- One thread ----

static int count_threads(void) {
  DIR *tasks = opendir("/proc/self/task");
  if (tasks == NULL) return -1;
  int count = 0;
  for (struct dirent *entry; (entry = readdir(tasks)) != NULL;) count += entry->d_name[0] != '.';
  closedir(tasks);
  return count;
}

// ---- What a copy must put right, for it does not come from fork() ----

static int find_dispatch(struct dl_phdr_info *info, size_t size, void *context) {
  (void)context;
  bool is_it = false;
  size_t tls = 0;
  for (int i = 0; i < info->dlpi_phnum; i++) {
    const ElfW(Phdr) *header = &info->dlpi_phdr[i];
    if (header->p_type == PT_TLS) tls = header->p_memsz;
    if (header->p_type == PT_LOAD && server.dispatch.code - (info->dlpi_addr + header->p_vaddr) < header->p_memsz)
      is_it = true;
  }
  if (!is_it) return 0;
  if (size >= sizeof *info && info->dlpi_tls_data != NULL) {
    server.dispatch.start = info->dlpi_tls_data;
    server.dispatch.size = tls;
  }
  return 1;
}

// Dispatch has noted the first thread's number in a thread-local structure, and that this thread owns the main queue. The
// number must be right: Dispatch's locks are handed over by the kernel, which compares it. There is no call that renews
// it, so every word of Dispatch's thread-local block that holds the old number gets the new one.
static void renew_dispatch(pid_t before, pid_t now) {
  for (size_t at = 0; at + sizeof before <= server.dispatch.size; at += sizeof before) {
    pid_t word;
    memcpy(&word, server.dispatch.start + at, sizeof word);
    if (word == before) memcpy(server.dispatch.start + at, &now, sizeof now);
  }
  if (dispatch_atfork_child != NULL) {
    dispatch_atfork_child();
  } else {
    void (*renew)(void) = (void (*)(void))dlsym(RTLD_DEFAULT, "dispatch_atfork_child");
    if (renew != NULL) renew();
  }
}

static const char *prepare(void) {
  server.process = getpid();
  int threads = count_threads();
  if (threads < 0) return "its threads cannot be counted (/proc is not mounted)";
  if (threads > 1)
    return "the program starts threads before main, and a process with threads cannot be copied "
           "(a sanitizer does so, or a library that it links)";
  // Without these two a copy would have the number of the server in its locks.
  if (prctl(PR_GET_TID_ADDRESS, &server.thread_id, 0, 0, 0) != 0 || server.thread_id == NULL ||
      *server.thread_id != server.process)
    return "the kernel does not tell where the number of a thread is kept (PR_GET_TID_ADDRESS)";
  if (syscall(SYS_get_robust_list, 0, &server.robust_list, &server.robust_size) != 0) server.robust_list = NULL;
  server.dispatch.code = (uintptr_t)dlsym(RTLD_DEFAULT, "_dispatch_main_queue_callback_4CF");
  if (dispatch_atfork_child != NULL) server.dispatch.code = (uintptr_t)dispatch_atfork_child;
  if (server.dispatch.code != 0) dl_iterate_phdr(find_dispatch, NULL);
  return NULL;
}

// ---- Z2 and Z3 ----

struct request {
  struct spindle_fork_request body;
  int32_t control, output, errors;
};

static void close_all_from(unsigned first) {
  if (syscall(SYS_close_range, first, ~0u, 0) == 0) return;
  struct rlimit limit = {0};  // a kernel before 5.9
  if (getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur > 65536) limit.rlim_cur = 65536;
  for (unsigned descriptor = first; descriptor < limit.rlim_cur; descriptor++) close((int)descriptor);
}

// The server's own numbers end at 3, so none of the descriptors that came is in the way of another.
static void take_place(int descriptor, int number) {
  if (descriptor < 0) descriptor = 0;  // /dev/null
  if (dup2(descriptor, number) < 0) _exit(127);
}

static _Noreturn void begin(const struct request *request) {
  if (server.robust_list != NULL) syscall(SYS_set_robust_list, server.robust_list, server.robust_size);
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  pid_t parent = getppid();
  if (parent != 0 && parent != server.parent) _exit(127);  // W1
  spindle_fault_at(spindle_fault_before_hello, request->body.flags);

  struct sigaction ignored = {.sa_handler = SIG_IGN};
  if (request->body.flags & spindle_start_ignores_interrupts) sigaction(SIGINT, &ignored, NULL);
  if (dup3(request->control, spindle_worker_control, O_CLOEXEC) < 0) _exit(127);
  take_place(request->output, 1);
  take_place(request->errors, 2);
  close_all_from(spindle_worker_control + 1);
  if ((request->body.flags & spindle_start_own_group) != 0 && setpgid(0, 0) != 0)
    spindle_refuse(spindle_worker_control, "setpgid failed");
  sigset_t none;
  sigemptyset(&none);
  sigprocmask(SIG_SETMASK, &none, NULL);
  renew_dispatch(server.process, getpid());
  spindle_become_forked_worker(request->body.name, request->body.flags);
}

// A sibling rather than a child: the program is its parent, may wait for it, and its death is the copy's too.
static long clone_sibling(int *pidfd) {
  unsigned long flags = CLONE_PARENT | CLONE_PIDFD | CLONE_CHILD_SETTID | CLONE_CHILD_CLEARTID | SIGCHLD;
#if defined(__x86_64__)
  return syscall(SYS_clone, flags, NULL, pidfd, server.thread_id, NULL);
#elif defined(__s390x__)
  return syscall(SYS_clone, NULL, flags, pidfd, server.thread_id, NULL);
#else
  return syscall(SYS_clone, flags, NULL, pidfd, NULL, server.thread_id);
#endif
}

static void serve(const struct request *request) {
  int pidfd = -1;
  long process = clone_sibling(&pidfd);
  if (process == 0) begin(request);
  if (process < 0) {
    char reason[160];
    snprintf(reason, sizeof reason, "clone, in the fork server: %s", strerror(errno));
    (void)spindle_send_frame(request->control, spindle_frame_refusal, reason, strlen(reason), NULL, 0);
    return;
  }
  spindle_fault_at(spindle_fault_after_fork, request->body.flags);
  // Not on the worker's socket, where it could come in between two parts of something that the worker sends.
  struct spindle_introduction introduction = {
      .id = request->body.id, .process = (int32_t)process, .has_pidfd = 1};
  (void)spindle_send_frame(spindle_worker_control, spindle_frame_forked, &introduction, sizeof introduction, &pidfd, 1);
  close(pidfd);
}

// False when the program is gone.
static bool receive_all(void *bytes, size_t count, int32_t *descriptors, size_t *descriptor_count) {
  for (size_t got = 0; got < count;) {
    intptr_t received = spindle_control_receive(
        spindle_worker_control, (char *)bytes + got, count - got, descriptors, descriptor_count, true);
    if (received <= 0) return false;
    got += (size_t)received;
  }
  return true;
}

_Noreturn void spindle_serve_forks(int32_t parent) {
  server.parent = parent;
  if (spindle_warm_up != NULL) spindle_warm_up();
  (void)spindle_watch_crashes();
  const char *problem = prepare();
  if (problem != NULL) spindle_refuse(spindle_worker_control, problem);
  // What was printed before now is no worker's, and what is in a buffer would be everyone's.
  fflush(NULL);
  (void)dup2(0, 1);
  // Ctrl-C goes to every process at the terminal. When this one ends is the program's decision.
  // Blocked rather than ignored, so that one that is meant for a new copy waits until that has unblocked it.
  sigset_t interrupt;
  sigemptyset(&interrupt);
  sigaddset(&interrupt, SIGINT);
  sigprocmask(SIG_BLOCK, &interrupt, NULL);

  struct spindle_introduction hello = {.process = getpid()};
  if (!spindle_send_frame(spindle_worker_control, spindle_frame_hello, &hello, sizeof hello, NULL, 0)) _exit(127);
  for (;;) {
    struct spindle_frame_header header;
    struct request request;
    int32_t descriptors[2 * spindle_descriptors_per_message];
    size_t count = 0;
    if (!receive_all(&header, sizeof header, descriptors, &count)) _exit(0);
    if (header.magic != spindle_frame_magic || header.length != sizeof request.body) _exit(127);
    if (!receive_all(&request.body, sizeof request.body, descriptors, &count)) _exit(0);
    request.body.name[sizeof request.body.name - 1] = 0;
    size_t at = 0;
    request.control = at < count ? descriptors[at++] : -1;
    request.output = (request.body.flags & spindle_start_has_output) && at < count ? descriptors[at++] : -1;
    request.errors = (request.body.flags & spindle_start_has_error) && at < count ? descriptors[at++] : -1;
    spindle_fault_at(spindle_fault_before_fork, request.body.flags);
    if (request.control >= 0) serve(&request);
    for (size_t i = 0; i < count; i++) close(descriptors[i]);
  }
}

#ifdef DEBUG
void spindle_fault_at(enum spindle_fault step, uint32_t flags) {
  uint32_t ordered = flags >> spindle_start_fault_shift;
  bool is_lost = ordered == spindle_fault_lost;
  if (ordered == (uint32_t)step || (is_lost && step == spindle_fault_after_fork)) spindle_die();
  while ((ordered == spindle_fault_silence || is_lost) && step == spindle_fault_before_hello) pause();
}
#endif
