/// Work for another process as a value: what it needs are its properties, what it does is `run`.
///
///     struct CountWords: Job {
///       var path: String
///       func run() throws -> Int { try words(in: path).count }
///     }
///     let count = try pool.submit(CountWords(path: "README.md")).result()
///
/// A function with arguments is shorter; a job names what it does, may be generic, and may be made anywhere, also inside
/// generic functions, where a debug build cannot send a function. It is encoded, run and its result encoded as any
/// `Codable` value. Errors that are `Codable` come back as themselves, others as `RemoteError`.
public protocol Job: Codable, Sendable {
  associatedtype Output: Codable & Sendable
  func run() throws -> Output
}
