import SpindleProcesses
import Testing

@Suite struct FunctionTitleTests {
  @Test func `a plain name stays as it is`() {
    let name = "demo.count(Swift.String) throws -> Swift.Int"
    #expect(FunctionTitle.function(in: name) == name)
  }

  @Test(arguments: [
    "function signature specialization <Arg[0] = Dead> of demo.run() -> ()",
    "function signature specialization <Arg[2] = [Closure : (Swift.Int) -> Swift.Array<Swift.Int>]> of demo.run() -> ()",
    "merged generic specialization <Swift.Int, Swift.Array<Swift.Int>> of demo.run() -> ()",
    "async function pointer to demo.run() -> ()",
  ]) func `what the optimiser made is named after the function it was made of`(symbol: String) {
    #expect(FunctionTitle.function(in: symbol) == "demo.run() -> ()")
  }

  @Test(arguments: ["", "function signature specialization <Arg[0] = [Constant Propag", "generic specialization <A> for B"])
  func `a name that is cut off is none`(symbol: String) {
    #expect(FunctionTitle.function(in: symbol) == nil)
  }
}
