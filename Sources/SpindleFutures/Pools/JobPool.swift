/// What every pool can do, whatever runs its jobs: threads of this process, or other processes.
///
///     func hashes(of files: [String], on pool: some JobPool) throws -> [UInt64] {
///       try files.map { pool.submit(hash, $0) }.map { try $0.result() }
///     }
///
/// Functions, arguments and values are such that they could travel to another process. A `ThreadPool` by itself
/// takes more: closures with captures, values that are not `Codable`.
public protocol JobPool: AnyObject, Sendable {
  /// At most so many jobs run at the same time.
  var maxWorkers: Int { get }

  /// Runs `function` with `argument` on one of the workers. After `shutdown` the future has failed with
  /// `ShutdownError`.
  func submit<Argument: Codable & Sendable, Value: Codable & Sendable>(
    _ function: @escaping @Sendable (Argument) throws -> Value, _ argument: Argument
  ) -> Future<Value>

  /// Takes in no more jobs. `cancelFutures`: those that have not begun are cancelled, else they are still done.
  /// `wait`: returns when all jobs have ended and the workers are gone.
  @available(*, noasync, message: "a task must not block its thread: use 'await pool.shutdown()'")
  func shutdown(wait: Bool, cancelFutures: Bool)

  /// The same without blocking a thread. Waits to the end also when the task is cancelled.
  func shutdown(wait: Bool, cancelFutures: Bool) async
}
