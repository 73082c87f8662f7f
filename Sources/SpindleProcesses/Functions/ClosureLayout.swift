/// Whether closures still look the way `ClosureWords` expects: known ones, there and back, once per process.
package enum ClosureLayout {
  private static let failure: FunctionNameError? = check()

  /// For the test of what happens when a future compiler lays closures out differently: in debug builds, in this task.
  @TaskLocal package static var isPretendedUnknown = false

  static func require() throws {
    if let failure { throw failure }
    #if DEBUG
      if isPretendedUnknown { throw unknown("pretended by a test") }
    #endif
  }

  private static func unknown(_ what: String) -> FunctionNameError {
    FunctionNameError("this Swift compiler lays out functions in a way Spindle does not know (\(what)); use a Job instead")
  }

  private static func check() -> FunctionNameError? {
    do {
      let plain = boxed({ (tens: Int, ones: Int) in tens &* 10 &+ ones })
      let again = try FunctionName(unchecked: plain).resolveUnchecked()
        .take(as: FunctionBox<Int, Int, Int>.self)
      guard try again.call(4, 2) == 42 else { return unknown("a closure without captures") }
      // Made from a function of the most specific type, which the box's most general one wraps.
      let wrapped = try FunctionName(unchecked: boxed(describe)).resolveUnchecked()
        .take(as: FunctionBox<String, Int, String>.self)
      guard try wrapped.call(7, "x") == "7x" else { return unknown("a wrapped function") }
    } catch {
      return unknown("\(error)")
    }
    do {
      let capturing = capturing(Int(bitPattern: ObjectIdentifier(Self.self)), "\(Self.self)")
      _ = try FunctionName(unchecked: capturing)
      return unknown("captured values go unnoticed")
    } catch {
      let names = (error as? CapturedContextError)?.capturedTypes ?? []
      return names.sorted() == ["Int", "String"] ? nil : unknown("captured values, \(names)")
    }
  }

  @inline(never)
  private static func boxed<Output, each Input>(
    _ function: @escaping @Sendable (repeat each Input) throws -> Output
  ) -> FunctionBox<Output, repeat each Input> {
    FunctionBox(function: function)
  }

  @inline(never)
  private static func capturing(_ number: Int, _ text: String) -> FunctionBox<Int, Int> {
    boxed({ (other: Int) in other &+ number &+ text.utf8.count })
  }
}

private func describe(_ number: Int, _ text: String) -> String { "\(number)\(text)" }
