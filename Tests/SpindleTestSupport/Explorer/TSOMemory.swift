/// Shared memory as x86 gives it (total store order), for protocols that depend on a fence.
///
///     enum Word: Int { case sleepers, value }
///     struct State: Hashable { var memory = TSOMemory<Word>() }
///     program.action("S1 sleepers = 1") { $0.memory.store(.sleepers, 1, by: me) }
///     program.step("S2 full fence") { $0.memory.isDrained(me) ? .next : .blocked }
///     program.action("S3 read value") { $0.seen[me] = $0.memory.load(.value, by: me) }
///     model.storeBuffers(of: 2) { state, thread in state.memory.flushOldest(of: thread) }
///
/// A store goes to the end of its thread's own buffer; at any time the oldest store of some buffer becomes visible to
/// all. A load sees the newest store to that word in the thread's own buffer, else memory: so a thread may read an old
/// value after its own store, which is the one reordering of x86 and the one that Dekker's pattern (write mine, read
/// yours) does not survive without a fence. A fence, and every read-modify-write, waits until the own buffer is empty.
///
/// What holds here holds for x86 only. An acquire load or a release store costs nothing on x86 and says nothing here;
/// protocols that need them are the business of ThreadSanitizer and of the orderings written in the code.
///
/// Up to eight words, four threads and four pending stores each; a fifth pushes the oldest out, as in real hardware.
package struct TSOMemory<Word: RawRepresentable<Int>>: Hashable, Sendable, CustomStringConvertible {
  private var cells = Cells()
  /// Per thread up to four entries of 16 bits, the oldest lowest: word + 1 above, value below; 0 is no entry.
  private var buffer0: UInt64 = 0
  private var buffer1: UInt64 = 0
  private var buffer2: UInt64 = 0
  private var buffer3: UInt64 = 0

  package init() {}

  private subscript(thread: Int) -> UInt64 {
    get {
      switch thread {
      case 0: buffer0
      case 1: buffer1
      case 2: buffer2
      case 3: buffer3
      default: fatalError("TSOMemory has buffers for four threads")
      }
    }
    set {
      switch thread {
      case 0: buffer0 = newValue
      case 1: buffer1 = newValue
      case 2: buffer2 = newValue
      case 3: buffer3 = newValue
      default: fatalError("TSOMemory has buffers for four threads")
      }
    }
  }

  /// What all threads agree on.
  package subscript(word: Word) -> UInt8 {
    cells[word.rawValue]
  }

  package func load(_ word: Word, by thread: Int) -> UInt8 {
    var newest = cells[word.rawValue]
    var pending = self[thread]
    while pending != 0 {
      if Int(pending >> 8 & 0xFF) == word.rawValue + 1 { newest = UInt8(truncatingIfNeeded: pending) }
      pending >>= 16
    }
    return newest
  }

  package mutating func store(_ word: Word, _ value: UInt8, by thread: Int) {
    if self[thread] >> 48 != 0 { _ = flushOldest(of: thread) }
    var shift: UInt64 = 0
    while self[thread] >> shift != 0 { shift += 16 }
    self[thread] |= (UInt64(word.rawValue + 1) << 8 | UInt64(value)) << shift
  }

  /// True when all stores of the thread are visible: a fence is a step that is blocked until then.
  package func isDrained(_ thread: Int) -> Bool {
    self[thread] == 0
  }

  /// Makes the oldest store of a thread visible; false if it has none.
  package mutating func flushOldest(of thread: Int) -> Bool {
    let entry = self[thread] & 0xFFFF
    if entry == 0 { return false }
    cells[Int(entry >> 8) - 1] = UInt8(truncatingIfNeeded: entry)
    self[thread] >>= 16
    return true
  }

  /// An atomic read-modify-write, which drains the buffer first: nil, a blocked step, until that is done.
  package mutating func update(_ word: Word, by thread: Int, _ change: (UInt8) -> UInt8) -> UInt8? {
    guard isDrained(thread) else { return nil }
    let old = cells[word.rawValue]
    cells[word.rawValue] = change(old)
    return old
  }

  package var description: String {
    let buffers = (0..<4).compactMap { thread -> String? in
      var (text, pending) = ([String](), self[thread])
      while pending != 0 {
        text.append("\(Word(rawValue: Int(pending >> 8 & 0xFF) - 1).map { "\($0)" } ?? "?")=\(pending & 0xFF)")
        pending >>= 16
      }
      return text.isEmpty ? nil : " thread \(thread) \(text.joined(separator: ","))"
    }
    let words = (0..<8).compactMap { index in Word(rawValue: index).map { "\($0)=\(cells[index])" } }
    return words.joined(separator: " ") + (buffers.isEmpty ? "" : " pending:" + buffers.joined())
  }
}

extension Model {
  /// Adds the store buffers of the first `threads` threads: at any time the oldest store of one becomes visible.
  package mutating func storeBuffers(of threads: Int, flushOldest: @escaping (inout State, Int) -> Bool) {
    let names = programs.map(\.name)
    background("memory") { program, _ in
      program.step("flush") { state, choices in
        let thread = choices.pick(of: threads) { "oldest store of \($0 < names.count ? names[$0] : "thread \($0)")" }
        return flushOldest(&state, thread) ? .stay : .blocked
      }
    }
  }
}
