import CSpindleTesting

/// How many bytes an object takes, without what the allocator adds.
package func memory(of object: AnyObject) -> Int {
  defer { extendLifetime(object) }
  return unsafe spindle_test_memory(Unmanaged.passUnretained(object).toOpaque())
}
