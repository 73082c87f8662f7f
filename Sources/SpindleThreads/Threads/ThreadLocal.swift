public import CSpindle

/// A variable of which every thread has its own: Python's `threading.local`.
///
///     let parser = ThreadLocal { Parser() }        // need not be Sendable
///     pool.submit { parser.value.parse(line) }     // each worker makes one, at its first use
///     let depth = ThreadLocal(0)
///     depth.value += 1
///
/// A thread's value is made by the closure when that thread first uses it. It is destroyed when the thread ends (before
/// its `join` returns; also on threads that Spindle did not start) or when the `ThreadLocal` itself goes away, whichever
/// comes first. The main thread's values are not destroyed at exit.
///
/// Using a value takes no lock and allocates nothing; the first use on a thread does both.
///
/// A value belongs to its thread: an object that is not `Sendable` must not be handed to another one. With `withValue`
/// the compiler sees to that. A task may go on on another thread after each `await`, and finds another value there: for
/// tasks use `@TaskLocal`.
// SAFETY: a cell is used by its own thread only, and destroyed when that thread or this object can not use it any more.
@safe public final class ThreadLocal<Value>: @unchecked Sendable {
  @usableFromInline let index: Int
  @usableFromInline let serial: UInt64
  private let makeDefault: @Sendable () -> Value

  /// A variable whose value on each thread is at first what the closure returns there.
  public init(_ makeDefault: @escaping @Sendable () -> Value) {
    self.makeDefault = makeDefault
    (index, serial) = ThreadValues.addVariable()
  }

  /// A variable whose value on each thread is at first `value`, evaluated on each thread anew.
  @_disfavoredOverload
  public convenience init(_ value: @autoclosure @escaping @Sendable () -> Value) { self.init(value) }

  /// A variable that is at first nil on each thread.
  public convenience init<Wrapped>() where Value == Wrapped? { self.init { nil } }

  deinit { ThreadValues.removeVariable(index) }

  /// The calling thread's value.
  @inlinable
  public var value: Value {
    get {
      defer { extendLifetime(self) }
      return cell.value
    }
    _modify {
      defer { extendLifetime(self) }
      yield &cell.value
    }
  }

  /// Calls `body` with the calling thread's value. Using the same variable inside `body` is a mistake.
  @inlinable
  public func withValue<Result: ~Copyable, Failure: Error>(
    _ body: (inout Value) throws(Failure) -> Result
  ) throws(Failure) -> Result {
    defer { extendLifetime(self) }
    return try body(&cell.value)
  }

  /// Destroys the calling thread's value; the next use makes it anew.
  public func removeValue() { ThreadValues.remove(index: index, serial: serial) }

  @usableFromInline
  final class Cell: AnyThreadCell {
    @usableFromInline var value: Value
    init(_ value: Value) { self.value = value }
  }

  @inlinable
  var cell: Cell {
    @inline(__always) get {
      // SAFETY: an entry with our serial number names a cell of this variable, and this thread's cell is alive.
      if let raw = unsafe spindle_local_cell(index, serial) {
        return unsafe Unmanaged<Cell>.fromOpaque(raw).takeUnretainedValue()
      }
      return makeCell()
    }
  }

  @usableFromInline @inline(never)
  func makeCell() -> Cell {
    let cell = Cell(makeDefault())
    // The closure may have used this very variable: its value is replaced.
    removeValue()
    ThreadValues.add(cell, index: index, serial: serial)
    return cell
  }
}
