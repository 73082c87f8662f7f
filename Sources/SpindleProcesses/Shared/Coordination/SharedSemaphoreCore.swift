internal import SpindleGround

/// What a shared semaphore is in memory: a journal of the permits and of who holds how many, and a spot.
///
/// The holders are a table of pairs, a process and its number. A pair is free when its process is nobody, and a process
/// has at most one. All changes are made in the journal: the permits that can be taken and those that are held add up at
/// every moment, also when somebody is killed in the middle of it.
struct SharedSemaphoreCore: Sendable {
  private enum Word {
    static let permits = 0
    static let reclaimed = 1
    /// Not 0: somebody has released what it did not hold.
    static let unowned = 2
    /// So many pairs have been in use; behind them all are free.
    static let used = 3
    /// When somebody looked last for the dead.
    static let looked = 4
    static let holders = 8
  }
  private static let holderCount = 1000
  private static let wordCount = Word.holders + 2 * holderCount
  private static let spotOffset = SharedBlock.headSize
  private static let journalOffset = SharedBlock.headSize + 64
  /// Relative to the head's end.
  static let byteCount = 64 + SharedJournal.byteCount(words: wordCount, changes: 8)

  let journal: SharedJournal
  let spot: SharedSpot
  private let limit: Int

  init(in mapping: SharedMapping, limit: Int) {
    spot = SharedSpot(in: mapping, at: Self.spotOffset)
    journal = SharedJournal(in: mapping, at: Self.journalOffset, words: Self.wordCount, changes: 8)
    self.limit = limit
  }

  func prepare(_ permits: Int) { journal.prepare(Word.permits, UInt64(permits)) }

  var permits: Int { Int(truncatingIfNeeded: journal[Word.permits]) }
  var reclaimed: Int { Int(truncatingIfNeeded: journal[Word.reclaimed]) }
  var isOwned: Bool { journal[Word.unowned] == 0 }

  private static func key(_ index: Int) -> Int { Word.holders + 2 * index }
  private static func held(_ index: Int) -> Int { Word.holders + 2 * index + 1 }

  private func used(_ draft: borrowing SharedJournal.Draft) -> Int {
    min(Int(truncatingIfNeeded: draft[Word.used]), Self.holderCount)
  }

  /// Where this process stands in the table.
  private func place(of me: UInt64, _ draft: borrowing SharedJournal.Draft) -> Int? {
    for index in 0..<used(draft) where draft[Self.key(index)] == me { return index }
    return nil
  }

  private func freePlace(_ draft: borrowing SharedJournal.Draft) -> Int? {
    let used = used(draft)
    for index in 0..<used where draft[Self.key(index)] == 0 { return index }
    return used < Self.holderCount ? used : nil
  }

  // MARK: Taking and giving

  func take() -> Bool {
    if permits <= 0 { return false }
    let me = ProcessKey.current.rawValue
    return journal.change { draft in
      let permits = Int64(bitPattern: draft[Word.permits])
      if permits <= 0 { return false }
      draft.set(Word.permits, UInt64(bitPattern: permits - 1))
      if draft[Word.unowned] != 0 { return true }
      if let index = place(of: me, draft) {
        draft.set(Self.held(index), draft[Self.held(index)] &+ 1)
      } else if let index = freePlace(draft) {
        draft.set(Self.key(index), me)
        draft.set(Self.held(index), 1)
        if index == used(draft) { draft.set(Word.used, UInt64(index + 1)) }
      }
      return true
    }
  }

  func give(_ count: Int) {
    if count < 1 { mistake("release(\(count)) of a semaphore; the count must be at least 1") }
    let me = ProcessKey.current.rawValue
    let excess: Int? = journal.change { draft in
      let permits = Int(truncatingIfNeeded: draft[Word.permits])
      if count > limit - permits { return permits + count }
      draft.set(Word.permits, UInt64(permits + count))
      if draft[Word.unowned] != 0 { return nil }
      guard let index = place(of: me, draft), draft[Self.held(index)] >= UInt64(count) else {
        draft.set(Word.unowned, 1)
        return nil
      }
      let left = draft[Self.held(index)] - UInt64(count)
      draft.set(Self.held(index), left)
      if left == 0 { draft.set(Self.key(index), 0) }
      return nil
    }
    if let excess {
      mistake(
        limit == .max
          ? "release(\(count)) of a SharedSemaphore would make more permits than can be counted"
          : "release(\(count)) of a SharedBoundedSemaphore would make \(excess) permits of \(limit); it was released too often"
      )
    }
    spot.wake(UInt32(clamping: count))
  }

  // MARK: The dead

  /// Gives back what the dead held; true when that was anything. Asks at most once in a while.
  func patrol() -> Bool {
    guard isOwned, SharedPatrol.isDue(journal, Word.looked) else { return false }
    var given = 0
    let used = min(Int(truncatingIfNeeded: journal[Word.used]), Self.holderCount)
    for index in 0..<used {
      let key = journal[Self.key(index)]
      if key == 0 || ProcessKey(rawValue: key).lives() { continue }
      given += journal.change { draft in
        // The pair may have been given back and be another's by now; a dead process never comes back.
        if draft[Self.key(index)] != key || draft[Word.unowned] != 0 { return 0 }
        let held = Int(truncatingIfNeeded: draft[Self.held(index)])
        let permits = Int(truncatingIfNeeded: draft[Word.permits])
        draft.set(Self.key(index), 0)
        draft.set(Self.held(index), 0)
        guard held > 0, held <= limit - permits else { return 0 }
        draft.set(Word.permits, UInt64(permits + held))
        draft.set(Word.reclaimed, draft[Word.reclaimed] &+ UInt64(held))
        return held
      }
    }
    if given > 0 { spot.wake(UInt32(clamping: given)) }
    return given > 0
  }

  func makeBridge(_ block: SharedBlock) -> SharedSpotBridge {
    SharedSpotBridge(spot, in: block, patrol: { _ = patrol() }) { max(0, permits) }
  }
}
