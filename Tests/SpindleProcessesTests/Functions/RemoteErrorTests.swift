import Spindle
import SpindleProcesses
import Testing

struct PlainThrown: Error { var code = 3 }

@inline(never) private func throwPlain(_ number: Int) throws -> Int {
  if number > 0 { throw PlainThrown() }
  return number
}

private func passOn(_ number: Int) throws -> Int {
  do { _ = try throwPlain(number - 1) } catch { try rethrow(error) }
  return try throwPlain(number)
}

private func rethrow(_ error: any Error) throws {}

private struct HiddenFailure: Error, Codable { var number: Int }
private func throwHidden(_ number: Int) throws -> Int { throw HiddenFailure(number: number) }

/// What every call throws is found by the place of its type, in the worker and here.
private func throwOften() {
  withProcessPool(maxWorkers: 1) { pool in
    func throwAll(_ numbers: Range<Int>) {
      for number in numbers {
        let error = #expect(throws: HiddenFailure.self) { try pool.submit(throwHidden, number).result() }
        #expect(error?.number == number)
      }
    }
    throwAll(0..<2)
    let names = keptTypeNameCount()
    throwAll(2..<50)
    #expect(keptTypeNameCount() == names && names > 0)
  }
}

/// What can be known of an error whose type cannot travel.
@Suite struct RemoteErrorTests {
  @Test("it says what it was, which worker threw it, and in which function")
  func origin() throws {
    let child = ChildProcess(target: passOn, 2, name: "thrower")
    child.start()
    let error = #expect(throws: RemoteError.self) { try child.join() }
    #expect(error?.typeName == "SpindleProcessesTests.PlainThrown")
    #expect(error?.message == "PlainThrown(code: 3)")
    #expect(error?.worker == "thrower")
    #expect(error?.thrownIn?.contains("throwPlain") == true, "\(error?.thrownIn ?? "nil")")
    #expect(error?.description.contains("in worker \"thrower\"") == true)
  }

  @Test("errors of a private type that come again and again take no memory")
  func hiddenErrors() async {
    await #expect(processExitsWith: .success) { throwOften() }
  }

  @Test("where it was thrown is left out where it is not known")
  func unknownOrigin() {
    let error = RemoteError(typeName: "App.Refused", message: "Refused()")
    #expect(error.thrownIn == nil)
    #expect(error.description == "App.Refused: Refused()")
    #expect(error == RemoteError(typeName: "App.Refused", message: "Refused()"))
  }
}
