/// Values one on the other. An array would check bounds, uniqueness and exclusivity at every use.
// SAFETY: indices are those of values that are there.
@safe struct Stack<Element> {
  private var base: UnsafeMutablePointer<Element>?
  private(set) var count = 0
  private var capacity = 0

  @inline(__always)
  subscript(index: Int) -> Element {
    unsafeAddress { unsafe UnsafePointer(base! + index) }
    nonmutating unsafeMutableAddress { unsafe base! + index }
  }

  @inline(__always)
  mutating func append(_ element: consuming Element) {
    if count == capacity { grow() }
    unsafe (base! + count).initialize(to: element)
    count &+= 1
  }

  @inline(__always)
  mutating func remove(downTo kept: Int) {
    while count > kept {
      count &-= 1
      unsafe (base! + count).deinitialize(count: 1)
    }
  }

  @inline(never)
  private mutating func grow() {
    let more = max(8, capacity * 2)
    let memory = UnsafeMutablePointer<Element>.allocate(capacity: more)
    if let base = unsafe base {
      unsafe memory.moveInitialize(from: base, count: count)
      unsafe base.deallocate()
    }
    unsafe base = memory
    capacity = more
  }

  mutating func free() {
    guard let base = unsafe base else { return }
    remove(downTo: 0)
    unsafe base.deallocate()
  }
}
