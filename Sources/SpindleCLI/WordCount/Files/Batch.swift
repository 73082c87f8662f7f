/// A part of a file, or all of it. The words that begin in it are counted with it.
package struct Piece: Equatable, Sendable {
  package let path: FilePath
  package let start: Int
  /// Behind the last byte; `.max` for the end of the file, wherever that is when it is read.
  package let end: Int

  package init(path: FilePath, start: Int, end: Int) {
    self.path = path
    self.start = start
    self.end = end
  }

  /// Files up to twice this size are one piece.
  package static let size = 4 << 20

  /// Calls `body` with the pieces of a file, until it returns false.
  static func each(of file: FoundFile, _ body: (Piece) -> Bool) -> Bool {
    var start = 0
    while file.size - start > 2 * size {
      if !body(Piece(path: file.path, start: start, end: start + size)) { return false }
      start += size
    }
    return body(Piece(path: file.path, start: start, end: .max))
  }
}

/// Pieces that are counted together, so that a worker is given something worth its while.
///
/// Flat, so that it crosses to another process by three copies.
package struct Batch: Codable, Sendable {
  /// Which one it is, for who keeps account of them.
  var number = 0
  /// A zero byte behind each.
  private var paths: [UInt8] = []
  private var starts: [Int] = []
  private var ends: [Int] = []

  package init() {}

  package var count: Int { starts.count }
  package var isEmpty: Bool { starts.isEmpty }

  package mutating func append(_ piece: Piece) {
    paths += piece.path.bytes
    paths.append(0)
    starts.append(piece.start)
    ends.append(piece.end)
  }

  /// Calls `body` with each piece, until it returns false.
  package func each(_ body: (Piece) -> Bool) {
    var next = 0
    for index in 0..<count {
      let end = paths[next...].firstIndex(of: 0)!
      if !body(Piece(path: FilePath(paths[next..<end]), start: starts[index], end: ends[index])) { return }
      next = end + 1
    }
  }
}

/// Gathers pieces to batches and hands each on when it is large enough.
///
/// The batches grow with what was found: small ones at first, so that all workers have something to do at once and a
/// small tree is shared fairly, larger ones in a large tree, where what each batch costs besides counting matters.
struct Batcher: ~Copyable {
  /// No batch has more pieces than this.
  static let mostPieces = 512
  private static let smallest = 128 << 10

  private let largest: Int
  private let deliver: (Batch) -> Bool
  private var batch = Batch()
  private var bytes = 0
  private var total = 0

  /// Batches of about `largest` bytes at most go to `deliver`, which returns false to end all.
  init(largest: Int, deliver: @escaping (Batch) -> Bool) {
    self.largest = largest
    self.deliver = deliver
  }

  /// False when all is to end.
  mutating func add(_ file: FoundFile) -> Bool {
    var rest = file.size
    return Piece.each(of: file) { piece in
      batch.append(piece)
      let size = piece.end == .max ? rest : Piece.size
      rest -= size
      bytes += size
      total += size
      if bytes < min(largest, max(Self.smallest, total / 64)), batch.count < Self.mostPieces { return true }
      return flush()
    }
  }

  /// Hands on what is left.
  @discardableResult
  mutating func flush() -> Bool {
    if batch.isEmpty { return true }
    defer { (batch, bytes) = (Batch(), 0) }
    return deliver(batch)
  }
}
