/// What a call of a process pool may cost, and whether it may be repeated.
///
///     let options = CallOptions(retries: 2, deadline: .seconds(5))
///     let future = pool.submit(parse, file, options: options)
///
/// The deadline is the time that the call may run, counted from when its worker could begin it; time in line does not
/// count. After that its worker is killed and replaced, and the future fails with `TimeoutError`, which names the
/// call: a function in an endless loop, or a worker that was stopped, holds nobody up. Without a deadline a call may
/// run for ever.
///
/// `retries` says that the call may be repeated when its worker dies, so many times: 0, the default, is never,
/// because what it did before may not bear repeating. A call that passed its deadline is not repeated, nor one that
/// threw an error.
public struct CallOptions: Sendable, Hashable {
  /// How often the call may be begun anew after its worker died.
  public var retries: Int
  /// How long the call may run.
  public var deadline: Duration?

  @inlinable
  public init(retries: Int = 0, deadline: Duration? = nil) {
    self.retries = retries
    self.deadline = deadline
  }
}
