import Glibc

/// Counts the words of pieces of files, one after the other: what each worker has, and the serial mode has one of.
///
///     var counter = PieceCounter()
///     let bytes = try counter.count(piece)
///     let counts = WordCounts(counter.table)
///
/// A word belongs to the piece in which it begins: a piece whose first letters continue a word leaves those to the piece
/// before it, and reads on behind its end for a last word that is not finished there. So no word is cut, and pieces may
/// be counted in any order by anybody. Never more of a file than the buffer is in memory.
// SAFETY: the buffer is owned by this value and freed in `deinit`; `filled + Scanner.padding` stays within its size.
@safe package struct PieceCounter: ~Copyable {
  private static let capacity = 256 << 10
  /// How much is read at a time behind a piece's end, for the word that is not finished there.
  private static let beyond = 4 << 10

  package var table = WordTable()
  private let buffer: UnsafeMutablePointer<UInt8>

  package init() { unsafe buffer = .allocate(capacity: Self.capacity + Scanner.padding) }

  deinit { unsafe buffer.deallocate() }

  /// What was done with a piece.
  package struct Outcome: Equatable {
    /// How many bytes of the piece there were.
    package var bytes: Int
    package var problem: FileProblem?

    package init(bytes: Int = 0, problem: FileProblem? = nil) {
      self.bytes = bytes
      self.problem = problem
    }
  }

  /// Counts the words that begin in `piece`.
  ///
  /// When the file cannot be read to the piece's end, what came before stays counted. `shouldStop` is asked for every
  /// buffer. `isCounting` false: only reads, so that the system has the file in memory.
  package mutating func count(
    _ piece: Piece, isCounting: Bool = true, shouldStop: () -> Bool = { false }
  ) -> Outcome {
    let descriptor: Int32
    switch FileSystem.open(piece.path) {
    case .success(let opened): descriptor = opened
    case .failure(let error): return Outcome(problem: problem(piece, "open", error.code))
    }
    defer { close(descriptor) }
    switch FileSystem.status(of: descriptor) {
    case .failure(let error): return Outcome(problem: problem(piece, "look at", error.code))
    case .success(let status) where status.kind != .file:
      // Another one took its name since it was found.
      return Outcome(problem: problem(piece, "no longer a regular file", 0))
    case .success(let status):
      var reading = Reading(piece: piece, descriptor: descriptor, size: status.size)
      return read(&reading, isCounting, shouldStop)
    }
  }

  private func problem(_ piece: Piece, _ operation: String, _ code: Int32) -> FileProblem {
    FileProblem(path: piece.path, operation: operation, code: code)
  }

  /// Where the reading of a piece is.
  private struct Reading {
    let piece: Piece
    let descriptor: Int32
    /// The file's size when it was opened; 0 in some places of /proc.
    let size: Int
    /// The place in the file of the buffer's first byte.
    var base: Int
    /// How much of the buffer is filled.
    var filled = 0
    /// The letters that come belong to a word that began before the piece.
    var isForeign = false
    /// A word that does not fit into the buffer.
    var giant: GiantWord?

    init(piece: Piece, descriptor: Int32, size: Int) {
      self.piece = piece
      self.descriptor = descriptor
      self.size = size
      base = piece.start
    }

    var outcome: Outcome { Outcome(bytes: max(0, min(piece.end, base + filled) - piece.start)) }
  }

  private mutating func read(_ reading: inout Reading, _ isCounting: Bool, _ shouldStop: () -> Bool) -> Outcome {
    if reading.piece.start > 0 {
      // The byte before the piece says whether its first letters continue a word.
      guard lseek(reading.descriptor, reading.piece.start - 1, SEEK_SET) >= 0 else {
        return Outcome(problem: problem(reading.piece, "seek", errno))
      }
      switch unsafe FileSystem.read(reading.descriptor, buffer, 1) {
      case .failure(let error): return Outcome(problem: problem(reading.piece, "read", error.code))
      case .success(0): return Outcome()
      case .success: reading.isForeign = Letters.isLetter(unsafe buffer[0])
      }
    }
    while !shouldStop() {
      let position = reading.base + reading.filled
      let wanted = min(Self.capacity - reading.filled, max(reading.piece.end - position, Self.beyond))
      switch unsafe FileSystem.read(reading.descriptor, buffer + reading.filled, wanted) {
      case .failure(let error):
        var outcome = reading.outcome
        outcome.problem = problem(reading.piece, "read", error.code)
        return outcome
      case .success(let got):
        reading.filled += got
        // At the size it had, a file needs no further read to say that it ends; one in /proc has the size 0.
        let isEnd = got == 0 || (got < wanted && reading.base + reading.filled == reading.size)
        if !isCounting {
          reading.base += reading.filled
          reading.filled = 0
          if isEnd || reading.base >= reading.piece.end { return reading.outcome }
        } else if consume(&reading, isEnd) {
          return reading.outcome
        }
      }
    }
    return reading.outcome
  }

  /// Counts what is in the buffer, and keeps the word that may go on. True when the piece is done.
  private mutating func consume(_ reading: inout Reading, _ isEnd: Bool) -> Bool {
    for index in 0..<Scanner.padding { unsafe buffer[reading.filled + index] = 0 }
    let filled = reading.filled
    var from = 0
    if reading.isForeign || reading.giant != nil {
      while from < filled, Letters.isLetter(unsafe buffer[from]) { from += 1 }
      if reading.giant != nil { unsafe reading.giant!.append(UnsafeBufferPointer(start: buffer, count: from)) }
      if from == filled, !isEnd {
        reading.base += filled
        reading.filled = 0
        // A foreign word that fills the piece is none of ours; a giant is followed to its end.
        return reading.isForeign && reading.base >= reading.piece.end
      }
      if let giant = reading.giant { table.add(giant.chunks) }
      reading.giant = nil
      reading.isForeign = false
    }
    let limit = min(filled, reading.piece.end - reading.base)
    let left =
      unsafe from < limit
      ? Scanner.scan(buffer, from: from, limit: limit, count: filled, isEnd: isEnd, into: &table) : filled
    if isEnd || left >= limit && reading.base + limit == reading.piece.end { return true }
    // All was counted, or a word that begins before the limit is left.
    if left >= limit {
      reading.base += filled
      reading.filled = 0
      return false
    }
    if filled - left > GiantWord.threshold {
      reading.giant = GiantWord()
      unsafe reading.giant!.append(UnsafeBufferPointer(start: buffer + left, count: filled - left))
      reading.base += filled
      reading.filled = 0
    } else {
      unsafe buffer.update(from: buffer + left, count: filled - left)
      reading.base += left
      reading.filled = filled - left
    }
    return false
  }
}
