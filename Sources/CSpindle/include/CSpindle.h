// Every system call that Spindle makes goes through this header. C, small, no state of its own
// beyond what a comment names. Each section lives in the .c file of the same subject.
#pragma once

#include <errno.h>
#include <signal.h>
#include <stdbool.h>
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

/// Set when this thread has woken a sleeper or started a thread.
extern _Thread_local bool spindle_local_has_woken;
/// Whether it has since it asked the last time.
bool spindle_has_woken(void);

// ---------------------------------------------------------------------------------------------
// Time and the processor (parking.c)

/// Nanoseconds of the monotonic clock.
int64_t spindle_now(void);

/// Gives the processor to another thread that is ready to run. True when that took a time slice.
bool spindle_yield(void);
/// Whether this thread's last yields gave the processor away: more threads want it than there are processors.
bool spindle_is_crowded(void);
/// Whether somebody wants the processors who does not wait for us: yields of this process took time slices, one after the other.
/// For a while then it is better to sleep than to yield.
bool spindle_is_yield_dear(void);

/// What a thread's last yields have told it. `crowded`, `suspect`: for how many more yields. `since`, `used`: when its suspicion was
/// looked into, and what the process had used then.
struct spindle_yields {
  uint8_t crowded, suspect, times;
  int64_t since, used;
};
/// Takes note of a yield that took so long and ended now. `used`: the part of all processors' time that the process has had, needed only
/// if the yield took a time slice. Returns for how long none should be tried, mostly 0. All in nanoseconds.
int64_t spindle_note_yield(struct spindle_yields *yields, int64_t took, int64_t now, int64_t used);

/// Sleeps for `nanoseconds`; for back-off inside the ground floor only.
void spindle_nap(int64_t nanoseconds);

/// How many processors this thread may run on (its affinity mask), at least 1. Read once.
int32_t spindle_processors(void);

/// The number of the processor that this thread runs on, or ran on just now. A load where the C library knows it from the kernel.
int32_t spindle_processor(void);

/// How many pauses who waits makes between two looks at what it waits for: 3 on AMD's processors, 6 on all others. Read once.
/// Measured on both. On AMD's, 3 make hand-offs up to 1.7 times as quick as 6; on Intel's servers looks that come sooner cost a tenth.
int32_t spindle_pauses_per_look(void);
/// About how many pauses last a microsecond: 40 on AMD's processors (25 ns each), 22 on all others (45 ns on Intel's). Read once.
int32_t spindle_pauses_per_microsecond(void);

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

/// Asks for memory that this thread is about to write: its lines come from wherever they lie all at once, instead of each when it is
/// touched. A hint: the memory need not even exist.
static inline void spindle_fetch_for_writing(const void *start, size_t bytes) {
  for (size_t offset = 0; offset < bytes; offset += 64) {
#if defined(__x86_64__)
    // Without `-mprfchw` the compiler's own builtin fetches a line that another processor may keep. Where it is not known, it does nothing.
    __asm__ volatile("prefetchw (%0)" ::"r"((const char *)start + offset));
#else
    __builtin_prefetch((const char *)start + offset, 1);
#endif
  }
}

// ---------------------------------------------------------------------------------------------
// Thread-local words (threads.c): one per subject, nothing is freed here.

extern _Thread_local uint8_t spindle_local_vain;

/// What this thread waited for did not come while it paused.
static inline void spindle_note_vain_pauses(void) { spindle_local_vain = 8; }
/// Whether it had better not pause: for some more waits, each of which asks once.
static inline bool spindle_are_pauses_vain(void) {
  if (spindle_local_vain == 0) return false;
  spindle_local_vain--;
  return true;
}

extern _Thread_local void *spindle_local_token;

/// The cancellation token of the closure this thread runs, unretained; NULL outside of one.
static inline void *spindle_token(void) { return spindle_local_token; }
static inline void spindle_set_token(void *token) { spindle_local_token = token; }

extern _Thread_local void *spindle_local_worker;
extern _Thread_local void *spindle_local_lane;

/// The pool worker that this thread is, unretained; NULL for other threads.
static inline void *spindle_worker(void) { return spindle_local_worker; }
static inline void spindle_set_worker(void *worker) { spindle_local_worker = worker; }

/// The lane of forked jobs that belongs to this thread; NULL for threads without one.
static inline void *spindle_lane(void) { return spindle_local_lane; }
static inline void spindle_set_lane(void *lane) { spindle_local_lane = lane; }

extern _Thread_local int64_t spindle_local_sharers;

/// Among how many threads the processors are divided, this one of them; 0 when it has not been said.
static inline int64_t spindle_sharers(void) { return spindle_local_sharers; }
static inline void spindle_set_sharers(int64_t sharers) { spindle_local_sharers = sharers; }

/// A word that no other living thread has, never 0: the address of something thread-local.
static inline uintptr_t spindle_thread_key(void) { return (uintptr_t)&spindle_local_token; }

// ---------------------------------------------------------------------------------------------
// Threads (threads.c)

/// Starts a detached thread with every signal blocked, named `name` (15 bytes seen by the kernel).
/// Returns 0 or an errno value.
int spindle_start_detached(const char *name, void (*body)(void *), void *context);

/// The kernel's id of the calling thread.
int32_t spindle_thread_id(void);

/// Starts a thread that can be joined, with the caller's signal mask, as POSIX has it.
/// `stack_size` 0: the system's default; otherwise at least that many bytes. Returns 0, and in `handle` what join and detach take, or
/// an errno value.
int spindle_thread_start(size_t stack_size, void *(*body)(void *), void *context, uintptr_t *handle);

/// The calling thread, for join and detach.
uintptr_t spindle_thread_handle(void);

/// Waits for the end of a thread until `deadline`. Returns 0, ETIMEDOUT, or (for a deadline in the past) EBUSY.
int spindle_thread_join(uintptr_t handle, int64_t deadline);

/// Nobody will join this thread.
void spindle_thread_detach(uintptr_t handle);

/// Names a thread of this process for the kernel, which shows as many whole characters as 15 bytes hold.
void spindle_thread_set_name(int32_t thread, const char *name);
/// The same for the calling thread, without asking the kernel which one that is.
void spindle_thread_set_own_name(const char *name);

/// Whether the caller is the first thread of its process.
int spindle_is_main_thread(void);

extern _Thread_local void *spindle_local_thread;

/// The record of the calling thread, unretained; NULL when there is none (yet).
static inline void *spindle_thread_record(void) { return spindle_local_thread; }
static inline void spindle_set_thread_record(void *record) { spindle_local_thread = record; }

/// What a thread leaves behind when it ends.
enum spindle_end { spindle_end_record = 0, spindle_end_values = 1 };

/// Calls `ended` with `value` when the calling thread ends, unless value is NULL; one value for each `what`.
/// For each `what`, `ended` is the same function at every call. Returns 0 or an errno value.
int spindle_thread_on_end(enum spindle_end what, void (*ended)(void *), void *value);

/// A thread's values of thread-local variables: at an index, the variable's serial number and its cell.
struct spindle_value {
  uint64_t serial;
  void *cell;
};
struct spindle_values {
  size_t count;
  struct spindle_value *entries;
};
extern _Thread_local struct spindle_values spindle_local_values;

/// The cell of a variable on the calling thread; NULL when it has none.
static inline void *spindle_local_cell(size_t index, uint64_t serial) {
  struct spindle_values *values = &spindle_local_values;
  if (index >= values->count || values->entries[index].serial != serial) return NULL;
  return values->entries[index].cell;
}

/// Whether the calling thread has a table of values.
static inline int spindle_has_local_values(void) { return spindle_local_values.count > 0; }

/// Sets the cell of a variable on the calling thread. Returns 0 or ENOMEM.
int spindle_set_local_cell(size_t index, uint64_t serial, void *cell);

/// The calling thread's values, which belong to the caller from now on (free entries with free()); it has none after.
struct spindle_values spindle_take_local_values(void);
void spindle_free_local_values(struct spindle_values values);

/// What the encoding keeps for the calling thread's next use; see SpareStates.
struct spindle_spares {
  void *encoding;
  void *decoding;
  bool has_owner;
};
extern _Thread_local struct spindle_spares spindle_spares;
static inline struct spindle_spares *spindle_local_spares(void) { return &spindle_spares; }

/// EAGAIN.
int32_t spindle_try_again(void);

// ---------------------------------------------------------------------------------------------
// Processors (processors.c)

/// How many processors are switched on.
int32_t spindle_online_processors(void);

/// How many processors the calling thread may run on now.
int32_t spindle_affinity_count(void);

/// Reads up to `capacity` bytes of a file. Returns how many, or -1.
int64_t spindle_read_file(const char *path, void *bytes, size_t capacity);

// ---------------------------------------------------------------------------------------------
// Closures as words (closures.c)

/// A Swift closure of type `() -> Void`: the address of its code and of what it captured.
struct spindle_closure {
  const void *code;
  const void *context;
};

/// One more reference to a Swift object that no other thread knows yet: without an atomic instruction.
void spindle_retain_unshared(void *object);

/// The first word of the metadata of objects that hold what a closure captured. A closure that captured nothing but one object has no such one.
#define SPINDLE_CAPTURES_KIND 0x400

/// What a closure captured lies at this address, of which no other thread knows. When the last reference goes, its content is released
/// as ever, but the memory stays until `spindle_free_memory`. Returns the address, or 0: this memory is not worth it, or has other users.
uintptr_t spindle_keep_memory(uintptr_t context);
/// The content must have been released. 0 does nothing.
void spindle_free_memory(uintptr_t context);

/// The same address, of which Swift's compiler does not know what lies there. A reference that it sees being stored where plain words
/// were declared does not count as one for it: it would take the object for one that never leaves the function, and free it at its end.
static inline void *spindle_untyped(void *address) { return address; }

/// Calls it as Swift does. Neither retains nor releases what it captured, which may lie on another thread's stack.
static inline void spindle_call_closure(struct spindle_closure closure) {
  typedef __attribute__((swiftcall)) void (*body)(__attribute__((swift_context)) const void *context);
  ((body)closure.code)(closure.context);
}

/// Makes all threads of this process pass a full memory fence before it returns. False where the system cannot.
bool spindle_fence_all_threads(void);

// ---------------------------------------------------------------------------------------------
// The end of the process (exit.c)

/// Calls `body` when the process ends by exit(), by return from main, or because main threw; `failed` is then the
/// error (a Swift error, unretained), else NULL. Every call registers once more. Not called in a forked child.
int spindle_at_exit(void (*body)(void *failed));

/// Sleeps for ever.
void spindle_sleep_for_ever(void);

/// Writes all of `text` to standard error.
void spindle_write_error(const char *text, size_t count);

/// Ends the process at once: nothing is flushed, no exit handler runs.
void spindle_exit_now(int status);

/// Ends this process as `kill -9` from outside would.
void spindle_die(void) __attribute__((noreturn));

// ---------------------------------------------------------------------------------------------
// Child processes: starting, talking, ending (worker_entry.c, spawn.c, control_socket.c)

/// Every frame on a control socket begins with this header, in the machine's byte order: both ends are the same program.
/// `descriptors` file descriptors travel with it: the first `spindle_descriptors_per_message` with the header itself,
/// each further group with one padding byte between header and payload.
struct spindle_frame_header {
  uint32_t magic;
  uint32_t kind;
  uint32_t descriptors;
  uint32_t reserved;
  uint64_t length;
};
enum {
  spindle_frame_magic = 0x4c445053,
  /// The child was diverted and its worker loop begins. The payload is a `spindle_introduction`.
  spindle_frame_hello = 1,
  /// The child cannot become a worker; the payload says why, as text.
  spindle_frame_refusal = 2,
  /// Parent to worker, the first message: the place of the code to begin with.
  spindle_frame_entry = 3,
  /// Program to fork server: fork a worker. The payload is a `spindle_fork_request`; the first descriptor is the worker's
  /// control socket, then come standard output and standard error as far as it has them.
  spindle_frame_fork = 4,
  /// From the fork server: who the new worker is. The payload is a `spindle_introduction`. It may come before or after the
  /// worker's own hello, which says the same.
  spindle_frame_forked = 5,
  /// The first kind that the layers above may use.
  spindle_frame_first_message = 16,
  spindle_descriptors_per_message = 250,
  /// The descriptor at which a worker finds its control socket.
  spindle_worker_control = 3,
};

/// Who a worker is: the descriptors that come with it are a pidfd, then memory that holds the report of a crash.
struct spindle_introduction {
  /// From the request; 0 in a hello.
  uint64_t id;
  int32_t process;
  uint8_t has_pidfd, has_report, reserved[2];
};

/// How a child is to be started.
enum spindle_start_flags {
  spindle_start_ignores_interrupts = 1,
  spindle_start_own_group = 2,
  /// Not to work, but to fork those that do.
  spindle_start_fork_server = 4,
  /// For a fork server: what comes with the request.
  spindle_start_has_output = 8,
  spindle_start_has_error = 16,
  /// For tests of a debug build: die at that step, one of `spindle_fault_...` in these bits.
  spindle_start_fault_shift = 8,
};
struct spindle_fork_request {
  uint64_t id;
  uint32_t flags;
  char name[124];
};

/// Steps of the start at which the tests let a process die.
enum spindle_fault {
  spindle_fault_none = 0,
  spindle_fault_before_hello = 1,
  spindle_fault_after_hello = 2,
  /// In the fork server, when a request has arrived, and when the worker exists but nobody has been told.
  spindle_fault_before_fork = 3,
  spindle_fault_after_fork = 4,
  /// Not a death: the worker never says hello.
  spindle_fault_silence = 5,
  /// The fork server dies when the worker exists but nobody has been told, and the worker never says hello.
  spindle_fault_lost = 6,
};

struct spindle_spawn_result {
  int32_t process;
  /// Readable once the process has ended; close-on-exec.
  int32_t pidfd;
  /// The parent's end of the control socket; close-on-exec.
  int32_t control;
  /// 0, or the errno value of what failed.
  int32_t error;
};

/// Starts this program again as a worker. `output` and `error` become its standard output and standard error; -1: the program's
/// own. `*operation` becomes what failed, in words (a static string). The child dies with the calling thread: call it from
/// a thread that lives for ever.
struct spindle_spawn_result spindle_spawn_worker(
    const char *name, uint32_t flags, int32_t output, int32_t error, const char **operation);
/// Two ends of a control socket, close-on-exec. Returns 0 or an errno value.
int32_t spindle_control_pair(int32_t *mine, int32_t *theirs);
/// A pipe, close-on-exec, that is read without waiting; its ends are no standard descriptors. Returns 0 or an errno value.
int32_t spindle_output_pipe(int32_t *reading, int32_t *writing);
/// Whether a child would inherit this standard descriptor of this process.
bool spindle_is_inherited(int32_t descriptor);

/// True in a process that was started as a worker and was diverted before `main`.
bool spindle_is_worker(void);
/// The process that started this worker; 0 when this process is no worker.
int32_t spindle_worker_parent(void);
/// The name this worker was given; empty when this process is no worker.
const char *spindle_worker_name(void);

enum spindle_exit_kind {
  spindle_exit_running = 0,
  spindle_exit_code = 1,
  spindle_exit_signal = 2,
  /// Somebody else reaped the child and the kernel (before 6.15) has forgotten how it ended.
  spindle_exit_unknown = 3,
};
struct spindle_exit {
  int32_t kind;
  int32_t value;
  bool dumped_core;
  /// The most memory that the process had at a time, as the kernel counts it; 0: unknown.
  int64_t peak_bytes;
};
/// Reaps the child behind `pidfd` if it has ended; never waits, never touches any other child.
struct spindle_exit spindle_reap(int32_t pidfd);
/// The same for a child with a group of its own: when it has ended, what is left of the group is killed.
struct spindle_exit spindle_reap_group(int32_t pidfd, int32_t process);
/// The most memory that this process has had at a time, in bytes.
int64_t spindle_peak_bytes(void);
/// Kills the child behind `pidfd` and waits until it is reaped.
void spindle_end_and_reap(int32_t pidfd);
/// Sends a signal through a pidfd, so that a recycled process number is never hit. Returns 0 or an errno value.
int32_t spindle_signal_process(int32_t pidfd, int32_t signal);
/// The same for the whole group of a child that has one of its own.
int32_t spindle_signal_group(int32_t pidfd, int32_t process, int32_t signal);
/// A pidfd of any process, close-on-exec, or minus an errno value.
int32_t spindle_open_process(int32_t process);
int32_t spindle_process_id(void);
int32_t spindle_parent_process_id(void);

/// Sends what fits of `bytes`; `descriptors` go with the first byte. Returns the number of bytes, or minus an errno value.
/// Without `wait`, a full socket is -EAGAIN. A closed peer is -EPIPE and no signal.
intptr_t spindle_control_send(
    int32_t socket, const void *bytes, size_t count, const int32_t *descriptors,
    size_t descriptor_count, bool wait);
/// Receives up to `capacity` bytes; received descriptors are close-on-exec and appended at `descriptors[*descriptor_count]`,
/// which must have room for `spindle_descriptors_per_message`. Returns the number of bytes, 0 at the end, or minus an errno value.
intptr_t spindle_control_receive(
    int32_t socket, void *bytes, size_t capacity, int32_t *descriptors,
    size_t *descriptor_count, bool wait);


/// What a pipe has at the moment, at most `capacity` bytes: how many; 0 at its end; or minus an errno value, -EAGAIN for nothing.
intptr_t spindle_read_some(int32_t descriptor, void *bytes, size_t capacity);
/// Writes through the C library's standard output (1) or standard error (2), as `print` does, and flushes it. May wait.
void spindle_write_stream(int32_t stream, const void *bytes, size_t count);
/// The bytes at the start of a file, at most `capacity`; returns how many.
size_t spindle_read_start(int32_t file, void *bytes, size_t capacity);

int32_t spindle_close(int32_t descriptor);
/// A close-on-exec copy of a descriptor, or minus an errno value.
int32_t spindle_duplicate(int32_t descriptor);
int32_t spindle_event_descriptor(void);
void spindle_event_notify(int32_t event);
void spindle_event_drain(int32_t event);
int32_t spindle_epoll_create(void);
/// `interest`: 0 removes, otherwise bits of spindle_ready. `is_new` adds instead of changing. Returns 0 or an errno value.
int32_t spindle_epoll_set(int32_t epoll, int32_t descriptor, uint64_t tag, uint32_t interest, bool is_new);
enum spindle_ready { spindle_ready_read = 1, spindle_ready_write = 4, spindle_ready_hang_up = 16 };
struct spindle_ready_event {
  uint64_t tag;
  uint32_t ready;
};
/// Waits until a watched descriptor is ready, at most `milliseconds` (-1: for ever). Returns how many events were written.
int32_t spindle_epoll_wait(
    int32_t epoll, struct spindle_ready_event *events, int32_t capacity, int32_t milliseconds);

/// Writes what the symbol at `address` is called, as Swift writes it, cut to `capacity`; returns the number of bytes, 0 when
/// there is no symbol (a stripped program). Reads the program's file: for messages only.
size_t spindle_symbol_name(uintptr_t address, char *name, size_t capacity);
/// errno's text.
const char *spindle_error_text(int32_t error);

// ---- Places in images (images.c) ----

/// An address named so that another process of the same program finds it: the image (the program or a library) by its
/// build-id, or by a hash of its layout and code where it was linked without one, and the offset in it.
struct spindle_image_place {
  uint64_t image_high, image_low;
  uint64_t offset;
};
enum spindle_segment {
  spindle_segment_none = 0,
  spindle_segment_data = 1,
  spindle_segment_code = 2,
};
/// Names the address; `spindle_segment_none` when no image holds it.
enum spindle_segment spindle_image_place_of(const void *address, struct spindle_image_place *place);
/// The address in this process, with at least `byte_count` bytes of its segment behind it; NULL and
/// `spindle_segment_none` when there is none.
const void *spindle_image_address(
    struct spindle_image_place place, size_t byte_count, enum spindle_segment *segment);
/// An object of Swift's runtime with that metadata.
void *spindle_swift_object(const void *metadata, size_t byte_count);

// ---- This process's memory (memory.c) ----

/// How many bytes of memory this process holds at the moment; 0 when nobody can say.
int64_t spindle_resident_memory(void);

// ---------------------------------------------------------------------------------------------
// Memory shared by processes (shared_memory.c): files without a name, locks that survive their holder, futexes.
// Functions that can fail return 0 or an errno value unless they say otherwise.

/// A new file in memory, without a name, close-on-exec, that can grow but never shrink; or minus an errno value.
int32_t spindle_shared_create(const char *label, uint64_t size);
/// Whether it is a file made by spindle_shared_create (or one that equally cannot shrink).
bool spindle_shared_is_ours(int32_t descriptor);
/// Its size in bytes, or minus an errno value.
int64_t spindle_shared_size(int32_t descriptor);
/// Makes the file at least `size` bytes long.
int32_t spindle_shared_grow(int32_t descriptor, uint64_t size);
/// Takes memory for a part of the file, so that writing there cannot fail later.
int32_t spindle_shared_commit(int32_t descriptor, uint64_t offset, uint64_t count);
/// Gives the memory of a part of the file back; it reads as zeros from then on.
void spindle_shared_release(int32_t descriptor, uint64_t offset, uint64_t count);
/// Maps a part of the file for reading and writing; NULL when that fails, and then `*error` says why.
void *spindle_shared_map(int32_t descriptor, uint64_t offset, size_t count, int32_t *error);
void spindle_shared_unmap(void *address, size_t count);
/// Memory of this process alone, all zero, to be given back by spindle_shared_unmap; NULL when there is none.
void *spindle_shared_map_private(size_t count);

/// A lock in shared memory. A holder that dies releases it; the next one is told.
enum {
  spindle_shared_lock_size = 64,
  /// What acquiring returns: held; held, and the holder before died with it; somebody else holds it.
  spindle_shared_lock_held = 0,
  spindle_shared_lock_owner_died = -1,
  spindle_shared_lock_busy = -2,
};
int32_t spindle_shared_lock_make(void *lock);
/// One of the three above, or an errno value.
int32_t spindle_shared_lock_try(void *lock);
/// Waits. `held`, `owner_died` or an errno value.
int32_t spindle_shared_lock_acquire(void *lock);
void spindle_shared_lock_release(void *lock);

/// As spindle_wait and spindle_wake, on a word that other processes have mapped too. May return early at any time.
void spindle_shared_wait(const uint32_t *word, uint32_t expected, int64_t deadline);
void spindle_shared_wake(const uint32_t *word, int32_t count);

/// malloc and free, for sizes that another process named: NULL when there is not so much.
void *spindle_allocate(size_t count);
void spindle_deallocate(void *memory);

// ---- Processes as owners of what is in shared memory (process_key.c) ----

/// Empty in a forked child, where the process is another one.
extern uint64_t *spindle_key_page;
uint64_t spindle_process_key_slow(void);

/// This process as no other that lives or lived on this machine: its number in the low 31 bits, when it began in the
/// high 32. Bit 31 is 0 and free for others to use. Never 0. Right in forked children too.
static inline uint64_t spindle_process_key(void) {
  uint64_t *page = __atomic_load_n(&spindle_key_page, __ATOMIC_ACQUIRE);
  if (page) {
    uint64_t key = __atomic_load_n(page, __ATOMIC_RELAXED);
    if (key) return key;
  }
  return spindle_process_key_slow();
}

/// Whether the process with that key (bit 31 does not count) has not ended. Some microseconds; with `exactly` some more,
/// and then another process that was given the same number is told apart.
bool spindle_process_lives(uint64_t key, bool exactly);

// ---- Packets between processes (connection.c) ----

/// Two connected sockets, close-on-exec, on which each sending arrives as one piece or not at all. Returns 0 or an errno value.
int32_t spindle_packet_pair(int32_t ends[2]);
/// Memory for a packet, always of the same size: what `give` was given last, or new; NULL when there is none.
void *spindle_packet_room_take(size_t count);
void spindle_packet_room_give(void *room);
bool spindle_is_packet_socket(int32_t descriptor);
/// The beginning of the next packet, which stays where it is: the number of bytes, or minus an errno value.
intptr_t spindle_packet_peek(int32_t socket, void *bytes, size_t count);
/// Waits until one of the descriptors can be read (with `writing`, until the first can be written), or has ended. Returns
/// how many can, 0 when the deadline has passed (one in the past only looks), or minus an errno value.
int32_t spindle_poll(const int32_t *descriptors, bool *ready, size_t count, bool writing, int64_t deadline);
/// Memory with these bytes, which nobody can change any more: a close-on-exec descriptor, or minus an errno value.
int32_t spindle_parcel_create(const char *label, const void *bytes, size_t count);
/// The bytes of such memory; NULL when it is none, or cannot be mapped (`*error` says which).
const void *spindle_parcel_open(int32_t descriptor, size_t *count, int32_t *error);
void spindle_parcel_close(const void *address, size_t count);
// ---- Where errors are thrown (throwing.c) ----

/// From now on remembers, for each thread, the last error that was thrown and where. Costs some nanoseconds per throw.
void spindle_watch_throws(void);
/// An address in the function that threw this error, the last one of this thread; 0 when that is not known.
uintptr_t spindle_thrown_at(const void *error);
