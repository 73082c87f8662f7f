internal import CSpindle

/// A closure cannot be sent to another process, because it captured something.
///
///     let factor = 3
///     pool.submit({ $0 * factor }, 14)      // throws: closure captures 1 value: Int; pass it as an argument
///     pool.submit({ $0 * $1 }, 14, factor)  // works
///
/// What a closure captured lives in the memory of one process. Functions, static methods, initialisers and closures
/// without captures can be sent; what they need goes along as arguments, or as the properties of a `Job`. A debug build
/// also refuses functions named inside generic functions, where the closure keeps the type parameters.
public struct CapturedContextError: Error, Sendable, Equatable, CustomStringConvertible {
  /// The types of what was captured; a type that cannot be named any more is "a value".
  public let capturedTypes: [String]
  /// It was made inside a generic function and keeps that function's type parameters.
  public let keepsTypeParameters: Bool

  public var description: String {
    guard !capturedTypes.isEmpty else {
      return "closure keeps the type parameters of the generic function it was made in; "
        + "use a function that is not generic, or a Job"
    }
    let count = capturedTypes.count
    return "closure captures \(count) value\(count == 1 ? "" : "s"): \(capturedTypes.joined(separator: ", ")); "
      + "pass \(count == 1 ? "it as an argument" : "them as arguments")"
  }
}

/// A function or type cannot be named for another process, or a name means nothing in this one.
public struct FunctionNameError: Error, Sendable, Equatable, Codable, CustomStringConvertible {
  public let description: String
  init(_ description: String) { self.description = description }
}

/// An error that was thrown in another process and whose type cannot travel, because it is not `Codable`.
///
///     do { try future.result() } catch let error as RemoteError {
///       print(error)  // App.Refused: Refused(code: 3) (thrown in App.check(Swift.Int) throws -> () in worker "ProcessPool-1-2")
///     }
///
/// An error that is `Codable` arrives as itself and not as one of these.
public struct RemoteError: Error, Sendable, Equatable, Codable, CustomStringConvertible {
  /// The error's type, with its module.
  public let typeName: String
  /// What the error says about itself.
  public let message: String
  /// The name of the process that threw it, if that was a worker.
  public let worker: String?
  private let place: ImagePlace?

  /// The function that threw it, "count(Swift.String) throws -> Swift.Int", as far as it is known: not for typed throws,
  /// not when the error was thrown in a task that has changed threads since, not in a stripped program.
  ///
  /// Asking for it, or for the description, reads the program's symbols, which takes milliseconds.
  public var thrownIn: String? {
    guard let address = unsafe place?.address() else { return nil }
    let text = FunctionTitle(code: UInt(bitPattern: address), type: "").text
    return text.isEmpty ? nil : text
  }

  public init(typeName: String, message: String, worker: String? = nil) {
    self.typeName = typeName
    self.message = message
    self.worker = worker
    place = nil
  }

  init(_ error: any Error) {
    // SAFETY: an error is one reference to its box, which is compared and not followed. In a struct, because the error by
    // itself would be opened, and what is in the box be cast.
    struct Holder {
      let error: any Error
    }
    let address = unsafe spindle_thrown_at(unsafeBitCast(Holder(error: error), to: UnsafeRawPointer.self))
    place = unsafe UnsafeRawPointer(bitPattern: address).flatMap { unsafe ImagePlace(of: $0) }
    typeName = _typeName(type(of: error))
    message = "\(error)"
    worker = WorkerRole.name
  }

  /// Workers remember where errors are thrown from their first call on; the program itself, which has others to do that, not.
  static let areWatched: Void = { if WorkerRole.isWorker { spindle_watch_throws() } }()

  public static func == (a: RemoteError, b: RemoteError) -> Bool {
    a.typeName == b.typeName && a.message == b.message && a.worker == b.worker
  }

  public var description: String {
    let thrower = thrownIn.map { " in \($0)" } ?? ""
    let process = worker.map { " in worker \"\($0)\"" } ?? ""
    return thrower + process == "" ? "\(typeName): \(message)" : "\(typeName): \(message) (thrown\(thrower)\(process))"
  }
}
