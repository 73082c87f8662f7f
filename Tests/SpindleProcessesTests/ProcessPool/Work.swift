import Glibc
import Spindle

/// What the workers of the tests run.
enum Work {
  static func add(_ a: Int, _ b: Int) -> Int { a + b }
  static func square(_ number: Int) -> Int { number * number }
  static func processID() -> Int32 { getpid() }
  static func echo(_ bytes: [UInt8]) -> [UInt8] { bytes }
  static func nothing(_ number: Int) {}
  static func later(_ number: Int) async throws -> Int {
    try await Task.sleep(for: .milliseconds(1))
    return number + 1
  }

  static func fail(_ code: Int) throws -> Int {
    if code == 0 { throw PlainMishap() }
    throw Mishap(code: code)
  }
}

struct Mishap: Error, Codable, Equatable { var code: Int }
struct PlainMishap: Error {}

struct Power: Job {
  var base: Int
  var exponent: Int
  func run() throws -> Int { (0..<exponent).reduce(1) { power, _ in power * base } }
}
