import SpindleGround
import Synchronization

/// Where forked closures of one `ThreadPool.scope` are counted, and the first error is kept.
public final class ForkScope: Sendable {
  private let core: PoolCore
  private let left = Atomic<Int>(0)
  private let firstError = RawGuarded<(any Error)?>(nil)

  init(_ core: PoolCore) { self.core = core }

  /// Offers `body` to the workers of the pool. It has ended when the scope's body has returned and `scope` returns.
  ///
  /// May be called by the scope's body and by closures that were spawned in it, on any thread. After an error, closures that have not
  /// begun are left out. One allocation beside what the closure captured.
  public func spawn(_ body: @escaping @Sendable () throws -> Void) {
    left.wrappingAdd(1, ordering: .relaxed)
    let job = ScopeJob(self, body)
    if let lane = unsafe core.lane {
      unsafe lane.pointee.push(ForkItem(job))
    } else {
      job.run()
    }
  }

  func run(_ body: () throws -> Void) {
    if !hasFailed {
      do { try body() } catch { fail(error) }
    }
    // Sequentially consistent: W1 of the spot where the scope's owner waits.
    if left.wrappingSubtract(1, ordering: .sequentiallyConsistent).newValue == 0 { core.team.wakeJoiners() }
  }

  func fail(_ error: any Error) { firstError.withLock { if $0 == nil { $0 = error } } }
  var hasFailed: Bool { firstError.withLock { $0 != nil } }

  /// On the worker that opened the scope, when its body has returned.
  func end() throws {
    if let lane = unsafe core.lane {
      while left.load(ordering: .acquiring) > 0 {
        // What lies deeper in the lane than this scope's jobs belongs to frames further up, and is as good to do now.
        let popped = unsafe lane.pointee.pop()
        if popped == 0 { break }
        core.team.run(ForkItem(word: popped))
      }
    }
    core.team.helpUntil(isDone: { left.load(ordering: .sequentiallyConsistent) == 0 }, beforeSleep: {})
    if let error = firstError.withLock({ $0 }) { throw error }
  }
}

/// A closure that a scope spawned, until a worker does it.
final class ScopeJob: Sendable {
  private let scope: ForkScope
  private let body: @Sendable () throws -> Void

  init(_ scope: ForkScope, _ body: @escaping @Sendable () throws -> Void) {
    self.scope = scope
    self.body = body
  }

  func run() { scope.run(body) }
}

extension ThreadPool {
  /// Calls `body`, which may spawn closures on the workers, and returns when all of them have ended.
  ///
  ///     try pool.scope { scope in
  ///       for tree in forest { scope.spawn { tree.prune() } }
  ///     }
  ///
  /// Spawned closures may spawn more. The first error of any of them, or of `body`, is thrown. Where the work is a range or
  /// splits in two, `forEach`, `reduce` and `join` cost less.
  @available(*, noasync, message: "a task must not block its thread: use 'await pool.scope'")
  public func scope<Result: Sendable>(_ body: (ForkScope) throws -> Result) throws -> Result {
    try inside { try runScope(body) }
  }

  /// The same for a task.
  nonisolated(nonsending) public func scope<Result: Sendable>(_ body: (ForkScope) throws -> Result) async throws -> Result {
    try await inside { () throws(any Error) in try runScope(body) }
  }

  private func runScope<Result>(_ body: (ForkScope) throws -> Result) throws -> Result {
    let scope = ForkScope(core)
    let result: Result
    do {
      result = try body(scope)
    } catch {
      scope.fail(error)
      try scope.end()
      throw error
    }
    try scope.end()
    return result
  }
}
