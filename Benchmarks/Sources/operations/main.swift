// How many blocks an operation allocates, once it is warm. Exact, so one run is enough.
import CCounting
import Glibc
import Spindle

/// Blocks per operation over `count` operations, after a first round that fills caches and starts threads.
func perOperation(_ count: Int, _ body: (Int) -> Void) -> Double {
  body(count)
  let before = allocations_so_far()
  body(count)
  return Double(allocations_so_far() - before) / Double(count)
}

func row(_ name: String, atMost limit: Double, _ value: Double) -> Bool {
  let text = (value * 1000).rounded() / 1000
  print("| \(name) | \(text) | \(limit) | \(value <= limit ? "yes" : "NO") |")
  return value <= limit
}

let lock = Lock()
let bounded = Queue<Int>(capacity: 1024)
let unbounded = Queue<Int>()
let semaphore = Semaphore(1)
let event = Event()
event.set()
let pool = ThreadPool(maxWorkers: 2)
let n = 100_000
/// Shares of a block come from what grows rarely, such as a queue's chain of blocks.
let rarely = 0.02

print("| operation | blocks | at most | holds |")
print("|---|---|---|---|")
var holds = [
  row("Lock: acquire, release", atMost: 0, perOperation(n) { for _ in 0..<$0 { lock.acquire(); lock.release() } }),
  row("Semaphore: acquire, release", atMost: 0, perOperation(n) { for _ in 0..<$0 { semaphore.acquire(); semaphore.release() } }),
  row("Event: wait when set", atMost: 0, perOperation(n) { for _ in 0..<$0 { event.wait() } }),
  row("Queue(capacity: 1024): put, get", atMost: 0, perOperation(n) { for i in 0..<$0 { try! bounded.put(i); _ = try! bounded.get() } }),
  row("Queue(): put, get", atMost: rarely, perOperation(n) { for i in 0..<$0 { try! unbounded.put(i); _ = try! unbounded.get() } }),
  row("ThreadPool: submit and result, nothing captured", atMost: 1 + rarely, perOperation(n) { for _ in 0..<$0 { _ = try! pool.submit { 1 }.result() } }),
]
// Many in line at once, as a server has them.
holds.append(
  row(
    "ThreadPool: submit 1000, then read the results", atMost: 1 + rarely,
    perOperation(n) {
      var futures: [Future<Int>] = []
      futures.reserveCapacity(1000)
      for _ in 0..<$0 / 1000 {
        for _ in 0..<1000 { futures.append(pool.submit { 1 }) }
        for future in futures { _ = try! future.result() }
        futures.removeAll(keepingCapacity: true)
      }
    }))
pool.shutdown()
if holds.contains(false) {
  print("\nAn operation allocates more than it may.")
  exit(1)
}
