#define _GNU_SOURCE
#include "CSpindle.h"

#include <errno.h>
#include <limits.h>
#include <linux/membarrier.h>
#include <sched.h>
#include <string.h>
#if __has_include(<sys/single_threaded.h>)
#include <sys/single_threaded.h>
#endif
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>
#if defined(__x86_64__) || defined(__i386__)
#include <cpuid.h>
#endif

int64_t spindle_now(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

// In nanoseconds: longer than a yield that found nobody (100 to 250), shorter than two switches (from 1000 on).
enum { GAVE_WAY = 700 };
// For so many quick yields it counts as crowded: one thread less for a moment is no room yet.
enum { CROWDED = 8 };
// In nanoseconds: shorter than kernels' usual time slices. Threads that wait for each other are back sooner, but for one in some hundreds.
enum { SLICE = 1000000 };
// Slices with so many quick yields between them have nothing to do with each other.
enum { SUSPECT = 64 };
// In nanoseconds: the kernel counts a running thread's time from tick to tick, of up to 10 ms; in less one sees nothing.
enum { WINDOW = 20000000 };
// At most so many times what a yield took none is tried: then yields cost the thread one part in 64 of its time.
enum { DEAREST = 64 };

int64_t spindle_note_yield(struct spindle_yields *yields, int64_t took, int64_t now, int64_t used) {
  if (took > GAVE_WAY) yields->crowded = CROWDED;
  else if (yields->crowded > 0) yields->crowded--;
  if (took <= SLICE) {
    if (yields->suspect > 0) yields->suspect--;
    return 0;
  }
  bool is_first = yields->suspect == 0;
  yields->suspect = SUSPECT;
  if (is_first) yields->times = 1;
  else if (now - yields->since < WINDOW) return 0;
  int64_t window = now - yields->since, ours = used - yields->used;
  yields->since = now;
  yields->used = used;
  if (is_first || ours >= window / 8 * 7) return 0;
  if (yields->times < DEAREST) yields->times *= 2;
  return took * yields->times;
}

static _Thread_local struct spindle_yields own_yields;
// 0: yields are not dear. Read by all who wait, hardly ever written: in a line of its own.
static struct { _Alignas(128) int64_t time; } dear_until;

// The part of all processors' time that this process has had, as time of the clock.
static int64_t used_time(void) {
  struct timespec t;
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
  return ((int64_t)t.tv_sec * 1000000000 + t.tv_nsec) / spindle_processors();
}

bool spindle_yield(void) {
  int64_t begin = spindle_now();
  sched_yield();
  int64_t end = spindle_now();
  bool took_slice = end - begin > SLICE;
  int64_t dear = spindle_note_yield(&own_yields, end - begin, end, took_slice ? used_time() : 0);
  if (dear) __atomic_store_n(&dear_until.time, end + dear, __ATOMIC_RELAXED);
  return took_slice;
}

bool spindle_is_crowded(void) { return own_yields.crowded > 0; }

bool spindle_is_yield_dear(void) {
  int64_t until = __atomic_load_n(&dear_until.time, __ATOMIC_RELAXED);
  if (!until) return false;
  if (spindle_now() < until) return true;
  // From now on this is a load again, unless somebody has put the time off meanwhile.
  __atomic_compare_exchange_n(&dear_until.time, &until, 0, false, __ATOMIC_RELAXED, __ATOMIC_RELAXED);
  return false;
}

void spindle_nap(int64_t nanoseconds) {
  struct timespec t = {nanoseconds / 1000000000, nanoseconds % 1000000000};
  nanosleep(&t, NULL);
}

int32_t spindle_processors(void) {
  static int32_t known;
  int32_t count = __atomic_load_n(&known, __ATOMIC_RELAXED);
  if (count) return count;
  cpu_set_t set;
  // More processors than a cpu_set_t holds: certainly more than one, which is all callers ask.
  count = sched_getaffinity(0, sizeof set, &set) == 0 ? CPU_COUNT(&set) : CPU_SETSIZE;
  if (count < 1) count = 1;
  __atomic_store_n(&known, count, __ATOMIC_RELAXED);
  return count;
}

static bool ask_who_made_it(void) {
#if defined(__x86_64__) || defined(__i386__)
  unsigned leaf, name[3];
  if (!__get_cpuid(0, &leaf, &name[0], &name[2], &name[1])) return false;
  // Hygon's are Zen cores under another name.
  return memcmp(name, "AuthenticAMD", sizeof name) == 0 || memcmp(name, "HygonGenuine", sizeof name) == 0;
#else
  return false;
#endif
}

static bool is_made_by_amd(void) {
  enum { unknown, yes, no };
  static int known = unknown;
  int answer = __atomic_load_n(&known, __ATOMIC_RELAXED);
  if (answer == unknown) {
    answer = ask_who_made_it() ? yes : no;
    __atomic_store_n(&known, answer, __ATOMIC_RELAXED);
  }
  return answer == yes;
}

int32_t spindle_pauses_per_look(void) { return is_made_by_amd() ? 3 : 6; }

int32_t spindle_pauses_per_microsecond(void) { return is_made_by_amd() ? 40 : 22; }

static struct timespec timespec_of(int64_t deadline) {
  if (deadline < 0) deadline = 0;
  return (struct timespec){deadline / 1000000000, deadline % 1000000000};
}

_Thread_local bool spindle_local_has_woken;

bool spindle_has_woken(void) {
  bool result = spindle_local_has_woken;
  spindle_local_has_woken = false;
  return result;
}

#if defined(__linux__) && !defined(SPINDLE_PORTABLE_PARKING)

#include <linux/futex.h>
#include <sys/syscall.h>
#include <unistd.h>

int spindle_wait(const uint32_t *word, uint32_t expected, int64_t deadline) {
  struct timespec t = timespec_of(deadline);
  // FUTEX_WAIT_BITSET takes an absolute time, so that early returns do not stretch a wait.
  long r = syscall(SYS_futex, word, FUTEX_WAIT_BITSET | FUTEX_PRIVATE_FLAG, expected,
                   deadline == SPINDLE_NEVER ? NULL : &t, NULL, FUTEX_BITSET_MATCH_ANY);
  return !(r == -1 && errno == ETIMEDOUT);
}

void spindle_wake(const uint32_t *word, int32_t count) {
  if (syscall(SYS_futex, word, FUTEX_WAKE | FUTEX_PRIVATE_FLAG, count, NULL, NULL, 0) > 0) spindle_local_has_woken = true;
}

#else

#include <pthread.h>

// Words share buckets, but each sleeper has a condition of its own in its bucket's line: a wake-up reaches those who
// sleep on its word, as many as it says, in the order they came, and disturbs no other.
#define BUCKETS 64
struct sleeper {
  const uint32_t *word;
  pthread_cond_t condition;
  bool is_woken;
  struct sleeper *next, **link;  // `link`: what points here
};
static struct bucket {
  pthread_mutex_t mutex;
  struct sleeper *first, **end;  // `end`: where the next to come is linked in
} buckets[BUCKETS];
static pthread_condattr_t monotonic;
static pthread_once_t once = PTHREAD_ONCE_INIT;

static void prepare(void) {
  pthread_condattr_init(&monotonic);
  pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
  for (int i = 0; i < BUCKETS; i++) {
    pthread_mutex_init(&buckets[i].mutex, NULL);
    buckets[i].end = &buckets[i].first;
  }
}

static struct bucket *bucket_of(const uint32_t *word) {
  pthread_once(&once, prepare);
  return &buckets[((uintptr_t)word >> 4) * 0x9E3779B97F4A7C15u >> 58];
}

static void append(struct bucket *b, struct sleeper *s) {
  s->link = b->end;
  *b->end = s;
  b->end = &s->next;
}

static void take_out(struct bucket *b, struct sleeper *s) {
  *s->link = s->next;
  if (s->next)
    s->next->link = s->link;
  else
    b->end = s->link;
}

int spindle_wait(const uint32_t *word, uint32_t expected, int64_t deadline) {
  struct bucket *b = bucket_of(word);
  struct timespec t = timespec_of(deadline);
  int result = 0;
  pthread_mutex_lock(&b->mutex);
  // The mutex makes "look at the word, then sleep" one step against a wake-up.
  if (__atomic_load_n(word, __ATOMIC_ACQUIRE) == expected) {
    struct sleeper me = {.word = word};
    pthread_cond_init(&me.condition, &monotonic);
    append(b, &me);
    while (!me.is_woken && result == 0)
      result = deadline == SPINDLE_NEVER ? pthread_cond_wait(&me.condition, &b->mutex)
                                         : pthread_cond_timedwait(&me.condition, &b->mutex, &t);
    if (me.is_woken)
      result = 0;
    else
      take_out(b, &me);
    pthread_cond_destroy(&me.condition);
  }
  pthread_mutex_unlock(&b->mutex);
  return result != ETIMEDOUT;
}

void spindle_wake(const uint32_t *word, int32_t count) {
  struct bucket *b = bucket_of(word);
  pthread_mutex_lock(&b->mutex);
  for (struct sleeper *s = b->first, *next; s && count > 0; s = next) {
    next = s->next;
    if (s->word != word) continue;
    take_out(b, s);
    s->is_woken = spindle_local_has_woken = true;
    // Under the mutex: without it the sleeper could be gone, and its condition with it.
    pthread_cond_signal(&s->condition);
    count--;
  }
  pthread_mutex_unlock(&b->mutex);
}

#endif

// 0 not yet registered, 1 registered, -1 the system cannot.
static int fences;

static int register_fences(void) {
  int now = syscall(SYS_membarrier, MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED, 0, 0) == 0 ? 1 : -1;
  __atomic_store_n(&fences, now, __ATOMIC_RELEASE);
  return now;
}

// Of a process with one thread the kernel takes a note (3 us); later it waits until every processor has come by, which held up the first
// who searched by 15 ms. Who is loaded into a running program leaves it at that: its loading must not take so long.
__attribute__((constructor)) static void register_fences_early(void) {
#if __has_include(<sys/single_threaded.h>)
  if (!__libc_single_threaded) return;
#endif
  register_fences();
}

bool spindle_fence_all_threads(void) {
  int now = __atomic_load_n(&fences, __ATOMIC_ACQUIRE);
  if (now == 0) now = register_fences();
  return now > 0 && syscall(SYS_membarrier, MEMBARRIER_CMD_PRIVATE_EXPEDITED, 0, 0) == 0;
}
