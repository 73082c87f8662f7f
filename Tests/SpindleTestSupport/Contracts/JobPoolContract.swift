import SpindleFutures
import Testing

/// What every `JobPool` owes, whatever runs its jobs. Functions without captures, so that they could travel.
package enum JobPoolContract {
  // Named here and not in generic code, where a debug build would keep the type parameters with them.
  static let square: @Sendable (Int) -> Int = { $0 * $0 }
  static let refuse: @Sendable (Int) throws -> Int = { throw Refusal(number: $0) }

  package struct Refusal: Error, Codable, Equatable { package var number: Int }

  package static func run(_ makePool: (_ maxWorkers: Int) -> some JobPool) async throws {
    try await valuesAndErrorsArrive(makePool(2))
    try await shutdownDoesWhatIsInLine(makePool(2))
    try await everyFutureEndsWhenCancelledAtShutdown(makePool(1))
    try await submitAfterShutdownFails(makePool(1))
    try await shutdownTwiceAndUnused(makePool(3))
  }

  static func valuesAndErrorsArrive(_ pool: some JobPool) async throws {
    #expect(pool.maxWorkers == 2)
    let futures = (0..<50).map { pool.submit(square, $0) }
    for (number, future) in futures.enumerated() { #expect(try await future.result() == number * number) }
    let failing = pool.submit(refuse, 3)
    await #expect(throws: Refusal(number: 3)) { try await failing.result() }
    #expect(try await failing.error() != nil)
    #expect(try await pool.submit(square, 4).result() == 16)
    await pool.shutdown(wait: true, cancelFutures: false)
  }

  static func shutdownDoesWhatIsInLine(_ pool: some JobPool) async throws {
    let futures = (0..<50).map { pool.submit(square, $0) }
    await pool.shutdown(wait: true, cancelFutures: false)
    #expect(futures.allSatisfy { $0.isDone })
    for (number, future) in futures.enumerated() { #expect(try await future.result() == number * number) }
  }

  static func everyFutureEndsWhenCancelledAtShutdown(_ pool: some JobPool) async throws {
    let futures = (0..<200).map { pool.submit(square, $0) }
    await pool.shutdown(wait: true, cancelFutures: true)
    #expect(futures.allSatisfy { $0.isDone })
    for (number, future) in futures.enumerated() where !future.isCancelled {
      #expect(try await future.result() == number * number)
    }
  }

  static func submitAfterShutdownFails(_ pool: some JobPool) async throws {
    await pool.shutdown(wait: false, cancelFutures: false)
    let future = pool.submit(square, 1)
    await #expect(throws: ShutdownError.self) { try await future.result() }
  }

  static func shutdownTwiceAndUnused(_ pool: some JobPool) async throws {
    await pool.shutdown(wait: true, cancelFutures: false)
    await pool.shutdown(wait: true, cancelFutures: true)
  }
}
