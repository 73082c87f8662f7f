// Between processes in C and C++: Boost.Interprocess's message queue, a pipe, a Unix socket. Rows M4, M5 of Benchmarks/README.md.
#include <boost/interprocess/anonymous_shared_memory.hpp>
#include <boost/interprocess/ipc/message_queue.hpp>
#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <new>
#include <string>
#include <sched.h>
#include <spawn.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>
#include <vector>

namespace bi = boost::interprocess;
extern char **environ;

static double now() {
  return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}
static void check(bool ok, const char *what) {
  if (!ok) {
    fprintf(stderr, "wrong result: %s\n", what);
    exit(1);
  }
}

struct Channel {
  virtual ~Channel() {}
  virtual void put(uint64_t) = 0;
  virtual uint64_t get() = 0;
};

struct BoostQueue : Channel {
  std::string name;
  std::unique_ptr<bi::message_queue> queue;
  BoostQueue(size_t capacity) {
    static int count;
    name = "spindle-bench-" + std::to_string(getpid()) + "-" + std::to_string(count++);
    queue = std::make_unique<bi::message_queue>(bi::create_only, name.c_str(), capacity, sizeof(uint64_t));
    // What is mapped stays; children inherit the mapping.
    bi::message_queue::remove(name.c_str());
  }
  void put(uint64_t x) override { queue->send(&x, sizeof x, 0); }
  uint64_t get() override {
    uint64_t x;
    bi::message_queue::size_type size;
    unsigned priority;
    queue->receive(&x, sizeof x, size, priority);
    return x;
  }
};

struct Ends : Channel {
  int in, out;
  void put(uint64_t x) override { check(write(in, &x, sizeof x) == sizeof x, "write"); }
  uint64_t get() override {
    uint64_t x;
    check(read(out, &x, sizeof x) == sizeof x, "read");
    return x;
  }
  ~Ends() override {
    close(in);
    close(out);
  }
};

struct Pipe : Ends {
  Pipe(size_t) {
    int e[2];
    check(pipe(e) == 0, "pipe");
    out = e[0];
    in = e[1];
  }
};

struct Socket : Ends {
  Socket(size_t) {
    int e[2];
    check(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, e) == 0, "socketpair");
    out = e[0];
    in = e[1];
  }
};

static std::unique_ptr<Channel> make(const std::string &variant, size_t capacity) {
  if (variant == "boost-mq") return std::make_unique<BoostQueue>(capacity);
  if (variant == "pipe") return std::make_unique<Pipe>(capacity);
  return std::make_unique<Socket>(capacity);
}

template <class F> static pid_t child(F f) {
  pid_t p = fork();
  if (p == 0) {
    f();
    _exit(0);
  }
  return p;
}

template <class F> static double median(F f) {
  f();
  std::vector<double> v;
  for (int i = 0; i < 5; i++) v.push_back(f());
  std::sort(v.begin(), v.end());
  return v[2];
}

static double traffic(const std::string &variant, uint64_t n, int p, int c) {
  auto q = make(variant, 1024);
  struct Shared {
    std::atomic<int> ready{0};
    std::atomic<bool> go{false};
    std::atomic<uint64_t> sum{0};
  };
  auto *s = new (mmap(nullptr, sizeof(Shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0)) Shared;
  auto wait = [&] {
    s->ready++;
    while (!s->go) sched_yield();
  };
  std::vector<pid_t> all;
  for (int i = 0; i < p; i++)
    all.push_back(child([&] {
      wait();
      for (uint64_t k = 0; k < n / p; k++) q->put(k);
    }));
  for (int i = 0; i < c; i++)
    all.push_back(child([&] {
      wait();
      uint64_t sum = 0;
      for (uint64_t k = 0; k < n / c; k++) sum += q->get();
      s->sum += sum;
    }));
  while (s->ready < p + c) usleep(1000);
  double start = now();
  s->go = true;
  for (pid_t x : all) waitpid(x, nullptr, 0);
  double t = now() - start;
  uint64_t each = n / p;
  check(s->sum == p * (each * (each - 1) / 2), "sum");
  munmap(s, sizeof *s);
  return p * each / t;
}

static double echoes(const std::string &variant, uint64_t n) {
  auto there = make(variant, 1), back = make(variant, 1);
  pid_t x = child([&] {
    for (uint64_t k = 0; k < 6 * n; k++) back->put(there->get());
  });
  double r = median([&] {
    double start = now();
    for (uint64_t k = 0; k < n; k++) {
      there->put(k);
      check(back->get() == k, "echo");
    }
    return n / (now() - start);
  });
  waitpid(x, nullptr, 0);
  return r;
}

static double starts(int n) {
  char *argv[] = {(char *)"/bin/true", nullptr};
  return median([&] {
    std::vector<double> v;
    for (int i = 0; i < n; i++) {
      double start = now();
      pid_t p;
      check(posix_spawn(&p, "/bin/true", nullptr, nullptr, argv, environ) == 0, "posix_spawn");
      waitpid(p, nullptr, 0);
      v.push_back((now() - start) * 1e3);
    }
    std::sort(v.begin(), v.end());
    return v[n / 2];
  });
}

int main(int argc, char **argv) {
  struct Row {
    std::string workload, variant;
    int threads;
    uint64_t count;
    const char *unit;
  };
  std::vector<Row> rows;
  for (const char *v : {"boost-mq", "pipe", "unix-socket"}) {
    uint64_t n = 200000;
    rows.push_back({"M4/1p1c", v, 2, n, "msg/s"});
    rows.push_back({"M4/4p4c", v, 8, n, "msg/s"});
    rows.push_back({"M5", v, 2, 20000, "round trips/s"});
  }
  rows.push_back({"PHY-posix-spawn-true", "c", 1, 20, "ms"});
  if (argc < 2 || !strcmp(argv[1], "list")) {
    for (auto &r : rows) printf("%s:%s %d\n", r.workload.c_str(), r.variant.c_str(), r.threads);
    return 0;
  }
  for (auto &r : rows) {
    if (r.workload + ":" + r.variant != argv[1] || (argc > 2 && atoi(argv[2]) != r.threads)) continue;
    uint64_t n = argc > 3 ? strtoull(argv[3], nullptr, 10) : r.count;
    double v = r.workload == "M5" ? echoes(r.variant, n)
               : r.workload == "PHY-posix-spawn-true" ? starts((int)n)
                                          : traffic(r.variant, n, r.workload[3] - '0', r.workload[5] - '0');
    printf("%s\tcpp-%s\t%d\t%f\t%s\t\n", r.workload.c_str(), r.variant.c_str(), r.threads, v, r.unit);
    return 0;
  }
  fprintf(stderr, "unknown workload; try: list\n");
  return 64;
}
