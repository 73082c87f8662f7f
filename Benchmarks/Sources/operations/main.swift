// What one operation by one thread costs, once it is warm, in figures that are exact on a noisy machine.
//
//     operations                 a table: blocks allocated per operation; fails when one allocates more than it may
//     operations list         those that a tool may look at: not what starts processes
//     operations NAME COUNT      does it COUNT times, after a warm-up of one: for tools that count what a program does
import CCounting
import Glibc
import Spindle

/// Something to do `count` times, and how many blocks of memory it may allocate each time.
struct Operation {
  let name: String
  let what: String
  let blocksAtMost: Double
  /// Valgrind's programs cannot be started again as processes of their own.
  let startsProcesses: Bool
  let run: (_ count: Int) -> Void

  init(
    _ name: String, _ what: String, blocksAtMost: Double, startsProcesses: Bool = false, _ run: @escaping (_ count: Int) -> Void
  ) {
    self.name = name
    self.what = what
    self.blocksAtMost = blocksAtMost
    self.startsProcesses = startsProcesses
    self.run = run
  }

  /// Blocks per operation over `count` operations, after a first round that fills caches and starts threads.
  func blocks(over count: Int) -> Double {
    run(count)
    let before = allocations_so_far()
    run(count)
    return Double(allocations_so_far() - before) / Double(count)
  }
}

/// Shares of a block come from what grows rarely, such as a queue's chain of blocks.
let rarely = 0.02

let lock = Lock()
let recursive = RLock()
let readWrite = ReadWriteLock()
let guarded = Guarded(0)
let semaphore = Semaphore(1)
let event = Event()
event.set()
let condition = Condition()
let bounded = Queue<Int>(capacity: 1024)
let unbounded = Queue<Int>()
let stack = LIFOQueue<Int>()
let heap = PriorityQueue<Int>()
let pool = ThreadPool(maxWorkers: 2)
let shared = SharedQueue<Int>(capacity: 1024)
let sharedLock = SharedLock()

/// Values as users send them to other processes, written and read here in one.
struct Point: Codable, Sendable {
  var x: Double
  var y: Double
  var name: String
}

enum Level: String, Codable, Sendable { case low, middle, high }

struct Order: Codable, Sendable {
  var number: Int
  var customer: String
  var price: Double
  var isPaid: Bool
  var discount: Double?
  var level: Level
}

struct Route: Codable, Sendable {
  var from: Point
  var to: Point
  var length: Double
}

let point = Point(x: 1.5, y: 2.5, name: "somewhere")
let order = Order(number: 4711, customer: "Miller & Sons", price: 12.5, isPaid: true, discount: 0.1, level: .middle)
let route = Route(from: point, to: point, length: 3)
let sharedPoints = SharedQueue<Point>(capacity: 1024)
let sharedOrders = SharedQueue<Order>(capacity: 1024)
let sharedRoutes = SharedQueue<Route>(capacity: 1024)
let sharedArrays = SharedQueue<[Point]>(capacity: 1024)

func putAndGet<Item: Codable & Sendable>(_ queue: SharedQueue<Item>, _ item: Item, _ count: Int) {
  for _ in 0..<count { try! queue.put(item); _ = try! queue.get() }
}

/// Made by the first operation that uses it.
enum Workers { static let pool = ProcessPool(maxWorkers: 1) }

@Sendable func sameNumber(_ number: Int) -> Int { number }
@Sendable func samePoint(_ point: Point) -> Point { point }

/// Many in line at once: what counts is the work of a call, not the wait for it.
func call<Item: Codable & Sendable>(_ function: @escaping @Sendable (Item) throws -> Item, _ item: Item, _ count: Int) {
  for start in stride(from: 0, to: count, by: 100) {
    let futures = (start..<min(start + 100, count)).map { _ in Workers.pool.submit(function, item) }
    for future in futures { _ = try! future.result() }
  }
}

let operations = [
  Operation("lock", "Lock: acquire, release", blocksAtMost: 0) { for _ in 0..<$0 { lock.acquire(); lock.release() } },
  Operation("guarded", "Guarded: withLock", blocksAtMost: 0) { for _ in 0..<$0 { guarded.withLock { $0 &+= 1 } } },
  Operation("rlock", "RLock: acquire, release", blocksAtMost: 0) {
    for _ in 0..<$0 { recursive.acquire(); recursive.release() }
  },
  Operation("read", "ReadWriteLock: withReadLock", blocksAtMost: 0) { for _ in 0..<$0 { readWrite.withReadLock {} } },
  Operation("write", "ReadWriteLock: withWriteLock", blocksAtMost: 0) { for _ in 0..<$0 { readWrite.withWriteLock {} } },
  Operation("semaphore", "Semaphore: acquire, release", blocksAtMost: 0) {
    for _ in 0..<$0 { semaphore.acquire(); semaphore.release() }
  },
  Operation("event", "Event: wait when set", blocksAtMost: 0) { for _ in 0..<$0 { event.wait() } },
  Operation("notify", "Condition: notify when nobody waits", blocksAtMost: 0) {
    for _ in 0..<$0 { condition.withLock { condition.notify() } }
  },
  Operation("queue-bounded", "Queue(capacity: 1024): put, get", blocksAtMost: 0) {
    for i in 0..<$0 { try! bounded.put(i); _ = try! bounded.get() }
  },
  Operation("queue", "Queue(): put, get", blocksAtMost: rarely) {
    for i in 0..<$0 { try! unbounded.put(i); _ = try! unbounded.get() }
  },
  Operation("queue-1000", "Queue(): put 1000, get 1000", blocksAtMost: rarely / 10) {
    for _ in 0..<max(1, $0 / 1000) {
      for i in 0..<1000 { try! unbounded.put(i) }
      for _ in 0..<1000 { _ = try! unbounded.get() }
    }
  },
  Operation("lifo", "LIFOQueue(): put, get", blocksAtMost: 0) {
    for i in 0..<$0 { try! stack.put(i); _ = try! stack.get() }
  },
  Operation("priority", "PriorityQueue(): put, get", blocksAtMost: 0) {
    for i in 0..<$0 { try! heap.put(i); _ = try! heap.get() }
  },
  Operation("submit", "ThreadPool: submit and result, nothing captured", blocksAtMost: 1 + rarely) {
    for _ in 0..<$0 { _ = try! pool.submit { 1 }.result() }
  },
  Operation("submit-argument", "ThreadPool: submit a function with a number, and result", blocksAtMost: 1 + rarely) {
    for number in 0..<$0 { _ = try! pool.submit({ $0 }, number).result() }
  },
  // Many in line at once, as a server has them.
  Operation("submit-1000", "ThreadPool: submit 1000, then read the results", blocksAtMost: 1 + rarely) {
    var futures: [Future<Int>] = []
    futures.reserveCapacity(1000)
    for _ in 0..<max(1, $0 / 1000) {
      for _ in 0..<1000 { futures.append(pool.submit { 1 }) }
      for future in futures { _ = try! future.result() }
      futures.removeAll(keepingCapacity: true)
    }
  },
  Operation("promise", "Promise: make, fulfil, result", blocksAtMost: 2) {
    for i in 0..<$0 {
      let promise = Promise<Int>()
      _ = promise.fulfil(i)
      _ = try! promise.future.result()
    }
  },
  Operation("shared-lock", "SharedLock: acquire, release", blocksAtMost: 0) {
    for _ in 0..<$0 { _ = sharedLock.acquire(); sharedLock.release() }
  },
  Operation("shared-queue", "SharedQueue(capacity: 1024): put, get", blocksAtMost: 0) {
    for i in 0..<$0 { try! shared.put(i); _ = try! shared.get() }
  },
  Operation("shared-struct", "SharedQueue of a struct of three fields: put, get", blocksAtMost: 1) {
    putAndGet(sharedPoints, point, $0)
  },
  Operation("shared-fields", "SharedQueue of a struct of six fields, an enum and an optional among them: put, get", blocksAtMost: 1) {
    putAndGet(sharedOrders, order, $0)
  },
  Operation("shared-nested", "SharedQueue of a struct with two structs inside: put, get", blocksAtMost: 1) {
    putAndGet(sharedRoutes, route, $0)
  },
  Operation("shared-structs", "SharedQueue of arrays of 100 structs: put, get", blocksAtMost: 11 + rarely) {
    putAndGet(sharedArrays, Array(repeating: point, count: 100), $0)
  },
  Operation("process-number", "ProcessPool: submit 100 calls with a number, then read the results", blocksAtMost: 6, startsProcesses: true) {
    call(sameNumber, 1, $0)
  },
  Operation("process-struct", "ProcessPool: submit 100 calls with a struct, then read the results", blocksAtMost: 10, startsProcesses: true) {
    call(samePoint, point, $0)
  },
]

let arguments = CommandLine.arguments.dropFirst()
if arguments.first == "list" {
  for operation in operations where !operation.startsProcesses { print(operation.name, operation.what, separator: "\t") }
} else if let name = arguments.first {
  guard let operation = operations.first(where: { $0.name == name }), let count = arguments.last.flatMap({ Int($0) }) else {
    print("no such operation, or no count: \(name)")
    exit(64)
  }
  // The C library leaves atomicity out of its locks until a second thread has existed.
  OSThread.spawn {}.join()
  operation.run(1)
  operation.run(count)
} else {
  print("| operation | blocks | at most | holds |")
  print("|---|---|---|---|")
  var allHold = true
  for operation in operations {
    let blocks = operation.blocks(over: 100_000)
    let holds = blocks <= operation.blocksAtMost
    allHold = allHold && holds
    print("| \(operation.what) | \((blocks * 1000).rounded() / 1000) | \(operation.blocksAtMost) | \(holds ? "yes" : "NO") |")
  }
  if !allHold {
    print("\nAn operation allocates more than it may.")
    exit(1)
  }
}
pool.shutdown()
