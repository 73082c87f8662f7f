import Glibc
import Spindle
import Synchronization

func seconds() -> Double {
  var t = timespec()
  clock_gettime(CLOCK_MONOTONIC, &t)
  return Double(t.tv_sec) + Double(t.tv_nsec) * 1e-9
}

/// How often threads of this process have left a processor, of their own will or not.
func contextSwitches() -> Int {
  var usage = rusage()
  getrusage(__rusage_who_t(RUSAGE_SELF.rawValue), &usage)
  return usage.ru_nvcsw + usage.ru_nivcsw
}

/// One warm-up and five repetitions; the median by value.
func median(of repetition: () -> Figure) -> Figure {
  _ = repetition()
  return (0..<5).map { _ in repetition() }.sorted { $0.value < $1.value }[2]
}

func median(_ values: [Double]) -> Double { values.sorted()[values.count / 2] }

/// Does `count` operations; their time in seconds becomes a figure, which also gets the context switches per operation.
func timed(_ count: Int, _ figure: (_ seconds: Double) -> Double, _ body: () -> Void) -> Figure {
  let switches = contextSwitches()
  let start = seconds()
  body()
  let time = seconds() - start
  return Figure(value: figure(time), switches: Double(contextSwitches() - switches) / Double(count))
}

func nanosecondsPer(_ count: Int, _ body: () -> Void) -> Figure { timed(count, { $0 * 1e9 / Double(count) }, body) }

func perSecond(_ count: Int, _ body: () -> Void) -> Figure { timed(count, { Double(count) / $0 }, body) }

func milliseconds(_ body: () -> Void) -> Figure {
  let start = seconds()
  body()
  return Figure(value: (seconds() - start) * 1e3)
}

/// What one call takes, in microseconds: the median of so many, each after `preparation`, which is not timed.
func medianTime(ofCalls count: Int, after preparation: () -> Void = {}, _ call: (Int) -> Void) -> Figure {
  median {
    Figure(
      value: median(
        (0..<count).map { index in
          preparation()
          let start = seconds()
          call(index)
          return (seconds() - start) * 1e6
        }))
  }
}

func check(_ isRight: Bool, _ what: String) { precondition(isRight, "wrong result: \(what)") }

/// `body` on so many threads at once; returns when all have ended.
func team(_ count: Int, _ body: @escaping @Sendable (Int) -> Void) {
  for thread in (0..<count).map({ index in OSThread.spawn { body(index) } }) { thread.join() }
}

/// One step is about 1.6 ns of work that the compiler cannot leave out.
@inline(__always)
func spin(_ x: UInt64, _ steps: Int) -> UInt64 {
  var x = x
  var left = steps
  while left > 0 {
    x ^= x << 13
    x ^= x >> 7
    x ^= x << 17
    left &-= 1
  }
  return x
}

final class Tally: Sendable {
  let isOver = Atomic<Bool>(false)
  let total = Atomic<Int>(0)
  let sink = Atomic<UInt64>(0)
}

/// Timed contention: so many threads loop over `op` for 200 ms; operations per second, and each thread's share.
func contended(_ threads: Int, _ op: @escaping @Sendable (UInt64) -> UInt64) -> Figure {
  let tally = Tally()
  let switches = contextSwitches()
  let start = seconds()
  let timer = OSThread.spawn {
    OSThread.sleep(for: .milliseconds(200))
    tally.isOver.store(true, ordering: .relaxed)
  }
  let workers = (0..<threads).map { index in
    OSThread.spawn { () -> Double in
      var x = 88_172_645_463_325_252 + UInt64(index)
      var count = 0
      while !tally.isOver.load(ordering: .relaxed) {
        x = op(x)
        count += 1
      }
      tally.sink.bitwiseXor(x, ordering: .relaxed)
      return Double(count)
    }
  }
  let counts = workers.map { $0.join() }
  let time = seconds() - start
  timer.join()
  let left = contextSwitches() - switches
  let total = counts.reduce(0, +)
  func share(_ count: Double) -> Double { (count * Double(threads) / total * 100).rounded() / 100 }
  return Figure(
    value: total / time, note: "share min \(share(counts.min()!)) max \(share(counts.max()!))", switches: Double(left) / total)
}

/// What rows send through queues: a number, by itself or in an object.
protocol Message: Sendable {
  init(_ number: Int)
  var number: Int { get }
}

extension Int: Message {
  var number: Int { self }
}

/// So many producers send 0..., so many consumers receive equal shares; the sum is checked.
func traffic<Item: Message>(_ queue: Queue<Item>, _ wanted: Int, producers: Int, consumers: Int) -> Figure {
  let count = wanted / (producers * consumers) * (producers * consumers)
  let tally = Tally()
  let figure = perSecond(count) {
    team(producers + consumers) { index in
      if index < consumers {
        var sum = 0
        for _ in 0..<count / consumers { sum += try! queue.get().number }
        tally.total.wrappingAdd(sum, ordering: .relaxed)
      } else {
        for number in 0..<count / producers { try! queue.put(Item(number)) }
      }
    }
  }
  let each = count / producers
  check(tally.total.load(ordering: .relaxed) == producers * (each * (each - 1) / 2), "the sum of what was received")
  return figure
}

/// The rows `1p1c` and so on of a workload: producers, consumers.
let shapes = [("1p1c", 1, 1), ("1p4c", 1, 4), ("4p1c", 4, 1), ("4p4c", 4, 4)]
