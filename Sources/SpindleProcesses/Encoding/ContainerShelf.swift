/// Keyed containers that are used again, by the type of their keys and how deep they are.
///
/// The standard library wraps each in a box of a generic type. To look that type up, and to allocate and free two objects, costs as much as
/// to encode half a dozen fields. So a box is kept when the value ends that it was made for, if nobody else has kept it.
// SAFETY: indices are below `count`, or were given out by `place`.
@safe struct ContainerShelf<Content: ShelfContent> {
  struct Place {
    /// The address of the type of the keys; 0 is none.
    var key: UInt = 0
    var isOpen = false
    /// Of the i-th place: which one was the i-th to be opened.
    var opened: UInt8 = 0
    var content: Content?
    /// A `KeyedEncodingContainer` or `KeyedDecodingContainer`, which is one reference to its box.
    var box: AnyObject?
  }

  private static var count: Int { 32 }
  private var places: UnsafeMutablePointer<Place>?
  private(set) var openCount = 0

  /// A place for a container, which is then open; negative when there is none.
  @inline(__always)
  mutating func open(_ key: Any.Type, level: Int) -> Int {
    if unsafe places == nil { makeRoom() }
    let key = UInt(bitPattern: ObjectIdentifier(key))
    var index = Int(truncatingIfNeeded: ((key &+ UInt(bitPattern: level)) &* 0x9E37_79B9_7F4A_7C15) >> 59)
    let place = unsafe places! + index
    if unsafe place.pointee.key != key || place.pointee.isOpen { index = search(key, from: index) }
    if index >= 0 {
      unsafe places![index].isOpen = true
      unsafe places![openCount].opened = UInt8(truncatingIfNeeded: index)
      openCount &+= 1
    }
    return index
  }

  /// The next place of that key which is not open, or one that is made free for it.
  @inline(never)
  private func search(_ key: UInt, from first: Int) -> Int {
    var free = -1
    for step in 0..<4 {
      let index = (first + step) % Self.count
      if unsafe places![index].isOpen { continue }
      if unsafe places![index].key == key { return index }
      if unsafe free < 0 || (places![free].key != 0 && places![index].key == 0) { free = index }
    }
    if free >= 0 { unsafe clear(places! + free, for: key) }
    return free
  }

  @inline(__always)
  subscript(index: Int) -> Place {
    unsafeAddress { unsafe UnsafePointer(places! + index) }
    nonmutating unsafeMutableAddress { unsafe places! + index }
  }

  /// The containers that were opened since then are over.
  @inline(__always)
  mutating func close(downTo kept: Int) {
    while openCount > kept {
      openCount &-= 1
      let place = unsafe places! + Int(places![openCount].opened)
      unsafe place.pointee.isOpen = false
      if unsafe isKnownUniquelyReferenced(&place.pointee.box) {
        unsafe place.pointee.content?.end()
      } else {
        unsafe letGo(place)
      }
    }
  }

  @inline(never)
  private mutating func makeRoom() {
    let memory = UnsafeMutablePointer<Place>.allocate(capacity: Self.count)
    unsafe memory.initialize(repeating: Place(), count: Self.count)
    unsafe places = memory
  }

  private func clear(_ place: UnsafeMutablePointer<Place>, for key: UInt) {
    unsafe place.pointee.key = key
    unsafe place.pointee.content = nil
    unsafe place.pointee.box = nil
  }

  /// Somebody has kept the container: it is theirs.
  @inline(never)
  private func letGo(_ place: UnsafeMutablePointer<Place>) {
    unsafe place.pointee.content?.leaveShelf()
    unsafe clear(place, for: 0)
  }

  func free() {
    guard let places = unsafe places else { return }
    unsafe places.deinitialize(count: Self.count)
    unsafe places.deallocate()
  }
}

/// What a container on a shelf refers to. It does not keep the state alive, whose the shelf is, until it has left that.
protocol ShelfContent: AnyObject {
  func leaveShelf()
  /// Forgets what it was used for.
  func end()
}
