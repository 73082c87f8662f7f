import Glibc
import SpindleTestSupport
import SpindleProcesses
import Spindle

/// Long enough for anything that is to happen, as an upper bound only.
let long = Duration.seconds(60)
/// Short enough to be over soon.
let short = Duration.milliseconds(2)

/// The queue's error that a call throws.
func refusal<Result>(_ body: () throws -> Result) -> QueueError? {
  do {
    _ = try body()
    return nil
  } catch {
    return error as? QueueError
  }
}

func taskRefusal<Result>(_ body: () async throws -> Result) async -> QueueError? {
  do {
    _ = try await body()
    return nil
  } catch {
    return error as? QueueError
  }
}

/// The mappings of shared queues that this process has now.
func queueMappings() -> Int { sharedMappings(named: "spindle-queue") }

/// A `race` beside the task that calls it, whose thread other tasks may need.
func raceBeside<Result: Sendable>(threads count: Int, _ body: @escaping @Sendable (Int) -> Result) async -> [Result] {
  let thread = OSThread.spawn { race(threads: count, body) }
  return try! await thread.join()
}

/// What lets a reader see that an element is whole.
struct Sealed: Codable, Sendable, Equatable {
  let producer: Int
  let number: Int
  let bytes: [UInt8]
  let checksum: UInt64

  init(_ producer: Int, _ number: Int, byteCount: Int) {
    self.producer = producer
    self.number = number
    bytes = (0..<byteCount).map { UInt8(truncatingIfNeeded: $0 &* 31 &+ number &+ producer) }
    checksum = Self.sum(producer, number, bytes)
  }

  var isWhole: Bool { checksum == Self.sum(producer, number, bytes) }

  private static func sum(_ producer: Int, _ number: Int, _ bytes: [UInt8]) -> UInt64 {
    var sum = UInt64(bitPattern: Int64(producer &* 1_000_003 &+ number))
    for byte in bytes { sum = (sum ^ UInt64(byte)) &* 0x100_0000_01b3 }
    return sum
  }
}
