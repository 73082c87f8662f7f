import Spindle
import SpindleTestSupport
import Testing

@Suite(.watchdog()) struct ContractTests {
  @Test func aThreadPoolKeepsTheContract() async throws {
    try await JobPoolContract.run { ThreadPool(maxWorkers: $0) }
  }
}
