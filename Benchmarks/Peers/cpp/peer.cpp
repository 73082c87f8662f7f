// C++ peer: libstdc++ (C++20), POSIX, oneTBB, moodycamel, Boost.Asio, OpenMP. See Benchmarks/README.md.
#include <algorithm>
#include <atomic>
#include <barrier>
#include <boost/asio/post.hpp>
#include <boost/asio/thread_pool.hpp>
#include <chrono>
#include <cmath>
#include <condition_variable>
#include <concurrentqueue/blockingconcurrentqueue.h>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <functional>
#include <future>
#include <memory>
#include <mutex>
#include <pthread.h>
#include <semaphore.h>
#include <semaphore>
#include <shared_mutex>
#include <string>
#include <tbb/concurrent_queue.h>
#include <tbb/global_control.h>
#include <tbb/parallel_for.h>
#include <tbb/parallel_invoke.h>
#include <tbb/parallel_reduce.h>
#include <tbb/parallel_sort.h>
#include <tbb/task_arena.h>
#include <tbb/task_group.h>
#include <thread>
#include <vector>

using u64 = std::uint64_t;
using clk = std::chrono::steady_clock;
static double since(clk::time_point t) { return std::chrono::duration<double>(clk::now() - t).count(); }
struct Out { double v; std::string note; };

static u64 spin(u64 x, int n) {
  for (int i = 0; i < n; i++) { x ^= x << 13; x ^= x >> 7; x ^= x << 17; }
  return x;
}
static u64 seed(int i) { return 88172645463325252ull + i; }
template <class T> static void keep(T &x) { asm volatile("" : : "g"(&x) : "memory"); }
static void check(bool ok, const char *what) {
  if (!ok) { std::fprintf(stderr, "wrong result: %s\n", what); std::exit(1); }
}
// 1 warm-up + 5 repetitions, median by value
template <class F> static Out median(F f) {
  f();
  std::vector<Out> v;
  for (int i = 0; i < 5; i++) v.push_back(f());
  std::sort(v.begin(), v.end(), [](auto &a, auto &b) { return a.v < b.v; });
  return v[2];
}
template <class F> static Out ns_per(long n, F f) { auto t = clk::now(); f(); return {since(t) * 1e9 / n, ""}; }
template <class F> static Out per_s(long n, F f) { auto t = clk::now(); f(); return {n / since(t), ""}; }
template <class F> static void team(int t, F f) {
  std::vector<std::thread> v;
  for (int i = 0; i < t; i++) v.emplace_back([&f, i] { f(i); });
  for (auto &x : v) x.join();
}
// timed contention: t threads loop op for 200 ms
template <class F> static Out contend(int t, F op) {
  std::atomic<bool> stop{false};
  std::vector<u64> c(t);
  auto start = clk::now();
  std::thread timer([&] { std::this_thread::sleep_for(std::chrono::milliseconds(200)); stop.store(true, std::memory_order_relaxed); });
  team(t, [&](int i) {
    u64 x = seed(i), n = 0;
    while (!stop.load(std::memory_order_relaxed)) { x = op(x); n++; }
    keep(x);
    c[i] = n;
  });
  double sec = since(start);
  timer.join();
  u64 sum = 0;
  for (u64 x : c) sum += x;
  char note[64];
  std::snprintf(note, sizeof note, "share min %.2f max %.2f", *std::min_element(c.begin(), c.end()) * double(t) / sum,
                *std::max_element(c.begin(), c.end()) * double(t) / sum);
  return {sum / sec, note};
}
// queue traffic: p producers, c consumers, fixed shares, sums checked
template <class Send, class Recv> static Out traffic(long n, int p, int c, Send send, Recv recv) {
  std::atomic<u64> total{0};
  n = n / (p * c) * (p * c);
  Out r = per_s(n, [&] {
    team(p + c, [&](int i) {
      if (i < c) {
        u64 s = 0;
        for (long k = 0; k < n / c; k++) s += recv();
        total += s;
      } else
        for (long k = 0; k < n / p; k++) send(u64(k));
    });
  });
  u64 k = n / p;
  check(total == p * (k * (k - 1) / 2), "traffic");
  return r;
}
// the plain bounded queue: one mutex, two condition variables, a ring
template <class T> class Ring {
  std::mutex m;
  std::condition_variable notEmpty, notFull;
  std::vector<T> buf;
  size_t head = 0, count = 0;
public:
  explicit Ring(size_t cap) : buf(cap) {}
  void send(T x) {
    std::unique_lock l(m);
    while (count == buf.size()) notFull.wait(l);
    size_t i = head + count;
    buf[i < buf.size() ? i : i - buf.size()] = std::move(x);
    count++;
    l.unlock();
    notEmpty.notify_one();
  }
  T recv() {
    std::unique_lock l(m);
    while (!count) notEmpty.wait(l);
    T x = std::move(buf[head]);
    if (++head == buf.size()) head = 0;
    count--;
    l.unlock();
    notFull.notify_one();
    return x;
  }
};
struct Latch { // counts down from outside threads, one waiter
  std::atomic<long> left;
  std::mutex m;
  std::condition_variable c;
  explicit Latch(long n) : left(n) {}
  void hit() { if (left.fetch_sub(1, std::memory_order_acq_rel) == 1) { std::lock_guard g(m); c.notify_one(); } }
  void wait() { std::unique_lock l(m); while (left.load(std::memory_order_acquire)) c.wait(l); }
};
static u64 fibInvoke(int n) {
  if (n < 2) return n;
  u64 a, b;
  tbb::parallel_invoke([&] { a = fibInvoke(n - 1); }, [&] { b = fibInvoke(n - 2); });
  return a + b;
}
static u64 fibGroup(int n) {
  if (n < 2) return n;
  u64 a, b;
  tbb::task_group g;
  g.run([&] { a = fibGroup(n - 1); });
  b = fibGroup(n - 2);
  g.wait();
  return a + b;
}
static double joins(int n) {
  double a = 0, b = 0;
  for (int i = 1; i < n; i++) { double c = a + b + 1; a = b; b = c; }
  return b;
}
static u64 mandelRow(int y) {
  double ci = -1.5 + 3.0 * y / 1024;
  u64 sum = 0;
  for (int x = 0; x < 1024; x++) {
    double cr = -2.0 + 3.0 * x / 1024, zr = 0, zi = 0;
    int i = 0;
    for (; i < 500 && zr * zr + zi * zi <= 4.0; i++) { double t = zr * zr - zi * zi + cr; zi = 2 * zr * zi + ci; zr = t; }
    sum += i;
  }
  return sum;
}
static double p50(std::vector<double> v) { std::sort(v.begin(), v.end()); return v[v.size() / 2]; }

struct Row { const char *w; int t; long n; const char *unit; };
static const Row rows[] = {
  {"L1:std", 1, 10000000, "ns/op"}, {"L2:std", 2, 0, "ops/s"}, {"L2:std", 4, 0, "ops/s"}, {"L2:std", 8, 0, "ops/s"},
  {"L1:pthread-adaptive", 1, 10000000, "ns/op"}, {"L2:pthread-adaptive", 4, 0, "ops/s"}, {"L2:tbb-spin", 4, 0, "ops/s"},
  {"L3:std", 1, 5000000, "ns/op"}, {"R1:std", 4, 0, "ops/s"}, {"R2:std", 4, 0, "ops/s"}, {"C1:std", 2, 2000, "round trips/s"},
  {"S1:std", 1, 500000, "ns/op"}, {"S1:posix", 1, 5000000, "ns/op"}, {"S2:std", 4, 0, "ops/s"}, {"S2:posix", 4, 0, "ops/s"},
  {"B1:std", 2, 20000, "crossings/s"}, {"B1:std", 4, 20000, "crossings/s"}, {"B1:pthread", 2, 3000, "crossings/s"}, {"B1:pthread", 4, 3000, "crossings/s"},
  {"E1:std-binsem", 2, 20000, "round trips/s"}, {"E1:std-condvar", 2, 2000, "round trips/s"},
#define Q(v, n1, n64, n1k) \
  {"Q1/1/1p1c:" v, 2, n1, "msg/s"}, {"Q1/1/4p4c:" v, 8, n1, "msg/s"}, {"Q1/1/1p4c:" v, 5, n1, "msg/s"}, {"Q1/1/4p1c:" v, 5, n1, "msg/s"}, \
  {"Q1/64/1p1c:" v, 2, n64, "msg/s"}, {"Q1/64/4p4c:" v, 8, n64, "msg/s"}, {"Q1/64/1p4c:" v, 5, n64, "msg/s"}, {"Q1/64/4p1c:" v, 5, n64, "msg/s"}, \
  {"Q1/1024/1p1c:" v, 2, n1k, "msg/s"}, {"Q1/1024/4p4c:" v, 8, n1k, "msg/s"}, {"Q1/1024/1p4c:" v, 5, n1k, "msg/s"}, {"Q1/1024/4p1c:" v, 5, n1k, "msg/s"}
  Q("std-ring", 4000, 100000, 200000), Q("tbb", 10000, 200000, 300000),
  {"Q2/1p1c:tbb", 2, 500000, "msg/s"}, {"Q2/4p4c:tbb", 8, 300000, "msg/s"},
  {"Q2/1p1c:moodycamel", 2, 1000000, "msg/s"}, {"Q2/4p4c:moodycamel", 8, 1000000, "msg/s"},
  {"Q3:std-ring", 2, 2000, "round trips/s"}, {"Q3:tbb", 2, 2000, "round trips/s"}, {"Q3:moodycamel", 2, 100000, "round trips/s"},
  {"Q4:std-ring", 2, 500000, "msg/s"}, {"Q4:tbb", 2, 500000, "msg/s"},
  {"T1:std", 1, 2000, "threads/s"},
  {"P1:tbb-enqueue", 2, 1000000, "tasks/s"}, {"P1:tbb-group", 2, 1000000, "tasks/s"}, {"P1:asio", 2, 1000000, "tasks/s"},
  {"P1b:tbb-future", 2, 300000, "tasks/s"}, {"P1b:asio-future", 2, 200000, "tasks/s"},
  {"P2:tbb-future", 2, 3000, "us p50"}, {"P2:asio-future", 2, 3000, "us p50"},
  {"P3:tbb-invoke", 2, 32, "joins/s"}, {"P3:tbb-group", 2, 32, "joins/s"},
  {"P4:tbb", 2, 20000000, "ms"}, {"P4:openmp", 2, 20000000, "ms"},
  {"P5:tbb", 2, 1024, "ms"}, {"P5:openmp", 2, 1024, "ms"}, {"P6:asio", 8, 1000, "ms"}, {"P6:tbb", 8, 1000, "ms"}, {"P7:tbb", 2, 10000000, "ms"}, {"P8:tbb", 2, 50000000, "ms"}, {"P8:openmp", 2, 50000000, "ms"},
  {"P9/0ms:tbb", 2, 2000, "us p50"}, {"P9/1ms:tbb", 2, 300, "us p50"}, {"P9/0ms:openmp", 2, 2000, "us p50"}, {"P9/1ms:openmp", 2, 300, "us p50"},
};

static Out lockLoop(long n, auto &m) {
  u64 x = 0;
  keep(m);
  Out r = ns_per(n, [&] { for (long i = 0; i < n; i++) { m.lock(); x++; keep(x); m.unlock(); } });
  return r;
}
static Out lockContend(int t, auto &m) {
  u64 x = 0;
  return contend(t, [&](u64 s) { m.lock(); x++; s = spin(s, 12); m.unlock(); return spin(s, 64); });
}
struct Adaptive { // glibc's PTHREAD_MUTEX_ADAPTIVE_NP
  pthread_mutex_t m = PTHREAD_ADAPTIVE_MUTEX_INITIALIZER_NP;
  void lock() { pthread_mutex_lock(&m); }
  void unlock() { pthread_mutex_unlock(&m); }
};
struct TbbSpin { tbb::spin_mutex m; void lock() { m.lock(); } void unlock() { m.unlock(); } };
struct PosixSem {
  sem_t s;
  explicit PosixSem(int n) { sem_init(&s, 0, n); }
  ~PosixSem() { sem_destroy(&s); }
  void acquire() { while (sem_wait(&s)) {} }
  void release() { sem_post(&s); }
};
static Out semLoop(long n, auto &s) {
  keep(s);
  return ns_per(n, [&] { for (long i = 0; i < n; i++) { s.acquire(); s.release(); } });
}
static Out semContend(int t, auto &s) {
  return contend(t, [&](u64 x) { s.acquire(); x = spin(x, 12); s.release(); return spin(x, 64); });
}

template <class Q> static Out queueRow(const std::string &kind, int p, int c, long n, Q make) {
  return median([&] { auto q = make(); return traffic(n, p, c, [&](u64 x) { q->send(x); }, [&] { return q->recv(); }); });
}
struct TbbQ {
  tbb::concurrent_bounded_queue<u64> q;
  explicit TbbQ(long cap) { if (cap) q.set_capacity(cap); }
  void send(u64 x) { q.push(x); }
  u64 recv() { u64 x; q.pop(x); return x; }
};
struct MoodyQ {
  moodycamel::BlockingConcurrentQueue<u64> q;
  void send(u64 x) { q.enqueue(x); }
  u64 recv() { u64 x; q.wait_dequeue(x); return x; }
};
template <class Q> static Out pingPong(long n, Q make) {
  return median([&] {
    auto a = make(), b = make();
    return per_s(n, [&] {
      team(2, [&](int i) {
        if (i) for (long k = 0; k < n; k++) b->send(a->recv());
        else for (long k = 0; k < n; k++) { a->send(k); check(b->recv() == u64(k), "ping-pong"); }
      });
    });
  });
}
// a future per task through the given submit function
template <class S> static Out futures(long n, S submit) {
  return median([&] {
    return per_s(n, [&] {
      std::vector<std::future<long>> f;
      f.reserve(n);
      for (long i = 0; i < n; i++) f.push_back(submit(i));
      long s = 0;
      for (auto &x : f) s += x.get();
      check(s == n * (n - 1) / 2, "futures");
    });
  });
}
template <class S> static Out latency(long n, S submit) {
  return median([&] {
    std::vector<double> v;
    for (long i = 0; i < n; i++) { auto t = clk::now(); check(submit(i).get() == i, "latency"); v.push_back(since(t) * 1e6); }
    return Out{p50(std::move(v)), ""};
  });
}
struct Words {
  u64 words = 0, letters = 0;
  Words operator+(Words o) const { return {words + o.words, letters + o.letters}; }
};
static bool isLetter(unsigned char c) { return static_cast<unsigned char>(c - 'a') < 26; }
// P8: the words that begin in the range, and their letters.
static Words countWords(const std::vector<unsigned char> &text, size_t from, size_t to) {
  Words sum;
  size_t i = from;
  if (from > 0 && isLetter(text[from - 1])) while (i < text.size() && isLetter(text[i])) i++;
  while (i < to) {
    if (!isLetter(text[i])) { i++; continue; }
    size_t start = i;
    while (i < text.size() && isLetter(text[i])) i++;
    sum.words++;
    sum.letters += i - start;
  }
  return sum;
}
template <class F> static Out wordsRow(long n, F par) {
  std::vector<unsigned char> text(n);
  u64 x = seed(0);
  for (auto &c : text) {
    x = spin(x, 1);
    unsigned char value = (x >> 32) & 31;
    c = value < 26 ? 'a' + value : ' ';
  }
  Words all = countWords(text, 0, text.size());
  return median([&] {
    auto s = clk::now();
    Words sum = par(text);
    Out o{since(s) * 1e3, std::to_string(sum.words) + " words"};
    check(sum.words == all.words && sum.letters == all.letters, "words");
    return o;
  });
}
// Not inlined: else the loop becomes one of vectors, which no other contender has.
__attribute__((noinline)) static u64 smallCall(int i) { return spin(88172645463325252ull + i, 1000); }
// P9: the loop is one call of `loop`, which gives the exclusive or of the 32.
template <class F> static Out smallLoops(long n, bool pause, F loop) {
  u64 right = 0;
  for (int i = 0; i < 32; i++) right ^= smallCall(i);
  return median([&] {
    std::vector<double> l;
    for (long i = 0; i < n; i++) {
      if (pause) std::this_thread::sleep_for(std::chrono::milliseconds(1));
      auto s = clk::now();
      u64 r = loop();
      l.push_back(since(s) * 1e6);
      check(r == right, "result");
    }
    return Out{p50(l), ""};
  });
}
template <class F> static Out sumRow(long n, F par) {
  std::vector<double> a(n);
  for (long i = 0; i < n; i++) a[i] = double(i);
  return median([&] {
    auto t = clk::now();
    double s1 = 0;
    for (double x : a) s1 += std::sqrt(x);
    double ms1 = since(t) * 1e3;
    t = clk::now();
    double s2 = par(a);
    double ms = since(t) * 1e3;
    check(std::abs(s1 - s2) < 1e-6 * s1, "sum");
    char note[64];
    std::snprintf(note, sizeof note, "serial %.2f ms, x%.2f", ms1, ms1 / ms);
    return Out{ms, note};
  });
}

static Out run(const std::string &w, const std::string &v, int t, long n) {
  if (w == "L1") {
    if (v == "std") return median([&] { std::mutex m; return lockLoop(n, m); });
    return median([&] { Adaptive m; return lockLoop(n, m); });
  }
  if (w == "L2") {
    if (v == "std") return median([&] { std::mutex m; return lockContend(t, m); });
    if (v == "tbb-spin") return median([&] { TbbSpin m; return lockContend(t, m); });
    return median([&] { Adaptive m; return lockContend(t, m); });
  }
  if (w == "L3") return median([&] {
    std::recursive_mutex m;
    u64 x = 0;
    keep(m);
    return ns_per(n, [&] { for (long i = 0; i < n; i++) { m.lock(); m.lock(); x++; keep(x); m.unlock(); m.unlock(); } });
  });
  if (w == "R1" || w == "R2") return median([&] {
    bool often = w == "R1";
    u64 every = often ? 20 : 1000;
    int inside = often ? 12 : 2, outside = often ? 64 : 4;
    std::shared_mutex m;
    u64 d = 0;
    return contend(t, [&](u64 x) {
      if (x % every == 0) { m.lock(); d++; m.unlock(); } else { m.lock_shared(); x = spin(x ^ (d & 1), inside); m.unlock_shared(); }
      return spin(x, outside);
    });
  });
  if (w == "C1" || v == "std-condvar") return median([&] {
    std::mutex m;
    std::condition_variable c[2];
    int turn = 0;
    return per_s(n, [&] {
      team(2, [&](int me) {
        for (long i = 0; i < n; i++) {
          std::unique_lock l(m);
          while (turn != me) c[me].wait(l);
          turn = 1 - me;
          l.unlock();
          c[1 - me].notify_one();
        }
      });
    });
  });
  if (w == "S1") {
    if (v == "std") return median([&] { std::counting_semaphore<> s(1); return semLoop(n, s); });
    return median([&] { PosixSem s(1); return semLoop(n, s); });
  }
  if (w == "S2") {
    if (v == "std") return median([&] { std::counting_semaphore<> s(2); return semContend(t, s); });
    return median([&] { PosixSem s(2); return semContend(t, s); });
  }
  if (w == "B1") {
    if (v == "std") return median([&] { std::barrier<> b(t); return per_s(n, [&] { team(t, [&](int) { for (long i = 0; i < n; i++) b.arrive_and_wait(); }); }); });
    return median([&] {
      pthread_barrier_t b;
      pthread_barrier_init(&b, nullptr, t);
      Out r = per_s(n, [&] { team(t, [&](int) { for (long i = 0; i < n; i++) pthread_barrier_wait(&b); }); });
      pthread_barrier_destroy(&b);
      return r;
    });
  }
  if (w == "E1") return median([&] {
    std::binary_semaphore a(0), b(0);
    return per_s(n, [&] {
      team(2, [&](int i) {
        for (long k = 0; k < n; k++)
          if (i) { a.acquire(); b.release(); } else { a.release(); b.acquire(); }
      });
    });
  });
  if (w[0] == 'Q' && w.size() > 3) {
    std::string top = w.substr(w.rfind('/') + 1);
    int p = top[0] - '0', c = top[2] - '0';
    long cap = w[1] == '1' ? std::atol(w.c_str() + 3) : 0;
    if (v == "std-ring") return queueRow(v, p, c, n, [&] { return std::make_unique<Ring<u64>>(cap); });
    if (v == "tbb") return queueRow(v, p, c, n, [&] { return std::make_unique<TbbQ>(cap); });
    return queueRow(v, p, c, n, [&] { return std::make_unique<MoodyQ>(); });
  }
  if (w == "Q3") {
    if (v == "std-ring") return pingPong(n, [] { return std::make_unique<Ring<u64>>(1); });
    if (v == "tbb") return pingPong(n, [] { return std::make_unique<TbbQ>(1); });
    return pingPong(n, [] { return std::make_unique<MoodyQ>(); });
  }
  if (w == "Q4") {
    using P = std::unique_ptr<u64>;
    if (v == "std-ring") return median([&] {
      Ring<P> q(1024);
      return traffic(n, 1, 1, [&](u64 x) { q.send(std::make_unique<u64>(x)); }, [&] { return *q.recv(); });
    });
    return median([&] {
      tbb::concurrent_bounded_queue<P> q;
      q.set_capacity(1024);
      return traffic(n, 1, 1, [&](u64 x) { q.push(std::make_unique<u64>(x)); }, [&] { P x; q.pop(x); return *x; });
    });
  }
  if (w == "T1") return median([&] { return per_s(n, [&] { for (long i = 0; i < n; i++) std::thread([] {}).join(); }); });
  if (w[0] == 'P' && v.rfind("tbb", 0) == 0) {
    bool master = w == "P3" || w == "P4" || w == "P5" || w == "P7" || w == "P8" || w[1] == '9'; // here the caller is one of the t threads, TBB's own way
    tbb::global_control gc(tbb::global_control::max_allowed_parallelism, master ? t : t + 1);
    tbb::task_arena arena(master ? t : t + 1, 1);
    auto future = [&](long i) {
      auto task = std::make_shared<std::packaged_task<long()>>([i] { return i; });
      auto f = task->get_future();
      arena.enqueue([task] { (*task)(); });
      return f;
    };
    if (w == "P1" && v == "tbb-enqueue") return median([&] {
      Latch l(n);
      return per_s(n, [&] { for (long i = 0; i < n; i++) arena.enqueue([&l] { l.hit(); }); l.wait(); });
    });
    if (w == "P1") return median([&] { // the caller helps while it waits: t + 1 threads at work
      std::atomic<long> hits{0};
      Out r = per_s(n, [&] { arena.execute([&] {
        tbb::task_group g;
        for (long i = 0; i < n; i++) g.run([&] { hits.fetch_add(1, std::memory_order_relaxed); });
        g.wait();
      }); });
      check(hits == n, "task_group");
      return r;
    });
    if (w == "P1b") return futures(n, future);
    if (w == "P2") return latency(n, future);
    if (w == "P3") return median([&] {
      auto s = clk::now();
      u64 r = 0;
      arena.execute([&] { r = v == "tbb-invoke" ? fibInvoke(int(n)) : fibGroup(int(n)); });
      double sec = since(s);
      keep(r);
      char note[32];
      std::snprintf(note, sizeof note, "fib(%ld) %.4f s", n, sec);
      return Out{joins(int(n)) / sec, note};
    });
    if (w == "P4") return sumRow(n, [&](std::vector<double> &a) {
      double s = 0;
      arena.execute([&] {
        s = tbb::parallel_reduce(tbb::blocked_range<size_t>(0, a.size()), 0.0,
          [&](auto &r, double x) { for (size_t i = r.begin(); i != r.end(); i++) x += std::sqrt(a[i]); return x; }, std::plus<double>());
      });
      return s;
    });
    if (w == "P7") {
      std::vector<u64> numbers(n);
      u64 x = 88172645463325252;
      for (auto &y : numbers) y = x = spin(x, 1);
      return median([&] {
        auto sorted = numbers;
        auto s = clk::now();
        arena.execute([&] { tbb::parallel_sort(sorted.begin(), sorted.end()); });
        Out o{since(s) * 1e3, ""};
        if (!std::is_sorted(sorted.begin(), sorted.end())) std::abort();
        return o;
      });
    }
    if (w == "P8") return wordsRow(n, [&](const std::vector<unsigned char> &text) {
      Words sum;
      arena.execute([&] {
        sum = tbb::parallel_reduce(tbb::blocked_range<size_t>(0, text.size(), 65536), Words{},
          [&](auto &r, Words a) { return a + countWords(text, r.begin(), r.end()); }, std::plus<Words>());
      });
      return sum;
    });
    if (w[1] == '9') return smallLoops(n, w.ends_with("1ms"), [&] {
      u64 r = 0;
      arena.execute([&] {
        r = tbb::parallel_reduce(tbb::blocked_range<int>(0, 32), u64(0),
          [](auto &part, u64 x) { for (int i = part.begin(); i != part.end(); i++) x ^= smallCall(i); return x; }, std::bit_xor<u64>());
      });
      return r;
    });
    if (w == "P5") return median([&] {
      auto s = clk::now();
      std::atomic<u64> sum{0};
      arena.execute([&] { tbb::parallel_for(0, int(n), [&](int y) { sum += mandelRow(y); }); });
      return Out{since(s) * 1e3, "sum " + std::to_string(sum)};
    });
    return median([&] {
      auto s = clk::now();
      Latch l(n);
      for (long i = 0; i < n; i++) arena.enqueue([&] { std::this_thread::sleep_for(std::chrono::milliseconds(1)); l.hit(); });
      l.wait();
      return Out{since(s) * 1e3, ""};
    });
  }
  if (v == "openmp") {
    if (w[1] == '9') return smallLoops(n, w.ends_with("1ms"), [&] {
      u64 r = 0;
#pragma omp parallel for reduction(^ : r) num_threads(t)
      for (int i = 0; i < 32; i++) r ^= smallCall(i);
      return r;
    });
    if (w == "P8") return wordsRow(n, [&](const std::vector<unsigned char> &text) {
      const size_t part = 65536;
      u64 words = 0, letters = 0;
#pragma omp parallel for reduction(+ : words, letters) schedule(dynamic, 1) num_threads(t)
      for (size_t i = 0; i < (text.size() + part - 1) / part; i++) {
        Words a = countWords(text, i * part, std::min((i + 1) * part, text.size()));
        words += a.words;
        letters += a.letters;
      }
      return Words{words, letters};
    });
    if (w == "P4") return sumRow(n, [&](std::vector<double> &a) {
      double s = 0;
#pragma omp parallel for reduction(+ : s) num_threads(t)
      for (size_t i = 0; i < a.size(); i++) s += std::sqrt(a[i]);
      return s;
    });
    return median([&] {
      auto s = clk::now();
      u64 sum = 0;
#pragma omp parallel for reduction(+ : sum) schedule(dynamic, 1) num_threads(t)
      for (int y = 0; y < int(n); y++) sum += mandelRow(y);
      return Out{since(s) * 1e3, "sum " + std::to_string(sum)};
    });
  }
  boost::asio::thread_pool pool(t);
  auto future = [&](long i) {
    std::packaged_task<long()> task([i] { return i; });
    auto f = task.get_future();
    boost::asio::post(pool, std::move(task));
    return f;
  };
  if (w == "P1") return median([&] {
    Latch l(n);
    return per_s(n, [&] { for (long i = 0; i < n; i++) boost::asio::post(pool, [&l] { l.hit(); }); l.wait(); });
  });
  if (w == "P1b") return futures(n, future);
  if (w == "P2") return latency(n, future);
  if (w == "P6") return median([&] {
    auto s = clk::now();
    Latch l(n);
    for (long i = 0; i < n; i++) boost::asio::post(pool, [&] { std::this_thread::sleep_for(std::chrono::milliseconds(1)); l.hit(); });
    l.wait();
    return Out{since(s) * 1e3, ""};
  });
  std::fprintf(stderr, "no such row\n");
  std::exit(1);
}

int main(int argc, char **argv) {
  if (argc < 2 || !std::strcmp(argv[1], "list")) {
    for (auto &r : rows) std::printf("%s %d\n", r.w, r.t);
    return 0;
  }
  const Row *row = nullptr;
  for (auto &r : rows)
    if (!std::strcmp(r.w, argv[1]) && (!row || (argc > 2 && r.t == std::atoi(argv[2])))) row = &r;
  if (!row) return std::fprintf(stderr, "unknown workload; try: list\n"), 1;
  int t = argc > 2 ? std::atoi(argv[2]) : row->t;
  long n = argc > 3 ? std::atol(argv[3]) : row->n;
  std::string s = row->w, w = s.substr(0, s.find(':')), v = s.substr(s.find(':') + 1);
  // glibc skips the lock prefix while a process has never had a second thread: rule that out
  std::thread([] {}).join();
  Out o = run(w, v, t, n);
  std::printf("%s\tcpp-%s\t%d\t%.6f\t%s\t%s\n", w.c_str(), v.c_str(), t, o.v, row->unit, o.note.c_str());
}
