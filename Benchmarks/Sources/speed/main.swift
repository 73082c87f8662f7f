// Spindle beside the C library, row by row, in one run. Each round measures all contenders of a row in turn; a row's
// figure is the median over rounds, its ratio the median of the rounds' ratios, so that a machine whose speed drifts
// disturbs both alike. Usage: speed [ROUNDS]
import Glibc
import Spindle

struct Row {
  let name: String
  let unit: String
  let spindle: () -> Double
  let peerName: String
  let peer: () -> Double
}

final class Cell: @unchecked Sendable { var value = 0 }

/// A queue of capacity 1 each way: send, and wait for the echo.
func pingPong(
  _ rounds: Int, put: @escaping @Sendable (Int, Int) -> Void, get: @escaping @Sendable (Int) -> Int
) -> Double {
  rate(rounds) {
    onThreads(2) { side in
      for number in 0..<rounds {
        if side == 0 {
          put(0, number)
          precondition(get(1) == number)
        } else {
          put(1, get(0))
        }
      }
    }
  }
}

func stream(
  _ messages: Int, producers: Int, consumers: Int, put: @escaping @Sendable (Int) -> Void,
  get: @escaping @Sendable () -> Int
) -> Double {
  rate(messages) {
    onThreads(producers + consumers) { index in
      if index < producers {
        for number in 0..<messages / producers { put(number) }
      } else {
        for _ in 0..<messages / consumers { _ = get() }
      }
    }
  }
}

let cell = Cell()
let pairs = 2_000_000

func lockRow(_ name: String, threads: Int) -> Row {
  let lock = Lock()
  let mutex = PthreadMutex()
  return Row(
    name: name, unit: "operations/s",
    spindle: {
      contended(threads) { x in
        let y = lock.withLock {
          cell.value &+= 1
          return spin(x, 12)
        }
        return spin(y, 64)
      }
    }, peerName: "pthread_mutex",
    peer: {
      contended(threads) { x in
        mutex.acquire()
        cell.value &+= 1
        let y = spin(x, 12)
        mutex.release()
        return spin(y, 64)
      }
    })
}

func queueRow(capacity: Int, producers: Int, consumers: Int) -> Row {
  let queue = Queue<Int>(capacity: capacity)
  let ring = ConditionRing(capacity: capacity)
  let messages = 400_000
  return Row(
    name: "queue of \(capacity), \(producers) to \(consumers)", unit: "messages/s",
    spindle: { stream(messages, producers: producers, consumers: consumers, put: { try! queue.put($0) }, get: { try! queue.get() }) },
    peerName: "condition ring",
    peer: { stream(messages / 4, producers: producers, consumers: consumers, put: { ring.put($0) }, get: { ring.get() }) })
}

let lock = Lock()
let mutex = PthreadMutex()
let there = Queue<Int>(capacity: 1)
let back = Queue<Int>(capacity: 1)
let ringThere = ConditionRing(capacity: 1)
let ringBack = ConditionRing(capacity: 1)

let rows = [
  Row(
    name: "lock and unlock, alone", unit: "pairs/s",
    spindle: {
      rate(pairs) {
        for _ in 0..<pairs {
          lock.acquire()
          cell.value &+= 1
          lock.release()
        }
      }
    }, peerName: "pthread_mutex",
    peer: {
      rate(pairs) {
        for _ in 0..<pairs {
          mutex.acquire()
          cell.value &+= 1
          mutex.release()
        }
      }
    }),
  lockRow("one lock, 2 threads", threads: 2),
  lockRow("one lock, 4 threads", threads: 4),
  lockRow("one lock, 8 threads", threads: 8),
  Row(
    name: "queue ping-pong", unit: "round trips/s",
    spindle: { pingPong(100_000, put: { side, x in try! (side == 0 ? there : back).put(x) }, get: { side in try! (side == 0 ? there : back).get() }) },
    peerName: "condition ring",
    peer: { pingPong(10_000, put: { side, x in (side == 0 ? ringThere : ringBack).put(x) }, get: { side in (side == 0 ? ringThere : ringBack).get() }) }),
  queueRow(capacity: 64, producers: 1, consumers: 1),
  queueRow(capacity: 1024, producers: 4, consumers: 4),
]

func median(_ values: [Double]) -> Double {
  let sorted = values.sorted()
  return sorted.count % 2 == 1 ? sorted[sorted.count / 2] : (sorted[sorted.count / 2 - 1] + sorted[sorted.count / 2]) / 2
}

func short(_ value: Double) -> String {
  let (scaled, suffix) = value >= 1e6 ? (value / 1e6, "M") : value >= 1e3 ? (value / 1e3, "k") : (value, "")
  return "\((scaled * 100).rounded() / 100)\(suffix)"
}

let rounds = CommandLine.arguments.dropFirst().first.flatMap { Int($0) } ?? 5
// The C library leaves atomicity out of its locks until a second thread has existed.
onThreads(1) { _ in }
print("Median of \(rounds) rounds, (smallest to largest); the ratio above 1 says that Spindle is faster.\n")
print("| row | unit | Spindle | peer | ratio |")
print("|---|---|---|---|---|")
for row in rows {
  var ours: [Double] = []
  var theirs: [Double] = []
  _ = row.spindle()
  for _ in 0..<rounds {
    ours.append(row.spindle())
    theirs.append(row.peer())
  }
  let ratios = zip(ours, theirs).map { $0 / $1 }
  func shown(_ values: [Double]) -> String { "\(short(median(values))) (\(short(values.min()!)) to \(short(values.max()!)))" }
  print("| \(row.name) | \(row.unit) | \(shown(ours)) | \(row.peerName) \(shown(theirs)) | \(short(median(ratios))) (\(short(ratios.min()!)) to \(short(ratios.max()!))) |")
}
