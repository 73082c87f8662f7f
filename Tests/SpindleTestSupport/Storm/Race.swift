import CSpindleTesting

/// Runs `body` on `threads` threads of the operating system that start at once, and joins them all.
///
///     let sums = race(threads: 4) { index in work(index) }
///
/// Returns the results in the order of the threads. When bodies throw, all threads are still joined, then the error of
/// the lowest numbered one is thrown. Plain pthreads behind a gate: nothing here rests on what is tested.
package func race<Result: Sendable, Failure: Error>(
  threads count: Int, _ body: @Sendable (Int) throws(Failure) -> Result
) throws(Failure) -> [Result] {
  precondition(count >= 0, "a race of fewer than no threads")
  var results = [Swift.Result<Result, Failure>?](repeating: nil, count: count)
  // SAFETY: each thread writes its own element; all have been joined when the buffer is read and the closure ends.
  unsafe results.withUnsafeMutableBufferPointer { buffer in
    let slots = unsafe Slots(base: buffer.baseAddress)
    let error = withoutActuallyEscaping(body) { body in
      let runner = Runner { index in
        do throws(Failure) {
          unsafe slots.base![index] = .success(try body(index))
        } catch {
          unsafe slots.base![index] = .failure(error)
        }
      }
      let error = unsafe spindle_race(
        UInt32(count),
        { unsafe Unmanaged<Runner>.fromOpaque($0!).takeUnretainedValue().run(Int($1)) },
        Unmanaged.passUnretained(runner).toOpaque())
      extendLifetime(runner)
      return error
    }
    if error != 0 { fatalError("cannot start \(count) threads: error \(error)") }
  }
  var values: [Result] = []
  for result in results { values.append(try result!.get()) }
  return values
}

/// The same for bodies without a result.
package func race<Failure: Error>(
  threads count: Int, _ body: @Sendable (Int) throws(Failure) -> Void
) throws(Failure) {
  let _: [Void] = try race(threads: count, body)
}

private final class Runner: Sendable {
  let run: @Sendable (Int) -> Void
  init(_ run: @escaping @Sendable (Int) -> Void) { self.run = run }
}

@unsafe private struct Slots<Element>: @unchecked Sendable {
  let base: UnsafeMutablePointer<Element>?
}
