import CSpindle
import SpindleGround

/// The memory of one value of a `ThreadLocal` on one thread. A link in the list of its variable's cells.
@usableFromInline
package class AnyThreadCell {
  // SAFETY: the links belong to the lock of `ThreadValues`; a listed cell is alive.
  unowned(unsafe) fileprivate var next: AnyThreadCell?
  unowned(unsafe) fileprivate var previous: AnyThreadCell?
}

/// All living `ThreadLocal`s, and who owns the cells.
///
/// A cell has one reference, which belongs to nobody until somebody takes the cell out of its variable's list: the
/// thread that ends, or the variable that goes away. Both do so under the lock; whoever took it destroys it, after the
/// lock is released, because that runs code that is not ours.
///
/// A thread's table and a variable meet by index and serial number. The index of a variable that is gone is used again,
/// its serial number never: an entry that a thread kept of it is seen as empty and is never followed.
// SAFETY: all state belongs to `lock`.
@usableFromInline
package final class ThreadValues: @unchecked Sendable {
  private static let shared = ThreadValues()

  private struct Variable {
    /// 0: the index is free.
    var serial: UInt64 = 0
    unowned(unsafe) var first: AnyThreadCell?
  }

  private let lock = RawLock()
  private var variables: [Variable] = []
  private var freeIndices: [Int] = []
  private var lastSerial: UInt64 = 0

  /// A new variable's index and serial number.
  @usableFromInline
  package static func addVariable() -> (index: Int, serial: UInt64) {
    let all = shared
    all.lock.acquire()
    defer { all.lock.release() }
    all.lastSerial += 1
    let index = all.freeIndices.popLast() ?? all.variables.count
    if index == all.variables.count { all.variables.append(Variable()) }
    all.variables[index].serial = all.lastSerial
    return (index, all.lastSerial)
  }

  /// Destroys a variable's values on all threads. Nobody uses the variable any more.
  @usableFromInline
  package static func removeVariable(_ index: Int) {
    let all = shared
    all.lock.acquire()
    var cell = unsafe all.variables[index].first
    all.variables[index] = Variable()
    all.freeIndices.append(index)
    all.lock.release()
    // The chain is ours now: none of its threads finds it by the serial number.
    while let this = cell {
      cell = unsafe this.next
      unsafe Unmanaged.passUnretained(this).release()
    }
  }

  /// Gives the calling thread a cell of a variable.
  @usableFromInline
  package static func add(_ cell: AnyThreadCell, index: Int, serial: UInt64) {
    guard unsafe spindle_set_local_cell(index, serial, Unmanaged.passRetained(cell).toOpaque()) == 0 else {
      mistake("no memory for the table of thread-local values")
    }
    let all = shared
    all.lock.acquire()
    let first = unsafe all.variables[index].first
    unsafe cell.next = first
    unsafe first?.previous = cell
    unsafe all.variables[index].first = cell
    all.lock.release()
    // The value only has to be there: the table itself is found by `threadHasEnded`.
    let mark = unsafe UnsafeMutableRawPointer(bitPattern: 1)
    if unsafe spindle_thread_on_end(spindle_end_values, threadHasEnded, mark) != 0 {
      mistake("no thread-specific key is left: the program uses more than the system has")
    }
  }

  /// Destroys the calling thread's value of a variable.
  @usableFromInline
  package static func remove(index: Int, serial: UInt64) {
    guard let raw = unsafe spindle_local_cell(index, serial) else { return }
    _ = spindle_set_local_cell(index, 0, nil)
    // SAFETY: the variable is alive, so the cell is, and its reference becomes ours.
    let cell = unsafe Unmanaged<AnyThreadCell>.fromOpaque(raw).takeRetainedValue()
    let all = shared
    all.lock.acquire()
    all.unlink(cell, index)
    all.lock.release()
  }

  /// Destroys the calling thread's values; those too that their deinitialisers make, up to a limit.
  static func destroyAll() {
    for _ in 0..<8 where spindle_has_local_values() != 0 { destroyOnce() }
  }

  fileprivate static func destroyOnce() {
    let values = unsafe spindle_take_local_values()
    defer { unsafe spindle_free_local_values(values) }
    var cells: [AnyThreadCell] = []
    let all = shared
    all.lock.acquire()
    for index in 0..<min(unsafe values.count, all.variables.count) {
      let entry = unsafe values.entries[index]
      // A cell of a variable that is gone has been destroyed with it.
      guard let raw = unsafe entry.cell, unsafe entry.serial == all.variables[index].serial else { continue }
      let cell = unsafe Unmanaged<AnyThreadCell>.fromOpaque(raw).takeRetainedValue()
      all.unlink(cell, index)
      cells.append(cell)
    }
    all.lock.release()
    cells.removeAll()  // outside of the lock
  }

  private func unlink(_ cell: AnyThreadCell, _ index: Int) {
    let (next, previous) = unsafe (cell.next, cell.previous)
    unsafe next?.previous = previous
    if let previous {
      unsafe previous.next = next
    } else {
      unsafe variables[index].first = next
    }
  }
}

/// Runs when any thread ends that still has values: one that Spindle did not start.
private let threadHasEnded: @convention(c) (UnsafeMutableRawPointer?) -> Void = { _ in ThreadValues.destroyOnce() }
