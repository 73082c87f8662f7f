internal import CSpindle
internal import SpindleGround
internal import Synchronization

/// Words in shared memory that change together, or not at all, whoever is killed meanwhile.
///
///     holder                                      the next holder, when that one died
///     J1 lock                                     N1 lock: the dead one's key is replaced
///     J2 read words, write (place, value) to log  N2 log count 0: nothing had been decided
///     J3 log count = n: it is decided             N3 else J4 and J5 once more
///     J4 the values go to their places            N4 go on with J2
///     J5 log count = 0
///     J6 unlock
///
/// J4 may be done any number of times, by anyone: it writes what was decided at J3. The words can be looked at without
/// the lock, one by one.
// SAFETY: all words are atomic; the log belongs to the holder of the lock. The mapping is kept by whoever has this value.
@safe struct SharedJournal: @unchecked Sendable {
  private let lock: OwnedWord
  private let logCount: UnsafeMutablePointer<Atomic<UInt64>>
  private let deaths: UnsafeMutablePointer<Atomic<UInt64>>
  private let words: UnsafeMutablePointer<Atomic<UInt64>>
  private let log: UnsafeMutablePointer<Atomic<UInt64>>
  let wordCount: Int
  private let logCapacity: Int

  private static var headSize: Int { 64 }

  /// How many bytes it takes: `words` words, of which one change can set up to `changes`.
  static func byteCount(words: Int, changes: Int) -> Int { headSize + 8 * words + 16 * changes }

  init(in mapping: SharedMapping, at offset: Int, words: Int, changes: Int) {
    precondition(offset + Self.byteCount(words: words, changes: changes) <= mapping.count)
    lock = OwnedWord(in: mapping, at: offset)
    unsafe logCount = mapping.word64(at: offset + 8)
    unsafe deaths = mapping.word64(at: offset + 16)
    unsafe self.words = mapping.word64(at: offset + Self.headSize)
    unsafe log = mapping.word64(at: offset + Self.headSize + 8 * words)
    wordCount = words
    logCapacity = changes
  }

  /// One change being made.
  struct Draft: ~Copyable {
    fileprivate let journal: SharedJournal
    fileprivate var count = 0

    /// A word as it was before this change.
    subscript(index: Int) -> UInt64 { journal[index] }

    /// What the word will be. A change sets a word once.
    mutating func set(_ index: Int, _ value: UInt64) {
      precondition(index >= 0 && index < journal.wordCount && count < journal.logCapacity)
      unsafe journal.log[2 * count].store(UInt64(index), ordering: .relaxed)
      unsafe journal.log[2 * count + 1].store(value, ordering: .relaxed)
      count += 1
    }
  }

  /// A word of this moment.
  @inline(__always)
  subscript(index: Int) -> UInt64 {
    precondition(index >= 0 && index < wordCount)
    // Acquiring: pairs with J4, so that what was done before a change is visible to who sees it.
    return unsafe words[index].load(ordering: .acquiring)
  }

  /// Makes one change. `body` sets words; it is short, and waits for nothing.
  func change<Result>(_ body: (inout Draft) -> Result) -> Result {
    if case .takenOver = lock.acquire() { recover() }  // J1, N1
    FaultPoint.journalLocked.reach()
    var draft = Draft(journal: self)
    let result = body(&draft)  // J2
    if draft.count > 0 {
      FaultPoint.journalWritten.reach()
      unsafe logCount.pointee.store(UInt64(draft.count), ordering: .releasing)  // J3, pairs with N2
      FaultPoint.journalDecided.reach()
      apply(draft.count)
      FaultPoint.journalApplied.reach()
      unsafe logCount.pointee.store(0, ordering: .releasing)  // J5: after J4 for whoever sees it
    }
    lock.release()  // J6
    return result
  }

  private func apply(_ count: Int) {
    for entry in 0..<count {
      let index = unsafe log[2 * entry].load(ordering: .relaxed)
      // Only damaged memory has another index.
      guard index < UInt64(wordCount) else { continue }
      let value = unsafe log[2 * entry + 1].load(ordering: .relaxed)
      unsafe words[Int(index)].store(value, ordering: .releasing)  // J4
      if entry == 0 { FaultPoint.journalHalfApplied.reach() }
    }
  }

  private func recover() {
    unsafe deaths.pointee.wrappingAdd(1, ordering: .relaxed)
    let count = unsafe logCount.pointee.load(ordering: .acquiring)  // N2
    if count > 0, count <= UInt64(logCapacity) { apply(Int(count)) }  // N3
    unsafe logCount.pointee.store(0, ordering: .releasing)
  }

  /// The address of a word, to sleep on: its low half.
  func futex(_ index: Int) -> UnsafePointer<UInt32> {
    precondition(index >= 0 && index < wordCount)
    return unsafe UnsafeRawPointer(words + index).assumingMemoryBound(to: UInt32.self)
  }

  /// Changes a word that no change ever sets.
  func exchange(_ index: Int, from before: UInt64, to after: UInt64) -> Bool {
    precondition(index >= 0 && index < wordCount)
    return unsafe words[index].compareExchange(expected: before, desired: after, ordering: .relaxed).exchanged
  }

  /// Sets a word of a new object, which nobody else has yet.
  func prepare(_ index: Int, _ value: UInt64) { unsafe words[index].store(value, ordering: .relaxed) }

  /// How often somebody died in the middle of a change. For tests.
  var deathCount: Int { unsafe Int(clamping: deaths.pointee.load(ordering: .relaxed)) }
}

/// Keeps looking after the dead cheap: asking whether a process lives costs microseconds, a failed try nanoseconds.
enum SharedPatrol {
  private static var interval: UInt64 { 10_000_000 }

  /// Whether it is time to look again, by a word that says when somebody did last; of several that ask one is told so.
  static func isDue(_ journal: SharedJournal, _ word: Int) -> Bool {
    let now = UInt64(bitPattern: spindle_now())
    let before = journal[word]
    return now &- before >= interval && journal.exchange(word, from: before, to: now)
  }
}
