import CSpindle
import CSpindleTesting

/// What the kernel calls the calling thread.
func ownKernelName() -> String {
  var name = [CChar](repeating: 0, count: 32)
  unsafe spindle_test_thread_name(&name, 32)
  return String(decoding: name.prefix { $0 != 0 }.map(UInt8.init(bitPattern:)), as: UTF8.self)
}

func ownThreadID() -> Int32 { spindle_thread_id() }

/// The ids of the threads of this process.
func kernelThreads() -> [Int32] {
  var ids = [Int32](repeating: 0, count: 4096)
  let count = unsafe spindle_test_threads(&ids, 4096)
  return Array(ids.prefix(Int(count)))
}
