import Spindle
import SpindleTestSupport
import Testing

private func double(_ number: Int) -> Int { number * 2 }
private func refuse(_ number: Int) throws -> Int { if number == 2 { throw Oops() } else { number } }

/// Calls as a user types them: that they compile is half of the property.
@Suite(.watchdog()) struct CallShapeTests {
  let pool = ThreadPool(maxWorkers: 2)

  @Test func futuresAreKeysAndMembersOfSets() throws {
    let names = Dictionary(uniqueKeysWithValues: (0..<4).map { (pool.submit(double, $0), "\($0)") })
    var seen: Set<String> = []
    for future in asCompleted(names.keys) { seen.insert(try #require(names[future])) }
    #expect(seen == ["0", "1", "2", "3"])
    let first = pool.submit(double, 1)
    let equal = pool.submit(double, 1)
    #expect(first != equal && Set([first, first, equal]).count == 2)
    let (done, notDone) = wait(for: Set([first, equal]))
    #expect(done.contains(first) && Set(done) == [first, equal])
    #expect(notDone == [])
    pool.shutdown()
  }

  @Test func futuresOfDifferentTypesAreWaitedForTogether() throws {
    let number = pool.submit(double, 1)
    let text = pool.submit { "two" }
    let procedure = pool.submit {}
    wait(for: [number, text, procedure])
    #expect(number.isDone && text.isDone && procedure.isDone)
    #expect(Set(asCompleted([number, text])) == [number, text])
    pool.shutdown()
  }

  @Test func aMapThatMayFailIsACollectionUnderTry() throws {
    var sum = 0
    for value in try pool.map(0..<3, refuseNothing) { sum += value }
    for value in try pool.map(0..<3, timeout: .seconds(60), bufferSize: 1, double) { sum += value }
    #expect(sum == 9)
    #expect(try Array(pool.map([1, 3], refuse)) == [1, 3])
    #expect(try pool.map([3, 1], refuse).sorted() == [1, 3])
    let values: [Int] = try pool.map([1, 3]) { try refuse($0) }
    #expect(values == [1, 3])
    pool.shutdown()
  }

  @Test func theFirstErrorOfAMapIsThrownWhereACollectionIsWanted() {
    #expect(throws: Oops.self) { for value in try pool.map(1...3, refuse) { Issue.record("given: \(value)") } }
    #expect(throws: Oops.self) { try Array(pool.map(1...3, refuse)) }
    let gate = Gate()
    #expect(throws: TimeoutError.self) {
      for _ in try pool.map(1...3, timeout: .milliseconds(1), { _ in gate.pass() }) {}
    }
    gate.open()
    pool.shutdown()
  }

  @Test func descriptionsSayHowItStands() {
    let gate = Gate()
    let value = pool.submit(double, 1)
    let failure = pool.submit(refuse, 2)
    wait(for: [value, failure])
    let blocked = ThreadPool(maxWorkers: 1)
    blocked.submit { gate.pass() }
    let cancelled = blocked.submit(double, 1)
    #expect("\(cancelled)" == "Future<Int>(pending)")
    cancelled.cancel()
    #expect("\(value) \(failure)" == "Future<Int>(returned Int) Future<Int>(threw Oops)")
    #expect("\(cancelled)" == "Future<Int>(cancelled)")
    gate.open()
    blocked.shutdown()
    #expect("\(pool)".hasSuffix(", maxWorkers: 2)"))
    pool.shutdown()
    #expect("\(pool)".hasSuffix(", maxWorkers: 2, shut down)"))
  }

  @Test func withoutACollectionWantedAMapStaysLazy() async throws {
    let results = pool.map(1..., bufferSize: 2, refuse)
    #expect(try await results.collectFirst() == 1)
    let endless = pool.map(1..., timeout: .seconds(60), bufferSize: 2, double)
    #expect(try await endless.collectFirst() == 2)
    await pool.shutdown()
  }
}

private func refuseNothing(_ number: Int) throws -> Int { number }

extension MapResults {
  /// Only the lazy form has this.
  fileprivate func collectFirst() async throws -> Value? {
    for try await value in self { return value }
    return nil
  }
}
