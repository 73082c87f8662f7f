internal import CSpindle
internal import SpindleGround
internal import Synchronization

/// Which processes have taken how many elements out of a queue, and have said of how many that they are done.
///
/// So it is known what those who died had in their hands. A table of lines, one for each process that takes elements; who finds
/// no place in it (so many others are there) counts in the line of nobody. All under the lock of the
/// queue's takers.
///
/// What a table says follows what the takers' state says: the state is committed first. Who is killed in between leaves a
/// state that has one element more taken than all lines together: `reconcile`, at the taking over of the lock, counts
/// it as lost. (And `done` the other way round: the line first, so that what is in the line has happened.)
///
/// Every change is one store, after which the table is right; so whoever dies while it mends leaves the next one the same to mend,
/// or nothing. That is why nothing is ever moved from line to line: who comes after a dead process counts on in its line.
// SAFETY: the words are atomic, and changed under the takers' lock only; whoever has this value keeps the mapping.
@safe struct QueueUsers: @unchecked Sendable {
  /// A line: the process; elements taken; elements done; elements that it had in its hands when it ended, or, in the first
  /// line, which is nobody's, that were lost on their way to a reader.
  private static let lineSize = 64
  private static let key = 0, taken = 1, done = 2, lost = 3
  /// Only in the first line, in place of a process: for how many lost elements somebody has said done after all.
  private static let takenBack = 0
  /// Only in the first line: not 0, somebody has said done for what it had not taken; when the dead were looked for; lines in use;
  /// elements dropped, which count as taken and done.
  private static let unowned = 4, looked = 5, used = 6, dropped = 7
  private static let interval: UInt64 = 10_000_000

  private let words: UnsafeMutablePointer<Atomic<UInt64>>
  private let lineCount: Int
  /// Which line was this process's last time; belongs to the takers' lock.
  private let hint: Hint

  private final class Hint: @unchecked Sendable {
    // SAFETY: exclusive by the takers' lock.
    @exclusivity(unchecked) var line = 1
  }

  init(in mapping: SharedMapping, at offset: Int, upTo end: Int) {
    unsafe words = mapping.word64(at: offset)
    lineCount = (end - offset) / Self.lineSize
    hint = Hint()
  }

  @inline(__always)
  private func get(_ line: Int, _ word: Int) -> UInt64 { unsafe words[8 * line + word].load(ordering: .relaxed) }

  /// Releasing: no store comes before an earlier one, for whoever looks when this process has been killed between the two.
  @inline(__always)
  private func set(_ line: Int, _ word: Int, _ value: UInt64) {
    unsafe words[8 * line + word].store(value, ordering: .releasing)
  }

  private var usedLines: Int { min(Int(truncatingIfNeeded: get(0, Self.used)) + 1, lineCount) }

  /// The line of this process, made when it has none; 0 when there is no place.
  @inline(__always)
  private func mine() -> Int {
    let me = spindle_process_key(), line = unsafe hint.line
    return get(line, Self.key) == me ? line : find(me)
  }

  @inline(never)
  private func find(_ me: UInt64) -> Int {
    let used = usedLines
    var line = (1..<used).first { get($0, Self.key) == me } ?? (1..<used).first { get($0, Self.key) == 0 }
    if line == nil, used < lineCount {
      line = used
      set(0, Self.used, UInt64(used))
    }
    guard let line else { return 0 }
    if get(line, Self.key) != me { set(line, Self.key, me) }
    unsafe hint.line = line
    return line
  }

  // MARK: As the queue changes

  /// An element was taken by this process.
  @inline(__always)
  func noteTake() {
    let line = mine()
    set(line, Self.taken, get(line, Self.taken) &+ 1)
  }

  /// Elements that were gone when they were to be taken.
  @inline(never)
  func noteLost(_ count: UInt64) {
    set(0, Self.lost, get(0, Self.lost) &+ count)
    FaultPoint.queueLossNoted.reach()
  }

  func noteDone() {
    let line = mine()
    if inHand(line) == 0 {
      // For what another process has taken: from now on nobody knows who has what in its hands.
      set(0, Self.unowned, 1)
      set(0, Self.done, get(0, Self.done) &+ 1)
    } else {
      set(line, Self.done, get(line, Self.done) &+ 1)
    }
  }

  /// Elements that are dropped count as taken and done.
  func noteDrop(_ count: UInt64) { set(0, Self.dropped, get(0, Self.dropped) &+ count) }

  /// What the process of a line has taken and not done. What was lost on its way is in nobody's hands.
  private func inHand(_ line: Int) -> UInt64 {
    let gone = get(line, Self.done) &+ (line == 0 ? 0 : get(line, Self.lost)), taken = get(line, Self.taken)
    return taken > gone ? taken - gone : 0
  }

  // MARK: Deaths

  /// Compares with the state after somebody died under the lock; returns what is done. What nobody has noted was lost, or, when
  /// the dead one emptied the queue, dropped.
  func reconcile(takes: UInt64, puts: UInt64, done: UInt64, wereDropped: Bool) -> UInt64 {
    var taken = get(0, Self.dropped) &+ get(0, Self.lost), finished = get(0, Self.dropped)
    for line in 0..<usedLines {
      taken &+= get(line, Self.taken)
      finished &+= get(line, Self.done) &+ get(line, Self.lost)
    }
    let missing = takes >= taken ? takes - taken : 0
    if wereDropped {
      noteDrop(missing)
      return min(max(done, finished &+ missing), puts)
    }
    // One call was under way, so it is one element: more is damage.
    guard missing == 1 else { return min(max(done, finished), puts) }
    noteLost(1)
    return min(max(done, finished &+ 1), puts)
  }

  /// The lines of processes that have ended.
  func dead(always: Bool) -> [(line: Int, key: UInt64)] {
    let now = UInt64(bitPattern: spindle_now())
    let before = get(0, Self.looked)
    if !always {
      guard now &- before >= Self.interval,
        unsafe words[Self.looked].compareExchange(expected: before, desired: now, ordering: .relaxed).exchanged
      else { return [] }
    }
    return (1..<max(usedLines, 1)).compactMap { line in
      let key = get(line, Self.key)
      return key == 0 || ProcessKey(rawValue: key).lives() ? nil : (line, key)
    }
  }

  /// Frees the line of a dead process; returns how many elements it had in its hands, counted as lost from now on.
  ///
  /// Who dies in here has buried it, or leaves it as it is. What was counted and not returned is found by `reconcile`.
  func bury(_ line: Int, _ key: UInt64) -> UInt64 {
    guard get(line, Self.key) == key else { return 0 }
    let held = get(0, Self.unowned) == 0 ? inHand(line) : 0
    if held > 0 { set(line, Self.lost, get(line, Self.lost) &+ held) }
    FaultPoint.queueLossNoted.reach()
    set(line, Self.key, 0)
    FaultPoint.queueUserBuried.reach()
    return held
  }

  /// Somebody says done of what was thought lost.
  func takeBackLoss() -> Bool {
    guard lostCount > 0 else { return false }
    set(0, Self.takenBack, get(0, Self.takenBack) &+ 1)
    return true
  }

  /// What was taken back is read first: it is never more than what was lost before.
  var lostCount: Int {
    let back = unsafe words[Self.takenBack].load(ordering: .acquiring)
    let lost = (0..<usedLines).reduce(0) { $0 &+ get($1, Self.lost) }
    return lost > back ? Int(clamping: lost - back) : 0
  }
}
