import Spindle
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

  @Test("where it was thrown is left out where it is not known")
  func unknownOrigin() {
    let error = RemoteError(typeName: "App.Refused", message: "Refused()")
    #expect(error.thrownIn == nil)
    #expect(error.description == "App.Refused: Refused()")
    #expect(error == RemoteError(typeName: "App.Refused", message: "Refused()"))
  }
}
