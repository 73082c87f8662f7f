import SpindleProcesses
import Testing

// What the calls below name.

private func nothing() {}
private func fortyTwo() -> Int { 42 }
private func add(_ a: Int, _ b: Int) -> Int { a + b }
private func subtract(_ a: Int, _ b: Int) -> Int { a - b }
func join(_ a: String, _ b: [Double], _ c: [String: Int]) -> String { "\(a) \(b) \(c)" }
private func generic<T: Codable & Sendable>(_ value: T) -> [T] { [value, value] }
private func later(_ a: Int) async -> Int {
  await Task.yield()
  return a + 1
}

enum Shape: Codable, Equatable { case circle(radius: Double) }
struct Point: Codable, Equatable {
  var x: Int
  static func mirrored(_ point: Point) -> Point { Point(x: -point.x) }
  func moved(_ by: Int) -> Int { x + by }
}
private struct Hidden: Codable, Equatable {
  var text: String
  struct Inner: Codable, Equatable { var number: Int }
}
private struct HiddenPair<A: Codable & Sendable & Equatable>: Codable, Equatable { var a: A }
private func reveal(_ hidden: [Hidden], _ inner: Hidden.Inner?) -> [String: Hidden] {
  ["\(inner?.number ?? 0)": hidden[0]]
}
private func pair(_ value: HiddenPair<Hidden>) -> HiddenPair<[Hidden]> { HiddenPair(a: [value.a]) }

enum ParseFailure: Error, Codable, Equatable { case bad(line: Int) }
private enum HiddenFailure: Error, Codable, Equatable { case hidden }
struct PlainFailure: Error { var code = 3 }
private func parse(_ line: Int) throws(ParseFailure) -> Int { throw .bad(line: line) }
private func fail(_ kind: Int) throws {
  switch kind {
  case 0: throw HiddenFailure.hidden
  case 1: throw PlainFailure()
  default: throw CancellationError()
  }
}

private struct Sum: Job {
  var numbers: [Int]
  func run() throws -> Int { numbers.reduce(0, +) }
}
struct GenericJob<T: Codable & Sendable>: Job {
  var value: T
  func run() throws -> [T] { [value] }
}

/// There and back, as another process would: from the bytes alone.
private func run<Output>(_ call: Call<Output>) throws -> Output { try call.result(of: invokeCall(call.bytes)) }

@Suite struct CallTests {
  @Test func functionsOfAnyNumberOfArgumentsAreFoundAgain() throws {
    try run(Call(nothing))
    #expect(try run(Call(fortyTwo)) == 42)
    #expect(try run(Call(add, 19, 23)) == 42)
    #expect(try run(Call(join, "a", [1.5], ["x": 1])) == "a [1.5] [\"x\": 1]")
  }

  @Test func referencesOfEveryKindAreFoundAgain() throws {
    #expect(try run(Call(Point.mirrored, Point(x: 4))) == Point(x: -4))
    #expect(try run(Call(Point.init(x:), 4)) == Point(x: 4))
    #expect(try run(Call(Shape.circle(radius:), 2)) == .circle(radius: 2))
    #expect(try run(Call({ (a: Int) in a * 2 }, 21)) == 42)
    #expect(try run(Call({ (a: String) in a.uppercased() }, "x")) == "X")
    #expect(try run(Call(generic as @Sendable (Int) -> [Int], 5)) == [5, 5])
    #expect(try run(Call(generic as @Sendable (String) -> [String], "é")) == ["é", "é"])
    #expect(try run(Call(abs as @Sendable (Int) -> Int, -3)) == 3)
    try run(Call({ (a: Int) in _ = a }, 1))
  }

  @Test func aFunctionInGenericCodeIsFoundByItsUnaryForm() throws {
    func send<I: Codable & Sendable, O: Codable & Sendable>(_ function: @escaping @Sendable (I) throws -> O, _ input: I) throws -> O {
      try run(Call(unary: function, input))
    }
    #expect(try send(later2, 1) == 2)
    #expect(try send({ (a: String) in a.count }, "abc") == 3)
  }

  @Test func aPackOfArgumentsPassesThroughGenericCode() throws {
    func send<each I: Codable & Sendable, O: Codable & Sendable>(
      _ function: @escaping @Sendable (repeat each I) throws -> O, _ input: repeat each I
    ) throws -> O { try run(Call(function, repeat each input)) }
    #expect(try send(add, 1, 2) == 3)
    #expect(try send({ (a: String) in a.count }, "abc") == 3)
    #expect(try send(fortyTwo) == 42)
  }

  @Test func privateLocalAndGenericTypesTravel() throws {
    struct Local: Codable, Equatable { var x: Int }
    #expect(try run(Call(reveal, [Hidden(text: "h")], Hidden.Inner(number: 2))) == ["2": Hidden(text: "h")])
    #expect(try run(Call(pair, HiddenPair(a: Hidden(text: "h")))) == HiddenPair(a: [Hidden(text: "h")]))
    #expect(try run(Call({ (a: [Local?]) in a.count }, [Local(x: 1), nil])) == 2)
  }

  @Test func asyncFunctionsRunInTheCallersTask() async throws {
    let call = try Call(async: later, 41)
    #expect(call.isAsync && isAsyncCall(call.bytes))
    #expect(try await call.result(of: invokeCallAsync(call.bytes)) == 42)
    let literal = try Call(async: { (a: Int, b: String) async in "\(a)\(b)" }, 1, "x")
    #expect(try await literal.result(of: invokeCallAsync(literal.bytes)) == "1x")
    let procedure = try Call(async: { (_: Int) async in await Task.yield() }, 1)
    try await procedure.result(of: invokeCallAsync(procedure.bytes))
    let sync = try Call(add, 1, 2)
    #expect(try await sync.result(of: invokeCallAsync(sync.bytes)) == 3)
    #expect(throws: FunctionNameError.self) { try call.result(of: invokeCall(call.bytes)) }
  }

  @Test func errorsComeBackAsThemselvesOrAsRemoteErrors() throws {
    #expect(throws: ParseFailure.bad(line: 7)) { try run(Call(parse, 7)) }
    #expect(throws: HiddenFailure.hidden) { try run(Call(fail, 0)) }
    let remote = #expect(throws: RemoteError.self) { try run(Call(fail, 1)) }
    #expect(remote?.typeName == "SpindleProcessesTests.PlainFailure")
    #expect(remote?.message == "PlainFailure(code: 3)")
    #expect(throws: CancellationError.self) { try run(Call(fail, 2)) }
  }

  @Test func jobsRunWhateverTheirFunctionsLookLike() throws {
    #expect(try run(Call(job: Sum(numbers: [1, 2, 3]))) == 6)
    #expect(try run(Call(job: GenericJob(value: ["a"]))) == [["a"]])
  }

  @Test func capturesAreRefusedByTheNamesOfTheirTypes() throws {
    func refusal(_ make: () throws -> Void) -> CapturedContextError? {
      #expect(throws: CapturedContextError.self) { try make() }
    }
    let number = Int.random(in: 0...9)
    let text = "\(number)"
    let point = Point(x: number)
    let list = [number]
    let two = refusal { _ = try Call({ (a: Int) in a + number + text.count }, 1) }
    #expect(two?.description == "closure captures 2 values: Int, String; pass them as arguments")
    let one = refusal { _ = try Call({ (a: Int) in a + list.count }, 1) }
    #expect(one?.description == "closure captures 1 value: Array<Int>; pass it as an argument")
    let bound = refusal { _ = try Call(point.moved, 1) }
    #expect(bound?.capturedTypes.count == 1)
    _ = refusal { _ = try Call(async: { (a: Int) async in a + number }, 1) }
    _ = refusal { _ = try Call(unary: { (a: Int) in a + number }, 1) }
    let inner: @Sendable (Int) -> Int = { $0 + number }
    _ = refusal { _ = try Call({ (a: Int) in inner(a) }, 1) }
    let free: @Sendable (Int) -> Int = { $0 + 1 }
    #expect(try run(Call({ (a: Int) in free(a) }, 1)) == 2)
  }

  @Test func argumentsAndResultsThatCannotBeCodedAreErrors() throws {
    struct Stubborn: Codable, Sendable {
      var failsDecoding = false
      init(failsDecoding: Bool) { self.failsDecoding = failsDecoding }
      init(from decoder: any Decoder) throws { throw PlainFailure() }
      func encode(to encoder: any Encoder) throws { if !failsDecoding { throw PlainFailure(code: 9) } }
    }
    #expect(throws: PlainFailure.self) { try Call({ (_: Stubborn) in 1 }, Stubborn(failsDecoding: false)) }
    #expect(throws: RemoteError.self) { try run(Call({ (_: Stubborn) in 1 }, Stubborn(failsDecoding: true))) }
    #expect(throws: RemoteError.self) { _ = try run(Call({ (_: Int) in Stubborn(failsDecoding: false) }, 1)) }
  }

  @Test("a call names its function once, whichever closure of it is sent")
  func repeatedCalls() throws {
    // The wrappers of `add` are different objects each time, those of the literal none at all.
    func send() throws -> [UInt8] { try Call(add, 1, 2).bytes }
    let first = try send()
    for _ in 0..<100 {
      #expect(try send() == first)
      #expect(try run(Call(add, 1, 2)) == 3)
      #expect(try run(Call(subtract, 1, 2)) == -1)
      #expect(try run(Call({ (a: Int) in a * 2 }, 21)) == 42)
      #expect(try run(Call({ (a: Int) in a * 3 }, 21)) == 63)
      #expect(try run(Call(generic as @Sendable (Int) -> [Int], 5)) == [5, 5])
      #expect(try run(Call(generic as @Sendable (String) -> [String], "a")) == ["a", "a"])
      #expect(try run(Call(unary: later2, 1)) == 2)
      let number = Int.random(in: 0...9)
      #expect(throws: CapturedContextError.self) { try Call({ (a: Int) in a * number }, 21) }
    }
  }

  @Test("calls are made and run by many threads at once")
  func concurrentCalls() async throws {
    try await withThrowingTaskGroup(of: Void.self) { group in
      for task in 0..<8 {
        group.addTask {
          for number in 0..<300 {
            #expect(try run(Call(add, number, task)) == number + task)
            #expect(try run(Call(job: GenericJob(value: number))) == [number])
            let mirrored = try run(Call(Point.mirrored, Point(x: number)))
            #expect(mirrored == Point(x: -number))
          }
        }
      }
      try await group.waitForAll()
    }
  }

  #if DEBUG
    @Test("when the layout of closures is not known, a function is refused by an error that says so, and a job works")
    func unknownLayout() throws {
      try ClosureLayout.$isPretendedUnknown.withValue(true) { () throws in
        let error = #expect(throws: FunctionNameError.self) { try Call({ (a: Int8) in a }, 1) }
        #expect(error?.description.contains("use a Job instead") == true)
        #expect(try run(Call(job: Sum(numbers: [1, 2, 3]))) == 6)
      }
      #expect(try run(Call({ (a: Int8) in a }, 1)) == 1)
    }
  #endif

  @Test func malformedCallsAndRepliesAreErrorsAndNeverTraps() throws {
    let call = try Call(add, 1, 2)
    let reply = invokeCall(call.bytes)
    for count in call.bytes.indices {
      #expect(throws: (any Error).self) { try call.result(of: invokeCall(Array(call.bytes[..<count]))) }
    }
    for count in reply.indices { #expect(throws: (any Error).self) { try call.result(of: Array(reply[..<count])) } }
    // Another build-id: bits of the image's identity.
    let start = call.bytes.firstIndex(of: 0x93)! + 1
    var other = call.bytes
    other[start] ^= 1
    #expect(throws: FunctionNameError.self) { try call.result(of: invokeCall(other)) }
    #expect(throws: (any Error).self) { try call.result(of: invokeCall(call.bytes + [1])) }
    #expect(!isAsyncCall([]))
    #expect(try call.result(of: reply) == 3)
    // Any byte changed: an error or a result, in both directions, and no trap.
    for place in call.bytes.indices {
      for bit in 0..<8 {
        var changed = call.bytes
        changed[place] ^= 1 << UInt8(bit)
        _ = try? call.result(of: invokeCall(changed))
      }
    }
    for place in reply.indices {
      for bit in 0..<8 {
        var changed = reply
        changed[place] ^= 1 << UInt8(bit)
        _ = try? call.result(of: changed)
      }
    }
  }
}

private func later2(_ a: Int) throws -> Int { a + 1 }
