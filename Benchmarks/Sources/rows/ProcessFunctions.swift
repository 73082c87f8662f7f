import Spindle

// What the rows of processes call in other processes.

func identity(_ number: Int) -> Int { number }
func sameNumbers(_ numbers: [Double]) -> [Double] { numbers }
func nothing() {}

/// What the parent and the processes of a row tell each other beside what is measured.
struct Starter: Codable, Sendable {
  var ready = SharedQueue<Int>()
  var go = SharedQueue<Int>()
  var sums = SharedQueue<Int>()

  func wait() {
    try! ready.put(1)
    _ = try! go.get()
  }
}

func produce(_ queue: SharedQueue<Int>, _ count: Int, _ starter: Starter) {
  starter.wait()
  for number in 0..<count { try! queue.put(number) }
}

func consume(_ queue: SharedQueue<Int>, _ count: Int, _ starter: Starter) {
  starter.wait()
  var sum = 0
  for _ in 0..<count { sum += try! queue.get() }
  try! starter.sums.put(sum)
}

func echo(_ there: SharedQueue<Int>, _ back: SharedQueue<Int>, _ count: Int) {
  for _ in 0..<count { try! back.put(try! there.get()) }
}

func echoNumbers(_ end: Connection<Int>, _ count: Int) {
  for _ in 0..<count { try! end.send(try! end.receive()) }
}

func echoBytes(_ end: Connection<[UInt8]>, _ count: Int) {
  for _ in 0..<count { try! end.send(try! end.receive()) }
}
