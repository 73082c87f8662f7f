import Glibc
import Spindle
import SpindleProcesses
import SpindleTestSupport
import Testing

// The optimiser may put a function into whoever calls it, or one name on several: what is left then is its own.
#if DEBUG
private func endHere(_ code: Int32) -> Int32 { _exit(code) }
private struct Ender: Codable, Sendable {
  static func end(_ code: Int32) -> Int32 { _exit(code) }
  init(ending code: Int32) { _exit(code) }
}
#endif

@Suite(.oneAtATime, .watchdog(seconds: 60)) struct FunctionTitleTests {
#if DEBUG
  private func call<Result: Codable & Sendable>(_ child: ChildProcess<Result>) -> String {
    child.start()
    let error = #expect(throws: WorkerDiedError.self) { try child.join() }
    return error?.call ?? "nothing"
  }

  @Test func `a function is named as it is written, whatever stands between it and its call`() throws {
    #expect(call(ChildProcess(target: endHere, 3)) == "SpindleProcessesTests.endHere(Swift.Int32) -> Swift.Int32")
    #expect(call(ChildProcess(target: Ender.end, 3)) == "static SpindleProcessesTests.Ender.end(Swift.Int32) -> Swift.Int32")
    #expect(call(ChildProcess(target: Ender.init(ending:), 3)).contains("Ender.init(ending: Swift.Int32)"))
    #expect(call(ChildProcess(target: { (code: Int32) -> Int32 in _exit(code) }, 3)).contains("closure #"))
    let pool = ProcessPool(maxWorkers: 1)
    let calls = [pool.submit(endHere, 3), pool.submit(Ender.end, 3)].map { future in
      #expect(throws: WorkerDiedError.self) { try future.result() }?.call ?? "nothing"
    }
    #expect(calls[0].contains("endHere(Swift.Int32)") && calls[1].contains("Ender.end(Swift.Int32)"), "\(calls)")
    pool.shutdown()
  }
#endif

  @Test(arguments: [
    ("App.count(Swift.Int) -> Swift.Int", "App.count(Swift.Int) -> Swift.Int"),
    ("merged App.f() -> ()", "App.f() -> ()"),
    ("partial apply forwarder for App.f() -> ()", "App.f() -> ()"),
    ("(3) suspend resume partial function for App.f() async -> ()", "App.f() async -> ()"),
    ("generic specialization <Swift.Array<Swift.Int>> of App.f<A>(A) -> A", "App.f<A>(A) -> A"),
    (
      "function signature specialization <Arg[0] = [Closure Propagated : closure #1 (Swift.Int) -> () in App.g() -> ()]> of "
        + "App.(f in _8B17F2B27EC77F03D8B77C54FB4B7BA6)(Swift.Int) -> ()", "App.f(Swift.Int) -> ()"
    ),
    (
      "function signature specialization <Arg[2] = [Constant Propagated Function : App.(f in _8B17F2B27EC77F03D8B77C54FB4B7BA6)"
        + "([Swift.Int]) -> Swift.Int]> of reabstraction thunk helper from @escaping @callee_guaranteed () -> () to () -> ()",
      "App.f([Swift.Int]) -> Swift.Int"
    ),
    (
      "function signature specialization <Arg[0] = [Closure Propagated : closure #1 () -> () in App.g(), Argument Types : [Swift.Int]]> "
        + "of reabstraction thunk helper from @escaping () -> () to () -> ()", "closure #1 () -> () in App.g()"
    ),
    ("protocol witness for App.P.f() -> () in conformance App.S : App.P in App", "App.P.f() -> ()"),
    (
      "closure #1 () -> () in App.(x in _8B17F2B27EC77F03D8B77C54FB4B7BA6)() -> ()", "closure #1 () -> () in App.x() -> ()"
    ),
    ("generic specialization <", "generic specialization <"),
    ("(x in _8B17)", "(x in _8B17)"),
    ("", ""),
  ])
  func `what the compiler put around a name is left out`(_ symbol: String, _ name: String) {
    #expect(ReadableSymbol.name(symbol) == name)
  }
}
