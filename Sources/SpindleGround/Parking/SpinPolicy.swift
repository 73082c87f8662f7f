import CSpindle

/// How long to try again before sleeping: the only spin policy, used by everything that waits.
///
/// A wake-up through the kernel costs 30 us across cores; a cache line crosses in 0.05 to 0.15 us. So a waiter first retries
/// after short runs of pauses (2 to 4 us in all), then lets other threads run a few times, then sleeps. Runs of one
/// length: doubling ones look too rarely just when a hand-over is due, and halve the rate of a ping-pong. Not shorter than
/// a line takes to cross, which differs by who made the processor: each look takes the line away from whoever is about to write it.
/// With one processor whoever must act first cannot run while we spin: then only yields are tried. The same when more
/// must act than there are processors.
///
/// Who has just woken a sleeper probably waits for that one's answer, which cannot come sooner than the kernel has woken
/// it. So it waits that long: else it would be asleep when the answer comes, the other asleep when it has been woken, and
/// two that answer one another would go on through the kernel for ever. Who has woken is a flag of the thread, which nobody else reads.
///
/// A yield that takes a time slice says that somebody has work for this processor. Who yields on there does nothing but stand in the
/// kernel's line, from which it is moved to another processor in the end, where it then sleeps, and is woken beside whoever runs there:
/// two workers on one processor for some milliseconds, and none on the other. So it tries once more, and sleeps. When such yields follow
/// one another, the processors belong to programs that do not wait for us, and each yield gives them some milliseconds: a hand-over
/// that takes 10 us by way of the kernel's sleep then takes a thousand times as long. So for a while nobody yields: two, four, up to 64
/// times as long as the yield took, as long as the next that is tried takes a slice again.
///
/// Where more threads want to run than there are processors, pauses keep the processor from one that could act: who waits gives way
/// at once. (A queue of four putters and four getters on two processors is 1.7 times as quick by that, `submit` twice.) Whether
/// threads crowd here its own last yields have told the thread. Where yields are dear, giving way is to sleep: for one that answers us
/// that is right, but not for a stream, which is three times as quick with pauses first.
///
/// What is waited for may gather meanwhile: elements, jobs, room. How much of it was used between the last wait and this one, the
/// batch, tells how much. After a large one the first look comes later: who looks at each element anew makes both sides wait for
/// the line at each. After a batch of one the other side probably waits for us in turn: so the first looks come one after another, the
/// glances, and nobody gives way, since the others that crowd here then wait for the same as we do, and the one who acts runs elsewhere. A
/// lock that is held for a few lines is such a hand-over too.
///
/// Glances are for a look that reads nothing but the line which the other one writes. That is 0.04 us on its way, and who looks each 0.08
/// sees it after 0.04 or after 0.12, by chance: two threads crossed a barrier 3 or 12 million times a second. A look that reads a second
/// line takes that one away from whoever writes it next, and is better made seldom: with both, a ring of one element passes on 1.2 million a
/// second when looked at without a pause, and 5.3 with three; with one line 14 and 10.
///
/// No model is owed for any of this: it decides how often a thread tries before it registers as a sleeper, and no more. Who has not
/// registered is owed no wake-up, and who has tries once more after it (S4 of `ParkingSpot`), whatever it did before.
@usableFromInline
package struct SpinPolicy {
  private var round: Int
  private var glances: Int
  /// How many pauses pass before the first look.
  private let firstPauses: Int
  private let pausesPerRound: Int
  private let pauseRounds: Int
  private var yieldRounds: Int
  /// How many microseconds are still to be waited after the pauses, actively.
  private var lingers = 0

  @usableFromInline static var allGlances: Int { 16 }
  private static var pauses: Int { 78 }
  private static var longestFirstLook: UInt { 11 }
  /// Microseconds that the kernel takes to wake a thread on another processor.
  private static var wakeUpTime: Int { 30 }
  private static var largeBatch: UInt { 4 }
  private static var usualYieldRounds: Int { 8 }
  /// Where there are no pauses.
  private static var yieldRoundsInstead: Int { 21 }
  private static var wakeUpRounds: Int { 80 }

  /// `parties`: how many threads or tasks must act, the caller included, until there is no need to wait. `batch`: how much
  /// of what is waited for was used since the last wait for it, where that is known. `glances`: whether to begin with them where there is
  /// no batch that says so.
  @inline(__always)
  package init(parties: Int = 2, batch: UInt? = nil, glances: Bool = false) {
    let mayGiveWay = batch == nil || batch! >= Self.largeBatch
    let givesWay = mayGiveWay && spindle_is_crowded() && !(batch != nil && spindle_is_yield_dear())
    let processors = Int(spindle_processors())
    let mayPause = processors > 1 && (parties <= 2 || parties <= processors)
    pausesPerRound = Int(spindle_pauses_per_look())
    pauseRounds = Self.pauses / pausesPerRound
    round = mayPause && !givesWay ? 0 : pauseRounds
    let isHandOver = batch.map { $0 <= 1 } ?? glances
    self.glances = isHandOver && mayPause && !givesWay ? Self.allGlances : 0
    firstPauses = Int(min(max(batch ?? 1, 1), Self.longestFirstLook)) * pausesPerRound
    yieldRounds = mayPause || givesWay ? Self.usualYieldRounds : Self.yieldRoundsInstead
  }

  /// For a worker that has run out of jobs, before it looks for the next: lets them gather while `count` of those in line grows.
  ///
  /// What a job touches comes from the processor of who submits, and many jobs come together in little more time than one; who takes
  /// each as it comes makes both wait for each line. So where several were taken since the last wait, the worker looks at the count alone,
  /// and seldom: as long as the kernel would take to wake it, if it slept. The moment that no more come it goes on: who submits may be
  /// waiting for these.
  package static func gather(batch: UInt, count: () -> Int) {
    guard batch > 1, spindle_processors() > 1 else { return }
    let pausesPerMicrosecond = spindle_pauses_per_microsecond()
    // The first look comes soon: it says whether there is anything to gather.
    var pauses = pausesPerMicrosecond / 4
    var seen = 0
    for _ in 0..<wakeUpTime {
      for _ in 0..<pauses { spindle_pause() }
      let now = count()
      if now <= seen { return }
      seen = now
      pauses = pausesPerMicrosecond
    }
  }

  /// What a thread that waits for so many others to come, as at a barrier, passes for `batch`: 1 where all of them may be running, each on
  /// a processor of its own. Then it pauses, and keeps its processor from one of those who wait as well. If that was in vain, one of
  /// them waits for this very processor (four threads on two, three of them on one), and some next waits do not.
  package static func batch(missing: Int) -> UInt? {
    missing < Int(spindle_processors()) && !spindle_are_pauses_vain() ? 1 : nil
  }

  /// For who has nothing to wait for, but had better let others go first: gives the processor away where threads crowd. False where
  /// they do not, or where yields are dear.
  package static func giveWay() -> Bool {
    guard spindle_is_crowded(), !spindle_is_yield_dear() else { return false }
    spindle_yield()
    return true
  }

  /// The glances alone, for who waits for what changes hands one by one: before the wait proper, which takes longer to begin than most
  /// elements are on their way.
  @inlinable @inline(__always)
  package static func glance(_ isThere: () -> Bool) -> Bool {
    if spindle_processors() == 1 { return false }
    for _ in 0..<allGlances {
      spindle_pause()
      if isThere() { return true }
    }
    return false
  }

  /// For a wait for another process, which has to be woken first: as long as that takes. Yields cost the others nothing.
  @inline(__always)
  package init(untilAwake: Void) {
    self.init()
    yieldRounds = Self.wakeUpRounds
  }

  /// For a wait for forked work, or for its end: both often come soon, and whoever has to wake a sleeper for them loses about as much
  /// time as the sleeper. So it lasts that long, in looks that take no line away too often. Where threads crowd, as usual.
  @inline(__always)
  package init(lingering: Void) {
    self.init()
    if round < pauseRounds, !spindle_is_crowded() { lingers = Self.wakeUpTime }
  }

  /// Waits a little. False when it is time to sleep.
  package mutating func pauseOrYield() -> Bool {
    if pause() { return true }
    if lingers > 0 {
      for _ in 0..<spindle_pauses_per_microsecond() { spindle_pause() }
      lingers -= 1
      return true
    }
    if round == pauseRounds, spindle_has_woken() { yieldRounds = Self.wakeUpRounds }
    if round >= pauseRounds + yieldRounds || spindle_is_yield_dear() { return false }
    if spindle_yield() { yieldRounds = 0 }
    round += 1
    return true
  }

  /// The same without yields, for a task: its thread belongs to Swift's cooperative pool and other tasks may need it.
  package mutating func pause() -> Bool {
    if glances > 0 {
      glances -= 1
      spindle_pause()
      return true
    }
    guard round < pauseRounds else { return false }
    let pauses = round == 0 ? firstPauses : pausesPerRound
    for _ in 0..<pauses { spindle_pause() }
    round += max(1, pauses / pausesPerRound)
    if round >= pauseRounds { spindle_note_vain_pauses() }
    return true
  }
}
